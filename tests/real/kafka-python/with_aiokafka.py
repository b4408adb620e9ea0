"""aiokafka on one broker: every codec, produced (idempotent, too) and consumed, in a group. Arguments: HOST:PORT PREFIX."""

import asyncio, sys, time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, __version__
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

CODECS = [None, "gzip", "snappy", "lz4", "zstd"]
PARTITIONS = 3
RECORDS = 200
SECONDS_MAX = 120
# For one answer to become the wanted one; a group waits 45 seconds for a member that it lost.
PATIENCE_S = 60


async def eventually(what, wanted, ask):
    """Asks again until the answer is the wanted one: brokers answer what changes something before all of them know."""
    end = time.monotonic() + PATIENCE_S
    while (got := await ask()) != wanted:
        assert time.monotonic() < end, f"{what}, not within {PATIENCE_S} s: want {wanted}; got {got}"
        await asyncio.sleep(0.02)


async def produce(broker, topic, codec, idempotent):
    producer = AIOKafkaProducer(
        bootstrap_servers=broker, compression_type=codec, acks="all", enable_idempotence=idempotent, linger_ms=5
    )
    await producer.start()
    try:
        sent = []
        for number in range(RECORDS):
            key, headers = b"%s %d" % (str(idempotent).encode(), number), [("codec", str(codec).encode())]
            sent.append(await producer.send(topic, key=key, value=b"value of " + key, headers=headers))
        places = {(answer.partition, answer.offset) for answer in await asyncio.gather(*sent)}
        assert len(places) == RECORDS, f"{codec}: {len(places)} places"
    finally:
        await producer.stop()


async def consume(broker, group, topics):
    consumer = AIOKafkaConsumer(
        *topics, bootstrap_servers=broker, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        seen = {}
        wanted = len(topics) * 2 * RECORDS
        while len(seen) < wanted:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                for record in records:
                    assert (record.topic, record.key) not in seen, f"{record} came twice"
                    seen[record.topic, record.key] = record
                    assert record.value == b"value of " + record.key, record
                    codec = record.topic.rsplit("-", 1)[1].encode()
                    assert list(record.headers) == [("codec", codec)], record
        await consumer.commit()
        partitions = consumer.assignment()

        async def ends():
            return sum((await consumer.end_offsets(list(partitions))).values())

        async def committed():
            return sum([(await consumer.committed(partition)) or 0 for partition in partitions])

        await eventually("ends", wanted, ends)
        await eventually("committed", wanted, committed)
    finally:
        await consumer.stop()


async def main(broker, prefix):
    topics = [f"{prefix}-{codec}" for codec in CODECS]
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in topics])
        for codec, topic in zip(CODECS, topics):
            for idempotent in (False, True):
                await produce(broker, topic, codec, idempotent)
        await consume(broker, prefix, topics)

        async def missing_topics():
            return set(topics) - set(await admin.list_topics())

        async def missing_groups():
            return {(prefix, "consumer")} - set(await admin.list_consumer_groups())

        await eventually("missing topics", set(), missing_topics)
        await eventually("missing groups", set(), missing_groups)
        await admin.delete_topics(topics)
    finally:
        await admin.close()


asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), SECONDS_MAX))
print(f"every codec passed with {__version__}")
