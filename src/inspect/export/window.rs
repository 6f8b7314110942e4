//! A window of time: `10s-20s`, `10s-`, `-20s`.

use std::{fmt, str::FromStr, time::Duration};

use thiserror::Error;

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
    #[error("{what}; write a time as 10s, 500ms or 2m")]
    Time {
        /// What was written.
        text: String,
        /// What is wrong with it.
        what: String,
    },
    /// It ends before it begins.
    #[error("the window ends before it begins; write the earlier time first")]
    Reversed {
        /// The window.
        window: Window,
    },
}

impl Window {
    /// Whether a moment lies in it, in microseconds since the start.
    pub(super) fn holds(self, since_us: i64) -> bool {
        let us = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        since_us >= us(self.from) && self.until.is_none_or(|until| since_us < us(until))
    }
}

impl FromStr for Window {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || WindowError::Form {
            text: text.to_owned(),
        };
        let (from, until) = text.split_once('-').ok_or_else(form)?;
        if from.is_empty() && until.is_empty() {
            return Err(form());
        }
        let time = |word: &str| {
            let read = humantime::parse_duration(word);
            read.map_err(|error| WindowError::Time {
                text: text.to_owned(),
                what: error.to_string(),
            })
        };
        let window = Window {
            from: if from.is_empty() {
                Duration::ZERO
            } else {
                time(from)?
            },
            until: if until.is_empty() {
                None
            } else {
                Some(time(until)?)
            },
        };
        if window.until.is_some_and(|until| until <= window.from) {
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
        write!(
            f,
            "{}-{}",
            word(self.from),
            self.until.map(word).unwrap_or_default()
        )
    }
}
