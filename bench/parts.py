"""The parts of the chain, each in a process of its own: how they are started, and the bulk endpoint that stores nothing."""

import json, socket, sys, urllib.request
from programs import Process, create, expect, free_port, ours, records, wait_for

PIPELINE = """\
processors:
  - grok: {field: message, patterns: ['%{COMBINEDAPACHELOG}']}
  - date: {field: timestamp, formats: ['dd/MMM/yyyy:HH:mm:ss Z']}
"""
# What everything but parsing takes.
NO_PIPELINE = "processors: []\n"


class Parts:
    """Starts them in a folder, and ends what is left of them."""

    def __init__(self, sluice, null_bulk, folder, log):
        self.sluice, self.null_bulk, self.folder, self.log = sluice, null_bulk, folder, log
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
        status = free_port()
        command = [
            self.sluice, "worker", "--config", config, "--broker", f"127.0.0.1:{port}", "--topic", topic, "--group", group,
            "--pipeline", f"{self.folder}/{pipeline}.yml", "--index", index, "--status-listen", f"127.0.0.1:{status}",
        ]
        worker = Process(command, self.log, cwd=self.folder)
        worker.status = status
        return worker

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


class Endpoint(Process):
    """The bulk endpoint that stores nothing."""

    def __init__(self, parts, *flags):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        super().__init__([parts.null_bulk, f"127.0.0.1:{self.port}", *flags], parts.log)
        wait_for("the bulk endpoint", self.answers)

    def answers(self):
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stats(self):
        with urllib.request.urlopen(f"{self.url}/stats", timeout=60) as answer:
            return json.load(answer)

    def wait(self, documents):
        wait_for(f"{documents} documents", lambda: self.stats()["documents"] >= documents)
        expect("documents at the endpoint", self.stats()["documents"], documents)
