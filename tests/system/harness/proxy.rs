//! A TCP proxy that treats its connections badly: it cuts them within requests and answers, loses answers whole, or is slow.

use super::random::Random;
use anyhow::Context;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Between two looks for a new connection or at a connection that is silent.
const POLL: Duration = Duration::from_millis(20);
/// Bytes of requests after which a connection is cut, at most: some batches.
const REQUEST_BYTES_MAX: u64 = 1_500_000;
/// Bytes of answers after which a connection is cut, at most: some acknowledgements after the first questions.
const ANSWER_BYTES_MAX: u64 = 4_000;
/// Between two blocks of a connection that is slow: some 100 kB/s.
const SLOW_PAUSE: Duration = Duration::from_millis(160);

/// What all its threads share.
#[derive(Default)]
struct Mood {
    is_bad: AtomicBool,
    is_slow: AtomicBool,
    cuts: AtomicU64,
    ended: AtomicBool,
}

/// A proxy at work; dropping it ends it.
pub struct Proxy {
    mood: Arc<Mood>,
}

impl Proxy {
    /// Listens on `port` of loopback and connects to `target`, honest at first.
    pub fn start(port: u16, target: SocketAddr, mut random: Random) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).with_context(|| format!("listen on port {port}"))?;
        listener.set_nonblocking(true)?;
        let mood = Arc::new(Mood::default());
        let shared = mood.clone();
        thread::spawn(move || {
            while !shared.ended.load(Ordering::Relaxed) {
                match listener.accept() {
                    // A server that is not there looks the same from the other side: the connection ends.
                    Ok((client, _)) => drop(carry(client, target, &shared, &mut random)),
                    Err(_) => thread::sleep(POLL),
                }
            }
        });
        Ok(Self { mood })
    }

    /// From now on, also for the connections that are there: bad or honest.
    pub fn be_bad(&self, is_bad: bool) {
        self.mood.is_bad.store(is_bad, Ordering::Relaxed);
    }

    /// From now on, also for the connections that are there: slow or as fast as it gets.
    pub fn be_slow(&self, is_slow: bool) {
        self.mood.is_slow.store(is_slow, Ordering::Relaxed);
    }

    /// Connections that were cut so far.
    pub fn cuts(&self) -> u64 {
        self.mood.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.mood.ended.store(true, Ordering::Relaxed);
    }
}

fn carry(client: TcpStream, target: SocketAddr, mood: &Arc<Mood>, random: &mut Random) -> std::io::Result<()> {
    let server = TcpStream::connect(target)?;
    let requests = random.of(1..REQUEST_BYTES_MAX);
    let answers = random.of(1..ANSWER_BYTES_MAX);
    for (from, to, limit) in [(&client, &server, requests), (&server, &client, answers)] {
        let (from, to, mood) = (from.try_clone()?, to.try_clone()?, mood.clone());
        from.set_nonblocking(false)?;
        from.set_read_timeout(Some(POLL))?;
        thread::spawn(move || {
            // Whatever ends one direction ends both.
            let _ = forward(&from, &to, limit, &mood);
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
    Ok(())
}

/// Forwards until an end, or, in a bad mood, until `limit` bytes: of what came last only a part goes on.
fn forward(mut from: &TcpStream, mut to: &TcpStream, limit: u64, mood: &Mood) -> std::io::Result<()> {
    let mut block = [0; 16 * 1024];
    let mut total = 0;
    while !mood.ended.load(Ordering::Relaxed) {
        let read = match from.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(error) => return Err(error),
        };
        total += read as u64;
        let beyond = usize::try_from(total.saturating_sub(limit)).unwrap_or(read).min(read);
        if beyond > 0 && mood.is_bad.load(Ordering::Relaxed) {
            mood.cuts.fetch_add(1, Ordering::Relaxed);
            return to.write_all(&block[..read - beyond]);
        }
        to.write_all(&block[..read])?;
        if mood.is_slow.load(Ordering::Relaxed) {
            thread::sleep(SLOW_PAUSE);
        }
    }
    Ok(())
}
