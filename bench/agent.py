"""Our agent beside kcat, and beside `lz4 -1`, which only compresses: CPU, throughput, memory, delay."""

import os, shutil, statistics, subprocess, threading, time
from programs import MIB, Memory, create, expect, free_port, in_turns, kafka, ours, percentiles, records, run, steadily

KCAT, AGENT, PLAIN = "kcat -P -l", "sluice agent", "sluice agent, headers: none"
# Long enough for buffers to be given back, and for the positions to be flushed.
IDLE_SECONDS = 10
DELAY_SECONDS = 15
DELAY_LINES_PER_SECOND = 1000
# The first second pays for connections and files that are made.
DELAY_WARM_LINES = 1000


class Agent:
    """How an agent is started."""

    def __init__(self, sluice, folder):
        self.sluice = sluice
        self.folder = folder
        self.config = f"{folder}/no-headers.yaml"
        with open(self.config, "w") as file:
            file.write("agent:\n  headers: none\n")

    def command(self, port, topic, file, *flags, headers=True):
        config = [] if headers else ["--config", self.config]
        return [
            self.sluice, *config, "agent", *flags, "--broker", f"127.0.0.1:{port}", "--topic", topic,
            "--compression", "lz4", "--checkpoints", f"{self.folder}/checkpoints-{topic}-{port}",
            "--status-listen", f"127.0.0.1:{free_port()}", file,
        ]


def ship(agent, server, file, lines, rounds):
    """One row per program and round into one broker."""
    commands = {
        KCAT: lambda topic: ["kcat", "-P", "-b", f"127.0.0.1:{server.port}", "-t", topic, "-z", "lz4", "-l", file],
        AGENT: lambda topic: agent.command(server.port, topic, file, "--once"),
        PLAIN: lambda topic: agent.command(server.port, topic, file, "--once", headers=False),
    }
    measured = {name: [] for name in commands}
    for number, place, name in in_turns(commands, rounds):
        topic = f"round-{number}-{place}"
        create(server.port, topic)
        measured[name].append(run(commands[name](topic), cwd=agent.folder))
        expect(name, records(server.port, topic, 1), lines)
    return measured


def idle(agent, server, file, lines, log):
    """Anonymous memory of an agent that has shipped the file at full speed and follows it on."""
    create(server.port, "idle")
    process = subprocess.Popen(agent.command(server.port, "idle", file), cwd=agent.folder, stdout=log, stderr=log)
    memory = Memory(process.pid)
    while records(server.port, "idle", 1) < lines:
        time.sleep(0.2)
    time.sleep(IDLE_SECONDS)
    after = memory.now()
    peak = memory.end()
    process.terminate()
    process.wait()
    return {"idle": after, "anonymous": peak}


def delay(agent, server, log):
    """Seconds from the write of a line to the moment at which a kcat that consumes prints it."""
    file = f"{agent.folder}/delay-{server.port}.log"
    open(file, "w").close()
    create(server.port, "delay")
    following = subprocess.Popen(agent.command(server.port, "delay", file), cwd=agent.folder, stdout=log, stderr=log)
    consume = ["kcat", "-C", "-b", f"127.0.0.1:{server.port}", "-t", "delay", "-o", "beginning", "-q", "-u"]
    consumer = subprocess.Popen(consume, stdout=subprocess.PIPE, stderr=log)
    lines = DELAY_SECONDS * DELAY_LINES_PER_SECOND
    delays = []

    def read():
        for line in consumer.stdout:
            delays.append(time.monotonic() - float(line.split(b" ", 1)[0]))
            if len(delays) == lines:
                return

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    with open(file, "ab", buffering=0) as out:
        for number in steadily(lines, DELAY_LINES_PER_SECOND):
            out.write(f"{time.monotonic():.6f} GET /item/{number} HTTP/1.1 200 {'x' * 150}\n".encode())
    reader.join(30)
    for process in (following, consumer):
        process.terminate()
        process.wait()
    expect("delay", len(delays), lines)
    return percentiles(delays[DELAY_WARM_LINES:])


def per_round(rows, others, field, figure):
    """`figure` of a row and another row in the same round, e.g. their quotient."""
    return [dict(row, **{field: figure(row, other)}) for row, other in zip(rows, others)]


def bench(sluice, file, lines, size, rounds, folder, log, table):
    """All figures of the agent as Markdown."""
    agent = Agent(sluice, folder)
    per_gib = (1 << 30) / size
    parts = []
    lz4 = [run(["lz4", "-1", "-f", "-q", file, "/dev/null"]) for _ in range(rounds)]
    starts = {
        "Our broker": lambda: ours(sluice, f"{folder}/broker-for-agent", log),
        "Apache Kafka": lambda: kafka(f"{folder}/kafka-for-agent", log),
    }
    for where, start in starts.items():
        server = start()
        measured = ship(agent, server, file, lines, rounds)
        for name, rows in measured.items():
            rows = per_round(rows, measured[KCAT], "to_kcat", lambda row, kcat: row["cpu"] / kcat["cpu"])
            rows = per_round(rows, measured[KCAT], "faster", lambda row, kcat: kcat["wall"] / row["wall"])
            rows = per_round(rows, lz4, "to_lz4", lambda row, lz4: row["cpu"] / lz4["cpu"])
            measured[name] = [dict(row, speed=size / MIB / row["wall"]) for row in rows]
        columns = [
            ("CPU, s per GiB", "cpu", per_gib, 2),
            ("CPU, of kcat's", "to_kcat", 1, 2),
            ("CPU, of `lz4 -1`'s", "to_lz4", 1, 2),
            ("MiB/s", "speed", 1, 0),
            ("speed, of kcat's", "faster", 1, 2),
            ("peak memory, MiB (anonymous)", "anonymous", 1 / MIB, 1),
        ]
        parts.append(f"## File to {where}, one partition, lz4, acks=all\n\n{table(measured, columns)}")
        rest = {"sluice agent": [idle(agent, server, file, lines, log) | delay(agent, server, log)]}
        columns = [
            (f"idle memory {IDLE_SECONDS} s after full speed, MiB (anonymous)", "idle", 1 / MIB, 1),
            ("write to record read, median, ms", "p50", 1000, 1),
            ("99th percentile, ms", "p99", 1000, 1),
            ("most, ms", "most", 1000, 1),
        ]
        parts.append(table(rest, columns))
        server.end()
        for old in os.listdir(folder):
            if old.endswith("-for-agent"):
                shutil.rmtree(f"{folder}/{old}", ignore_errors=True)
    median = statistics.median(row["cpu"] for row in lz4) * per_gib
    parts.append(
        f"`lz4 -1` alone takes {median:.2f} s of CPU per GiB for these bytes. Delay: {DELAY_LINES_PER_SECOND} lines a "
        f"second for {DELAY_SECONDS} s, read by kcat; our broker flushes to disk before a consumer may read."
    )
    return "\n\n".join(parts)
