//! Serves a data directory, to try clients on: `serve ADDRESS DIRECTORY`; ends with its standard input.

use prometheus_client::registry::Registry;
use tokio::io::AsyncReadExt;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(directory)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: serve ADDRESS DIRECTORY");
        std::process::exit(2);
    };
    let mut config = broker::Config::new(directory);
    config.listen = vec![address.parse().unwrap_or_else(|error| fail(&error))];
    let mut registry = Registry::default();
    let broker = broker::Broker::start(config, &mut registry).await.unwrap_or_else(|error| fail(&error));
    println!("listening on {:?}", broker.addresses());
    let mut rest = Vec::new();
    drop(tokio::io::stdin().read_to_end(&mut rest).await);
    broker.stop().await;
    let mut counters = String::new();
    prometheus_client::encoding::text::encode(&mut counters, &registry).unwrap_or_else(|error| fail(&error));
    println!("{counters}");
}

fn fail(error: &dyn std::error::Error) -> ! {
    eprintln!("{error}");
    std::process::exit(1);
}
