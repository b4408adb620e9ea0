//! The scripts of the pages.

use super::Step::{self, Do, Ends, Holds, NotRun, Runs, Serves, Stop, Watches};

/// Sixty lines of an application that logs JSON.
const APP_LOG: Step = Do(
    "for n in $(seq 60); do echo \"{\\\"@timestamp\\\":\\\"$(date -u +%FT%TZ)\\\",\\\"log.level\\\":\\\"error\\\",\\\"message\\\":\\\"line $n\\\"}\"; done >/var/log/app.log",
);
const SIXTY_DOCUMENTS: &str = "curl -sf '127.0.0.1:9200/sluice-*/_count' | grep -q '\"count\":60'";
/// The embedded store alone, at the address of an Elasticsearch.
const STORE: Step = Runs(
    "sluice up --config empty.yaml --data store --listen 127.0.0.1:19092 --status-listen 127.0.0.1:19600 nothing.log",
    "curl -sf 127.0.0.1:9200",
);
const STORE_FILES: Step = Do("touch empty.yaml nothing.log");
const BROKER_READY: &str = "curl -sf 127.0.0.1:9601/health/ready";
const SIXTY_SENT: &str = "curl -sf 127.0.0.1:9602/metrics | grep -q '^sluice_agent_records_acknowledged_total 60$'";
const WORKER_READY: &str = "curl -sf 127.0.0.1:9603/health/ready";
const ACCESS_LOG: &str =
    "echo '10.0.0.1 - - [28/Nov/2026:10:00:00 +0000] \"GET /cart HTTP/1.1\" 200 12 \"-\" \"curl/8\"' >access.log";
/// A pipeline, lines for it, and samples with what is expected of them.
const MY_PIPELINE: Step = Do(
    "printf '%s\\n' 'processors:' '  - grok: {field: message, patterns: [\"%{WORD:verb} %{URIPATH:path} %{NUMBER:took:int}\"]}' >my.yml && \
     echo 'GET /cart 12' >app.log && mkdir -p samples && cp app.log samples/",
);
/// What the index refuses comes to the dead letters.
const REJECT: Step = Do("printf '%s\\n' 'processors:' '  - set: {field: _index, value: NOT-ALLOWED}' >reject.yml");
/// A place such as 0:42 has a letter then.
const FIFTY_IN_PARTITION_0: Step = Do("seq 50 | kcat -b 127.0.0.1:9092 -t logs -p 0 -P");
const REJECTING: Step = Runs(
    "sluice worker --group rejecting --pipeline reject.yml --elasticsearch http://127.0.0.1:9200",
    "sluice dead list | grep -q 0:42",
);
const NEEDS_A_BUILD: &str = "builds for a quarter of an hour; the tests of the package build and install one";

pub const README: &[Step] = &[
    APP_LOG,
    Serves("cargo run --release -- up /var/log/*.log", SIXTY_DOCUMENTS),
    NotRun("cargo test", "it is what runs this"),
    NotRun("packaging/static", NEEDS_A_BUILD),
    NotRun("packaging/static agent", NEEDS_A_BUILD),
    NotRun("packaging/deb", NEEDS_A_BUILD),
    NotRun("docker compose", "needs Docker; a test reads the file"),
    Ends("kcat -b 127.0.0.1:9092 -L", "topic \"logs\""),
    Watches("kcat -b 127.0.0.1:9092 -t logs -C", "line 60"),
    Watches("kcat -b 127.0.0.1:9092 -G another-group", "line 60"),
    Watches("sluice top", "Agent"),
    Ends("sluice explain /var/log/app.log:17", "document "),
    Ends("sluice verify /var/log/app.log*", "60 documents"),
    Ends("sluice debug bundle", ""),
    Stop("cargo run"),
    STORE_FILES,
    STORE,
    Serves("sluice broker --listen 127.0.0.1:9092", BROKER_READY),
    Serves("sluice agent  --broker 127.0.0.1:9092", SIXTY_SENT),
    Serves("sluice worker --broker 127.0.0.1:9092", SIXTY_DOCUMENTS),
    Do(ACCESS_LOG),
    Ends("sluice pipeline run nginx-access < access.log", "\"status_code\":200"),
    Serves("sluice discover --elasticsearch http://10.0.0.5:9200", "curl -sf 127.0.0.1:9280"),
    Do("mkdir -p /var/log/nginx && cp access.log /var/log/nginx/"),
    Ends("sluice agent --dry-run", "/var/log/app.log"),
    Stop("sluice agent"),
    Ends("sluice agent --once /var/log/nginx/access.log*", ""),
    Ends("sluice agent status", "access.log"),
    Stop("sluice worker"),
    FIFTY_IN_PARTITION_0,
    REJECT,
    REJECTING,
    Ends("sluice dead list --since 2h", "0:42"),
    Ends("sluice dead show 0:42", ""),
    Ends("sluice dead replay --type strict_dynamic_mapping_exception", "were sent back"),
    Ends("sluice dead drop --all", ""),
    Stop("sluice worker"),
    MY_PIPELINE,
    Ends("sluice pipeline run my.yml --table < app.log", "/cart"),
    Ends("sluice pipeline explain my.yml 'GET /cart 12'", "took"),
    Do(
        "stream=packages/nginx/data_stream/access; mkdir -p $stream/_dev/test/pipeline $stream/elasticsearch/ingest_pipeline && \
        cp my.yml $stream/elasticsearch/ingest_pipeline/default.yml && cp app.log $stream/_dev/test/pipeline/ && \
        sluice pipeline test packages/nginx --update",
    ),
    Ends("sluice pipeline test packages/nginx", ""),
    Ends("sluice pipeline test samples/ --pipeline my.yml --update", ""),
    Runs("sluice worker --group simulating --pipeline my.yml --elasticsearch http://127.0.0.1:9200", WORKER_READY),
    Ends("curl localhost:9603/_ingest/pipeline/my/_simulate?verbose", "/cart"),
    Ends("sluice setup --elasticsearch http://127.0.0.1:9200 --dry-run", ""),
    Ends("sluice setup --elasticsearch http://127.0.0.1:9200 --retention 30d", ""),
    Ends("sluice setup --kibana sluice.ndjson", ""),
    Ends("sluice search 'status:>=500 AND host.name:web*' --last 1h", ""),
    Watches("sluice tail 'level:error'", "error line "),
];

pub const QUICK_START: &[Step] = &[
    APP_LOG,
    Serves("sluice up '/var/log/**/*.log'", SIXTY_DOCUMENTS),
    Ends("sluice search 'log.level:error' --last 1h", "line 60"),
    Watches("sluice tail", "error line "),
    Watches("sluice top", "Agent"),
    // The line is asked for under the name that its file has after a rotation, too.
    Do("mv /var/log/app.log /var/log/app.log.1 && gzip /var/log/app.log.1"),
    APP_LOG,
    Holds("curl -sf '127.0.0.1:9200/sluice-*/_count' | grep -q '\"count\":120'"),
    Serves("sluice demo", "ls demo-logs | grep -q log"),
    Stop("sluice up"),
    Serves(
        "sluice up 'demo-logs/*.log'",
        "curl -sf '127.0.0.1:9200/sluice-*/_count' | grep -q '\"count\":[0-9]\\{4\\}'",
    ),
    Ends("sluice explain /var/log/app.log:17", "document "),
    Ends("sluice verify /var/log/app.log /var/log/app.log.1.gz", "120 documents"),
];

pub const AGENT: &[Step] = &[
    APP_LOG,
    Ends("sluice agent --dry-run '/var/log/**/*.log'", "/var/log/app.log"),
    Runs("sluice broker --listen 0.0.0.0:9092 --advertise 10.0.0.5:9092 --insecure", BROKER_READY),
    Serves("sluice agent --broker 10.0.0.5:9092", SIXTY_SENT),
    Ends("sluice agent status", "/var/log/app.log"),
    Stop("sluice agent"),
    Ends("sluice agent --once /var/log/app.log", ""),
];

pub const BROKER: &[Step] = &[
    Serves("sluice broker --listen 127.0.0.1:9092 --data /var/lib/sluice", BROKER_READY),
    Stop("sluice broker"),
    Serves("sluice broker --set num.partitions=4", BROKER_READY),
    Stop("sluice broker"),
    Serves("sluice broker --listen 0.0.0.0:9092 --advertise logs.example.com:9092 --insecure", BROKER_READY),
];

pub const PIPELINES: &[Step] = &[
    Do(ACCESS_LOG),
    MY_PIPELINE,
    Do("sluice pipeline test samples/ --pipeline my.yml --update"),
    Ends("sluice pipeline run nginx-access --table < access.log", "200"),
    Ends("sluice pipeline explain my.yml 'GET /cart 12'", "took"),
    Ends("sluice pipeline test samples/ --pipeline my.yml", ""),
    APP_LOG,
    STORE_FILES,
    STORE,
    Runs("sluice broker", BROKER_READY),
    Do("sluice agent --once /var/log/app.log"),
    FIFTY_IN_PARTITION_0,
    REJECT,
    REJECTING,
    Ends("sluice dead list --since 2h", "0:42"),
    Ends("sluice dead replay --type document_parsing_exception", "were sent back"),
];

pub const ELASTICSEARCH_AND_KIBANA: &[Step] = &[
    STORE_FILES,
    STORE,
    Runs("sluice broker", BROKER_READY),
    Ends("sluice setup --elasticsearch http://127.0.0.1:9200 --dry-run", ""),
    Ends("sluice setup --elasticsearch http://127.0.0.1:9200 --retention 30d", ""),
    Ends("sluice setup --kibana sluice.ndjson", ""),
    Do("grep -q index-pattern sluice.ndjson"),
    APP_LOG,
    Do("sluice agent --once /var/log/app.log"),
    Serves("sluice worker --broker 127.0.0.1:9092 --elasticsearch http://127.0.0.1:9200", SIXTY_DOCUMENTS),
];

pub const OPERATIONS: &[Step] = &[
    APP_LOG,
    STORE_FILES,
    STORE,
    Do(
        "printf '%s\\n' 'agent: {broker: \"127.0.0.1:9092\", checkpoints: checkpoints, inputs: [{paths: [/var/log/app.log]}]}' \
        'worker: {broker: \"127.0.0.1:9092\", elasticsearch: {urls: [\"http://127.0.0.1:9200\"]}}' >sluice.yaml && \
        mkdir -p /etc/sluice && cp sluice.yaml /etc/sluice/",
    ),
    Runs("sluice broker", BROKER_READY),
    Ends("sluice check", ""),
    Ends("sluice check --probe", ""),
    Ends("sluice check --probe --json", "{"),
    Ends("sluice config show", "/var/log/app.log"),
    Ends("sluice config schema > schema.json", ""),
    Runs("sluice agent", SIXTY_SENT),
    Runs("sluice worker", SIXTY_DOCUMENTS),
    Ends("sluice reload", ""),
    Ends("sluice reload --status-listen 127.0.0.1:9602", ""),
    Stop("sluice agent"),
    Serves("sluice agent --log-format json --config /etc/sluice/sluice.yaml", "curl -sf 127.0.0.1:9602/health/ready"),
    Ends("sluice agent status", "/var/log/app.log"),
    Ends("sluice dead list --since 2h", ""),
    Do("mkdir -p /etc/bash_completion.d /usr/local/share/man/man1"),
    Ends("sluice completions bash > /etc/bash_completion.d/sluice", ""),
    Ends("sluice man /usr/local/share/man/man1", ""),
];
