"""The embedded store: documents a second on one core, size, memory, searches over all documents, restarts, and `up` on 100 MB.

Documents are those of the ready-made nginx-access, made before the clock starts; the server runs on the first core, whoever
sends on the others. `--documents 10000000` is the size that the figures are wanted for.
"""

import base64, http.client, json, os, random, shutil, signal, statistics, struct, subprocess, sys, time
from programs import MIB, WAIT_SECONDS_MAX, Memory, cpu_of, free_port, send_all

FILE_ID = bytes.fromhex("5f1ce9a4d2b80137")
BULK_DOCUMENTS = 5000
CONNECTIONS = 2
INDEX = "sluice-nginx.access-2025.11"
# 2025-11-23T00:00:00Z; a hundred documents for each second.
FIRST_SECOND = 1763856000
DOCUMENTS_PER_SECOND = 100
# Sent before the clock starts: the mapping is made, and files are there.
WARM_DOCUMENTS = 20_000
# What is sent from memory; further documents are made while the store takes those before.
READY_DOCUMENTS_MAX = 500_000
SEARCHES = 7
UP_BYTES = 100_000_000
QUERIES = {
    "query_string + date_histogram": {
        "query": {"query_string": {"query": 'message:cart AND http.response.status_code:>=500'}},
        "aggs": {"time": {"date_histogram": {"field": "@timestamp", "fixed_interval": "30m"}}},
    },
    "all + date_histogram": {
        "query": {"query_string": {"query": "*"}},
        "aggs": {"time": {"date_histogram": {"field": "@timestamp", "fixed_interval": "30m"}}},
    },
    "the page: newest 100, histogram by status": {
        "size": 100,
        "sort": [{"@timestamp": "desc"}, {"_doc": "desc"}],
        "query": {"bool": {"filter": [{"query_string": {"query": "message:cart"}}, {"range": {"@timestamp": {"gte": 0}}}]}},
        "aggs": {
            "time": {
                "date_histogram": {"field": "@timestamp", "fixed_interval": "30m"},
                "aggs": {"status": {"terms": {"field": "http.response.status_code", "size": 10}}},
            }
        },
    },
    "terms of 100,000s of values": {"aggs": {"urls": {"terms": {"field": "url.original", "size": 10}}}},
}


class Documents:
    """Makes bulk bodies, each document once."""

    def __init__(self):
        self.rng = random.Random(7)
        self.number = 0
        self.bytes = 0

    def bulk(self, count):
        rng, parts = self.rng, []
        for number in range(self.number, self.number + count):
            second = FIRST_SECOND + number // DOCUMENTS_PER_SECOND
            days, rest = divmod(second - FIRST_SECOND, 86400)
            time_of_day = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
            ip = f"{rng.randrange(1, 255)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
            method = rng.choice(("GET", "GET", "GET", "POST"))
            url = f"/shop/{rng.choice(('item', 'cart', 'search', 'img'))}/{rng.randrange(1_000_000)}?session={rng.getrandbits(64):016x}"
            status, sent = rng.choice((200, 200, 200, 304, 404, 500)), rng.randrange(50_000)
            agent = f"Mozilla/5.0 (X11; Linux x86_64; rv:{rng.randrange(100, 144)}.0) Gecko/20100101 Firefox/140.0"
            line = f'{ip} - - [{23 + days}/Nov/2025:{time_of_day} +0000] \\"{method} {url} HTTP/1.1\\" {status} {sent} \\"https://shop.example/\\" \\"{agent}\\"'
            position = number * 210
            name = base64.urlsafe_b64encode(FILE_ID + struct.pack(">QI", position, rng.getrandbits(32))[2:]).decode()
            document = (
                f'{{"@timestamp":"2025-11-{23 + days}T{time_of_day}.000Z","message":"{line}","host":{{"name":"web-1"}},'
                f'"log":{{"file":{{"path":"/var/log/nginx/access.log"}},"offset":{position}}},"event":{{"dataset":"nginx.access"}},'
                f'"ecs":{{"version":"8.17.0"}},"source":{{"address":"{ip}","ip":"{ip}"}},"http":{{"request":{{"method":"{method}",'
                f'"referrer":"https://shop.example/"}},"version":"1.1","response":{{"status_code":{status},"body":{{"bytes":{sent}}}}}}},'
                f'"url":{{"original":"{url}"}},"user_agent":{{"original":"{agent}"}}}}'
            )
            self.bytes += len(document)
            parts.append(f'{{"create":{{"_index":"{INDEX}","_id":"{name}"}}}}\n{document}\n')
        self.number += count
        return "".join(parts).encode()

    def bulks(self, count):
        while count > 0:
            part = min(count, BULK_DOCUMENTS)
            yield self.bulk(part)
            count -= part


class Store:
    """`sluice up` that follows an empty file, for its store."""

    def __init__(self, sluice, folder, log, first_core=True, files=None, wait=True):
        self.port, self.log = free_port(), log
        empty = f"{folder}/empty.log"
        open(empty, "w").close()
        command = [sluice, "up", "--data", f"{folder}/data", "--listen", f"127.0.0.1:{free_port()}"]
        command += ["--status-listen", f"127.0.0.1:{free_port()}", "--search-listen", f"127.0.0.1:{self.port}", files or empty]
        self.began = time.monotonic()
        if first_core:
            command = ["taskset", "-c", "0", *command]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.memory = None
        if wait:
            wait_for("the store", self.process, lambda: self.ask("GET", "/") is not None)
            self.start = time.monotonic() - self.began
            self.memory = Memory(self.process.pid)

    def ask(self, method, path, body=None):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_SECONDS_MAX)
            connection.request(method, path, body and json.dumps(body), {"content-type": "application/json"})
            answer = connection.getresponse()
            said = answer.read()
            return json.loads(said) if answer.status == 200 else None
        except OSError:
            return None

    def count(self, index="sluice-*"):
        answer = self.ask("GET", f"/{index}/_count")
        return answer["count"] if answer else 0

    def cpu(self):
        return cpu_of(self.process.pid)

    def send(self, bodies):
        """Sends each body once; gives the seconds until everything is found."""
        begin = time.monotonic()
        is_good = lambda status, said: status == 200 and b'"errors":true' not in said
        send_all(self.port, "/_bulk", bodies, CONNECTIONS, WAIT_SECONDS_MAX, is_good)
        self.ask("POST", "/_refresh")
        return time.monotonic() - begin

    def end(self, how=signal.SIGTERM):
        peak = self.memory.end() if self.memory else 0
        self.process.send_signal(how)
        self.process.wait(60)
        return peak


def wait_for(what, process, is_there, seconds=WAIT_SECONDS_MAX):
    end = time.monotonic() + seconds
    while not is_there():
        if process.poll() is not None or time.monotonic() > end:
            sys.exit(f"{what}: not there after {seconds} s, or the process has ended")
        time.sleep(0.005)


def bytes_of(folder):
    return sum(os.path.getsize(os.path.join(path, name)) for path, _, names in os.walk(folder) for name in names)


def ends_merging(store):
    """Until the server has used no core for two seconds: merges are done."""
    for _ in range(60):
        before = store.cpu()
        time.sleep(2)
        if store.cpu() - before < 0.2:
            return


def up(sluice, folder, file, log):
    """`up` on 100 MB of the access log, on all cores: seconds to the first document, and to the last."""
    part = f"{folder}/up.log"
    with open(file, "rb") as source, open(part, "wb") as target:
        left = UP_BYTES
        while left > 0:
            block = source.read(min(left, MIB))
            if not block:
                source.seek(0)
                continue
            left -= len(block)
            target.write(block)
        target.write(source.readline())
    with open(part, "rb") as written:
        lines = sum(1 for _ in written)
    home = f"{folder}/up"
    os.makedirs(home)
    store = Store(sluice, home, log, first_core=False, files=part, wait=False)
    wait_for("the first document", store.process, lambda: store.count() > 0)
    first = time.monotonic() - store.began
    store.memory = Memory(store.process.pid)
    wait_for("all documents", store.process, lambda: store.count() >= lines)
    last = time.monotonic() - store.began
    if store.count() != lines:
        sys.exit(f"up: want {lines} documents; got {store.count()}")
    peak = store.end()
    shutil.rmtree(home)
    os.remove(part)
    return {"first": first, "last": last, "peak": peak}


def bench(sluice, file, lines, size, rounds, folder, log, table, documents=1_000_000):
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, set(cores[1:]) or set(cores))
    home = f"{folder}/search"
    os.makedirs(home)
    store = Store(sluice, home, log)
    made = Documents()
    store.send(made.bulks(WARM_DOCUMENTS))
    ready = list(made.bulks(min(READY_DOCUMENTS_MAX, documents - WARM_DOCUMENTS)))
    sent, cpu = made.number - WARM_DOCUMENTS, store.cpu()
    wall = store.send(ready)
    figures = {"documents": sent, "wall": sent / wall, "cpu": sent / (store.cpu() - cpu)}
    del ready
    begun, cpu, further = made.number, store.cpu(), documents - made.number
    if further > 0:
        wall = store.send(made.bulks(further))
        figures["further"] = further / wall, further / (store.cpu() - cpu)
    if store.count() != documents:
        sys.exit(f"want {documents} documents; got {store.count()}")
    ends_merging(store)
    peak = store.memory.end()
    stored = bytes_of(f"{home}/data/search")
    timings = {}
    for name, query in QUERIES.items():
        took = []
        for _ in range(SEARCHES):
            begin = time.monotonic()
            answer = store.ask("POST", "/sluice-*/_search", {"size": 0, "track_total_hits": True, **query})
            took.append(time.monotonic() - begin)
            if answer is None:
                sys.exit(f"no answer to {name}")
        timings[name] = took, answer["hits"]["total"]["value"]
    searched = store.memory.now()
    store.end()
    store = Store(sluice, home, log)
    starts = [store.start]
    # Killed with a second of documents in the journal.
    store.send(made.bulks(BULK_DOCUMENTS))
    store.end(signal.SIGKILL)
    store = Store(sluice, home, log)
    starts.append(store.start)
    if store.count() != documents + BULK_DOCUMENTS:
        sys.exit(f"want {documents + BULK_DOCUMENTS} documents after a kill; got {store.count()}")
    store.end()
    shutil.rmtree(home)
    os.sched_setaffinity(0, set(cores))
    followed = up(sluice, folder, file, log)
    total = made.bytes * documents / made.number
    text = [
        "## The embedded store\n",
        f"{documents} documents of {total / documents:.0f} bytes; the server on one core. "
        f"Wanted: 50,000 a second, 0.8 of the JSON, 256 MiB, 100 ms, 1 s; `up` on 100 MB: 2 s and 30 s.\n",
        "| | |\n|-|-|",
        f"| documents a second, {figures['documents']} ready-made ones | {figures['wall']:.0f} |",
        f"| documents a second of the server's CPU | {figures['cpu']:.0f} |",
    ]
    if "further" in figures:
        text.append(f"| the same for the other {further}, made meanwhile | {figures['further'][0]:.0f}, {figures['further'][1]:.0f} |")
    text += [
        f"| bytes on disk for each of JSON | {stored / total:.2f} |",
        f"| RssAnon while indexing, peak | {peak / MIB:.0f} MiB |",
        f"| RssAnon after searches | {searched / MIB:.0f} MiB |",
        f"| start, stopped and killed | {starts[0] * 1000:.0f} ms, {starts[1] * 1000:.0f} ms |",
    ]
    for name, (took, hits) in timings.items():
        took = sorted(took)
        text.append(f"| {name} ({hits} hits) | {statistics.median(took) * 1000:.0f} ms ({took[0] * 1000:.0f} to {took[-1] * 1000:.0f}) |")
    text.append(f"| `up` on 100 MB: first document, all | {followed['first']:.1f} s, {followed['last']:.1f} s |")
    text.append(f"| `up` on 100 MB: RssAnon, peak | {followed['peak'] / MIB:.0f} MiB |")
    return "\n".join(text)
