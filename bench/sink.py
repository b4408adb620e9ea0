"""Worker and sink: from the topic to a bulk endpoint that stores nothing, the whole chain beside rsyslog, and real OpenSearch."""

import gzip, http.client, json, os, shutil, socket, subprocess, sys, threading, time, urllib.request
from programs import MIB, ROOT, TICKS, create, expect, free_port, ours, records

# What Fluent Bit 5.1 took for the same kind of log, from file to such an endpoint with its regex parser, when it could be had.
FLUENT_BIT_CPU_PER_GIB = 24
# Anything that takes longer is not measured.
WAIT_SECONDS_MAX = 300
DELAY_SECONDS = 15
DELAY_LINES_PER_SECOND = 1000
# The first second pays for connections and files that are made.
DELAY_WARM_LINES = 1000
PIPELINE = """\
processors:
  - grok: {field: message, patterns: ['%{COMBINEDAPACHELOG}']}
  - date: {field: timestamp, formats: ['dd/MMM/yyyy:HH:mm:ss Z']}
"""
# What everything but parsing takes.
NO_PIPELINE = "processors: []\n"
# Of ready-made bodies, before the first that are counted.
WARM_BYTES = 100 * MIB
LOOP_CONNECTIONS = 4
# As much of COMBINEDAPACHELOG as liblognorm has words for.
RULEBASE = """\
version=2
rule=:%clientip:word% %ident:word% %auth:word% [%timestamp:char-to:]%] "%verb:word% %request:word% HTTP/%httpversion:char-to:"%" \
%response:number% %bytes:number% "%referrer:char-to:"%" "%agent:char-to:"%"
"""


class Process:
    """A process in the background, whose CPU is read while it runs."""

    running = []

    def __init__(self, command, log, **more):
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **more)
        self.command = command
        self.running.append(self)

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def end(self):
        self.running.remove(self)
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Endpoint(Process):
    """The bulk endpoint that stores nothing."""

    def __init__(self, binary, log, *flags):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        super().__init__([binary, f"127.0.0.1:{self.port}", *flags], log)
        wait_for("the bulk endpoint", lambda: answers(self.port))

    def stats(self):
        with urllib.request.urlopen(f"{self.url}/stats", timeout=60) as answer:
            return json.load(answer)

    def wait(self, documents):
        wait_for(f"{documents} documents", lambda: self.stats()["documents"] >= documents)
        expect("documents at the endpoint", self.stats()["documents"], documents)


def answers(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(what, holds):
    begin = time.monotonic()
    while not holds():
        if time.monotonic() - begin > WAIT_SECONDS_MAX:
            sys.exit(f"{what}: not within {WAIT_SECONDS_MAX} s")
        time.sleep(0.05)


class Sink:
    """How the parts of the chain are started."""

    def __init__(self, sluice, endpoint, folder, log):
        self.sluice, self.endpoint, self.folder, self.log = sluice, endpoint, folder, log
        self.brokers = []
        for name, text in (("combined", PIPELINE), ("none", NO_PIPELINE)):
            with open(f"{folder}/{name}.yml", "w") as file:
                file.write(text)

    def broker(self, name):
        """One of ours for a single measurement."""
        server = ours(self.sluice, f"{self.folder}/{name}", self.log)
        self.brokers.append(server)
        return server

    def end(self, server):
        self.brokers.remove(server)
        server.end()

    def end_all(self):
        """Ends what a measurement that failed has left behind."""
        for process in list(Process.running):
            process.end()
        for server in list(self.brokers):
            self.end(server)

    def config(self, name, **keys):
        """A sluice.yaml with these keys of worker.elasticsearch."""
        path = f"{self.folder}/{name}.yaml"
        with open(path, "w") as file:
            file.write("worker:\n  elasticsearch:\n")
            file.writelines(f"    {key}: {value}\n" for key, value in keys.items())
        return path

    def worker(self, port, topic, group, url, index="bench-<yyyy.MM>", pipeline="combined", **keys):
        config = self.config(f"worker-{group}", urls=f'["{url}"]', **keys)
        command = [
            self.sluice, "worker", "--config", config, "--broker", f"127.0.0.1:{port}", "--topic", topic, "--group", group,
            "--pipeline", f"{self.folder}/{pipeline}.yml", "--index", index, "--status-listen", f"127.0.0.1:{free_port()}",
        ]
        return Process(command, self.log, cwd=self.folder)

    def agent(self, port, topic, file, *flags):
        command = [
            self.sluice, "agent", *flags, "--broker", f"127.0.0.1:{port}", "--topic", topic, "--checkpoints",
            f"{self.folder}/checkpoints-{topic}-{port}", "--status-listen", f"127.0.0.1:{free_port()}", file,
        ]
        return Process(command, self.log, cwd=self.folder)

    def load(self, port, topic, file, lines):
        """Fills a topic of one partition, as many times as it takes for `lines` lines of the file."""
        create(port, topic)
        agent = self.agent(port, topic, file, "--once")
        if agent.process.wait() != 0:
            sys.exit(f"agent --once fails; see {self.log.name}")
        expect(topic, records(port, topic, 1), lines)


def from_topic(sink, server, lines, size, rounds):
    """Worker from topic to endpoint: CPU and speed, gzip off (as it comes towards an endpoint on this host) and on."""
    ways = {
        "as it comes (gzip off)": {},
        "gzip": {"compression": "gzip"},
        "gzip off, lines as they are": {"compression": "none", "pipeline": "none"},
        "gzip, lines as they are": {"compression": "gzip", "pipeline": "none"},
    }
    measured = {name: [] for name in ways}
    for number in range(rounds):
        names = list(ways)
        for name in names if number % 2 == 0 else reversed(names):
            endpoint = Endpoint(sink.endpoint, sink.log)
            begin = time.monotonic()
            worker = sink.worker(server.port, "bench", f"from-topic-{number}-{names.index(name)}", endpoint.url, **ways[name])
            endpoint.wait(lines)
            wall, cpu = time.monotonic() - begin, worker.cpu()
            stats = endpoint.stats()
            worker.end()
            measured[name].append({
                "cpu": cpu, "wall": wall, "speed": size / MIB / wall, "sent": stats["body_bytes"] / size,
                "endpoint_cpu": endpoint.cpu(), "documents": lines / wall,
            })
            endpoint.end()
    return measured


def chain_of_ours(sink, file, lines, number):
    """File, agent, broker, worker, endpoint: CPU of all four of ours."""
    server = sink.broker(f"chain-{number}")
    endpoint = Endpoint(sink.endpoint, sink.log)
    create(server.port, "chain")
    begin = time.monotonic()
    parts = {
        "worker": sink.worker(server.port, "chain", "chain", endpoint.url),
        "agent": sink.agent(server.port, "chain", file),
    }
    endpoint.wait(lines)
    figures = {name: part.cpu() for name, part in parts.items()} | {"broker": server.cpu()}
    figures |= {"cpu": sum(figures.values()), "wall": time.monotonic() - begin}
    for part in parts.values():
        part.end()
    endpoint.end()
    sink.end(server)
    shutil.rmtree(f"{sink.folder}/chain-{number}", ignore_errors=True)
    return figures


class Rsyslog:
    """The same chain of two rsyslogds: file to Kafka, and Kafka through mmnormalize to Elasticsearch."""

    def __init__(self, sink, port, topic, file, url_port, name):
        self.folder = f"{sink.folder}/rsyslog-{name}"
        os.makedirs(self.folder)
        with open(f"{self.folder}/access.rulebase", "w") as out:
            out.write(RULEBASE)
        shipping = f"""
            global(workDirectory="{self.folder}/ship")
            module(load="imfile" mode="inotify")
            module(load="omkafka")
            template(name="line" type="string" string="%msg%")
            input(type="imfile" file="{file}" tag="access" ruleset="ship" reopenOnTruncate="on")
            ruleset(name="ship" queue.type="LinkedList" queue.size="200000" queue.dequeueBatchSize="4096") {{
              action(type="omkafka" broker=["127.0.0.1:{port}"] topic="{topic}" template="line" dynatopic="off"
                partitions.auto="on" confParam=["compression.codec=lz4","linger.ms=5","queue.buffering.max.messages=400000"])
            }}
        """
        indexing = f"""
            global(workDirectory="{self.folder}/index")
            module(load="imkafka")
            module(load="mmnormalize")
            module(load="omelasticsearch")
            template(name="document" type="list") {{ property(name="$!all-json") }}
            input(type="imkafka" broker=["127.0.0.1:{port}"] topic="{topic}" consumergroup="rsyslog-{name}" ruleset="index"
              confParam=["auto.offset.reset=earliest"])
            ruleset(name="index" queue.type="LinkedList" queue.size="200000" queue.dequeueBatchSize="4096"
                queue.workerThreads="2") {{
              action(type="mmnormalize" rulebase="{self.folder}/access.rulebase" useRawMsg="on")
              set $!message = $rawmsg;
              action(type="omelasticsearch" server="127.0.0.1" serverport="{url_port}" template="document"
                searchIndex="bench" searchType="" bulkmode="on" maxbytes="8m")
            }}
        """
        self.parts = {}
        for part, config in (("index", indexing), ("ship", shipping)):
            os.makedirs(f"{self.folder}/{part}")
            with open(f"{self.folder}/{part}.conf", "w") as out:
                out.write(config)
            command = ["rsyslogd", "-n", "-i", f"{self.folder}/{part}.pid", "-f", f"{self.folder}/{part}.conf"]
            self.parts[part] = Process(command, sink.log)

    def cpu(self):
        return {f"rsyslog: {name}": part.cpu() for name, part in self.parts.items()}

    def end(self):
        for part in self.parts.values():
            part.end()
        shutil.rmtree(self.folder, ignore_errors=True)


def chain_of_rsyslog(sink, file, lines, number):
    server = sink.broker(f"chain-rsyslog-{number}")
    endpoint = Endpoint(sink.endpoint, sink.log)
    create(server.port, "chain")
    begin = time.monotonic()
    rsyslog = Rsyslog(sink, server.port, "chain", file, endpoint.port, str(number))
    endpoint.wait(lines)
    figures = rsyslog.cpu() | {"broker": server.cpu()}
    figures |= {"cpu": sum(figures.values()), "wall": time.monotonic() - begin}
    rsyslog.end()
    endpoint.end()
    sink.end(server)
    shutil.rmtree(f"{sink.folder}/chain-rsyslog-{number}", ignore_errors=True)
    return figures


def delay(sink, name, start):
    """Seconds from the write of a line to the moment at which its bulk request is at the endpoint."""
    server = sink.broker(f"delay-{name}")
    endpoint = Endpoint(sink.endpoint, sink.log, "--delays")
    create(server.port, "delay")
    file = f"{sink.folder}/delay-{name}.log"
    open(file, "w").close()
    parts = start(server.port, file, endpoint)
    lines = DELAY_SECONDS * DELAY_LINES_PER_SECOND
    with open(file, "ab", buffering=0) as out:
        begin = time.monotonic()
        for number in range(lines):
            wait = begin + number / DELAY_LINES_PER_SECOND - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            out.write(
                f'192.0.2.1 - - [23/Nov/2025:10:00:00 +0000] "GET /at/{time.monotonic():.6f}/{"x" * 80} HTTP/1.1" 200 '
                f'{number} "https://shop.example/" "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101"\n'.encode()
            )
    endpoint.wait(lines)
    delays = sorted(endpoint.stats()["delays"][DELAY_WARM_LINES:])
    for part in parts:
        part.end()
    endpoint.end()
    sink.end(server)
    at = lambda part: delays[min(int(len(delays) * part), len(delays) - 1)]
    return {"p50": at(0.5), "p99": at(0.99), "most": delays[-1]}


def delays(sink):
    def sluice(**keys):
        return lambda port, file, endpoint: [
            sink.worker(port, "delay", "delay", endpoint.url, **keys), sink.agent(port, "delay", file),
        ]

    return {
        "sluice, as it comes": [delay(sink, "sluice", sluice())],
        "sluice, linger_ms: 20": [delay(sink, "sluice-20", sluice(linger_ms=20))],
        "rsyslog": [delay(sink, "rsyslog", lambda port, file, endpoint: [
            Rsyslog(sink, port, "delay", file, endpoint.port, "delay"),
        ])],
    }


def opensearch(folder, log):
    """Starts OpenSearch 3.8; gives the process and its port."""
    port = free_port()
    command = [f"{ROOT}/tests/real/run", "opensearch", f"{folder}/opensearch", str(port), str(free_port())]
    process = Process(command, log, env=dict(os.environ, JAVA_HEAP="-Xms1g -Xmx1g"))

    def is_ready():
        try:
            return ask(port, "GET", "/_cluster/health?wait_for_status=yellow&timeout=1s")["status"] in ("yellow", "green")
        except (OSError, KeyError):
            return False

    wait_for("OpenSearch", is_ready)
    return process, port


def ask(port, method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=data, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


def bodies(path, index):
    """The kept bodies, ready to be sent."""
    with open(path, "rb") as file:
        while length := file.readline():
            yield file.read(int(length)).replace(b'"_index":"bodies"', f'"_index":"{index}"'.encode())


def plain_loop(port, packed, connections):
    """Sends bodies as they are, from so many threads; gives the seconds that it takes."""
    waiting = iter(packed)
    lock = threading.Lock()

    def send():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        while True:
            with lock:
                body = next(waiting, None)
            if body is None:
                return
            headers = {"content-type": "application/x-ndjson", "content-encoding": "gzip"}
            connection.request("POST", "/_bulk?filter_path=errors", body, headers)
            answer = connection.getresponse().read()
            if b'"errors":false' not in answer:
                sys.exit(f"the plain loop: {answer[:300]}")

    begin = time.monotonic()
    threads = [threading.Thread(target=send) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.monotonic() - begin


def into_opensearch(sink, server, lines, rounds):
    """Documents a second into OpenSearch: the worker, and a loop that sends the same bodies with automatic ids."""
    saved = f"{sink.folder}/bodies"
    endpoint = Endpoint(sink.endpoint, sink.log, "--save", saved, "--index", "bodies")
    worker = sink.worker(server.port, "bench", "save", endpoint.url, compression="none")
    endpoint.wait(lines)
    worker.end()
    endpoint.end()
    process, port = opensearch(sink.folder, sink.log)
    shards = {"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": "30s"}
    strings = {"match_mapping_type": "string", "mapping": {"type": "keyword", "ignore_above": 1024}}
    ask(port, "PUT", "/_index_template/bench", {
        "index_patterns": ["bench-*"],
        "template": {"settings": shards, "mappings": {"dynamic_templates": [{"strings": strings}]}},
    })

    def count(index):
        ask(port, "POST", f"/{index}/_refresh")
        return ask(port, "GET", f"/{index}/_count")["count"]

    def by_worker(index):
        begin = time.monotonic()
        worker = sink.worker(server.port, "bench", index, f"http://127.0.0.1:{port}", index=index)
        # Indexed, searchable or not: what the node has counted, so that looking costs no refresh.
        def indexed():
            stats = ask(port, "GET", f"/{index}*/_stats/indexing?filter_path=_all.primaries.indexing.index_total")
            return stats.get("_all", {}).get("primaries", {}).get("indexing", {}).get("index_total", 0)
        wait_for("documents in OpenSearch", lambda: indexed() >= lines)
        wall, cpu = time.monotonic() - begin, worker.cpu()
        worker.end()
        return {"documents": lines / wall, "cpu": cpu, "wall": wall}

    def by_loop(index, bytes_max=None):
        # Compressed before the clock starts. The worker does that, too, where its server is on another host.
        packed, left = [], bytes_max
        for body in bodies(saved, index):
            packed.append(gzip.compress(body, 1))
            if left is not None and (left := left - len(body)) <= 0:
                break
        wall = plain_loop(port, packed, LOOP_CONNECTIONS)
        return {"documents": lines / wall, "cpu": 0, "wall": wall}

    ways = {"sluice worker": by_worker, f"plain loop, {LOOP_CONNECTIONS} connections": by_loop}
    measured = {name: [] for name in ways}
    # Not counted: the server's code is compiled while it runs.
    by_loop("bench-warm", WARM_BYTES)
    ask(port, "DELETE", "/bench-warm")
    for number in range(rounds):
        names = list(ways)
        for name in names if number % 2 == 0 else reversed(names):
            index = f"bench-{number}-{names.index(name)}"
            measured[name].append(ways[name](index))
            expect(f"{name} in {index}", count(index), lines)
            ask(port, "DELETE", f"/{index}")
    process.end()
    loops = measured[f"plain loop, {LOOP_CONNECTIONS} connections"]
    for rows in measured.values():
        for row, loop in zip(rows, loops):
            row["to_loop"] = row["documents"] / loop["documents"]
    return measured


def attempt(sink, parts, title, measure):
    """Adds a part; one that fails says so in its place, and leaves what the others measured."""
    try:
        text = measure()
    except (SystemExit, OSError, subprocess.CalledProcessError) as error:
        text = f"NOT MEASURED: {error}"
        sink.end_all()
    print(f"## {title}\n\n{text}\n", flush=True)
    parts.append(f"## {title}\n\n{text}")


def bench(sluice, file, lines, size, rounds, folder, log, table):
    """All figures of the sink as Markdown."""
    build = ["cargo", "build", "--release", "--locked", "--package", "sink-elasticsearch", "--example", "null_bulk"]
    binary = f"{ROOT}/target/release/examples/null_bulk"
    if not os.path.exists(binary):
        subprocess.run(build, cwd=ROOT, check=True)
    sink = Sink(sluice, binary, folder, log)
    per_gib = (1 << 30) / size
    parts = []
    only = os.environ.get("SLUICE_BENCH_SINK", "topic,chain,delay,opensearch").split(",")
    server = ours(sluice, f"{folder}/broker-for-sink", log)
    sink.load(server.port, "bench", file, lines)
    began = time.monotonic()
    if "topic" in only:
        topic_columns = [
            ("CPU, s per GiB of log", "cpu", per_gib, 2), ("MiB/s", "speed", 1, 0), ("documents/s", "documents", 1, 0),
            ("bytes sent, of the log's", "sent", 1, 2), ("CPU of the endpoint, s per GiB", "endpoint_cpu", per_gib, 2),
        ]
        attempt(
            sink, parts, "Worker: topic to a bulk endpoint that stores nothing (COMBINEDAPACHELOG, date)",
            lambda: table(from_topic(sink, server, lines, size, rounds), topic_columns),
        )
    if "opensearch" in only:
        opensearch_columns = [
            ("documents/s", "documents", 1, 0), ("of the loop", "to_loop", 1, 2), ("CPU, s per GiB", "cpu", per_gib, 2),
        ]
        attempt(
            sink, parts, f"Into OpenSearch 3.8, {lines} documents",
            lambda: table(into_opensearch(sink, server, lines, rounds), opensearch_columns),
        )
    server.end()

    def chains():
        ways = {"sluice: agent, broker, worker": chain_of_ours, "rsyslog, our broker, rsyslog": chain_of_rsyslog}
        measured = {name: [] for name in ways}
        for number in range(rounds):
            for name in ways if number % 2 == 0 else reversed(list(ways)):
                measured[name].append(ways[name](sink, file, lines, number))
        columns = [("CPU of all, s per GiB of log", "cpu", per_gib, 2), ("broker's part", "broker", per_gib, 2), ("MiB/s", "speed", 1, 0)]
        for rows in measured.values():
            for row in rows:
                row["speed"] = size / MIB / row["wall"]
        return (
            f"{table(measured, columns)}\n\n"
            f"Fluent Bit 5.1, measured earlier from file to such an endpoint without a broker in between: "
            f"{FLUENT_BIT_CPU_PER_GIB} s per GiB. Debian does not have it. rsyslog parses with mmnormalize; it does not read the time."
        )

    if "chain" in only:
        attempt(sink, parts, "The whole chain: file to a bulk endpoint that stores nothing", chains)
    if "delay" in only:
        delay_columns = [("median, ms", "p50", 1000, 1), ("99th percentile, ms", "p99", 1000, 1), ("most, ms", "most", 1000, 1)]
        attempt(
            sink, parts, f"Write of a line to its bulk request, {DELAY_LINES_PER_SECOND} lines a second for {DELAY_SECONDS} s",
            lambda: table(delays(sink), delay_columns),
        )
    parts.append(f"All of it took {time.monotonic() - began:.0f} s.")
    return "\n\n".join(parts)
