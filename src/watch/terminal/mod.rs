//! A run in a full screen of text: lanes, messages, the last lines, and keys to look around in it and to break it.
//!
//! Reads logs through [`Eyes`] and gives commands through [`HandsThread`]; draws at most a dozen pictures a second,
//! each of what is in view. The terminal is restored however the view ends.
#![allow(
    clippy::disallowed_methods,
    reason = "a view that moves reads the clock for each picture"
)]

mod arrows;
mod axis;
mod header;
mod keys;
mod lanes;
mod layers;
mod look;
mod pane;
mod pen;
mod plan;
mod screen;
mod strip;
mod view;

use std::{
    env,
    io::{self, IsTerminal},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use keys::Keys;
pub use look::{Letters, Look, Palette};
use ratatui::{
    DefaultTerminal,
    crossterm::event::{Event, KeyEventKind},
};
pub use screen::picture;
use screen::{Subject, paint};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
};
use thiserror::Error;
use view::{Tone, View, Wish, asked};

use super::{
    eyes::{Eyes, Lag, Seen},
    hands::{HandsThread, Reach},
};
use crate::{lab::PATIENCE, wire::Secret};

/// Time between two pictures of a run that goes on: twelve a second.
const PICTURE_EVERY: Duration = Duration::from_millis(80);

/// Time between two pictures while keys come: a held key must not fill a slow line.
const KEY_PICTURE_EVERY: Duration = Duration::from_millis(25);

/// Time between two looks for a newer run.
const NEWER_EVERY: Duration = Duration::from_secs(1);

/// When the view ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// When it is told to.
    Asked,
    /// Also when every machine of the run has ended.
    WithRun,
}

/// How a view ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    /// Event lines that were read.
    pub events: u64,
    /// Machines whose logs were there.
    pub machines: usize,
    /// How far behind the view was.
    pub lag: Lag,
}

/// Why there is no view.
#[derive(Debug, Error)]
pub enum TerminalError {
    /// Standard input or output is a file or a pipe.
    #[error("the view needs a terminal; `--once` prints one picture as text")]
    NoTerminal,
    /// A terminal that cannot place its cursor.
    #[error(
        "the view needs a terminal that can place its cursor, and TERM is `{term}`; `--once` prints one picture as text"
    )]
    Dumb {
        /// The value of TERM.
        term: String,
    },
    /// The terminal or a log fails.
    #[error("{what}: {error}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// The system's words.
        error: io::Error,
    },
}

/// The terminal, taken over; given back when dropped.
#[derive(Debug)]
pub struct Terminal {
    screen: DefaultTerminal,
    look: Look,
    keys: Keys,
    quit: Arc<AtomicBool>,
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> TerminalError {
    move |error| TerminalError::Io { what, error }
}

impl Terminal {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// [`TerminalError`] if there is none that serves; nothing was changed then.
    pub fn take_over(look: Look) -> Result<Self, TerminalError> {
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            return Err(TerminalError::NoTerminal);
        }
        let term = env::var("TERM").unwrap_or_default();
        if matches!(term.as_str(), "" | "dumb") {
            return Err(TerminalError::Dumb { term });
        }
        let quit = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            flag::register(signal, Arc::clone(&quit)).map_err(failed("cannot catch signals"))?;
        }
        // Also puts a hook before the one that prints panics, so that they are printed on a restored screen.
        let screen = ratatui::try_init().map_err(failed("cannot take the terminal over"))?;
        let keys = Keys::start().inspect_err(|_| {
            let _ = ratatui::try_restore();
        });
        Ok(Self {
            screen,
            look,
            keys: keys.map_err(failed("cannot start a thread"))?,
            quit,
        })
    }

    /// Shows what `eyes` see until a key or a signal ends it, or `ending` does.
    ///
    /// # Errors
    /// [`TerminalError::Io`] if a log cannot be read or the terminal is gone.
    pub fn show(
        &mut self,
        eyes: &mut Eyes,
        secret: Option<&Secret>,
        ending: Ending,
    ) -> Result<Closing, TerminalError> {
        let mut view = View::default();
        let mut hands: Option<HandsThread> = None;
        let (mut has_newer, mut newer_looked) = (false, Instant::now());
        loop {
            let began = Instant::now();
            let seen = eyes.look().map_err(failed("cannot read the run's logs"))?;
            let now = Eyes::now();
            while let Some(answer) = hands.as_ref().and_then(HandsThread::answer) {
                match answer {
                    Ok(text) => view.say(text, Tone::Good, now),
                    Err(text) => view.say(text, Tone::Bad, now),
                }
            }
            if newer_looked.elapsed() > NEWER_EVERY {
                (has_newer, newer_looked) = (eyes.newer().is_some(), Instant::now());
            }
            if self.quit.load(Ordering::SeqCst) {
                // The terminal may be gone already.
                return Ok(closing(eyes));
            }
            self.draw(eyes, &mut view, has_newer)?;
            let is_over = ending == Ending::WithRun && eyes.scene().has_ended() && seen != Seen::More;
            if is_over {
                return Ok(closing(eyes));
            }
            let wait = if seen == Seen::More {
                Duration::ZERO
            } else {
                PICTURE_EVERY.saturating_sub(began.elapsed())
            };
            match self.keys(eyes, &mut view, has_newer, wait)? {
                None => {}
                Some(Wish::Quit) => return Ok(closing(eyes)),
                Some(Wish::Newer) if has_newer => {
                    eyes.go_to_newer();
                    (view, hands, has_newer) = (View::default(), None, false);
                }
                Some(Wish::Newer) => view.say("There is no newer run.".to_owned(), Tone::Bad, now),
                Some(Wish::Act(_)) if eyes.scene().has_ended() => {
                    let text = "The run has ended: nobody is there to do it.".to_owned();
                    view.say(text, Tone::Bad, now);
                }
                Some(Wish::Act(deed)) => {
                    view.say(asked(&deed), Tone::Good, now);
                    if hands.is_none() {
                        let mut reach = Reach::new(eyes.folder(), secret.cloned(), PATIENCE);
                        let thread = HandsThread::start(move |deed| reach.act(deed));
                        hands = Some(thread.map_err(failed("cannot start a thread"))?);
                    }
                    if let Some(hands) = &hands {
                        hands.act(deed);
                    }
                }
            }
        }
    }

    fn draw(&mut self, eyes: &Eyes, view: &mut View, has_newer: bool) -> Result<(), TerminalError> {
        let look = self.look;
        let subject = Subject {
            scene: eyes.scene(),
            lag: eyes.lag(),
            folder: eyes.folder(),
            has_newer,
            now: Eyes::now(),
        };
        let drawn = self
            .screen
            .draw(|frame| paint(&subject, view, look, frame.buffer_mut()));
        drawn.map_err(failed("cannot draw")).map(|_| ())
    }

    /// Takes keys for as long as `wait`, and draws what they change. Ends at the first wish.
    fn keys(
        &mut self,
        eyes: &Eyes,
        view: &mut View,
        has_newer: bool,
        wait: Duration,
    ) -> Result<Option<Wish>, TerminalError> {
        let until = Instant::now() + wait;
        while let Some(came) = self.keys.next(until.saturating_duration_since(Instant::now())) {
            if let Event::Key(key) = came.map_err(failed("cannot read keys"))?
                && key.kind != KeyEventKind::Release
                && let Some(wish) = view.key(key, eyes.scene(), Eyes::now())
            {
                return Ok(Some(wish));
            }
            // What a key changed shows at once, unless the next picture is near.
            if until.saturating_duration_since(Instant::now()) > KEY_PICTURE_EVERY {
                self.draw(eyes, view, has_newer)?;
            }
        }
        Ok(None)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        let _ = ratatui::try_restore();
    }
}

fn closing(eyes: &Eyes) -> Closing {
    Closing {
        events: eyes.scene().events(),
        machines: eyes.scene().machines().len(),
        lag: eyes.lag(),
    }
}

#[cfg(test)]
mod tests;
