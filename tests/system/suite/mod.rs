//! The suites: one file per subject. A test's name is its suite and its function.

mod agent;
mod apart;
mod bad_input;
mod broker_kill;
mod bundle;
mod client_programs;
mod clients;
mod crash;
mod demo;
mod disk;
mod documented;
mod embedded;
mod kafka_tools;
mod kill;
mod matrix;
mod operate;
mod package;
mod page;
mod pipelines;
mod probes;
mod prometheus;
mod queries;
mod refusals;
mod reload;
mod search;
mod secured;
mod setup;
mod soak;
mod terminal;
mod tool_calls;
mod up;
mod uses;
mod versions;
mod whereabouts;
mod worker;
mod yardstick;

use crate::Test;

/// Lists tests under the suite's name.
macro_rules! tests {
    ($suite:ident: $($test:ident),* $(,)?) => {
        vec![$((concat!(stringify!($suite), "::", stringify!($test)).to_owned(), $suite::$test as Test)),*]
    };
}

/// Every test, by name.
pub fn all() -> Vec<(String, Test)> {
    // The longest first: the others fill the second thread beside them.
    [
        tests!(crash: elasticsearch, opensearch),
        tests!(kill: up, apart),
        tests!(soak: whole_chain),
        tests!(up: once_prints_documents, once_delivers_to_elasticsearch, runs_beside_other_clients, from_end, pipeline_run),
        tests!(
            bad_input: no_files,
            file_vanishes,
            directory_without_permission,
            broken_config,
            port_in_use,
            broker_comes_later,
            elasticsearch_comes_later,
            rubbish_on_the_brokers_port,
            invalid_utf8,
        ),
        tests!(disk: full, limit, few_open_files),
        tests!(demo: every_line_is_recognised, ends_at_ctrl_c),
        tests!(refusals: elasticsearch, opensearch),
        tests!(embedded: up_on_many_lines, up_makes_lines_searchable, killed_during_bulks, retention),
        worker::all(),
        tests!(package: installed_used_removed, units_are_hardened, compose_file_is_sound),
        page::all(),
        tests!(
            operate: reload_under_load,
            supervisor_is_told,
            no_secret_is_said,
            check_and_probe,
            metrics_that_are_named_exist,
        ),
        tests!(prometheus: scrapes_every_part),
        tests!(probes: elasticsearch, opensearch),
        tests!(reload: of_up, of_certificates),
        tests!(search: finds_documents, follows, finds_documents_in_the_store, follows_in_the_store),
        tests!(whereabouts: random_situations, reported),
        tests!(bundle: has_no_secret),
        tests!(terminal: a_new_users_path, waits_are_shown),
        tests!(
            documented: readme,
            quick_start,
            agent,
            broker,
            pipelines,
            elasticsearch_and_kibana,
            operations,
            every_page,
        ),
        tests!(setup: elasticsearch, opensearch),
        versions::all(),
        tests!(pipelines: answers_are_as_recorded, simulations_are_as_recorded),
        tests!(queries: answers_are_as_recorded),
        agent::all(),
        tests!(apart: our_broker, apache_kafka, from_one_config_file),
        tests!(clients: librdkafka, kcat, apache_kafka_librdkafka, apache_kafka_kcat),
        tests!(kafka_tools: console, apache_kafka_console, dump_log_segments),
        tests!(broker_kill: four_producers),
        tests!(matrix: java, apache_kafka_java, own, apache_kafka_own),
        client_programs::all(),
        tests!(
            secured: agent_and_worker_on_apache_kafka,
            users_and_rights,
            java_client,
            certificate_is_read_again,
            agent_and_worker,
            in_the_clear,
        ),
        tests!(tool_calls: our_broker, apache_kafka),
        tests!(uses: our_broker, apache_kafka),
        tests!(yardstick: oracle, clf_times, writing, real_servers_answer),
    ]
    .concat()
}
