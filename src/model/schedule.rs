//! The rules about when ticks come, for one log: never early, *rate kept* and *steps kept*.
//!
//! A log's time falls into pieces. A piece begins with the header or with a remark, and each is judged by itself:
//!
//! ```text
//!   header, pace=       ticks by time: the n-th is due next_us + n × period behind the beginning
//!   paused=             no tick but those that step= remarks promise
//!   restarted=          nothing, until the next pace= or paused=
//! ```
//!
//! The piece that a kill ends has no known end: its ticks may not be early, and may be few.

use super::check::{ONE_THING, RATE_KEPT, STEPS_KEPT};
use crate::{
    trace::{Footer, Header, WallTime},
    units::{Period, Speed},
};

/// Times are whole microseconds, and so are phases and starts: a tick may seem this much early.
const ROUNDING_US: u64 = 2;

/// Ticks that a machine may lie from rate × seconds.
const TICKS_OFF_MAX: f64 = 2.0;

/// Longest wait for goodbyes between the stop and the end, with some room: protocol.md's `DRAIN_MS_MAX`.
const DRAIN_SECONDS_MAX: f64 = 2.1;

/// The pieces of one log's time, as they are read.
#[derive(Debug)]
pub(super) struct Schedules {
    speed: Speed,
    piece: Piece,
    /// The last tick.
    tick: u64,
    last_at: WallTime,
    /// How long ticks came by time in the pieces before this one, in microseconds.
    ticked_us: i64,
    /// Ticks that stalls skipped.
    pub(super) skipped: u64,
    /// Pieces whose number of ticks was judged.
    pub(super) rate_judged: u64,
    /// Steps, and remarks about them.
    pub(super) steps_judged: u64,
}

#[derive(Clone, Copy, Debug)]
enum Piece {
    Timed(Timed),
    /// So many steps are promised and not done yet; the remark that promised them, or that began the pause.
    Paused {
        promised: u64,
        line: u64,
    },
    /// Started again; the remark that says so.
    Between {
        line: u64,
    },
}

/// Ticks by time.
#[derive(Clone, Copy, Debug)]
struct Timed {
    /// The line that began it.
    line: u64,
    begun: WallTime,
    /// From there to the first tick, in microseconds.
    next_us: u64,
    rate: u32,
    period: Period,
    /// Ticks before this piece.
    before: u64,
    /// Ticks in it, and those skipped.
    done: u64,
    skipped: u64,
}

/// What is wrong: the rule, the lines that show it, and the words.
pub(super) struct Wrong {
    pub(super) rule: &'static str,
    pub(super) lines: Vec<u64>,
    pub(super) text: String,
}

impl Schedules {
    pub(super) fn new(header: &Header, rate: u32) -> Self {
        Self {
            speed: header.speed,
            piece: Piece::Timed(Timed {
                line: 2,
                begun: header.started,
                next_us: header.phase_us.unwrap_or(0),
                rate,
                period: Period::new(rate, header.speed),
                before: 0,
                done: 0,
                skipped: 0,
            }),
            tick: 0,
            last_at: header.started,
            ticked_us: 0,
            skipped: 0,
            rate_judged: 0,
            steps_judged: 0,
        }
    }

    /// A line of any kind was passed.
    #[inline]
    pub(super) fn pass(&mut self, at: WallTime) {
        self.last_at = at;
    }

    /// A tick.
    #[inline]
    pub(super) fn tick(&mut self, line: u64, at: WallTime, tick: u64) -> Option<Wrong> {
        self.tick = tick;
        match &mut self.piece {
            Piece::Timed(timed) => {
                timed.done += 1;
                timed.judge_due(line, at, tick)
            }
            Piece::Paused {
                promised,
                line: known,
            } => {
                self.steps_judged += 1;
                let known = *known;
                match promised.checked_sub(1) {
                    Some(left) => {
                        *promised = left;
                        None
                    }
                    None => wrong(STEPS_KEPT, &[line, known], || {
                        format!("tick {tick} while the machine is paused, and no step asks for it")
                    }),
                }
            }
            Piece::Between { line: known } => wrong(ONE_THING, &[line, *known], || {
                format!("tick {tick} of a machine that was started again, before its schedule is said")
            }),
        }
    }

    /// Ticks were skipped.
    pub(super) fn stall(&mut self, skipped: u64) {
        self.skipped = self.skipped.saturating_add(skipped);
        if let Piece::Timed(timed) = &mut self.piece {
            timed.skipped = timed.skipped.saturating_add(skipped);
        }
    }

    pub(super) fn pause(&mut self, line: u64, at: WallTime) -> Option<Wrong> {
        let found = self.close(line, at);
        self.piece = Piece::Paused { promised: 0, line };
        found
    }

    pub(super) fn step(&mut self, line: u64, ticks: u64) -> Option<Wrong> {
        self.steps_judged += 1;
        let Piece::Paused {
            promised,
            line: known,
        } = &mut self.piece
        else {
            return wrong(STEPS_KEPT, &[line], || {
                format!("a step of {ticks} ticks, but the machine is not paused")
            });
        };
        let (left, before) = (*promised, *known);
        (*promised, *known) = (ticks, line);
        (left > 0).then(|| undone(left, line, before)).or_else(|| {
            (ticks == 0).then(|| Wrong {
                rule: STEPS_KEPT,
                lines: vec![line],
                text: "a step of 0 ticks: a step is at least one".to_owned(),
            })
        })
    }

    pub(super) fn pace(&mut self, line: u64, at: WallTime, rate: u32, next_us: u64) -> Option<Wrong> {
        let found = self.close(line, at);
        let period = Period::new(rate, self.speed);
        self.piece = Piece::Timed(Timed {
            line,
            begun: at,
            next_us,
            rate,
            period,
            before: self.tick,
            done: 0,
            skipped: 0,
        });
        found.or_else(|| {
            let longest = period.of(1).saturating_add(ROUNDING_US);
            if next_us <= longest {
                return None;
            }
            wrong(RATE_KEPT, &[line], || {
                format!("the next tick is due in {next_us} µs, but at rate {rate} no tick is further away than {longest} µs")
            })
        })
    }

    pub(super) fn restart(&mut self, line: u64) {
        // How far the life before came is known up to its last line.
        if let Piece::Timed(timed) = self.piece {
            self.ticked_us = self.ticked_us.saturating_add(self.last_at.us_since(timed.begun));
        }
        self.piece = Piece::Between { line };
    }

    pub(super) fn end(&mut self, line: u64, at: WallTime, footer: &Footer) -> Option<Wrong> {
        match self.piece {
            Piece::Timed(timed) => {
                let ticking = footer.ticking_us.map(|us| {
                    let us = i64::try_from(us).unwrap_or(i64::MAX);
                    // Not below nothing: an order may come behind the end, which a late machine sees later.
                    seconds(us.saturating_sub(self.ticked_us).max(0))
                });
                let longest = ticking.unwrap_or_else(|| at.seconds_since(timed.begun));
                // A footer without `ticking_us` says only when the machine ended: up to so long before that it may
                // have stopped ticking to wait for its peers' goodbyes.
                let shortest = ticking.unwrap_or(longest - DRAIN_SECONDS_MAX);
                self.judge_rate(timed, line, shortest, longest)
            }
            Piece::Paused {
                promised,
                line: known,
            } if promised > 0 => Some(undone(promised, line, known)),
            Piece::Paused { .. } | Piece::Between { .. } => None,
        }
    }

    /// A remark ends the piece.
    fn close(&mut self, line: u64, at: WallTime) -> Option<Wrong> {
        match self.piece {
            Piece::Timed(timed) => {
                let long_us = at.us_since(timed.begun);
                self.ticked_us = self.ticked_us.saturating_add(long_us);
                self.judge_rate(timed, line, seconds(long_us), seconds(long_us))
            }
            Piece::Paused {
                promised,
                line: known,
            } if promised > 0 => Some(undone(promised, line, known)),
            Piece::Paused { .. } | Piece::Between { .. } => None,
        }
    }

    /// A piece has `rate` × speed ticks a second; those that it says it skipped count.
    fn judge_rate(&mut self, timed: Timed, line: u64, shortest: f64, longest: f64) -> Option<Wrong> {
        self.rate_judged += 1;
        let Timed {
            done, skipped, rate, ..
        } = timed;
        let per_second = timed.period.per_second();
        #[expect(
            clippy::cast_precision_loss,
            reason = "a tolerance needs no more than 52 bits"
        )]
        let ticks = done.saturating_add(skipped) as f64;
        if ticks <= per_second * longest + TICKS_OFF_MAX && ticks >= per_second * shortest - TICKS_OFF_MAX {
            return None;
        }
        let lines: &[u64] = if timed.line == 2 {
            &[line]
        } else {
            &[line, timed.line]
        };
        wrong(RATE_KEPT, lines, || {
            let speed = match self.speed {
                Speed::NORMAL => String::new(),
                speed => format!(" and speed {speed}"),
            };
            format!(
                "{done} ticks, {skipped} skipped, in {longest:.3} s: at rate {rate}{speed} it must be {:.1}, at most \
                 {TICKS_OFF_MAX} off",
                per_second * longest,
            )
        })
    }
}

impl Timed {
    /// Tick n of the piece (from 1) is due at begun + next_us + (n − 1) periods, and never comes earlier.
    #[inline]
    fn judge_due(&self, line: u64, at: WallTime, tick: u64) -> Option<Wrong> {
        let index = tick.saturating_sub(self.before).saturating_sub(1);
        let due = self.next_us.saturating_add(self.period.of(index));
        let since = at.us_since(self.begun);
        // A time before the start is a violation of its own.
        if u64::try_from(since).unwrap_or(0).saturating_add(ROUNDING_US) >= due {
            return None;
        }
        let beginning = if self.line == 2 {
            "the start"
        } else {
            "that schedule began"
        };
        wrong(ONE_THING, &[line, self.line], || {
            format!(
                "tick {tick} comes {since} µs after {beginning}, but at rate {} it is due after {due} µs",
                self.rate
            )
        })
    }
}

fn undone(left: u64, line: u64, promised_in: u64) -> Wrong {
    Wrong {
        rule: STEPS_KEPT,
        lines: vec![line, promised_in],
        text: format!("{left} ticks of the step before are missing: a step is done at once, and wholly"),
    }
}

#[cold]
fn wrong(rule: &'static str, lines: &[u64], text: impl FnOnce() -> String) -> Option<Wrong> {
    Some(Wrong {
        rule,
        lines: lines.to_vec(),
        text: text(),
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a tolerance needs no more than 52 bits"
)]
fn seconds(us: i64) -> f64 {
    us as f64 / 1e6
}
