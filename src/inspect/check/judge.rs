//! The rules of one message: its two ends side by side, and the words for what is wrong with them.

use std::sync::Arc;

use super::{
    hybrid::{self, Fastest},
    links::Links,
    message::{Received, ReceivedOther, Sent, SentOther},
    rules::{CLOCK, CONDITION, ORDER},
    skipped::Gap,
    vector,
    wrong_rule::merged,
};
use crate::{
    trace::{Place, Violations},
    units::MachineId,
};

/// The two ends of a channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub(super) from: MachineId,
    pub(super) to: MachineId,
}

/// The log of each machine.
#[derive(Clone, Debug)]
pub(super) struct Files(pub(super) Vec<Arc<str>>);

/// What judging a message needs.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) files: &'a Files,
    pub(super) links: &'a mut Links,
    pub(super) fastest: &'a mut Fastest,
    pub(super) violations: &'a mut Violations,
}

impl Files {
    pub(super) fn place(&self, machine: MachineId, line: u64) -> Place {
        Place {
            file: self.0.get(machine.index()).cloned().unwrap_or_default(),
            line,
        }
    }
}

impl Context<'_> {
    /// The clock rule for a receive.
    #[inline]
    pub(super) fn judge_clock(&mut self, pair: Pair, send: Option<&Sent>, receive: &Received) {
        let expected = merged(receive.before, receive.sent);
        if receive.clock != expected {
            self.wrong_clock(pair, send, receive, expected);
        }
    }

    #[cold]
    fn wrong_clock(&mut self, pair: Pair, send: Option<&Sent>, receive: &Received, expected: u64) {
        let files = self.files;
        self.violations.add(CLOCK, pair.to, || {
            let Received {
                sent, before, clock, ..
            } = receive;
            let mut places = vec![files.place(pair.to, receive.line)];
            places.extend(send.map(|send| files.place(pair.from, send.line)));
            let from = message(pair, *sent, places.get(1));
            let text = format!(
                "receive of {from}: the clock was {before}, so it must become max({before}, {sent}) + 1 = {expected}; the log says {clock}",
            );
            (places, text)
        });
    }

    /// The lives that sent and received a message.
    #[inline]
    pub(super) fn judge_lives(&mut self, pair: Pair, send: &Sent, receive: &Received) {
        if self.links.has_stories() {
            let lines = (send.line, receive.line);
            self.links.judge_message(pair, lines, self.files, self.violations);
        }
    }

    /// The clock condition is broken.
    #[cold]
    pub(super) fn unordered(&mut self, pair: Pair, send: &Sent, receive: &Received) {
        let files = self.files;
        self.violations.add(CONDITION, pair.to, || {
            let places = vec![
                files.place(pair.to, receive.line),
                files.place(pair.from, send.line),
            ];
            let text = format!(
                "the receive has clock {}, its send at machine {} has {} ({}): C(send) < C(receive) must hold",
                receive.clock,
                pair.from,
                send.clock,
                files.place(pair.from, send.line),
            );
            (places, text)
        });
    }

    /// Sends of the same epoch were passed over before this message.
    #[cold]
    pub(super) fn passed_over(&mut self, pair: Pair, gap: Gap, send: &Sent, receive: &Received) {
        let files = self.files;
        self.violations.add(ORDER, pair.to, || {
            let places = vec![
                files.place(pair.to, receive.line),
                files.place(pair.from, gap.line),
                files.place(pair.from, send.line),
            ];
            let more = match gap.count {
                1 => String::new(),
                count => format!(" and {} more behind it", count - 1),
            };
            let text = format!(
                "receive of {}, but {}{more} had not been received: messages of a channel arrive in the order sent",
                message(pair, send.clock, places.get(2)),
                message(pair, gap.clock, places.get(1)),
            );
            (places, text)
        });
    }

    /// A message was received for the second time.
    pub(super) fn twice(&mut self, pair: Pair, receive: &Received, last: Option<(u64, u64, u64)>) {
        let files = self.files;
        self.violations.add(ORDER, pair.to, || {
            let mut places = vec![files.place(pair.to, receive.line)];
            places.extend(last.map(|(_, _, line)| files.place(pair.to, line)));
            places.extend(last.map(|(_, line, _)| files.place(pair.from, line)));
            let first = places.get(1).map(|place| format!(" at {place}"));
            let text = format!(
                "receive of {}, which was received already{}: a message arrives once",
                message(pair, receive.sent, places.get(2)),
                first.unwrap_or_default(),
            );
            (places, text)
        });
    }

    /// A message that was passed over has arrived.
    pub(super) fn late(
        &mut self,
        pair: Pair,
        send_line: u64,
        receive: &Received,
        last: Option<(u64, u64, u64)>,
    ) {
        let files = self.files;
        self.violations.add(ORDER, pair.to, || {
            let places = vec![
                files.place(pair.to, receive.line),
                files.place(pair.from, send_line),
            ];
            let later =
                last.map(|(clock, _, line)| format!(" (clock {clock}, {})", files.place(pair.to, line)));
            let text = format!(
                "receive of {} behind a message sent later{}: messages of a channel arrive in the order sent",
                message(pair, receive.sent, places.get(1)),
                later.unwrap_or_default(),
            );
            (places, text)
        });
    }

    /// A message was received that an injected fault had lost.
    #[cold]
    pub(super) fn lost(&mut self, pair: Pair, send_line: u64, receive: &Received) {
        let files = self.files;
        self.violations.add(ORDER, pair.to, || {
            let places = vec![
                files.place(pair.to, receive.line),
                files.place(pair.from, send_line),
            ];
            let text = format!(
                "receive of {}, of which its sender says lost={}: a message that a fault lost never arrives",
                message(pair, receive.sent, places.get(1)),
                pair.to,
            );
            (places, text)
        });
    }

    /// No send fits this receive.
    pub(super) fn nowhere(&mut self, pair: Pair, receive: &Received, last: Option<(u64, u64, u64)>) {
        let files = self.files;
        self.violations.add(ORDER, pair.to, || {
            let mut places = vec![files.place(pair.to, receive.line)];
            places.extend(last.map(|(_, line, _)| files.place(pair.from, line)));
            let known = match (last, places.get(1)) {
                (Some((clock, ..)), Some(place)) => format!("; the last one matched was sent at clock {clock} ({place})"),
                _ => String::new(),
            };
            let text = format!(
                "receive of {}, but {} has no such message on its way: it was never sent, or received before{known}",
                message(pair, receive.sent, None),
                files.place(pair.from, 0),
            );
            (places, text)
        });
    }

    /// The clock beside Lamport's, of a receive.
    #[cold]
    pub(super) fn judge_other(
        &mut self,
        pair: Pair,
        (send, sent): (&Sent, &SentOther),
        (receive, taken): (&Received, &ReceivedOther),
    ) {
        match (sent, taken) {
            (SentOther::Vector(sent), ReceivedOther::Vector(Some(before), after)) => {
                vector::judge_receive(pair, (send, sent), receive, (before, after), self);
            }
            (SentOther::Hybrid(sent, at), ReceivedOther::Hybrid(taken)) => {
                hybrid::judge_receive(pair, send, (*sent, *at), receive, taken, self);
            }
            // Before is not known, or the machines' clocks differ in kind, which is told of the events without one.
            (SentOther::Vector(_) | SentOther::Hybrid(..), _) => {}
        }
    }
}

/// A message in words.
fn message(pair: Pair, clock: u64, send: Option<&Place>) -> String {
    match send {
        Some(place) => format!(
            "the message sent at machine {}, clock {clock} ({place})",
            pair.from
        ),
        None => format!("a message of machine {}, clock {clock}", pair.from),
    }
}
