"""CPU seconds of our pipelines for each GiB of lines, on one core, and of crates that people would take instead.

The lines, the pipelines and the crates' programs are in pipelines/examples/figures.rs; nothing here is measured over a network.
"""

import json, subprocess
from programs import ROOT

NAMES = {
    "access": "access lines: grok COMBINEDAPACHELOG, date, convert",
    "syslog": "syslog lines: grok SYSLOGBASE, date",
    "json": "JSON, 4 KiB and 40 fields: json",
    "kv": "firewall lines: kv",
    "nginx": "access lines: the ready-made nginx-access",
    "nginx-access-geoip": "access lines: the ready-made nginx-access-geoip (user_agent, geoip from two databases)",
}
GIB = 1 << 30


def bench(sluice, file, lines, size, rounds, folder, log, table):
    command = ["cargo", "run", "--release", "--locked", "-q", "-p", "pipelines", "--example", "figures", "--"]
    said = subprocess.run([*command, "--rounds", str(rounds)], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    measured = {}
    for line in said.stdout.splitlines():
        figures = json.loads(line)
        name = f"{NAMES[figures['kind']]} ({figures['program']})"
        measured[name] = [
            {"seconds": seconds, "mib": 1024 / seconds, "ns": ns, "bytes": figures["line_bytes"], "written": figures["written_per_byte"]}
            for seconds, ns in zip(figures["seconds_per_gib"], figures["ns_per_line"])
        ]
    columns = [
        ("CPU s per GiB", "seconds", 1, 2),
        ("MiB/s on one core", "mib", 1, 0),
        ("ns per line", "ns", 1, 0),
        ("bytes per line", "bytes", 1, 0),
        ("bytes written per byte", "written", 1, 2),
    ]
    return "## Lines to NDJSON on one core\n\n" + table(measured, columns)
