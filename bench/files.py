"""Our agent with many files: ten thousand idle ones and ten hot ones, and a hundred slow ones beside one at full speed."""

import os, shutil, subprocess, threading, time
from programs import MIB, Memory, cpu_of, create, expect, free_port, metrics, ours, percentiles, records, steadily

IDLE_FILES = 10_000
HOT_FILES = 10
HOT_LINES_PER_SECOND = 10
# Long enough for buffers to be given back, and for ticks of 10 ms to be a small part.
IDLE_SECONDS = 20
SLOW_FILES = 100
SLOW_SECONDS = 10
# Never more than this ahead, so that the disk suffices.
HOT_BLOCK = (b"h" * 8191 + b"\n") * 512
HOT_LAG_MAX = 64 * MIB


class Following:
    """An agent that follows a folder, and its status page."""

    def __init__(self, sluice, port, topic, folder, log):
        self.status = free_port()
        command = [sluice, "agent", "--broker", f"127.0.0.1:{port}", "--topic", topic, f"{folder}/*.log"]
        more = ["--checkpoints", f"{folder}-checkpoints", "--status-listen", f"127.0.0.1:{self.status}"]
        self.process = subprocess.Popen(command + more, stdout=log, stderr=log)
        self.memory = Memory(self.process.pid)
        wait_for(self.answers)

    def answers(self):
        try:
            return self.metric("lag_bytes") >= 0
        except OSError:
            assert self.process.poll() is None, "the agent has ended"
            return False

    def metric(self, name):
        return metrics(self.status)[f"sluice_agent_{name}"]

    def cpu(self):
        return cpu_of(self.process.pid)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def end(self):
        self.process.terminate()
        self.process.wait()


def wait_for(condition):
    while not condition():
        time.sleep(0.02)


def idle(sluice, server, folder, log):
    """Start, memory, descriptors and CPU with many idle files, then with some that are written to."""
    logs = f"{folder}/idle-logs"
    os.mkdir(logs)
    for number in range(IDLE_FILES):
        with open(f"{logs}/{number}.log", "w") as file:
            file.write(f"file {number}\n")
    create(server.port, "idle-files")
    begin = time.monotonic()
    agent = Following(sluice, server.port, "idle-files", logs, log)
    wait_for(lambda: records(server.port, "idle-files", 1) >= IDLE_FILES)
    start = time.monotonic() - begin
    wait_for(lambda: agent.metric("lag_bytes") == 0)
    time.sleep(IDLE_SECONDS / 2)

    def share(seconds, work=lambda: None):
        begin, before = time.monotonic(), agent.cpu()
        while time.monotonic() - begin < seconds:
            work()
            time.sleep(1 / HOT_LINES_PER_SECOND)
        return (agent.cpu() - before) / (time.monotonic() - begin) * 100

    idle_cpu, idle_memory = share(IDLE_SECONDS), agent.memory.now()
    files = [open(f"{logs}/{number}.log", "ab", buffering=0) for number in range(HOT_FILES)]
    hot_cpu = share(IDLE_SECONDS, lambda: [file.write(b"a line of a hot file\n") for file in files])
    wait_for(lambda: agent.metric("lag_bytes") == 0)
    figures = {
        "start": start, "idle_cpu": idle_cpu, "idle": idle_memory, "hot_cpu": hot_cpu,
        "descriptors": agent.descriptors(), "peak": agent.memory.end(),
    }
    agent.end()
    return figures


def slow(sluice, server, folder, log):
    """Delays of slow files' lines, from their write until they are in the topic, beside a file at full speed. The broker
    notes the time (LogAppendTime): a consumer falls behind the file at full speed."""
    logs = f"{folder}/slow-logs"
    os.mkdir(logs)
    create(server.port, "slow-files")
    agent = Following(sluice, server.port, "slow-files", logs, log)
    consume = f"kcat -C -b 127.0.0.1:{server.port} -t slow-files -o beginning -q -u -f '%T %s\\n' | grep --line-buffered ' slow'"
    consumer = subprocess.Popen(consume, shell=True, stdout=subprocess.PIPE, stderr=log, process_group=0)
    delays, lines, stop = [], SLOW_FILES * SLOW_SECONDS, threading.Event()

    def read():
        for line in consumer.stdout:
            appended, _, written = line.split()
            delays.append(int(appended) / 1000 - float(written))
            if len(delays) == lines:
                return

    hot_bytes = 0

    def heat():
        nonlocal hot_bytes
        with open(f"{logs}/hot.log", "ab", buffering=0) as file:
            while not stop.is_set():
                if agent.metric("lag_bytes") < HOT_LAG_MAX:
                    for _ in range(4):
                        hot_bytes += file.write(HOT_BLOCK)
                else:
                    time.sleep(0.005)

    threads = [threading.Thread(target=work, daemon=True) for work in (read, heat)]
    for thread in threads:
        thread.start()
    wait_for(lambda: records(server.port, "slow-files", 1) > 0)
    files = [open(f"{logs}/{number}.log", "ab", buffering=0) for number in range(SLOW_FILES)]
    begin = time.monotonic()
    for number in steadily(lines, SLOW_FILES):
        files[number % SLOW_FILES].write(f"slow {time.time():.6f}\n".encode())
    took = time.monotonic() - begin
    hot = hot_bytes / took
    threads[0].join(60)
    stop.set()
    threads[1].join()
    os.killpg(consumer.pid, 15)
    consumer.wait()
    agent.end()
    expect("slow lines", len(delays), lines)
    return {"hot": hot} | percentiles(delays)


def bench(sluice, file, lines, size, rounds, folder, log, table):
    """All figures of many files as Markdown."""
    server = ours(sluice, f"{folder}/broker-for-files", log, "--set", "log.message.timestamp.type=LogAppendTime")
    many = {"sluice agent": [idle(sluice, server, folder, log)]}
    columns = [
        ("start until all is read, s", "start", 1, 1),
        ("idle CPU, %", "idle_cpu", 1, 2),
        ("CPU with hot ones, %", "hot_cpu", 1, 2),
        ("idle memory, MiB (anonymous)", "idle", 1 / MIB, 1),
        ("peak, MiB (anonymous)", "peak", 1 / MIB, 1),
        ("descriptors", "descriptors", 1, 0),
    ]
    title = f"## {IDLE_FILES} idle files, {HOT_FILES} hot ones of {HOT_LINES_PER_SECOND} lines a second"
    parts = [f"{title}\n\n{table(many, columns)}"]
    fair = {"sluice agent": [slow(sluice, server, folder, log)]}
    columns = [
        ("hot file, MiB/s", "hot", 1 / MIB, 0),
        ("slow ones: median delay, ms", "p50", 1000, 1),
        ("99th percentile, ms", "p99", 1000, 1),
        ("most, ms", "most", 1000, 1),
    ]
    title = f"## {SLOW_FILES} slow files of a line a second beside one at full speed, one partition"
    parts.append(f"{title}\n\n{table(fair, columns)}")
    server.end()
    for old in os.listdir(folder):
        if old.endswith(("-for-files", "-logs", "-logs-checkpoints")):
            shutil.rmtree(f"{folder}/{old}", ignore_errors=True)
    return "\n\n".join(parts)
