"""The five uses of a message queue, with kafka-python on one broker. Arguments: HOST:PORT PREFIX."""

import sys, threading, time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

broker, prefix = sys.argv[1:]
# For anything that has to come: a loaded machine.
PATIENCE_S = 60
# kafka-python 3.0.12 loses an assignment whose answer (SyncGroup) comes when the poll that has asked for it is over: it then asks
# for nothing more, whatever broker it is. With polls of 200 ms a third of its groups got nothing.
POLL_MS = 10_000


def producer():
    return KafkaProducer(bootstrap_servers=broker, acks="all", linger_ms=5)


def consumer(*topics, group, **more):
    return KafkaConsumer(
        *topics, bootstrap_servers=broker, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False, **more
    )


def send(topic, values, **more):
    with producer() as sender:
        sent = [sender.send(topic, value=value, **more) for value in values]
        return [one.get(timeout=PATIENCE_S) for one in sent]


def take(reader, count):
    """The next `count` records; fails when they do not come."""
    records, end = [], time.monotonic() + PATIENCE_S
    while len(records) < count:
        assert time.monotonic() < end, f"{len(records)} of {count} records"
        # What is taken here stays taken: poll gives no more than is still wanted.
        for batch in reader.poll(timeout_ms=POLL_MS, max_records=count - len(records)).values():
            records += batch
    return records


def numbers(name, count):
    return [b"%s %d" % (name.encode(), number) for number in range(count)]


def decoupling():
    """A consumer that comes later reads everything, and the producer has not noticed that nobody was there."""
    topic, values = f"{prefix}-orders", numbers("order", 500)
    send(topic, values[:400])
    reader = consumer(topic, group=f"{prefix}-late")
    assert sorted(record.value for record in take(reader, 400)) == sorted(values[:400])
    send(topic, values[400:])
    assert sorted(record.value for record in take(reader, 100)) == sorted(values[400:])
    reader.close()


def work_with_retries():
    """Work that fails goes to a retry topic, and after three attempts to one for people; nothing is lost or done twice."""
    work, retry, given_up = (f"{prefix}-{name}" for name in ("work", "retry", "given-up"))
    admin = KafkaAdminClient(bootstrap_servers=broker)
    admin.create_topics([NewTopic(name, 2, 1) for name in (work, retry, given_up)])
    # Apache Kafka's controller answers before its broker has heard of them.
    admin.wait_for_topics([work, retry, given_up], timeout_ms=PATIENCE_S * 1000)
    admin.close()
    send(work, numbers("job", 60), headers=[("attempts", b"0")])
    reader = consumer(work, retry, group=f"{prefix}-workers")
    sender, done, attempts = producer(), [], {}
    end = time.monotonic() + PATIENCE_S
    failed_for_good = 0
    while len(done) + failed_for_good < 60:
        assert time.monotonic() < end, f"{len(done)} done"
        for batch in reader.poll(timeout_ms=POLL_MS).values():
            for record in batch:
                number, tried = int(record.value.split()[1]), int(dict(record.headers)["attempts"])
                attempts[number] = attempts.get(number, 0) + 1
                # Every third job fails at first, every tenth always.
                if number % 10 == 0 or (number % 3 == 0 and tried == 0):
                    to = retry if tried < 2 else given_up
                    failed_for_good += to == given_up
                    headers = [("attempts", b"%d" % (tried + 1))]
                    sender.send(to, value=record.value, headers=headers).get(timeout=PATIENCE_S)
                else:
                    done.append(number)
        reader.commit()
    reader.close()
    sender.close()
    assert sorted(done) == [number for number in range(60) if number % 10], "each once"
    assert all(attempts[number] == (3 if number % 10 == 0 else 2 if number % 3 == 0 else 1) for number in range(60))
    people = consumer(given_up, group=f"{prefix}-people")
    assert {record.value for record in take(people, 6)} == {b"job %d" % number for number in range(0, 60, 10)}
    people.close()


def peak_shaving():
    """A burst is taken at once, and a slow consumer reads it at its own pace, in order, while its lag goes down to nothing."""
    topic = f"{prefix}-burst"
    answers = send(topic, numbers("click", 5000), key=b"one partition")
    assert [answer.offset for answer in answers] == list(range(5000))
    reader = consumer(topic, group=f"{prefix}-slow")
    lags, taken = [], []
    for _ in range(10):
        taken += take(reader, 500)
        reader.commit()
        partition = TopicPartition(topic, answers[0].partition)
        lags.append(reader.end_offsets([partition])[partition] - reader.committed(partition))
    assert [record.value for record in taken] == numbers("click", 5000)
    assert lags == list(range(4500, -1, -500)), lags
    reader.close()


def messaging():
    """A queue whose messages go to one of two workers each, and requests that get their own answers back."""
    questions, answers = f"{prefix}-questions", f"{prefix}-answers"
    send(questions, [b"hello"])
    send(answers, [b"hello"])
    stop, seen = threading.Event(), [[], []]

    def work(number):
        reader, sender = consumer(questions, group=f"{prefix}-oracles"), producer()
        while not stop.is_set():
            for batch in reader.poll(timeout_ms=1_000).values():
                for record in batch:
                    headers = dict(record.headers)
                    if "reply-to" not in headers:
                        continue
                    seen[number].append(record.value)
                    to, correlation = headers["reply-to"].decode(), [("correlation-id", headers["correlation-id"])]
                    sender.send(to, value=record.value[::-1], headers=correlation).get(timeout=PATIENCE_S)
            reader.commit()
        reader.close()
        sender.close()

    workers = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(2)]
    for worker in workers:
        worker.start()
    asker, sender = consumer(answers, group=f"{prefix}-asker"), producer()
    asked = {}
    for number in range(200):
        asked[b"%d" % number] = b"question %d" % number
        headers = [("reply-to", answers.encode()), ("correlation-id", b"%d" % number)]
        sender.send(questions, value=asked[b"%d" % number], headers=headers)
    sender.flush(timeout=PATIENCE_S)
    got = {}
    for record in take(asker, 201):
        correlation = dict(record.headers).get("correlation-id")
        if correlation is not None:
            assert correlation not in got, "answered once"
            got[correlation] = record.value
    stop.set()
    for worker in workers:
        worker.join(PATIENCE_S)
    assert got == {number: question[::-1] for number, question in asked.items()}
    assert sorted(seen[0] + seen[1]) == sorted(asked.values()), "each question went to one of the two"
    asker.close()
    sender.close()


def logs():
    """Several applications subscribe to the same lines, each at its own place; one reads them all again."""
    topic, lines = f"{prefix}-lines", numbers("line", 300)
    send(topic, lines)
    for application in ("search", "alarms", "archive"):
        reader = consumer(topic, group=f"{prefix}-{application}")
        assert sorted(record.value for record in take(reader, 300)) == sorted(lines), application
        reader.commit()
        if application == "archive":
            reader.seek_to_beginning()
            assert sorted(record.value for record in take(reader, 300)) == sorted(lines), "again"
        reader.close()


for use in (decoupling, work_with_retries, peak_shaving, messaging, logs):
    begun = time.monotonic()
    use()
    print(f"{use.__name__}: {time.monotonic() - begun:.1f} s", flush=True)
print("every use passed")
