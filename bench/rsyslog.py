"""rsyslog in the place of our agent and worker."""

import os, shutil
from programs import Process

# As much of COMBINEDAPACHELOG as liblognorm has words for.
RULEBASE = """\
version=2
rule=:%clientip:word% %ident:word% %auth:word% [%timestamp:char-to:]%] "%verb:word% %request:word% HTTP/%httpversion:char-to:"%" \
%response:number% %bytes:number% "%referrer:char-to:"%" "%agent:char-to:"%"
"""


class Rsyslog:
    """The same chain of two rsyslogds: file to Kafka, and Kafka through mmnormalize to Elasticsearch."""

    def __init__(self, parts, port, topic, file, url_port, name):
        self.folder = f"{parts.folder}/rsyslog-{name}"
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
        self.parts = []
        for part, config in (("index", indexing), ("ship", shipping)):
            os.makedirs(f"{self.folder}/{part}")
            with open(f"{self.folder}/{part}.conf", "w") as out:
                out.write(config)
            command = ["rsyslogd", "-n", "-i", f"{self.folder}/{part}.pid", "-f", f"{self.folder}/{part}.conf"]
            self.parts.append(Process(command, parts.log))

    def cpu(self):
        return sum(part.cpu() for part in self.parts)

    def end(self):
        for part in self.parts:
            part.end()
        shutil.rmtree(self.folder, ignore_errors=True)
