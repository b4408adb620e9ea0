//! Scripted file actions against a running agent, with a broker that keeps Kafka's rules and fails on demand.

mod backlog;
mod broker;
mod clock;
mod closed;
mod cluster;
mod copies;
mod delivery;
mod disk;
mod fair;
mod files;
mod fixture;
mod formats;
mod gzip;
mod journald;
mod labels;
mod lines;
mod model;
mod names;
mod network;
// The brokers on sockets by which the client is tested.
#[allow(dead_code)]
#[path = "../../../kafka/client/tests/client/fake/mod.rs"]
mod network_brokers;
mod plan;
mod random;
mod rotated_dirs;
mod rotation;
mod streams;
mod syslog;
mod view;
mod written;
