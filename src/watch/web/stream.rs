//! What one browser gets: batches from its own place in the logs, which is the id of each.
//!
//! Nothing is read before the browser has taken what was read before, so a slow one costs a place in the logs and
//! no memory. Who is more than [`BEHIND_LINES_MAX`] lines behind begins anew near the end, and is told so.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    sync::Arc,
    time::Duration,
};

use axum::response::sse::Event;
use futures_util::Stream;
use tokio::time::Instant;

use super::{batch::Batch, known::Beginning, server::now_us, source::Source, state::State};
use crate::{
    units::MachineId,
    watch::{Follower, News, Position, Positions},
};

/// How often a browser is told what is new.
const BATCH_EVERY: Duration = Duration::from_millis(50);

/// How often it is told that nothing is.
const QUIET_MAX: Duration = Duration::from_secs(1);

/// Lines that a browser may be behind: half a minute of 10,000 events a second.
const BEHIND_LINES_MAX: u64 = 300_000;

/// Bytes of all logs together that one batch is made of.
const BATCH_BYTES: u64 = 4 << 20;

/// How soon a browser comes back that lost its connection.
const RETRY: Duration = Duration::from_millis(500);

/// A browser's place in the logs.
pub(super) struct Cursor {
    source: Arc<dyn Source>,
    /// The id that it came back with.
    last_id: Option<String>,
    follower: Option<Follower>,
    /// What it is told first when it begins anew.
    beginning: Option<Beginning>,
    told: BTreeMap<u16, State>,
    no_control: Option<String>,
    news: Vec<News>,
    is_first: bool,
}

/// A message that is ready to be sent.
struct Made {
    event: Event,
    more: bool,
}

impl Cursor {
    /// A browser that comes back with the id of the last batch that it got, or for the first time.
    pub(super) fn new(source: Arc<dyn Source>, last_id: Option<String>) -> Self {
        source.come();
        Self {
            source,
            last_id,
            follower: None,
            beginning: None,
            told: BTreeMap::new(),
            no_control: None,
            news: Vec::new(),
            is_first: true,
        }
    }

    /// Batches as long as somebody takes them.
    pub(super) fn batches(self) -> impl Stream<Item = Result<Event, io::Error>> + Send {
        let begun = (self, Instant::now(), Instant::now());
        futures_util::stream::unfold(begun, |(mut cursor, mut next, mut told)| async move {
            loop {
                tokio::time::sleep_until(next).await;
                let is_quiet = told.elapsed() < QUIET_MAX;
                let step = tokio::task::spawn_blocking(move || {
                    let made = cursor.step(is_quiet);
                    (cursor, made)
                });
                let made;
                (cursor, made) = step.await.ok()?;
                match made {
                    Ok(None) => next = Instant::now() + BATCH_EVERY,
                    Ok(Some(made)) => {
                        told = Instant::now();
                        next = if made.more { told } else { told + BATCH_EVERY };
                        return Some((Ok(made.event), (cursor, next, told)));
                    }
                    Err(error) => {
                        tracing::warn!("a browser is no longer told what is new: {error}");
                        return None;
                    }
                }
            }
        })
    }

    /// Reads on; `None` if nothing is new and the browser need not hear that.
    fn step(&mut self, is_quiet: bool) -> io::Result<Option<Made>> {
        let source = Arc::clone(&self.source);
        source.look()?;
        self.settle()?;
        let mut batch = Batch::default();
        self.news.clear();
        if let Some(follower) = &mut self.follower {
            batch.more = follower.look(&mut self.news)?;
        }
        batch.add(&self.news);
        let place = source.place();
        if let Some(beginning) = self.beginning.take() {
            batch.fresh = true;
            batch.left_out = Some(beginning.left_out);
            batch.remarks.splice(..0, beginning.remarks);
            self.told.clear();
        }
        {
            let known = source.known();
            batch.run.clone_from(&known.run);
            batch.machines = known.machines;
            batch.start = known.start.map(|start| start.0);
            batch.events = known.events;
            batch.messages = known.messages;
            batch.ended = known.has_ended();
            if self.follower.is_none() || known.run.is_none() {
                batch.folder = place.map(|place| place.display().to_string());
            } else {
                for state in known
                    .states()
                    .filter(|state| self.told.get(&state.id()) != Some(state))
                {
                    batch.states.push(state.clone());
                }
            }
        }
        batch.no_control = source.why_no_control();
        if is_quiet && !self.is_first && batch.is_empty() && batch.no_control == self.no_control {
            return Ok(None);
        }
        self.no_control.clone_from(&batch.no_control);
        for state in &batch.states {
            self.told.insert(state.id(), state.clone());
        }
        batch.now = now_us();
        let text = serde_json::to_string(&batch)?;
        let mut event = Event::default().data(text);
        if let (Some(follower), Some(run)) = (&self.follower, &batch.run) {
            event = event.id(id_of(run, &follower.positions()));
        }
        if std::mem::take(&mut self.is_first) {
            event = event.retry(RETRY);
        }
        let more = batch.more;
        Ok(Some(Made { event, more }))
    }

    /// Finds the place to read from, where there is none yet, or where the place is too far back.
    fn settle(&mut self) -> io::Result<()> {
        let known = self.source.known();
        let folder = known.folder();
        let is_elsewhere = |follower: &Follower| {
            follower.folder() != folder || known.lines_behind(&follower.positions()) > BEHIND_LINES_MAX
        };
        if self
            .follower
            .as_ref()
            .is_some_and(|follower| !is_elsewhere(follower))
        {
            return Ok(());
        }
        // Who begins while the server itself still reads would begin too early.
        if known.run.is_none() || (known.more && self.follower.is_none()) {
            return Ok(());
        }
        let look_bytes = (BATCH_BYTES / u64::from(known.machines.max(1))).max(64 << 10);
        let back = self
            .last_id
            .take()
            .and_then(|id| positions_of(&id, known.run.as_deref()?));
        if let Some(positions) = back
            && known.lines_behind(&positions) <= BEHIND_LINES_MAX
            && are_ends_of_lines(folder, &positions)?
        {
            self.follower = Some(Follower::from(folder, positions, known.machines, look_bytes));
            return Ok(());
        }
        let beginning = known.beginning();
        self.follower = Some(Follower::from(
            folder,
            beginning.positions.clone(),
            known.machines,
            look_bytes,
        ));
        self.beginning = Some(beginning);
        Ok(())
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.source.go();
    }
}

/// A place in the logs as text: `RUN~MACHINE.LINE.BYTE~…`; no part of it holds a `~`.
fn id_of(run: &str, positions: &Positions) -> String {
    let mut id = run.to_owned();
    for (machine, Position { line, byte }) in positions {
        id += &format!("~{machine}.{line}.{byte}");
    }
    id
}

/// The place that such a text says; `None` if it says none of this run.
fn positions_of(id: &str, run: &str) -> Option<Positions> {
    let mut parts = id.split('~');
    if parts.next() != Some(run) {
        return None;
    }
    let position = |part: &str| {
        let mut numbers = part.split('.');
        let machine: MachineId = numbers.next()?.parse().ok()?;
        let (line, byte) = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
        // Behind the header, or before everything.
        let is_place = line >= 2 || (line == 0 && byte == 0);
        (is_place && numbers.next().is_none()).then_some((machine, Position { line, byte }))
    };
    parts.map(position).collect()
}

/// Whether a line of its log ends at each position.
fn are_ends_of_lines(folder: &Path, positions: &Positions) -> io::Result<bool> {
    for (machine, position) in positions {
        let Some(before) = position.byte.checked_sub(1) else {
            continue;
        };
        let mut file = match File::open(folder.join(format!("machine-{machine}.log"))) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            file => file?,
        };
        file.seek(SeekFrom::Start(before))?;
        let mut byte = [0];
        if file.read(&mut byte)? == 0 || byte != [b'\n'] {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let at = |line, byte| Position { line, byte };
        let positions = Positions::from([(MachineId(0), at(120, 8345)), (MachineId(11), at(0, 0))]);
        let id = id_of("demo-1", &positions);
        assert_eq!(id, "demo-1~0.120.8345~11.0.0");
        assert_eq!(positions_of(&id, "demo-1"), Some(positions));
        assert_eq!(positions_of("demo-1", "demo-1"), Some(Positions::new()));
        for wrong in [
            "",
            "other~0.2.3",
            "demo-1~0.2",
            "demo-1~0.1.3",
            "demo-1~0.2.3.4",
            "demo-1~x.2.3",
            "demo-1~",
        ] {
            assert_eq!(positions_of(wrong, "demo-1"), None, "{wrong}");
        }
    }
}
