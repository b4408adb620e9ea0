//! Scripted file actions against a running agent, with a broker that keeps Kafka's rules and fails on demand.

mod broker;
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
mod plan;
mod rotation;
mod streams;
mod syslog;
