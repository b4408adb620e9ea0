//! The story: requests one after the other, faster in a burst, failing in an error storm, again and again.

use super::entry::{self, Entry, Request};
use super::words::{AGENTS, CHECKOUT, FAULT, PLACES, SYSTEM, SYSTEM_STORM, TIMEOUT};
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

/// A burst and a storm come once in so many seconds.
const ROUND: i64 = 300;
/// Seconds of a round with many more requests.
const BURST: std::ops::Range<i64> = 60..80;
/// How many times as many.
const BURST_FACTOR: f64 = 6.0;
/// Seconds of a round in which the bank does not answer.
const STORM: std::ops::Range<i64> = 180..210;
/// Clients: so few that some come again and again.
const CLIENTS: u32 = 400;

/// What is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Quiet,
    Burst,
    Storm,
}

/// An endless story; the same seed, start and rate tell the same one.
pub struct Story {
    random: Rng,
    start: Timestamp,
    /// When the next request comes.
    now: Timestamp,
    /// Lines in a second of quiet times.
    rate: f64,
}

impl Story {
    pub fn new(seed: u64, start: Timestamp, rate: u32) -> Self {
        Self { random: Rng::with_seed(seed), start, now: start, rate: f64::from(rate) }
    }

    /// When the next entries are written.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    pub fn phase(&self) -> Phase {
        match self.now.duration_since(self.start).as_secs() % ROUND {
            second if BURST.contains(&second) => Phase::Burst,
            second if STORM.contains(&second) => Phase::Storm,
            _ => Phase::Quiet,
        }
    }

    /// What the next request leaves in the logs, in the order of time.
    pub fn next(&mut self) -> Vec<Entry> {
        let phase = self.phase();
        let mut entries = self.request(phase);
        if self.random.u32(..20) == 0 {
            let system = if phase == Phase::Storm { &SYSTEM_STORM[..] } else { &SYSTEM[..] };
            let (program, message) = system[self.random.usize(..system.len())];
            entries.push(entry::system(self.now, program, message));
        }
        let lines: u64 = entries.iter().map(Entry::lines).sum();
        let rate = if phase == Phase::Burst { self.rate * BURST_FACTOR } else { self.rate };
        // Requests do not come like clockwork.
        let seconds = lines as f64 / rate * (0.5 + self.random.f64());
        self.now += SignedDuration::from_nanos(1 + (seconds * 1e9) as i64);
        entries
    }

    fn request(&mut self, phase: Phase) -> Vec<Entry> {
        let random = &mut self.random;
        let client = random.u32(..CLIENTS);
        let client = format!("203.0.{}.{}", 113 + client / 250, 1 + client % 250);
        let agent = AGENTS[random.usize(..AGENTS.len())];
        let trace = format!("{:032x}", random.u128(..));
        let mut choice = random.u32(..100);
        let (method, place, _) = *PLACES
            .iter()
            .find(|(_, _, share)| {
                let here = choice < *share;
                choice = choice.saturating_sub(*share);
                here
            })
            .unwrap_or(&PLACES[0]);
        let path = match place.ends_with(['=', '/']) && place.len() > 1 {
            true => format!("{place}{}", random.u32(1..500)),
            false => place.to_owned(),
        };
        let needs_payment = place == CHECKOUT;
        let order = random.u32(100_000..1_000_000);
        let thread = random.u8(1..=10);
        // In a storm what waits for the bank takes the connections away from everything else.
        let outcome = random.u32(..100);
        let (status, millis) = match phase {
            Phase::Storm if needs_payment && outcome < 90 => (502, random.u64(3000..3200)),
            Phase::Storm if outcome < 55 => (503, random.u64(1000..2000)),
            Phase::Burst if outcome < 4 => (429, random.u64(1..5)),
            _ if outcome == 99 && needs_payment => (500, random.u64(20..90)),
            _ if outcome >= 96 => (404, random.u64(1..9)),
            Phase::Burst => (200, random.u64(40..900)),
            _ => (200, random.u64(3..140)),
        };
        let bytes = if status == 200 { random.u64(300..60_000) } else { random.u64(120..600) };
        let (method, path, client, trace) = (method, path.as_str(), client.as_str(), trace.as_str());
        let request = Request { at: self.now, client, method, path, status, bytes, millis, agent, trace };

        let mut entries = Vec::new();
        if needs_payment {
            let (level, class, message, stack) = match status {
                502 => ("ERROR", "CardService", format!("charge of order {order} failed, trace {trace}"), TIMEOUT),
                500 => ("ERROR", "CardService", format!("charge of order {order} failed, trace {trace}"), FAULT),
                200 => ("INFO", "CardService", format!("charged order {order} in {millis} ms, trace {trace}"), ""),
                _ => ("WARN", "CheckoutController", format!("refused order {order}: {status}, trace {trace}"), ""),
            };
            entries.push(entry::payment(self.now, thread, level, class, &message, stack));
        }
        let (level, message) = match status {
            502 => ("error", format!("payment of order {order} failed: no answer from the payment service")),
            503 => ("error", "no connection to the payment service is free".to_owned()),
            500 => ("error", format!("payment of order {order} failed: internal error")),
            429 => ("warn", format!("too many requests from {client}")),
            404 => ("warn", format!("nothing is at {path}")),
            _ => ("info", format!("{method} {path} answered in {millis} ms")),
        };
        entries.push(entry::shop(&request, level, &message));
        entries.push(entry::web(&request));
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::Source;
    use std::collections::HashMap;

    const START: Timestamp = Timestamp::constant(1_772_323_200, 0);

    fn round(seed: u64) -> Vec<(Phase, Entry)> {
        let mut story = Story::new(seed, START, 40);
        let mut told = Vec::new();
        while story.now().duration_since(START).as_secs() < ROUND {
            let phase = story.phase();
            told.extend(story.next().into_iter().map(|entry| (phase, entry)));
        }
        told
    }

    #[test]
    fn a_seed_tells_the_same_story() {
        assert_eq!(round(7), round(7));
        assert_ne!(round(7), round(8));
    }

    #[test]
    fn a_round_has_a_burst_and_a_storm_at_the_rate_that_was_asked_for() {
        for seed in 0..5 {
            let told = round(seed);
            let rate = |phase: Phase, seconds: i64| {
                let lines = told.iter().filter(|(at, _)| *at == phase).map(|(_, entry)| entry.lines());
                lines.sum::<u64>() as f64 / seconds as f64
            };
            let (burst, storm) = (BURST.end - BURST.start, STORM.end - STORM.start);
            for (rate, want) in [
                (rate(Phase::Quiet, ROUND - burst - storm), 40.0),
                (rate(Phase::Burst, burst), 240.0),
                (rate(Phase::Storm, storm), 40.0),
            ] {
                assert!((want * 0.85..want * 1.15).contains(&rate), "seed {seed}: want about {want}; got {rate}");
            }
            let failing = |phase: Phase| {
                let web: Vec<_> =
                    told.iter().filter(|(at, entry)| *at == phase && entry.source == Source::Web).collect();
                web.iter().filter(|(_, entry)| entry.text.contains("\" 50")).count() as f64 / web.len() as f64
            };
            assert!(failing(Phase::Storm) > 0.4 && failing(Phase::Quiet) < 0.02, "seed {seed}");
        }
    }

    #[test]
    fn times_never_go_back_and_traces_are_told_by_several_programs() {
        let told = round(1);
        let mut last: HashMap<Source, Timestamp> = HashMap::new();
        for (_, entry) in &told {
            assert!(last.insert(entry.source, entry.at).is_none_or(|last| last <= entry.at), "{entry:?}");
        }
        let stack = told.iter().find(|(_, entry)| entry.text.contains("Caused by: ")).expect("a stack trace");
        let trace = stack.1.text.lines().next().and_then(|line| line.rsplit(' ').next()).expect("a trace id");
        let of_shop = told.iter().find(|(_, entry)| entry.source == Source::Shop && entry.text.contains(trace));
        assert!(of_shop.is_some_and(|(_, entry)| entry.text.contains("\"http.response.status_code\":502")));
    }
}
