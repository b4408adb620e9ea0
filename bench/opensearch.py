"""Into real OpenSearch: our worker, and a plain loop that sends the same documents ready-made with automatic ids."""

import json, os, time, urllib.request
from parts import Endpoint
from programs import ROOT, Process, expect, free_port, in_turns, metrics, send_all, wait_for

# By each way before the first that are counted: the server's code is compiled while it runs, and the ways use other parts of it.
WARM_DOCUMENTS = 600_000
LOOP_CONNECTIONS = 4
# The makers of both servers advise half of the machine's memory, up to 31 GiB; here others want some, too. With as little as the 1 GiB that the package
# comes with, what the server keeps of ids that it did not make fills its buffer for new documents, which it then writes out twice as often.
HEAP = os.environ.get("SLUICE_BENCH_HEAP", "8g")
ANSWER_SECONDS_MAX = 120


def start(folder, log):
    """Starts OpenSearch 3.8; gives the process and its port."""
    port = free_port()
    command = [f"{ROOT}/tests/real/run", "opensearch", f"{folder}/opensearch", str(port), str(free_port())]
    process = Process(command, log, env=dict(os.environ, JAVA_HEAP=f"-Xms{HEAP} -Xmx{HEAP}"))

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
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS_MAX) as answer:
        return json.load(answer)


def bodies(path):
    """The kept bodies, ready to be sent."""
    with open(path, "rb") as file:
        while length := file.readline():
            yield file.read(int(length))


def plain_loop(port, index, waiting):
    """Sends bodies as they are, as the worker does to a server of its host; gives the seconds that it takes."""
    path = f"/{index}/_bulk?filter_path=errors"
    return send_all(port, path, waiting, LOOP_CONNECTIONS, ANSWER_SECONDS_MAX, lambda _, said: b'"errors":false' in said)


def measure(parts, server, lines, size, rounds, table):
    """Documents a second of both, as a table."""
    saved = f"{parts.folder}/bodies"
    endpoint = Endpoint(parts, "--save", saved)
    worker = parts.worker(server.port, "bench", "save", endpoint.url, compression="none")
    endpoint.wait(lines)
    worker.end()
    endpoint.end()
    process, port = start(parts.folder, parts.log)
    shards = {"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": "30s"}
    strings = {"match_mapping_type": "string", "mapping": {"type": "keyword", "ignore_above": 1024}}
    ask(port, "PUT", "/_index_template/bench", {
        "index_patterns": ["bench-*"],
        "template": {"settings": shards, "mappings": {"dynamic_templates": [{"strings": strings}]}},
    })

    def count(index):
        ask(port, "POST", f"/{index}/_refresh")
        return ask(port, "GET", f"/{index}/_count")["count"]

    def by_worker(index, lines=lines):
        begin, server_before = time.monotonic(), process.cpu()
        worker = parts.worker(server.port, "bench", index, f"http://127.0.0.1:{port}", index=index)
        wait_for("documents in OpenSearch", lambda: delivered(worker) >= lines)
        wall, cpu = time.monotonic() - begin, worker.cpu()
        worker.end()
        return {"documents": lines / wall, "cpu": cpu, "server_cpu": process.cpu() - server_before}

    def by_loop(index):
        server_before = process.cpu()
        wall = plain_loop(port, index, bodies(saved))
        return {"documents": lines / wall, "cpu": 0, "server_cpu": process.cpu() - server_before}

    loop = f"plain loop, {LOOP_CONNECTIONS} connections"
    ways = {"sluice worker": by_worker, loop: by_loop}
    measured = {name: [] for name in ways}
    plain_loop(port, "bench-warm-loop", first(bodies(saved), WARM_DOCUMENTS))
    by_worker("bench-warm-worker", min(lines, WARM_DOCUMENTS))
    ask(port, "DELETE", "/bench-warm-loop,bench-warm-worker")
    for number, place, name in in_turns(ways, rounds):
        index = f"bench-{number}-{place}"
        measured[name].append(ways[name](index))
        expect(f"{name} in {index}", count(index), lines)
        ask(port, "DELETE", f"/{index}")
    process.end()
    for rows in measured.values():
        for row, of_loop in zip(rows, measured[loop]):
            row["to_loop"] = row["documents"] / of_loop["documents"]
    per_gib = (1 << 30) / size
    return table(measured, [
        ("documents/s", "documents", 1, 0), ("of the loop", "to_loop", 1, 2), ("CPU of the worker, s per GiB", "cpu", per_gib, 2),
        ("CPU of OpenSearch, s per GiB", "server_cpu", per_gib, 0),
    ])


def delivered(worker):
    """Documents for which the worker has an answer: to ask the server itself costs it CPU."""
    try:
        said = metrics(worker.status)
    except OSError:
        # It has just been started.
        return 0
    return sum(value for name, value in said.items() if name.startswith("sluice_worker_documents_total{"))


def first(bodies, documents):
    """As many of the first bodies as have so many documents."""
    for body in bodies:
        yield body
        documents -= body.count(b"\n") // 2
        if documents <= 0:
            return
