"""kafka-python on one broker: every codec, produced and consumed, in a group too. Arguments: HOST:PORT PREFIX."""

import sys, time

from kafka import KafkaConsumer, KafkaProducer, TopicPartition, __version__

RECORDS = 200
broker, prefix = sys.argv[1:]
# For one answer to become the wanted one.
PATIENCE_S = 60


def eventually(what, wanted, ask):
    """Asks again until the answer is the wanted one: brokers answer what changes something before all of them know."""
    end = time.monotonic() + PATIENCE_S
    while (got := ask()) != wanted:
        assert time.monotonic() < end, f"{what}, not within {PATIENCE_S} s: want {wanted}; got {got}"
        time.sleep(0.02)


for codec in [None, "gzip", "snappy", "lz4", "zstd"]:
    topic = f"{prefix}-{codec}"
    producer = KafkaProducer(bootstrap_servers=broker, compression_type=codec, acks="all", linger_ms=20)
    sent = [
        producer.send(topic, key=b"k%d" % number, value=b"value %d" % number, headers=[("codec", str(codec).encode())])
        for number in range(RECORDS)
    ]
    producer.flush(timeout=30)
    places = {(answer.partition, answer.offset) for answer in (one.get(timeout=30) for one in sent)}
    assert len(places) == RECORDS, f"{codec}: {len(places)} places"
    producer.close()
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=broker,
        group_id=f"{topic}-group",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        consumer_timeout_ms=60000,
    )
    seen = {}
    for record in consumer:
        seen[record.key] = record
        if len(seen) == RECORDS:
            break
    assert len(seen) == RECORDS, f"{codec}: {len(seen)} of {RECORDS} records"
    for number in range(RECORDS):
        record = seen[b"k%d" % number]
        assert record.value == b"value %d" % number, record
        assert list(record.headers) == [("codec", str(codec).encode())], record
    consumer.commit()
    partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
    eventually("ends", RECORDS, lambda: sum(consumer.end_offsets(partitions).values()))
    eventually("committed", RECORDS, lambda: sum(consumer.committed(partition) or 0 for partition in partitions))
    consumer.close()
print(f"every codec passed with {__version__}")
