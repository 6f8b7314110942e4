//! Soaks: real replica processes under random faults and load, for as long as asked, and the judgement of what clients were
//! told. The sessions, what they may be told, and the end's judgement are those of the simulated runs.
//!
//! ```text
//!   chapter 1                                  chapter 2
//!   | troubles, clients, watches | heal, settle, | …            | stop, and every
//!   | of this chapter's keys     | read, judge   |              | chapter's keys again
//! ```
//!
//! A chapter has keys, sessions and a history of its own, so that memory does not grow with the length of a soak; the
//! replicas, their disks and logs, and the tokens of the sessions go through all of them.

#![allow(clippy::disallowed_methods, reason = "the launcher waits in real time")]

mod client;
mod end;
mod events;
mod forms;
mod hands;
mod http;
mod plan;
mod shared;
mod tally;
mod voice;
mod watcher;
mod world;

use std::{
    collections::BTreeSet,
    fmt::Write,
    fs, io,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use self::{
    end::Held,
    hands::Hands,
    plan::{Plan, Timed},
    shared::{Chapter, Shared},
    tally::Came,
    world::World,
};
use super::book::{Book, Terms};
use crate::{
    dice::{Purpose, Stream},
    kv::Token,
    lab::{FleetError, replicas::ReplicaSettings},
    units::{MachineId, Time},
};

/// How long a chapter is, the settling included; a shorter soak is one chapter.
pub const CHAPTER: Duration = Duration::from_secs(60);

/// Replicas that are not there at first, and join under load.
pub const SPARES: u16 = 2;

/// How many sessions a soak may have: each has a thread.
pub const SESSIONS: RangeInclusive<usize> = 1..=256;

/// How long a whole chapter has troubles: the rest is for settling, which takes that long about. Of a shorter one it is five
/// sixths.
const ACTIVE: Duration = Duration::from_secs(55);

/// How often the hands look what is due.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Time between two lines of progress.
const TELL_EVERY_US: u64 = 5_000_000;

/// From the last request to the last reads, at least: longer than a value lasts that ends by itself.
const ENDED: Duration = Duration::from_secs(1);

/// Watches that go on beside the sessions.
const WATCHES: u16 = 2;

/// A soak to be made.
#[derive(Clone, Debug)]
pub struct Soak {
    /// Where the replicas are, and the spares behind them: so many replicas and [`SPARES`], with data and logs.
    pub settings: ReplicaSettings,
    /// How many replicas there are at first.
    pub replicas: u16,
    /// How many sessions.
    pub sessions: usize,
    /// Requests a second, of all sessions together, as far as they are answered in time.
    pub rate: u32,
    /// How long.
    pub duration: Duration,
    /// What decides the faults and what is asked; not how real processes interleave.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct SoakEnd {
    /// Everything that is wrong.
    pub findings: Vec<String>,
    /// Counts and figures, for people.
    pub summary: String,
    /// What the sessions recorded, a file a chapter.
    pub histories: Vec<PathBuf>,
}

/// A soak that goes on.
struct Soaking<'a> {
    soak: &'a Soak,
    shared: &'a Shared,
    folder: PathBuf,
    asked: &'a AtomicBool,
    tokens: Vec<Token>,
    held: Vec<Held>,
    histories: Vec<PathBuf>,
}

impl Soak {
    /// Makes it, and tells how it goes on, line by line. Setting `asked` ends it early, and what was is judged.
    ///
    /// # Errors
    /// [`FleetError`]: nothing was judged.
    pub fn run(
        &self,
        program: &Path,
        command: &[String],
        asked: &AtomicBool,
        tell: &mut dyn FnMut(&str),
    ) -> Result<SoakEnd, FleetError> {
        self.settings.prepare(command)?;
        let folder = self.settings.run_folder().unwrap_or_default();
        let chapters = u32::try_from(self.duration.as_secs() / CHAPTER.as_secs())
            .unwrap_or(u32::MAX)
            .max(1);
        let active = match self.duration >= CHAPTER {
            true => ACTIVE,
            false => self.duration * 5 / 6,
        };
        let plan = Plan::draw(self.seed, self.replicas, SPARES, chapters, active);
        fs::write(folder.join("plan.txt"), plan.to_string()).map_err(failed("cannot write the plan"))?;
        let file = folder.join("plan.txt");
        tell(&format!(
            "faults in {chapters} chapters, of seed {} ({}): {}",
            self.seed,
            file.display(),
            tally::list(&plan.counts())
        ));
        let sessions = u64::try_from(self.sessions).unwrap_or(1);
        let think_us = (1_000_000 * sessions / u64::from(self.rate.max(1))).max(1);
        let addresses = self.settings.ids().map(|id| self.settings.address(id)).collect();
        let shared = Shared::new(World::new(self.settings.replicas), addresses, think_us);
        let mut soaking = Soaking {
            soak: self,
            shared: &shared,
            folder,
            asked,
            tokens: vec![Token::new(); self.sessions],
            held: Vec::new(),
            histories: Vec::new(),
        };
        soaking
            .all(program, &plan, active, tell)
            .map_err(failed("the soak broke off"))?;
        Ok(soaking.end())
    }
}

fn failed(what: &str) -> impl FnOnce(io::Error) -> FleetError {
    let what = what.to_owned();
    |error| FleetError::Io { what, error }
}

impl Soaking<'_> {
    fn all(
        &mut self,
        program: &Path,
        plan: &Plan,
        active: Duration,
        tell: &mut dyn FnMut(&str),
    ) -> io::Result<()> {
        let soak = self.soak;
        let mut hands = Hands::start(self.shared, &soak.settings, program.to_owned(), soak.replicas)?;
        hands.wait(None)?;
        for (number, troubles) in (1..).zip(&plan.chapters) {
            if self.asked.load(Ordering::SeqCst) {
                break;
            }
            self.chapter(&mut hands, number, troubles, active, tell)?;
        }
        end::judge_held(self.shared, &self.held);
        hands.stop()
    }

    /// One chapter, from its first request to its judgement.
    fn chapter(
        &mut self,
        hands: &mut Hands<'_>,
        number: u64,
        troubles: &[Timed],
        active: Duration,
        tell: &mut dyn FnMut(&str),
    ) -> io::Result<()> {
        let (shared, sessions) = (self.shared, self.soak.sessions);
        let begun = shared.now();
        let until = begun.after(active);
        let prefix = format!("c{number}/");
        let chapter = Chapter::new(prefix.clone(), self.book(number, until), until);
        tell(&format!("chapter {number}:"));
        for timed in troubles {
            tell(&format!("    {timed}"));
        }
        let done = thread::scope(|scope| {
            let chapter = &chapter;
            let clients: Vec<_> = (0..sessions)
                .map(|place| scope.spawn(move || client::play(shared, chapter, place)))
                .collect();
            for watch in 0..WATCHES {
                let seed = self.soak.seed ^ number;
                let dice = Stream::new(seed, MachineId(u16::MAX - 1 - watch), Purpose::Clients);
                scope.spawn(move || watcher::watch(shared, chapter, dice));
            }
            let done = self.break_and_heal(hands, chapter, begun, troubles, tell);
            chapter.end_clients();
            for client in clients {
                // One that panicked is told by the scope.
                let _ = client.join();
            }
            if done.is_ok() {
                end::converge(shared, hands.members(), shared.now());
                // The last values that end by themselves have ended, too.
                thread::sleep(ENDED);
            }
            chapter.settle();
            done
        });
        done?;
        let (book, held) = end::judge(shared, chapter.into_book(), &prefix, hands.members());
        self.keep(number, &book)?;
        self.held.push(held);
        tell(&self.line());
        Ok(())
    }

    fn book(&self, number: u64, until: Time) -> Book {
        let terms = Terms {
            replicas: self.soak.settings.replicas,
            clients: self.soak.sessions,
            members_min: usize::from(self.soak.replicas),
            watches: 0,
            think_us: self.shared.think_us,
            heals: until,
            settled: until,
            // Each chapter asks something else.
            seed: self.soak.seed.wrapping_mul(1000).wrapping_add(number),
        };
        let mut book = Book::new(terms, BTreeSet::new(), None);
        for (session, token) in book.sessions.iter_mut().zip(&self.tokens) {
            session.token = token.clone();
        }
        book
    }

    /// Does the chapter's troubles, each at its time, and mends everything at the end.
    fn break_and_heal(
        &self,
        hands: &mut Hands<'_>,
        chapter: &Chapter,
        begun: Time,
        troubles: &[Timed],
        tell: &mut dyn FnMut(&str),
    ) -> io::Result<()> {
        let mut left = troubles.iter().peekable();
        let mut told = self.shared.now();
        while !chapter.is_quiet(self.shared.now()) && !self.asked.load(Ordering::SeqCst) {
            let now = self.shared.now();
            while let Some(timed) = left.next_if(|timed| begun.0 + timed.at.0 <= now.0) {
                hands.trouble(timed)?;
            }
            hands.tick(Some(chapter))?;
            if now.0 > told.0 + TELL_EVERY_US {
                told = now;
                tell(&self.line());
            }
            thread::sleep(LOOK_EVERY);
        }
        chapter.end_clients();
        hands.heal(chapter)
    }

    /// How it goes on, in a line.
    fn line(&self) -> String {
        let seconds = self.shared.now().0 / 1_000_000;
        let (states, replicas) = (&self.shared.world, self.soak.settings.ids());
        let states: Vec<String> = replicas
            .map(|id| format!("{:?}", states.state(id)).to_lowercase())
            .collect();
        self.shared.tally(|tally| {
            let faults: u64 = tally.troubles.values().sum();
            format!(
                "{seconds:>6} s  {} requests, {} writes, {} unmet, {} refused, {} unknown; {faults} faults; replicas {}; {} findings",
                tally.operations,
                tally.writes,
                tally.came(Came::Unmet),
                tally.came(Came::Refused),
                tally.came(Came::Unknown),
                states.join(", "),
                tally.findings.len() as u64 + tally.findings_more,
            )
        })
    }

    /// Keeps what goes on behind a chapter, and writes its history.
    fn keep(&mut self, number: u64, book: &Book) -> io::Result<()> {
        for what in &book.broken {
            self.shared.breaks(&format!("chapter {number}: {what}"));
        }
        if book.broken_more > 0 {
            let more = book.broken_more;
            self.shared.breaks(&format!("chapter {number}: and {more} more"));
        }
        self.tokens = book
            .sessions
            .iter()
            .map(|session| session.token.clone())
            .collect();
        let history = self.folder.join(format!("history-{number}.jsonl"));
        fs::write(&history, &book.recorded.text)?;
        self.histories.push(history);
        Ok(())
    }

    fn end(self) -> SoakEnd {
        let (histories, shared) = (self.histories, self.shared);
        let seconds = shared.now().0 / 1_000_000;
        shared.tally(|tally| {
            let mut findings = tally.findings.clone();
            if tally.findings_more > 0 {
                findings.push(format!("and {} more", tally.findings_more));
            }
            let mut summary = String::new();
            let _ = writeln!(
                summary,
                "{} requests in {seconds} s, {} chapters, {} writes acknowledged",
                tally.operations,
                histories.len(),
                tally.writes
            );
            let _ = writeln!(summary, "{tally}");
            SoakEnd {
                findings,
                summary,
                histories,
            }
        })
    }
}
