//! A window of time, `10s-20s`, `10s-` or `-20s` since the start of the run, and the events that lie in it.
//!
//! Of each process it leaves one stretch without a gap: what lies from its first to its last event in the
//! window. So process order stays what it was, also where a log's times go back.

use std::{fmt, ops::Range, str::FromStr, time::Duration};

use thiserror::Error;

use super::history::{EventId, History};
use crate::trace::WallTime;

/// From `from` on, up to but not with `until`, since the start of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its first moment.
    pub from: Duration,
    /// The first moment behind it; `None` for the end of the run.
    pub until: Option<Duration>,
}

/// A text that is no window. Messages leave out what was written, which the command line names before them.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum WindowError {
    /// It is not of the form.
    #[error("a window is two times since the start with a hyphen between, such as 10s-20s, 10s- or -20s")]
    Form {
        /// What was written.
        text: String,
    },
    /// One of its times cannot be read.
    #[error("`{word}`: {why}; write a time as 10s, 500ms or 2m, and a window as 10s-20s")]
    Time {
        /// The part that is no time.
        word: String,
        /// What is wrong with it.
        why: String,
    },
    /// It ends before it begins, or is empty.
    #[error("the window {window} ends before it begins, or is empty; write the earlier time first")]
    Reversed {
        /// The window.
        window: Window,
    },
}

/// A window that chooses nothing of a run.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum NothingInWindow {
    /// The logs have events without a time.
    #[error(
        "{source_name}: --window needs a time for every event, and these logs do not have them; choose with --last"
    )]
    NoTimes {
        /// The logs.
        source_name: String,
    },
    /// No event lies in it.
    #[error(
        "{source_name}: no event lies in the window {window}; events lie from {first:.3} s to {last:.3} s after the start"
    )]
    Empty {
        /// The logs.
        source_name: String,
        /// The window asked for.
        window: Window,
        /// The first event that it could have chosen, in seconds since the start.
        first: f64,
        /// The last one.
        last: f64,
    },
}

impl Window {
    /// Cuts the stretches of processes down to what lies in the window, and gives the window's own first moment and
    /// the one behind its last. A stretch of which nothing lies in it becomes empty.
    ///
    /// # Errors
    /// [`NothingInWindow`] if all of them would be empty.
    pub(super) fn narrow<'r>(
        self,
        history: &History,
        stretches: impl Iterator<Item = (u32, &'r mut Range<u32>)>,
    ) -> Result<(WallTime, WallTime), NothingInWindow> {
        let source_name = || history.source.clone();
        let ends = start_of(history)
            .zip(end_of(history))
            .filter(|_| history.has_times());
        let Some((start, end)) = ends else {
            let source_name = source_name();
            return Err(NothingInWindow::NoTimes { source_name });
        };
        let (from, until) = self.between(start, end);
        let (mut first, mut last) = (WallTime(i64::MAX), WallTime(i64::MIN));
        let mut is_empty = true;
        for (process, range) in stretches {
            let mut is_inside = |index| {
                let at = history.event(EventId { process, index })?.at?;
                (first, last) = (first.min(at), last.max(at));
                Some((from..until).contains(&at))
            };
            let mut inside = range.clone().filter(|index| is_inside(*index) == Some(true));
            let begin = inside.next();
            // To the end, so that the first and the last time are known.
            let behind = inside.last().or(begin).map(|last| last + 1);
            *range = begin.unwrap_or(range.start)..behind.unwrap_or(range.start);
            is_empty &= Range::is_empty(range);
        }
        if is_empty {
            if first > last {
                // Of processes without an event; then of the whole run.
                (first, last) = history.span().unwrap_or((start, end));
            }
            return Err(NothingInWindow::Empty {
                source_name: source_name(),
                window: self,
                first: first.seconds_since(start),
                last: last.seconds_since(start),
            });
        }
        Ok((from, until))
    }

    /// Its ends as moments, in a run from `start` to `end`.
    fn between(self, start: WallTime, end: WallTime) -> (WallTime, WallTime) {
        let later = |after: Duration| {
            let us = i64::try_from(after.as_micros()).unwrap_or(i64::MAX);
            WallTime(start.0.saturating_add(us))
        };
        let behind_all = WallTime(end.0.saturating_add(1));
        (later(self.from), self.until.map_or(behind_all, later))
    }
}

/// The moment a run started: the earliest start or event that its logs tell of.
pub(super) fn start_of(history: &History) -> Option<WallTime> {
    let starts = history.processes.iter().filter_map(|process| process.started);
    starts.chain(history.span().map(|span| span.0)).min()
}

/// The moment a run ended: the latest end or event that its logs tell of.
pub(super) fn end_of(history: &History) -> Option<WallTime> {
    let ends = history.processes.iter().filter_map(|process| process.ended);
    ends.chain(history.span().map(|span| span.1)).max()
}

impl FromStr for Window {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || WindowError::Form {
            text: text.to_owned(),
        };
        let time = |word: &str| match word.trim() {
            "" => Ok(None),
            word => humantime::parse_duration(word)
                .map(Some)
                .map_err(|error| WindowError::Time {
                    word: word.to_owned(),
                    why: error.to_string(),
                }),
        };
        let (from, until) = text.split_once('-').ok_or_else(form)?;
        let (from, until) = (time(from)?, time(until)?);
        if from.is_none() && until.is_none() {
            return Err(form());
        }
        let from = from.unwrap_or_default();
        let window = Self { from, until };
        if until.is_some_and(|until| until <= from) {
            return Err(WindowError::Reversed { window });
        }
        Ok(window)
    }
}

impl fmt::Display for Window {
    /// As it may be typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |time: Duration| match time.subsec_nanos() {
            0 => format!("{}s", time.as_secs()),
            _ => humantime::format_duration(time).to_string().replace(' ', ""),
        };
        let until = self.until.map(word).unwrap_or_default();
        write!(f, "{}-{until}", word(self.from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_or_refused_with_a_reason() {
        for text in [
            "10s-20s",
            "10s-",
            "-20s",
            "1m-2m",
            "500ms-1s 500ms",
            "0s-1us",
            " 1s - 2s ",
        ] {
            let window: Window = text.parse().unwrap();
            assert_eq!(window.to_string().parse(), Ok(window), "{text}");
        }
        for (text, why) in [
            ("20s-10s", "the window 20s-10s ends before it begins"),
            ("10s-10s", "or is empty"),
            ("-0s", "or is empty"),
            ("-", "two times"),
            ("", "two times"),
            ("10s", "with a hyphen between"),
            ("10-20", "`10`: time unit needed"),
            ("soon-20s", "`soon`: expected number"),
            ("1s-2s-3s", "`2s-3s`"),
            ("99999999999999999999s-", "too large"),
        ] {
            let error = text.parse::<Window>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn ends_are_moments_of_the_run_and_never_overflow() {
        let (start, end) = (WallTime(1_000_000), WallTime(9_000_000));
        let window = |text: &str| text.parse::<Window>().unwrap().between(start, end);
        assert_eq!(window("1s-2s"), (WallTime(2_000_000), WallTime(3_000_000)));
        assert_eq!(window("1s-"), (WallTime(2_000_000), WallTime(9_000_001)));
        assert_eq!(window("-2s"), (start, WallTime(3_000_000)));
        assert_eq!(window("1s-100000000000000s").1, WallTime(i64::MAX));
    }
}
