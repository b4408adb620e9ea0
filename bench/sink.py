"""Worker and sink: from the topic to a bulk endpoint that stores nothing, the whole chain beside rsyslog, and real OpenSearch."""

import os, subprocess, time
import chain, delay, opensearch
from parts import Endpoint, Parts
from programs import MIB, ROOT, in_turns, ours


def from_topic(parts, server, lines, size, rounds, table):
    """Worker from topic to endpoint: CPU and speed, gzip off (as it comes towards an endpoint on this host) and on."""
    ways = {
        "as it comes (gzip off)": {},
        "gzip": {"compression": "gzip"},
        "gzip off, lines as they are": {"compression": "none", "pipeline": "none"},
        "gzip, lines as they are": {"compression": "gzip", "pipeline": "none"},
    }
    measured = {name: [] for name in ways}
    for number, place, name in in_turns(ways, rounds):
        endpoint = Endpoint(parts)
        begin = time.monotonic()
        worker = parts.worker(server.port, "bench", f"from-topic-{number}-{place}", endpoint.url, **ways[name])
        endpoint.wait(lines)
        wall, cpu = time.monotonic() - begin, worker.cpu()
        stats = endpoint.stats()
        worker.end()
        measured[name].append({
            "cpu": cpu, "wall": wall, "speed": size / MIB / wall, "sent": stats["body_bytes"] / size,
            "endpoint_cpu": endpoint.cpu(), "documents": lines / wall,
        })
        endpoint.end()
    per_gib = (1 << 30) / size
    return table(measured, [
        ("CPU, s per GiB of log", "cpu", per_gib, 2), ("MiB/s", "speed", 1, 0), ("documents/s", "documents", 1, 0),
        ("bytes sent, of the log's", "sent", 1, 2), ("CPU of the endpoint, s per GiB", "endpoint_cpu", per_gib, 2),
    ])


def bench(sluice, file, lines, size, rounds, folder, log, table):
    """All figures of the sink as Markdown."""
    build = ["cargo", "build", "--release", "--locked", "--package", "sink-elasticsearch", "--example", "null_bulk"]
    subprocess.run(build, cwd=ROOT, check=True)
    parts = Parts(sluice, f"{ROOT}/target/release/examples/null_bulk", folder, log)
    only = os.environ.get("SLUICE_BENCH_SINK", "topic,chain,delay,opensearch").split(",")
    began = time.monotonic()
    server = ours(sluice, f"{folder}/broker-for-sink", log)
    parts.load(server.port, "bench", file, lines)
    wanted = {
        "topic": (
            "Worker: topic to a bulk endpoint that stores nothing (COMBINEDAPACHELOG, date)",
            lambda: from_topic(parts, server, lines, size, rounds, table),
        ),
        "opensearch": (
            f"Into OpenSearch 3.8 with a heap of {opensearch.HEAP}, {lines} documents",
            lambda: opensearch.measure(parts, server, lines, size, rounds, table),
        ),
        "chain": (
            "The whole chain: file to a bulk endpoint that stores nothing",
            lambda: chain.measure(parts, file, lines, size, rounds, table),
        ),
        "delay": (
            f"Write of a line to its bulk request, {delay.LINES_PER_SECOND} lines a second for {delay.SECONDS} s",
            lambda: delay.measure(parts, table),
        ),
    }
    texts = []
    for name, (title, measure) in wanted.items():
        if name in only:
            texts.append(f"## {title}\n\n{attempt(parts, measure)}")
            print(f"{texts[-1]}\n", flush=True)
    server.end()
    texts.append(f"All of it took {time.monotonic() - began:.0f} s.")
    return "\n\n".join(texts)


def attempt(parts, measure):
    """What a part measured; one that fails says so in its place, and leaves what the others measured."""
    try:
        return measure()
    except (SystemExit, OSError, subprocess.CalledProcessError) as error:
        parts.end_all()
        return f"NOT MEASURED: {error}"
