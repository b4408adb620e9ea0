"""Our broker beside Apache Kafka under many producers, partitions, connections and topics, with plots of how cost grows.

The load comes from `tests/real/client load` (franz-go): producers at a steady rate, each its own connection, acks=all. A
record's delay counts from the time at which it was due, so that a stall is seen by all that come in it.
"""

import json, os, shutil, statistics, subprocess, sys, time
from programs import MIB, ROOT, create, expect, kafka, metrics, ours, records, run

# The figure: 16 producers at 1,000 records a second each.
PRODUCERS, RATE, SECONDS = 16, 1000, 10
# Java's compiler needs it.
WARM_UP_SECONDS = 15
PARTITIONS = [1, 4, 16, 64, 256]
# Connections that share one rate of records.
CONNECTIONS = [4, 16, 64, 256, 1000]
RECORDS_PER_SECOND, CONNECTION_SECONDS = 8000, 4
TOPICS, TOPIC_SECONDS = 1000, 5
FLUSHES = 200
COLOURS = {"sluice broker": "#06c", "Apache Kafka": "#c30"}


def flush_ms(folder):
    """Median milliseconds of an append of 4 KiB and fdatasync, one after the other."""
    times = []
    with open(f"{folder}/flushes", "wb", buffering=0) as file:
        for _ in range(FLUSHES):
            begin = time.monotonic()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            times.append(time.monotonic() - begin)
    return statistics.median(times) * 1000


def flushes(server):
    """Seconds of all rounds of flushes so far, and their number; a broker of Java does not say."""
    if server.status is None:
        return 0, 0
    said = metrics(server.status)
    return said["sluice_broker_flush_seconds_sum"], said["sluice_broker_flush_seconds_count"]


def load(server, prefix, topics, partitions, producers, rate, seconds):
    """Runs the producers to their end; gives what they say, and the broker's CPU seconds."""
    begun, flushed = server.cpu(), flushes(server)
    numbers = [str(number) for number in (topics, partitions, producers, rate, seconds)]
    command = [f"{ROOT}/tests/real/client", "load", f"127.0.0.1:{server.port}", prefix, *numbers]
    said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    seconds, rounds = (after - before for after, before in zip(flushes(server), flushed))
    said |= {"cpu": server.cpu() - begun, "memory": server.memory.now() / MIB, "flush_ms": seconds / max(rounds, 1) * 1000}
    print(f"{prefix}: {said}", file=sys.stderr)
    return said


def bench(sluice, file, lines, size, rounds, folder, log, table):
    """All figures as Markdown; the plots go to bench/results/broker_growth.svg."""
    flush = flush_ms(folder)
    starts = {
        "sluice broker": lambda: ours(sluice, f"{folder}/broker", log),
        "Apache Kafka, flush.messages=1": lambda: kafka(f"{folder}/kafka", log, "log.flush.interval.messages=1"),
        "Apache Kafka": lambda: kafka(f"{folder}/kafka", log),
    }
    delays, grown = {}, {}
    for name, start in starts.items():
        server = start()
        load(server, "warm", 1, 4, PRODUCERS, RATE, WARM_UP_SECONDS)
        delays[name] = [load(server, f"delay{n}", 1, 4, PRODUCERS, RATE, SECONDS) for n in range(rounds)]
        if name in COLOURS:
            grown[name] = growth(name, server, file, lines, size)
        server.end()
        for old in (f"{folder}/broker", f"{folder}/kafka"):
            shutil.rmtree(old, ignore_errors=True)
    for all_rounds in delays.values():
        for figures in all_rounds:
            figures["cpu_per_million"] = figures["cpu"] * 1e6 / figures["records"]
    plot(f"{ROOT}/bench/results/broker_growth.svg", grown)
    return "\n\n".join([
        f"## {PRODUCERS} producers of {RATE:,} records a second each, four partitions, acks=all",
        table(delays, [
            ("p50, ms", "p50_ms", 1, 2), ("p99, ms", "p99_ms", 1, 2), ("most, ms", "max_ms", 1, 1), ("a flush meanwhile, mean, ms", "flush_ms", 1, 2),
            ("broker's CPU s per million records", "cpu_per_million", 1, 2),
        ]),
        f"One flush (4 KiB appended, fdatasync) takes {flush:.2f} ms here, median of {FLUSHES}, with nothing else running. Each producer sends what it has as "
        "soon as it may. Apache Kafka, as it comes, acknowledges without a flush.",
        "## Partitions, connections, topics",
        growth_text(grown),
        "![cost by partitions and connections](broker_growth.svg)",
    ])


def growth(name, server, file, lines, size):
    """By partitions: kcat's throughput and the broker's CPU; by connections: CPU and delay; a thousand topics."""
    per_gib = (1 << 30) / size
    partitions, connections = {}, {}
    for count in PARTITIONS:
        topic = f"partitions-{count}"
        create(server.port, topic, count)
        begun = server.cpu()
        produced = run(["kcat", "-P", "-b", f"127.0.0.1:{server.port}", "-t", topic, "-z", "lz4", "-X", "acks=all", "-l", file])
        partitions[count] = {"cpu": (server.cpu() - begun) * per_gib, "mib_s": size / MIB / produced["wall"]}
        expect(name, records(server.port, topic, count), lines)
        print(f"{name} {topic}: {partitions[count]}", file=sys.stderr)
    for count in CONNECTIONS:
        rate = max(RECORDS_PER_SECOND // count, 1)
        figures = load(server, f"connections{count}", 1, 4, count, rate, CONNECTION_SECONDS)
        connections[count] = figures | {"cpu": figures["cpu"] * 1e6 / figures["records"]}
    try:
        topics = load(server, "topics", TOPICS, 1, PRODUCERS, RATE // 2, TOPIC_SECONDS)
    except subprocess.CalledProcessError as error:
        print(f"{name} {TOPICS} topics: {error.stderr}", file=sys.stderr)
        topics = None
    return {"partitions": partitions, "connections": connections, "topics": topics}


def growth_text(grown):
    rows = ["| | " + " | ".join(grown) + " |", "|-" * (len(grown) + 1) + "|"]
    row = lambda title, cell: rows.append(f"| {title} | " + " | ".join(cell(one) for one in grown.values()) + " |")
    for count in PARTITIONS:
        row(f"{count} partitions, kcat, lz4: MiB/s; broker's CPU s per GiB",
            lambda one: f"{one['partitions'][count]['mib_s']:.0f}; {one['partitions'][count]['cpu']:.2f}")
    for count in CONNECTIONS:
        row(f"{count} connections, {RECORDS_PER_SECOND:,} records a second in all: broker's CPU s per million records; p99, ms",
            lambda one: f"{one['connections'][count]['cpu']:.1f}; {one['connections'][count]['p99_ms']:.1f}")
    of_topics = lambda field: lambda one: f"{one['topics'][field]:.1f}" if one["topics"] else "failed"
    row(f"{TOPICS:,} topics: created in s", of_topics("create_seconds"))
    row(f"{TOPICS:,} topics, {PRODUCERS * RATE // 2:,} records a second: p99, ms", of_topics("p99_ms"))
    row("memory then, MiB (anonymous)", of_topics("memory"))
    return "\n".join(rows)


def plot(path, grown):
    out = [
        '<svg xmlns="http://www.w3.org/2000/svg" width="880" height="960" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    series = lambda kind, field: [
        (name, COLOURS[name], [figures[field] for figures in one[kind].values()]) for name, one in grown.items()
    ]
    panel(out, 40, "Broker's CPU seconds per GiB by partitions (kcat, lz4)", PARTITIONS, series("partitions", "cpu"))
    panel(out, 280, "MiB a second by partitions (kcat, lz4)", PARTITIONS, series("partitions", "mib_s"))
    of = f"{RECORDS_PER_SECOND:,} records a second in all"
    panel(out, 520, f"Broker's CPU seconds per million records by connections, {of}", CONNECTIONS, series("connections", "cpu"))
    panel(out, 760, f"p99 of acks=all by connections, ms, {of}", CONNECTIONS, series("connections", "p99_ms"))
    out.append("</svg>")
    with open(path, "w") as file:
        file.write("\n".join(out) + "\n")


def panel(out, top, title, places, series):
    """One plot over `places`, which stand at equal distances since each is a multiple of the one before."""
    left, width, height = 90, 760, 170
    most = max(value for _, _, values in series for value in values) or 1
    across = lambda number: left + width * number / (len(places) - 1)
    out.append(f'<text x="{left}" y="{top - 8}" font-weight="bold">{title}</text>')
    for part in (0, 0.5, 1):
        y = top + height * (1 - part)
        out.append(f'<line x1="{left}" y1="{y:.1f}" x2="{left + width}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{most * part:,.2f}</text>')
    for number, place in enumerate(places):
        out.append(f'<text x="{across(number):.1f}" y="{top + height + 18}" text-anchor="middle">{place}</text>')
    for number, (name, colour, values) in enumerate(series):
        path = " ".join(f"{across(at):.1f},{top + height * (1 - value / most):.1f}" for at, value in enumerate(values))
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        x = left + width - 150 * (len(series) - number) + 20
        out.append(f'<line x1="{x}" y1="{top - 12}" x2="{x + 18}" y2="{top - 12}" stroke="{colour}" stroke-width="2"/>')
        out.append(f'<text x="{x + 24}" y="{top - 8}">{name}</text>')
