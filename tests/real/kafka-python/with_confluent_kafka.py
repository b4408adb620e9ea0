"""librdkafka through confluent-kafka on one broker: every codec, produced (idempotent, too) and consumed, in a group.

Arguments: HOST:PORT PREFIX."""

import sys, time

from confluent_kafka import Consumer, Producer, libversion
from confluent_kafka.admin import AdminClient, NewTopic

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
PARTITIONS = 3
RECORDS = 200
SECONDS_MAX = 120
broker, prefix = sys.argv[1:]
topics = [f"{prefix}-{codec}" for codec in CODECS]
# For one answer to become the wanted one; a group waits 45 seconds for a member that it lost.
PATIENCE_S = 60


def eventually(what, wanted, ask):
    """Asks again until the answer is the wanted one: brokers answer what changes something before all of them know."""
    end = time.monotonic() + PATIENCE_S
    while (got := ask()) != wanted:
        assert time.monotonic() < end, f"{what}, not within {PATIENCE_S} s: want {wanted}; got {got}"
        time.sleep(0.02)


def produce(topic, codec, idempotent):
    places = set()

    def answered(error, record):
        assert error is None, error
        places.add((record.partition(), record.offset()))

    configs = {"compression.type": codec, "enable.idempotence": idempotent, "acks": "all"}
    producer = Producer({"bootstrap.servers": broker, **configs})
    for number in range(RECORDS):
        key = f"{idempotent} {number}".encode()
        producer.produce(topic, b"value of " + key, key, headers=[("codec", codec.encode())], on_delivery=answered)
    left = producer.flush(SECONDS_MAX)
    assert left == 0 and len(places) == RECORDS, f"{codec}: {left} left, {len(places)} places"


def consume(group):
    reset = {"auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer({"bootstrap.servers": broker, "group.id": group, **reset})
    consumer.subscribe(topics)
    seen, wanted, end = set(), len(topics) * 2 * RECORDS, time.monotonic() + SECONDS_MAX
    while len(seen) < wanted:
        assert time.monotonic() < end, f"{len(seen)} of {wanted} records"
        for record in consumer.consume(500, timeout=1):
            assert record.error() is None, record.error()
            place = (record.topic(), record.key())
            assert place not in seen, f"{place} came twice"
            seen.add(place)
            assert record.value() == b"value of " + record.key(), record.value()
            assert record.headers() == [("codec", record.topic().rsplit("-", 1)[1].encode())], record.headers()
    consumer.commit(asynchronous=False)
    # A partition without records has no committed offset, which is a negative number.
    committed = lambda: sum(max(one.offset, 0) for one in consumer.committed(consumer.assignment(), timeout=30))
    eventually("committed", wanted, committed)
    consumer.close()


admin = AdminClient({"bootstrap.servers": broker})
for made in admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in topics]).values():
    made.result(30)
for codec, topic in zip(CODECS, topics):
    for idempotent in (False, True):
        produce(topic, codec, idempotent)
consume(prefix)
eventually("missing topics", set(), lambda: set(topics) - set(admin.list_topics(timeout=30).topics))
eventually("members", [], lambda: admin.describe_consumer_groups([prefix])[prefix].result(30).members)
for gone in admin.delete_consumer_groups([prefix]).values():
    gone.result(30)
for gone in admin.delete_topics(topics).values():
    gone.result(30)
print(f"every codec passed with {libversion()[0]}")
