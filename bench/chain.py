"""The whole chain, from a file to a bulk endpoint that stores nothing: ours and rsyslog's."""

import shutil, time
from parts import Endpoint
from programs import MIB, create, in_turns
from rsyslog import Rsyslog

# What Fluent Bit 5.1 took for the same kind of log, from file to such an endpoint with its regex parser, when it could be had.
FLUENT_BIT_CPU_PER_GIB = 24


def chain(parts, name, start, lines):
    """From a file through a broker of ours to the endpoint: CPU of the broker and of the parts that `start` gives."""
    server = parts.broker(name)
    endpoint = Endpoint(parts)
    create(server.port, "chain")
    begin = time.monotonic()
    running = start(server.port, endpoint)
    endpoint.wait(lines)
    cpu, broker = sum(part.cpu() for part in running), server.cpu()
    figures = {"cpu": cpu + broker, "broker": broker, "wall": time.monotonic() - begin}
    for part in running:
        part.end()
    endpoint.end()
    parts.end(server)
    shutil.rmtree(f"{parts.folder}/{name}", ignore_errors=True)
    return figures


def measure(parts, file, lines, size, rounds, table):
    """Both, as a table."""
    ways = {
        "sluice: agent, broker, worker": lambda port, endpoint: [
            parts.worker(port, "chain", "chain", endpoint.url), parts.agent(port, "chain", file),
        ],
        "rsyslog, our broker, rsyslog": lambda port, endpoint: [
            Rsyslog(parts, port, "chain", file, endpoint.port, "chain"),
        ],
    }
    measured = {name: [] for name in ways}
    for number, place, name in in_turns(ways, rounds):
        measured[name].append(chain(parts, f"chain-{number}-{place}", ways[name], lines))
    for rows in measured.values():
        for row in rows:
            row["speed"] = size / MIB / row["wall"]
    per_gib = (1 << 30) / size
    columns = [
        ("CPU of all, s per GiB of log", "cpu", per_gib, 2), ("broker's part", "broker", per_gib, 2), ("MiB/s", "speed", 1, 0),
    ]
    return (
        f"{table(measured, columns)}\n\n"
        f"Fluent Bit 5.1, measured earlier from file to such an endpoint without a broker in between: "
        f"{FLUENT_BIT_CPU_PER_GIB} s per GiB. Debian does not have it. rsyslog parses with mmnormalize; it does not read the time."
    )
