//! The agent end to end: what it must hold whatever happens to files, broker and itself, each with the real binary.
//!
//! `SLUICE_SOAK=full` runs the long forms.

mod checkpoints;
mod cluster;
mod commands;
mod compressed;
mod identity;
mod kill;
mod logrotate;
mod many;
mod multiline;
mod restart;
mod rotation;
mod stall;
mod streams;

use crate::Test;

/// Lists tests as `agent::SUITE::TEST`.
macro_rules! tests {
    ($suite:ident: $($test:ident),* $(,)?) => {
        vec![$((concat!("agent::", stringify!($suite), "::", stringify!($test)).to_owned(), $suite::$test as Test)),*]
    };
}

/// Every test, by name; the longest first.
pub fn all() -> Vec<(String, Test)> {
    [
        tests!(kill: our_broker, apache_kafka),
        tests!(
            cluster: apache_kafka_leaders,
            apache_kafka_dies,
            apache_kafka_cut_off,
            our_broker_cut_off,
            batch_too_large,
        ),
        tests!(logrotate: within_the_globs, out_of_the_globs),
        tests!(many: slow_beside_hot, short_lived, idle),
        tests!(stall: rename_and_create, sigterm),
        tests!(streams: pipe, rsyslog, journal),
        tests!(restart: long_line, half_line),
        tests!(commands: progress, status, dry_run, exit_codes, labels),
        tests!(checkpoints: never_ahead, damaged, copied),
        tests!(
            rotation: late_writes,
            renamed_while_away,
            compressed_while_away,
            truncated_while_stopped,
            truncated_while_away,
            backlog_in_the_copy,
            deleted_copy,
            hole,
        ),
        tests!(multiline: restart_and_rename, grown_after_timeout),
        tests!(compressed: half_read, members_and_pieces, once, bomb),
        tests!(
            identity: inode_reused,
            tiny_and_twins,
            links_and_oddities,
            permission_granted_later,
            links_out_of_the_folder,
        ),
    ]
    .concat()
}
