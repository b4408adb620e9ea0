"""How long a line takes from its write to the bulk endpoint."""

import time
from parts import Endpoint
from programs import create, percentiles, steadily
from rsyslog import Rsyslog

SECONDS = 15
LINES_PER_SECOND = 1000
# The first second pays for connections and files that are made.
WARM_LINES = 1000


def delay(parts, name, start):
    """Seconds from the write of a line to the moment at which its bulk request is at the endpoint."""
    server = parts.broker(f"delay-{name}")
    endpoint = Endpoint(parts, "--delays")
    create(server.port, "delay")
    file = f"{parts.folder}/delay-{name}.log"
    open(file, "w").close()
    running = start(server.port, file, endpoint)
    lines = SECONDS * LINES_PER_SECOND
    with open(file, "ab", buffering=0) as out:
        for number in steadily(lines, LINES_PER_SECOND):
            out.write(
                f'192.0.2.1 - - [23/Nov/2025:10:00:00 +0000] "GET /at/{time.monotonic():.6f}/{"x" * 80} HTTP/1.1" 200 '
                f'{number} "https://shop.example/" "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101"\n'.encode()
            )
    endpoint.wait(lines)
    delays = endpoint.stats()["delays"][WARM_LINES:]
    for part in running:
        part.end()
    endpoint.end()
    parts.end(server)
    return percentiles(delays)


def measure(parts, table):
    """Ours and rsyslog's, as a table."""
    def sluice(**keys):
        return lambda port, file, endpoint: [
            parts.worker(port, "delay", "delay", endpoint.url, **keys), parts.agent(port, "delay", file),
        ]

    measured = {
        "sluice, as it comes": [delay(parts, "sluice", sluice())],
        "sluice, linger_ms: 20": [delay(parts, "sluice-20", sluice(linger_ms=20))],
        "rsyslog": [delay(parts, "rsyslog", lambda port, file, endpoint: [
            Rsyslog(parts, port, "delay", file, endpoint.port, "delay"),
        ])],
    }
    columns = [("median, ms", "p50", 1000, 1), ("99th percentile, ms", "p99", 1000, 1), ("most, ms", "most", 1000, 1)]
    return table(measured, columns)
