//! Syslog over UDP and TCP: framing, senders side by side, and a spool that is full.

use crate::fixture::{Fixture, until};
use crate::streams::{spooled_bytes, stream};
use agent::{Agent, Protocol, Stream};
use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

fn syslog(fixture: &mut Fixture, protocol: Protocol) {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    fixture.config.inputs = vec![stream(Stream::Syslog { listen, protocol })];
}

fn send_datagrams(address: SocketAddr, messages: &[String]) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bound");
    for message in messages {
        socket.send_to(message.as_bytes(), address).expect("sent");
    }
    socket.local_addr().expect("bound")
}

#[tokio::test]
async fn every_datagram_is_a_message() {
    let mut fixture = Fixture::new();
    syslog(&mut fixture, Protocol::Udp);
    let agent = fixture.start().await;
    let mut messages: Vec<String> = (0..50).map(|n| format!("<34>1 - host app {n} - - text\nof two lines")).collect();
    let sender = send_datagrams(agent.syslog_addresses()[0], &messages);
    send_datagrams(agent.syslog_addresses()[0], &["<13>last\n\0".to_owned(), "\n".to_owned()]);
    messages.push("<13>last".to_owned());
    until(|| fixture.broker.count() >= messages.len()).await;
    assert_eq!(fixture.broker.values(), messages);
    let got = fixture.broker.got();
    assert_eq!(got[0].header("log.source.address"), sender.to_string());
    assert_eq!(got[0].header("event.dataset"), "syslog");
    agent.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn datagrams_that_find_a_full_spool_are_counted() {
    let mut fixture = Fixture::new();
    fixture.config.spool_bytes_max = 64 * 1024;
    syslog(&mut fixture, Protocol::Udp);
    fixture.broker.stall(true);
    let (agent, registry) = fixture.start_counted().await;
    let count = |name: &str| {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("text");
        let line =
            text.lines().find(|line| line.starts_with(&format!("sluice_agent_{name}_total "))).map(str::to_owned);
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).unwrap_or_default()
    };
    let mut sent = 0;
    while count("syslog_datagrams_refused") == 0 {
        send_datagrams(agent.syslog_addresses()[0], &vec![format!("<13>{:<1000}", "x"); 10]);
        sent += 10;
        let known = || count("syslog_messages") + count("syslog_datagrams_refused");
        until(|| known() >= sent).await;
        assert!(sent < 1000, "the spool is never full");
    }
    assert!(agent.problems().is_empty() || agent.problems()[0].contains("spool is full"), "{:?}", agent.problems());
    fixture.broker.stall(false);
    let received = count("syslog_messages");
    assert_eq!(received + count("syslog_datagrams_refused"), sent);
    until(|| fixture.broker.count() as u64 >= received).await;
    // There is room again.
    until(|| spooled_bytes(&fixture) < 32 * 1024).await;
    send_datagrams(agent.syslog_addresses()[0], &["<13>after".to_owned()]);
    until(|| fixture.broker.values().last().is_some_and(|value| value == "<13>after")).await;
    assert_eq!(fixture.broker.count() as u64, received + 1);
    agent.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn connections_may_be_cut_into_packets_anywhere_and_do_not_mix() {
    let mut fixture = Fixture::new();
    syslog(&mut fixture, Protocol::Both);
    let agent = fixture.start().await;
    let address = agent.syslog_addresses()[0];
    let sent = |sender: u8| -> String {
        (0..20)
            .map(|n| {
                format!("<34>line {n} of {sender}\n{} <34>1 counted\n{n} of {sender:03}", 21 + n.to_string().len())
            })
            .collect()
    };
    let (mut one, mut other) =
        (TcpStream::connect(address).expect("connected"), TcpStream::connect(address).expect("connected"));
    one.set_nodelay(true).expect("set");
    other.set_nodelay(true).expect("set");
    let (from_one, from_other) = (sent(1), sent(2));
    for at in 0..from_one.len() {
        one.write_all(&from_one.as_bytes()[at..=at]).expect("sent");
        other.write_all(&from_other.as_bytes()[at..=at]).expect("sent");
    }
    let ports = [&one, &other].map(|stream| stream.local_addr().expect("connected").to_string());
    drop((one, other));
    until(|| fixture.broker.count() >= 80).await;
    let got = fixture.broker.got();
    for (sender, port) in (1..=2).zip(&ports) {
        let values: Vec<String> = got
            .iter()
            .filter(|got| got.header("log.source.address") == port)
            .map(|got| String::from_utf8_lossy(&got.value).into_owned())
            .collect();
        let want: Vec<String> = (0..20)
            .flat_map(|n| [format!("<34>line {n} of {sender}"), format!("<34>1 counted\n{n} of {sender:03}")])
            .collect();
        assert_eq!(values, want);
    }
    agent.stop(Duration::from_secs(5)).await;
    assert!(TcpStream::connect(address).is_err(), "the socket is closed");
}

#[tokio::test]
async fn a_message_that_is_too_long_is_cut_and_marked() {
    let mut fixture = Fixture::new();
    fixture.config.line_bytes_max = 100;
    syslog(&mut fixture, Protocol::Tcp);
    let agent = fixture.start().await;
    let mut sender = TcpStream::connect(agent.syslog_addresses()[0]).expect("connected");
    write!(sender, "<13>{}\n<13>next\n200 <13>{}<13>last\n300 <13>torn", "x".repeat(300), "y".repeat(196))
        .expect("sent");
    drop(sender);
    until(|| fixture.broker.count() >= 5).await;
    let got: Vec<(String, bool)> = fixture
        .broker
        .got()
        .iter()
        .map(|got| (String::from_utf8_lossy(&got.value).into_owned(), got.header("sluice.cut") == "true"))
        .collect();
    let want = [
        (format!("<13>{}", "x".repeat(96)), true),
        ("<13>next".to_owned(), false),
        (format!("<13>{}", "y".repeat(96)), true),
        ("<13>last".to_owned(), false),
        ("<13>torn".to_owned(), true),
    ];
    assert_eq!(got, want);
    agent.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_full_spool_lets_connections_wait() {
    let mut fixture = Fixture::new();
    fixture.config.spool_bytes_max = 64 * 1024;
    syslog(&mut fixture, Protocol::Tcp);
    fixture.broker.stall(true);
    let agent = fixture.start().await;
    let address = agent.syslog_addresses()[0];
    let sending = std::thread::spawn(move || {
        let mut sender = TcpStream::connect(address).expect("connected");
        (0..5000).for_each(|n| writeln!(sender, "<13>message {n:<200}").expect("sent"));
    });
    until(|| agent.problems().iter().any(|problem| problem.contains("spool is full"))).await;
    assert!(spooled_bytes(&fixture) <= 64 * 1024, "{}", spooled_bytes(&fixture));
    fixture.broker.stall(false);
    until(|| fixture.broker.count() >= 5000).await;
    sending.join().expect("sent");
    let values = fixture.broker.values();
    assert!(values.iter().enumerate().all(|(n, value)| *value == format!("<13>message {n:<200}")));
    agent.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn an_address_in_use_is_an_error_of_the_start() {
    let mut fixture = Fixture::new();
    let taken = UdpSocket::bind("127.0.0.1:0").expect("bound");
    let listen = taken.local_addr().expect("bound");
    fixture.config.inputs = vec![stream(Stream::Syslog { listen, protocol: Protocol::Udp })];
    let error = Agent::start(fixture.config.clone(), &mut Default::default()).await.err().expect("in use");
    assert_eq!(error.to_string(), format!("listen for syslog on {listen}"));
}
