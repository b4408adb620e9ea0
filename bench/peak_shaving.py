#!/usr/bin/env python3
"""A peak: lines come ten times as fast as Elasticsearch can take them, for a minute. They wait in the topic; the worker
fetches no more than is taken, and works the backlog off. Writes a table of what was seen over time and a plot of it to
bench/results/.

The far end is a bulk endpoint in this process that takes R documents a second: it answers a request when its documents
have had their time, and refuses with 429 what comes while too many requests wait, as Elasticsearch's write queue does.
"""

import argparse, csv, datetime, http.server, json, os, re, subprocess, sys, tempfile, threading, time, urllib.error, urllib.request
import zlib
from programs import MIB, ROOT, Memory, Server, free_port

SAMPLE_SECONDS = 0.5
PEAK = 10
WRITE_SECONDS = 0.02
# Bulk requests that wait; Elasticsearch's queue has 10,000 places, but a node of its size refuses long before by bytes.
WAITING_MAX = 8
LINE = "192.0.2.%d - - [%s] \"GET /stream/0/line/%d HTTP/1.1\" 200 %d \"https://shop.example/\" \"curl/8.16.0\"\n"
ID = re.compile(rb'"_id":"([^"]+)"')


class Limited:
    """Takes `rate` documents a second."""

    def __init__(self, rate):
        self.rate = rate
        self.lock = threading.Lock()
        self.free_at = time.monotonic()
        self.waiting = 0
        self.ids = set()
        self.documents = self.requests = self.refused = 0

    def take(self, body):
        """The answer's status and body, when its time has come."""
        ids = ID.findall(body)
        with self.lock:
            self.requests += 1
            if self.waiting >= WAITING_MAX:
                self.refused += 1
                error = {"type": "es_rejected_execution_exception", "reason": "rejected execution: queue is full"}
                return 429, json.dumps({"error": error, "status": 429}).encode()
            self.waiting += 1
            now = time.monotonic()
            self.free_at = max(self.free_at, now) + len(ids) / self.rate
            wait = self.free_at - now
        time.sleep(wait)
        with self.lock:
            self.waiting -= 1
            items = [201 if identity not in self.ids else 409 for identity in ids]
            self.ids.update(ids)
            self.documents += len(ids)
        return 200, b'{"errors":false,"items":[' + b",".join(
            b'{"create":{"status":201}}' if status == 201 else
            b'{"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"there"}}}'
            for status in items
        ) + b"]}"


def serve(limited):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, status, body):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            if self.path == "/":
                return self.answer(200, b'{"version":{"number":"9.2.0","build_flavor":"default"}}')
            self.answer(404, b"{}")

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Content-Encoding") == "gzip":
                body = zlib.decompress(body, wbits=31)
            if not self.path.startswith("/_bulk"):
                return self.answer(404, b"{}")
            self.answer(*limited.take(body))

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Writer(threading.Thread):
    """Writes lines at a steady rate."""

    def __init__(self, path, rate, seconds):
        super().__init__(daemon=True)
        self.path, self.rate, self.total, self.written = path, rate, int(rate * seconds), 0

    def run(self):
        begin = time.monotonic()
        with open(self.path, "ab", buffering=0) as file:
            while self.written < self.total:
                due = min(self.total, int((time.monotonic() - begin) * self.rate) + 1)
                now = datetime.datetime.now(datetime.timezone.utc).strftime("%d/%b/%Y:%H:%M:%S +0000")
                lines = (LINE % (number % 250, now, number, number % 9973) for number in range(self.written, due))
                file.write("".join(lines).encode())
                self.written = due
                time.sleep(WRITE_SECONDS)


def get(address, path):
    with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
        return answer.read().decode()


def held(address):
    lines = get(address, "/metrics").splitlines()
    return sum(int(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("sluice_worker_memory_bytes{"))


def watch(status, limited, writer, memory, lines):
    """Samples until everything is delivered; one row each."""
    rows, begin = [], time.monotonic()
    while True:
        # A worker that is not ready says so with 503.
        try:
            health = json.loads(get(status, "/health"))
        except urllib.error.HTTPError as error:
            health = json.loads(error.read())
        worker, partitions = health["worker"], json.loads(get(status, "/partitions"))
        rows.append({
            "seconds": round(time.monotonic() - begin, 2),
            "written": writer.written,
            "produced": sum(partition["high_watermark"] for partition in partitions),
            "delivered": limited.documents,
            "lag_records": worker["lag_records"],
            "lag_seconds": round(worker["lag_seconds"], 2),
            "seconds_left": None if worker["seconds_left"] is None else round(worker["seconds_left"], 1),
            "paused_partitions": worker["paused_partitions"],
            "requests": limited.requests,
            "refused": limited.refused,
            "held_bytes": held(status),
            "memory_bytes": memory.now(),
        })
        if len(limited.ids) >= lines and worker["lag_records"] == 0:
            return rows
        if time.monotonic() - begin > 60 + 4 * lines / limited.rate:
            sys.exit(f"the backlog is not worked off: {rows[-1]}")
        time.sleep(SAMPLE_SECONDS)


def rates(rows, field, window=4):
    """Per second, over some samples."""
    points = []
    for before, row in zip(rows, rows[window:]):
        points.append((row["seconds"], (row[field] - before[field]) / (row["seconds"] - before["seconds"])))
    return points


def panel(out, top, title, unit, series, end):
    """One plot: lines over time with a scale."""
    left, width, height = 90, 760, 170
    most = max((value for _, _, points in series for _, value in points), default=1) or 1
    out.append(f'<text x="{left}" y="{top - 8}" font-weight="bold">{title}</text>')
    for part in (0, 0.5, 1):
        y = top + height * (1 - part)
        out.append(f'<line x1="{left}" y1="{y:.1f}" x2="{left + width}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{most * part:,.0f}{unit}</text>')
    for place in range(5):
        x = left + width * place / 4
        out.append(f'<text x="{x:.1f}" y="{top + height + 18}" text-anchor="middle">{end * place / 4:.0f} s</text>')
    for number, (name, colour, points) in enumerate(series):
        path = " ".join(f"{left + width * x / end:.1f},{top + height * (1 - y / most):.1f}" for x, y in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        x = left + width - 150 * (len(series) - number) + 20
        out.append(f'<line x1="{x}" y1="{top - 12}" x2="{x + 18}" y2="{top - 12}" stroke="{colour}" stroke-width="2"/>')
        out.append(f'<text x="{x + 24}" y="{top - 8}">{name}</text>')


def plot(path, rows, bound):
    end = rows[-1]["seconds"]
    line = lambda field, scale=1: [(row["seconds"], (row[field] or 0) / scale) for row in rows]
    out = [
        '<svg xmlns="http://www.w3.org/2000/svg" width="880" height="960" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    panel(out, 40, "Lines a second", "", [
        ("written", "#999", rates(rows, "written")), ("into the topic", "#06c", rates(rows, "produced")),
        ("delivered", "#c30", rates(rows, "delivered")),
    ], end)
    panel(out, 280, "Lag", "", [("records", "#06c", line("lag_records"))], end)
    panel(out, 520, "Lag and time left", " s", [
        ("lag", "#06c", line("lag_seconds")), ("time left", "#c30", line("seconds_left")),
    ], end)
    panel(out, 760, f"Memory of the worker; its bound for records and documents is {bound // MIB} MiB", " MiB", [
        ("process", "#06c", line("memory_bytes", MIB)), ("held", "#c30", line("held_bytes", MIB)),
    ], end)
    out.append("</svg>")
    with open(path, "w") as file:
        file.write("\n".join(out) + "\n")


def run(sluice, rate, seconds, bound):
    limited = Limited(rate)
    far = serve(limited)
    url = f"http://127.0.0.1:{far.server_port}"
    processes = []
    with tempfile.TemporaryDirectory(prefix="sluice-peak-") as folder, open(f"{folder}/log", "wb") as log:
        with open(f"{folder}/sluice.yaml", "w") as file:
            file.write(f"worker: {{memory_bytes_max: {bound}}}\n")
        port, status = free_port(), f"127.0.0.1:{free_port()}"
        listen = ["--listen", f"127.0.0.1:{port}", "--status-listen", f"127.0.0.1:{free_port()}"]
        broker = Server([sluice, "broker", *listen, "--data", f"{folder}/data"], port, log)
        start = lambda *command: processes.append(subprocess.Popen(command, cwd=folder, stdout=log, stderr=log))
        try:
            start(sluice, "worker", "--broker", f"127.0.0.1:{port}", "--elasticsearch", url, "--status-listen", status)
            memory = Memory(processes[0].pid)
            start(sluice, "agent", "--broker", f"127.0.0.1:{port}", "--checkpoints", f"{folder}/checkpoints",
                  "--status-listen", f"127.0.0.1:{free_port()}", f"{folder}/app-*.log")
            writer = Writer(f"{folder}/app-0.log", rate * PEAK, seconds)
            time.sleep(1)
            writer.start()
            rows = watch(status, limited, writer, memory, writer.total)
            peak = memory.end()
        finally:
            for process in processes:
                process.terminate()
                process.wait()
            broker.end()
            far.shutdown()
    after = [row for row in rows if row["written"] == writer.total]
    busy = [row for row in after if row["delivered"] < writer.total]
    took = busy[-1]["seconds"] - busy[0]["seconds"]
    worked_off = (busy[-1]["delivered"] - busy[0]["delivered"]) / took if took else 0
    return rows, {
        "lines": writer.total,
        "documents": len(limited.ids),
        "sent": limited.documents,
        "lag_most": max(row["lag_records"] for row in rows),
        "lag_seconds_most": max(row["lag_seconds"] for row in rows),
        "rate": worked_off,
        "requests": limited.requests,
        "refused": limited.refused,
        "held": max(row["held_bytes"] for row in rows),
        "peak": peak,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=2000, help="documents a second that the far end takes")
    parser.add_argument("--seconds", type=float, default=5, help="length of the peak; 60 for figures to keep")
    parser.add_argument("--memory", type=int, default=32, help="the worker's bound, MiB")
    parser.add_argument("--binary", help="a built sluice; without it a release build is made")
    asked = parser.parse_args()
    sluice = asked.binary and os.path.abspath(asked.binary)
    if not sluice:
        subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True)
        sluice = f"{ROOT}/target/release/sluice"
    bound = asked.memory * MIB
    rows, seen = run(sluice, asked.rate, asked.seconds, bound)
    results = f"{ROOT}/bench/results"
    os.makedirs(results, exist_ok=True)
    with open(f"{results}/peak_shaving.csv", "w", newline="") as file:
        table = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    plot(f"{results}/peak_shaving.svg", rows, bound)
    refused = 100 * seen["refused"] / max(seen["requests"], 1)
    text = (
        f"`bench/peak_shaving.py {' '.join(sys.argv[1:])}`, {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}: "
        f"{seen['lines']:,} lines at {asked.rate * PEAK:,} a second, a far end that takes {asked.rate:,}.\n\n"
        f"- documents: {seen['documents']:,}, of {seen['sent']:,} that were sent\n"
        f"- most that was behind: {seen['lag_most']:,} records, {seen['lag_seconds_most']:.0f} s\n"
        f"- worked off at {seen['rate']:,.0f} a second, {100 * seen['rate'] / asked.rate:.1f} % of what is taken\n"
        f"- bulk requests: {seen['requests']:,}, {refused:.1f} % of them refused with 429\n"
        f"- worker: {seen['held'] / MIB:.1f} MiB held of {asked.memory}, {seen['peak'] / MIB:.1f} MiB of anonymous memory "
        "in all\n"
    )
    with open(f"{results}/peak_shaving.md", "w") as file:
        file.write("# Peak shaving\n\n" + text + "\n![lag and rates over time](peak_shaving.svg)\n")
    print(text)
    wrong = []
    if seen["documents"] != seen["lines"]:
        wrong.append("lines are missing")
    if seen["rate"] < 0.95 * asked.rate:
        wrong.append("the backlog is worked off below 95 % of the rate")
    if refused > 5:
        wrong.append("more than 5 % of the requests were refused")
    if seen["held"] > bound * 1.1:
        wrong.append("the worker held more than its bound")
    if wrong:
        sys.exit("; ".join(wrong))


if __name__ == "__main__":
    main()
