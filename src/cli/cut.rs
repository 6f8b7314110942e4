//! `clocklab cut`: is a set of events a moment that could have been, and what was on its way then.

use std::{str::FromStr, time::UNIX_EPOCH};

use clap::Args;

use super::{Exit, Usage, causality};
use crate::{
    inspect::{
        causality::{
            Causality,
            report::{Asked, CutReport, start_of},
        },
        history::{EventId, EventName, History},
    },
    trace::WallTime,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  clocklab cut                          the end of the newest run: what was never received
  clocklab cut --events 0:17,1:15,2:9   up to these events; a machine left out, or 0:0, adds none
  clocklab cut --at 30s                 the latest consistent cut 30 seconds after the start
  clocklab cut --at 2026-11-20T23:16:31Z logs/my-run

A cut is consistent if it has the send event of every message that it has the receive event of. If it is not, \
the answer names the messages that cross it backwards, and the largest consistent cut inside it. Then follows what \
each channel holds there: messages in flight, messages waiting in the receiver's queue. \
(Chandy and Lamport 1985, Mattern 1989)

Exit codes: 0 answered, consistent or not; 2 no such event or folder; 3 a log cannot be read.";

#[derive(Args, Debug)]
pub(super) struct CutArguments {
    /// The last event of each machine in the cut, separated by commas
    #[arg(long, value_name = "EVENTS", value_delimiter = ',', conflicts_with = "at")]
    pub(super) events: Vec<EventName>,
    /// A time after the start, such as 30s, or a wall time in UTC, such as 2026-11-20T23:16:31Z
    #[arg(long, value_name = "TIME")]
    pub(super) at: Option<Moment>,
    #[command(flatten)]
    pub(super) run: causality::RunArguments,
}

/// A moment as a person types it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Microseconds after the run's start.
    AfterStart(i64),
    /// A wall time.
    Wall(WallTime),
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || {
            "write a time after the start, such as 30s, or a wall time in UTC, such as 2026-11-20T23:16:31Z"
                .to_owned()
        };
        if let Ok(after) = humantime::parse_duration(text) {
            return Ok(Self::AfterStart(
                i64::try_from(after.as_micros()).map_err(|_| error())?,
            ));
        }
        let wall = humantime::parse_rfc3339_weak(text).map_err(|_| error())?;
        let since = wall.duration_since(UNIX_EPOCH).map_err(|_| error())?;
        Ok(Self::Wall(WallTime(
            i64::try_from(since.as_micros()).map_err(|_| error())?,
        )))
    }
}

pub(super) fn run(arguments: &CutArguments) -> anyhow::Result<Exit> {
    let history = arguments.run.history()?;
    let causality = Causality::new(&history);
    let asked = match arguments.at {
        Some(Moment::Wall(at)) => Asked::At(at),
        Some(Moment::AfterStart(after)) => {
            let start = start_of(&causality).ok_or_else(|| {
                let source = &history.source;
                Usage(format!(
                    "--at: {source} has no times; name the cut by its events: --events 0:17,1:15"
                ))
            })?;
            Asked::At(WallTime(start.0.saturating_add(after)))
        }
        None if arguments.events.is_empty() => Asked::End,
        None => Asked::Events(last_events(&history, &arguments.events)?),
    };
    let report = CutReport::new(&causality, &asked).map_err(|error| Usage(error.to_string()))?;
    arguments.run.print(&report)
}

/// The events named, one a machine; clock 0 is before the first one.
fn last_events(history: &History, names: &[EventName]) -> anyhow::Result<Vec<EventId>> {
    let mut last = Vec::new();
    let mut seen = Vec::new();
    for name in names {
        if seen.contains(&&name.process) {
            let machine = &name.process;
            let text = format!("--events names machine {machine} twice; name its last event in the cut only");
            return Err(Usage(text).into());
        }
        seen.push(&name.process);
        let process = history.find_process(&name.process);
        process.map_err(|error| Usage(error.to_string()))?;
        if name.clock > 0 {
            last.push(causality::find(history, name)?);
        }
    }
    Ok(last)
}
