"""Our broker beside Apache Kafka, both under kcat: uncompressed, and with lz4 from an idempotent producer."""

import shutil, sys
from programs import MIB, expect, kafka, ours, records, run

# What kcat is told to produce with; all wait for all replicas.
MODES = {"plain": ["-z", "none", "-X", "acks=all"], "lz4": ["-z", "lz4", "-X", "enable.idempotence=true"]}
# Rounds that warm a broker up before it is measured, in the same process: Java's compiler needs them.
WARM_UP = 2


def bench(sluice, file, lines, size, rounds, folder, log, table):
    """All figures of the broker as Markdown."""
    per_gib = (1 << 30) / size
    columns = [("start to first answer, s", "start", 1, 3)]
    for mode, title in (("plain", "uncompressed"), ("lz4", "lz4, idempotent")):
        columns += [
            (f"produce {title}, broker's CPU s per GiB", f"{mode}_produce_cpu", per_gib, 2),
            (f"wall s per GiB", f"{mode}_produce", per_gib, 2),
            (f"consume {title}, broker's CPU s per GiB", f"{mode}_consume_cpu", per_gib, 2),
        ]
    columns += [
        ("idle, MiB (anonymous)", "idle", 1 / MIB, 1),
        ("peak, MiB (anonymous)", "anonymous", 1 / MIB, 1),
        ("peak, MiB (all resident)", "peak", 1 / MIB, 1),
    ]
    measured = measure(sluice, file, lines, rounds, folder, log)
    return (
        f"## A broker under kcat, four partitions, acks=all, warmed up by {WARM_UP} rounds\n\n{table(measured, columns)}\n\n"
        "Our broker flushes to disk before it acknowledges; Apache Kafka, as it comes, does not. Its heap is 1 GiB, "
        "as its start script sets it, and it always looks into compressed batches (`validate.compressed`). The wall time of produce and consume is mostly kcat's own work."
    )


def measure(sluice, file, lines, rounds, folder, log):
    starts = {
        "sluice broker": lambda: ours(sluice, f"{folder}/broker", log),
        "sluice broker, validate.compressed": lambda: ours(
            sluice, f"{folder}/broker", log, "--set", "validate.compressed=true"
        ),
        "Apache Kafka": lambda: kafka(f"{folder}/kafka", log),
    }
    measured = {}
    for name, start in starts.items():
        server = start()
        begun = {"start": server.start, "idle": server.memory.now()}
        all_rounds = []
        for number in range(WARM_UP + rounds):
            figures = dict(begun)
            for mode, flags in MODES.items():
                figures |= once(name, server, f"bench-{mode}-{number}", mode, flags, file, lines)
            all_rounds.append(figures)
        anonymous, peak = server.end()
        measured[name] = [figures | {"anonymous": anonymous, "peak": peak} for figures in all_rounds[WARM_UP:]]
        for old in (f"{folder}/broker", f"{folder}/kafka"):
            shutil.rmtree(old, ignore_errors=True)
    return measured


def once(name, server, topic, mode, flags, file, lines):
    broker = f"127.0.0.1:{server.port}"
    before = server.cpu()
    produced = run(["kcat", "-P", "-b", broker, "-t", topic, *flags, "-l", file])
    between = server.cpu()
    expect(name, records(server.port, topic, 4), lines)
    begun = server.cpu()
    consumed = run(["kcat", "-C", "-b", broker, "-t", topic, "-o", "beginning", "-e", "-q"])
    print(f"{name} {topic}: produce {produced['wall']:.2f} s, consume {consumed['wall']:.2f} s", file=sys.stderr)
    return {
        f"{mode}_produce": produced["wall"],
        f"{mode}_produce_cpu": between - before,
        f"{mode}_consume": consumed["wall"],
        f"{mode}_consume_cpu": server.cpu() - begun,
    }
