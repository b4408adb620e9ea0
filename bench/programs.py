"""Starts programs and measures them: wall and CPU seconds of a run, memory of one that goes on.

Also what several measurements have in common: turns, lines at a rate, bulk requests, the figures of delays.
"""

import http.client, mmap, os, socket, struct, subprocess, sys, threading, time, urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MIB = 1 << 20
START_SECONDS_MAX = 60
SAMPLE_SECONDS = 0.02
# Anything that takes longer is not measured.
WAIT_SECONDS_MAX = 300
TICKS = os.sysconf("SC_CLK_TCK")
# Bytes of free memory that are not touched beforehand, so that nothing has to make room.
LEFT_FREE = 512 * MIB


def touch_memory():
    """Uses all free memory once and gives it back. A virtual machine gets a page of memory from its host when it is first used, which
    takes two seconds of CPU for a GiB here, more than what is measured, from whichever program comes first."""
    with open("/proc/meminfo") as file:
        free = next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemFree:"))
    if free <= LEFT_FREE:
        return
    child = os.fork()
    if child == 0:
        mmap.mmap(-1, free - LEFT_FREE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
        os._exit(0)
    os.waitpid(child, 0)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def metadata_answers(port):
    """Whether a broker answers Metadata version 0 for all topics."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            body = struct.pack(">hhih5si", 3, 0, 7, 5, b"bench", 0)
            connection.sendall(struct.pack(">i", len(body)) + body)
            return len(connection.recv(8)) == 8
    except OSError:
        return False


def cpu_of(pid):
    """CPU seconds of a process until now."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def metrics(port):
    """What a program of ours shows at its status port: the value of each name with its labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


class Memory:
    """Samples the anonymous resident memory of a process until it ends."""

    def __init__(self, pid):
        self.pid = pid
        self.peak = 0
        self.stop = threading.Event()
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()

    def now(self, field="RssAnon"):
        with open(f"/proc/{self.pid}/status") as file:
            return next((int(line.split()[1]) * 1024 for line in file if line.startswith(field + ":")), 0)

    def watch(self):
        while not self.stop.wait(SAMPLE_SECONDS):
            try:
                self.peak = max(self.peak, self.now())
            except OSError:
                return

    def end(self):
        self.stop.set()
        self.watcher.join()
        return self.peak


def run(command, **more):
    """Runs to the end; gives wall seconds, CPU seconds and peak memory in bytes, all of it and the anonymous part."""
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **more)
    memory = Memory(process.pid)
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - begin
    anonymous = memory.end()
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{said.decode(errors='replace')}")
    cpu = usage.ru_utime + usage.ru_stime
    return {"wall": wall, "cpu": cpu, "peak": usage.ru_maxrss * 1024, "anonymous": anonymous}


class Server:
    """A broker in a process of its own, watched through /proc."""

    def __init__(self, command, port, log, environment=None, status=None):
        self.port = port
        # Port of metrics, where there are some.
        self.status = status
        begin = time.monotonic()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        while not metadata_answers(port):
            if self.process.poll() is not None or time.monotonic() - begin > START_SECONDS_MAX:
                sys.exit(f"{' '.join(command)[:200]} does not start; see {log.name}")
            time.sleep(0.002)
        self.start = time.monotonic() - begin
        self.memory = Memory(self.process.pid)

    def cpu(self):
        return cpu_of(self.process.pid)

    def end(self):
        """Ends it; gives its peak memory in bytes: the anonymous part, and all of it."""
        peaks = self.memory.end(), self.memory.now("VmHWM")
        self.process.terminate()
        self.process.wait()
        return peaks


def kafka(folder, log, properties=""):
    """Starts Apache Kafka; gives the server. The second start is the measured one: the first formats its storage."""
    port, second = free_port(), free_port()
    environment = {**os.environ, "KAFKA_PROPERTIES": properties}
    first = Server([f"{ROOT}/tests/real/run", "kafka", folder, str(port), str(second)], port, log, environment)
    with open(f"/proc/{first.process.pid}/cmdline", "rb") as file:
        command = file.read().decode().split("\0")[:-1]
    first.end()
    return Server(command, port, log)


def ours(sluice, folder, log, *flags):
    """Starts our broker."""
    port, status = free_port(), free_port()
    listen = ["--listen", f"127.0.0.1:{port}", "--status-listen", f"127.0.0.1:{status}"]
    return Server([sluice, "broker", *listen, *flags, "--data", folder], port, log, status=status)


def create(port, topic, partitions=1):
    command = ["org.apache.kafka.tools.TopicCommand", "--bootstrap-server", f"127.0.0.1:{port}", "--create"]
    run([f"{ROOT}/tests/real/kafka-tool", *command, "--topic", topic, "--partitions", str(partitions)])


def records(port, topic, partitions):
    ends = (f"{topic}:{partition}:-1" for partition in range(partitions))
    asked = [argument for end in ends for argument in ("-t", end)]
    said = subprocess.run(["kcat", "-b", f"127.0.0.1:{port}", "-Q", *asked], capture_output=True, text=True, check=True)
    return sum(int(line.split("offset ")[1]) for line in said.stdout.splitlines())


def expect(what, got, wanted):
    if got != wanted:
        sys.exit(f"{what}: want {wanted} records; got {got}")


class Process:
    """A process in the background, whose CPU is read while it runs."""

    running = []

    def __init__(self, command, log, **more):
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **more)
        self.running.append(self)

    def cpu(self):
        return cpu_of(self.process.pid)

    def end(self):
        self.running.remove(self)
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def wait_for(what, holds):
    begin = time.monotonic()
    while not holds():
        if time.monotonic() - begin > WAIT_SECONDS_MAX:
            sys.exit(f"{what}: not within {WAIT_SECONDS_MAX} s")
        time.sleep(0.05)


def in_turns(names, rounds):
    """All names of a round, then the next round in the other order: the round's number, the name's place among all, the name."""
    for number in range(rounds):
        turn = list(enumerate(names))
        for place, name in turn if number % 2 == 0 else reversed(turn):
            yield number, place, name


def steadily(count, per_second):
    """The numbers below `count`, each when it is due."""
    begin = time.monotonic()
    for number in range(count):
        wait = begin + number / per_second - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        yield number


def percentiles(delays):
    """The figures of some delays that a table shows."""
    delays = sorted(delays)
    at = lambda part: delays[min(int(len(delays) * part), len(delays) - 1)]
    return {"p50": at(0.5), "p99": at(0.99), "most": delays[-1]}


def send_all(port, path, bodies, connections, timeout, is_good):
    """Sends each bulk body once; gives the seconds that it takes. `is_good` looks at the status and the body of an answer."""
    bodies = iter(bodies)
    lock, failed = threading.Lock(), []

    def send():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        while not failed:
            with lock:
                body = next(bodies, None)
            if body is None:
                return
            connection.request("POST", path, body, {"content-type": "application/x-ndjson"})
            answer = connection.getresponse()
            said = answer.read()
            if not is_good(answer.status, said):
                failed.append(said[:500])

    begin = time.monotonic()
    threads = [threading.Thread(target=send) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        sys.exit(f"a request to {path} failed: {failed[0]}")
    return time.monotonic() - begin
