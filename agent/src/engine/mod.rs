//! The agent's thread: it finds files, gives each its turn, and keeps the books. All state has this one writer.

mod backlog;
mod caught_up;
mod closed;
mod copies;
mod deleted;
mod files;
mod follow;
mod format;
mod frame;
mod hole;
mod limits;
mod look;
mod moved;
mod order;
mod parts;
mod past;
mod places;
mod plain;
mod read;
mod rotate;
mod settle;
mod streams;
mod timers;
mod turns;
mod unzip;
mod vet;
mod view;

pub use files::Files;
pub use follow::place_in;
pub use parts::{Clock, Parts, Wake};
pub use places::Places;
pub use vet::Vetting;
pub use view::{Archive, FileState, Loss, Progress, Progressed, View};

use crate::config::{CheckedInput, Config};
use crate::deliver::{Delivery, Event};
use crate::discover::{Scope, Watches};
use crate::fingerprint::FileId;
use crate::metrics::Metrics;
use crate::tail::{Name, Place};
use backlog::Desk;
use deleted::Writers;
use kafka_wire::batch::BatchWriter;
use limits::Limits;
use past::Past;
use read::Turn;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use streams::Spooled;
use turns::Queue;

/// Turns between two looks at the messages.
const TURNS_MAX: usize = 8;
/// Time between two looks at the messages, but for the last turn: an acknowledgement that waits keeps a batch from being sent.
const TURNS_TIME_MAX: Duration = Duration::from_millis(1);
/// How often a file without a name is looked at: its directory may not be watched.
const NAMELESS_POLL: Duration = Duration::from_millis(500);
/// Least time between two walks through the directories, however many names change.
const WALK_INTERVAL_MIN: Duration = Duration::from_millis(100);
/// How often the published view may change.
const VIEW_INTERVAL: Duration = Duration::from_millis(100);

/// State of the agent's thread.
pub struct Engine {
    config: Config,
    inputs: Vec<CheckedInput>,
    clock: Clock,
    delivery: Delivery,
    files: Files,
    scope: Scope,
    watches: Watches,
    metrics: Metrics,
    /// Read buffer of the file whose turn it is.
    block: Vec<u8>,
    writer: BatchWriter,
    /// Of the threads that help with a backlog.
    desks: Vec<Desk>,
    /// Batches that the last stretches had each, at most.
    stretch_batches: usize,
    /// Something was read since the last tick.
    reading: bool,
    queue: Queue,
    /// Files that are to be read at a time.
    later: BTreeSet<(Instant, FileId)>,
    /// Files at whose end a group of lines waits, and until when.
    groups: BTreeSet<(Instant, FileId)>,
    finished: Vec<FileId>,
    /// Among these are all open files of which something is not acknowledged.
    behind: BTreeSet<FileId>,
    /// Compressed files that are being read.
    unzipping: BTreeSet<FileId>,
    /// Files that may be open: what was asked for, as far as the process may.
    open_files_max: usize,
    /// Closed files that have something to read, and when to see whether they can be opened.
    waiting: VecDeque<FileId>,
    waiting_at: Instant,
    /// When files without a name may be hurried again.
    hurry_at: Instant,
    caught_up_at: Instant,
    /// All that was there at the start is known.
    started: bool,
    /// A look whether everything is acknowledged was put off.
    caught_up_due: bool,
    /// Files that were written to, and may wait long for their turn.
    written: BTreeSet<FileId>,
    writers: Writers,
    /// Files whose content was found replaced, and whose copy was not looked for yet.
    replaced: Vec<FileId>,
    /// Files that are gone, and whose copy was looked for.
    hunted: BTreeSet<FileId>,
    out_of_memory: bool,
    limits: Limits,
    /// The limits let nothing be read before.
    limited_until: Option<Instant>,
    walk_at: Instant,
    rescan_at: Instant,
    tick_at: Instant,
    view_at: Instant,
    stop_at: Option<Instant>,
    /// Names that cannot be read, and why; traced once each.
    path_problems: BTreeMap<PathBuf, String>,
    /// When the kernel's queue of changes was full, until a rescan a while later.
    overflowed_at: Option<Instant>,
    /// Links of which it was said that they are not followed.
    skipped_said: BTreeSet<PathBuf>,
    /// Files that were missed since that was last said.
    missed_unsaid: u64,
    missed_said_at: Option<Instant>,
    losses: Vec<Loss>,
    past: Past,
    spooled: Spooled,
    view: Arc<Mutex<Arc<View>>>,
    caught_up: tokio::sync::watch::Sender<bool>,
    killed: Arc<AtomicBool>,
}

impl Engine {
    pub fn new(parts: Parts) -> Self {
        let now = Instant::now();
        Self {
            writer: BatchWriter::new(parts.config.compression),
            rescan_at: now + parts.config.rescan,
            tick_at: now + parts.config.flush_interval,
            limits: Limits::new(parts.config.bytes_per_second_max, parts.config.cpu_share_max),
            limited_until: None,
            queue: Queue::new(parts.config.block_bytes),
            files: Files::new(parts.delivery.state(), &parts.config.host_name, Places::of(&parts.inputs)),
            config: parts.config,
            inputs: parts.inputs,
            clock: parts.clock,
            delivery: parts.delivery,
            scope: parts.scope,
            watches: parts.watches,
            metrics: parts.metrics,
            block: Vec::new(),
            desks: Vec::new(),
            stretch_batches: 1,
            reading: false,
            later: BTreeSet::new(),
            groups: BTreeSet::new(),
            finished: Vec::new(),
            behind: BTreeSet::new(),
            unzipping: BTreeSet::new(),
            open_files_max: parts.open_files_max,
            waiting: VecDeque::new(),
            waiting_at: now,
            hurry_at: now,
            caught_up_at: now,
            started: false,
            caught_up_due: false,
            written: BTreeSet::new(),
            writers: Writers::default(),
            replaced: Vec::new(),
            hunted: BTreeSet::new(),
            out_of_memory: false,
            walk_at: now,
            view_at: now,
            stop_at: None,
            path_problems: BTreeMap::new(),
            overflowed_at: None,
            skipped_said: BTreeSet::new(),
            missed_unsaid: 0,
            missed_said_at: None,
            losses: Vec::new(),
            past: Past::default(),
            spooled: Spooled::new(parts.spool),
            view: parts.view,
            caught_up: parts.caught_up,
            killed: parts.killed,
        }
    }

    /// Runs until it is told to stop, or the agent is dropped.
    pub fn run(mut self, wakes: &Receiver<Wake>) -> Progressed {
        self.start();
        loop {
            while let Ok(wake) = wakes.try_recv() {
                self.wake(wake);
            }
            if self.killed.load(Ordering::SeqCst) {
                return self.progressed();
            }
            let now = Instant::now();
            if let Some(until) = self.stop_at
                && (self.delivery.undelivered().0 == 0 || now >= until)
            {
                if let Err(error) = self.delivery.finish() {
                    tracing::error!("cannot write the checkpoint: {error}; the journal has what it would say");
                }
                self.drop_segments();
                self.publish();
                return self.progressed();
            }
            self.timers(now);
            if self.stop_at.is_none() {
                self.turns();
            }
            let waits = self.out_of_memory || self.limited_until.is_some();
            let busy = self.stop_at.is_none() && !self.queue.is_empty() && !waits;
            if busy {
                continue;
            }
            match wakes.recv_timeout(self.next_timer().saturating_duration_since(Instant::now())) {
                Ok(wake) => self.wake(wake),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.progressed(),
            }
        }
    }

    fn start(&mut self) {
        self.delivery.start();
        self.walk(true);
        self.follow_segments();
        self.find_renamed();
        self.hunt(true);
        self.recover();
        self.started = true;
        self.check_caught_up();
        self.publish();
    }

    fn recover(&mut self) {
        // A file may have been truncated since it was opened: its batches are made again from its copy.
        let in_flight = self.delivery.state().unresolved.values().flat_map(|sent| &sent.sources);
        let in_flight: BTreeSet<FileId> = in_flight.map(|source| source.file).collect();
        for id in in_flight.into_iter().filter(|id| self.files.tails.contains_key(id)).collect::<Vec<_>>() {
            if !self.is_itself(id).unwrap_or(true) {
                self.truncated(id);
            }
        }
        let (delivery, contents) = self.contents();
        let events = delivery.recover(contents);
        self.follow_up(events);
    }

    fn wake(&mut self, wake: Wake) {
        match wake {
            Wake::Answer(answer) => {
                let (delivery, contents) = self.contents();
                let events = delivery.take(answer, contents);
                self.follow_up(events);
            }
            Wake::Changes => {
                let changes = self.watches.take();
                self.changed(changes);
            }
            Wake::Files(answer) => {
                // Who asked may have gone.
                let _ = answer.send(self.file_states());
            }
            Wake::Spooled => {
                self.follow_segments();
                self.check_caught_up();
            }
            Wake::Memory => self.out_of_memory = false,
            Wake::Stop { until } => self.stop_at = Some(until),
        }
    }

    fn follow_up(&mut self, events: Vec<Event>) {
        let mut moved = Vec::new();
        for event in events {
            match event {
                Event::Moved(file) => moved.push(file),
                Event::Writable => self.rescan_at = Instant::now(),
                Event::Ready => {
                    self.settle_all();
                    self.queue.unpark();
                }
                Event::Room(lane) => self.queue.grant(lane),
                Event::Held { file, reason } => {
                    let place = self.delivery.state().files.get(&file).map(Place::acknowledged);
                    if let (Some(tail), Some(place)) = (self.files.tails.get_mut(&file), place) {
                        // A failure shows again at the next read, which then finds the marker wrong.
                        let _ = tail.go_to(place);
                        tail.finished = false;
                    }
                    self.hold(file, reason);
                }
                Event::Lost { file, start, end, reason } => self.report_loss(file, start, end, reason),
            }
        }
        // Not before all events are known: a hold takes the position back.
        moved.into_iter().for_each(|file| self.pass(file));
        self.close_finished();
        self.check_caught_up();
    }

    /// Reads nothing more of a file until the next rescan.
    fn hold(&mut self, id: FileId, reason: String) {
        if let Some(tail) = self.files.tails.get_mut(&id) {
            if tail.held.as_ref() != Some(&reason) {
                tracing::warn!(path = ?tail.path, "{reason}");
            }
            tail.held = Some(reason);
        }
    }

    /// Lets a file have a turn soon, but leaves its writer the time to write more.
    fn schedule(&mut self, id: FileId) {
        let Some(tail) = self.files.tails.get_mut(&id) else { return };
        self.behind.insert(id);
        if tail.scheduled || tail.finished {
            return;
        }
        tail.scheduled = true;
        match tail.read_at.map(|read_at| read_at + self.config.linger) {
            Some(at) if at > Instant::now() => {
                self.later.insert((at, id));
            }
            _ => self.queue.push(id),
        }
    }

    fn turns(&mut self) {
        let mut begun = None;
        for _ in 0..TURNS_MAX {
            if self.out_of_memory {
                return;
            }
            let now = Instant::now();
            if now.saturating_duration_since(*begun.get_or_insert(now)) > TURNS_TIME_MAX {
                break;
            }
            self.limited_until = self.limits.free_at(now);
            if self.limited_until.is_some() {
                return;
            }
            let Some(next) = self.queue.pop() else { return };
            let id = next.id;
            let position = |files: &Files| files.tails.get(&id).map_or(0, |tail| tail.position);
            let before = position(&self.files);
            let turn = self.turn(next, now);
            let read = position(&self.files).saturating_sub(before);
            self.queue.charge(id, read);
            self.limits.charge(read, now);
            if let Some(tail) = self.files.tails.get_mut(&id) {
                tail.scheduled = turn != Turn::End;
                if turn == Turn::End
                    && let Name::Gone { quiet_at } = tail.name
                    && !tail.finished
                {
                    tail.scheduled = true;
                    self.later.insert(((now + NAMELESS_POLL).min(quiet_at.max(now)), id));
                }
            }
            match turn {
                Turn::More => self.queue.push(id),
                Turn::End => {
                    self.queue.rest(id);
                    self.end_of_segment(id);
                }
                Turn::At(at) => {
                    self.queue.rest(id);
                    self.later.insert((at, id));
                }
                Turn::Parked => self.queue.park(id),
                Turn::Full(lane) => self.queue.line_up(lane, id),
                Turn::NoMemory => {
                    self.queue.put_back(next);
                    self.out_of_memory = true;
                    return;
                }
            }
            if let Some(lane) = next.lane
                && self.delivery.has_room(lane)
            {
                self.queue.grant(lane);
            }
            self.view_at = self.view_at.min(now + VIEW_INTERVAL);
        }
        self.close_finished();
        self.check_caught_up();
    }
}
