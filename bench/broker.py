"""Our broker beside Apache Kafka, both under kcat."""

import shutil
from programs import MIB, expect, kafka, ours, records, run


def bench(sluice, file, lines, size, rounds, folder, log, table):
    """All figures of the broker as Markdown."""
    per_gib = (1 << 30) / size
    columns = [
        ("start to first answer, s", "start", 1, 3),
        ("produce, s per GiB", "produce", per_gib, 2),
        ("broker's CPU for it, s per GiB", "produce_cpu", per_gib, 2),
        ("consume, s per GiB", "consume", per_gib, 2),
        ("broker's CPU for it, s per GiB", "consume_cpu", per_gib, 2),
        ("idle, MiB (anonymous)", "idle", 1 / MIB, 1),
        ("peak, MiB (anonymous)", "anonymous", 1 / MIB, 1),
        ("peak, MiB (all resident)", "peak", 1 / MIB, 1),
    ]
    measured = measure(sluice, file, lines, rounds, folder, log)
    return (
        f"## A broker under kcat, four partitions, lz4, acks=all\n\n{table(measured, columns)}\n\n"
        "Our broker flushes to disk before it acknowledges; Apache Kafka, as it comes, does not. Its heap is 1 GiB, "
        "as its start script sets it. The wall time of produce and consume is mostly kcat's own work."
    )


def measure(sluice, file, lines, rounds, folder, log):
    measured = {"sluice broker": [], "Apache Kafka": []}
    for number in range(rounds):
        starts = {
            "sluice broker": lambda: ours(sluice, f"{folder}/broker-{number}", log),
            "Apache Kafka": lambda: kafka(f"{folder}/kafka-{number}", log),
        }
        for name in sorted(starts, reverse=number % 2 == 1):
            server = starts[name]()
            broker = f"127.0.0.1:{server.port}"
            figures = {"start": server.start, "idle": server.memory.now()}
            before = server.cpu()
            produced = run(["kcat", "-P", "-b", broker, "-t", "bench", "-z", "lz4", "-l", file])
            between = server.cpu()
            expect(name, records(server.port, "bench", 4), lines)
            consumed = run(["kcat", "-C", "-b", broker, "-t", "bench", "-o", "beginning", "-e", "-q"])
            figures |= {"produce": produced["wall"], "produce_cpu": between - before}
            figures |= {"consume": consumed["wall"], "consume_cpu": server.cpu() - between}
            figures["anonymous"], figures["peak"] = server.end()
            measured[name].append(figures)
        for old in (f"{folder}/broker-{number}", f"{folder}/kafka-{number}"):
            shutil.rmtree(old, ignore_errors=True)
    return measured
