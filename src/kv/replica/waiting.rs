//! Requests that wait: for writes that their sessions have seen and this replica has not, or for the data of the
//! beginning.
//!
//! A request waits for one missing write at a time; when that is applied it is asked what it lacks next. So applying a
//! write costs nothing for those who wait for others. All waits end: each has a deadline.

use std::collections::{BTreeMap, BTreeSet};

use super::tokens;
use crate::{
    clock::{Dot, Origin},
    kv::{
        config::Config,
        operation::{Change, Value},
        request::{Action, Request},
    },
    service::Ticket,
    units::Time,
};

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// This write, or those of its origin before it.
    Write(Dot),
    /// That this replica serves.
    Readiness,
}

/// What an element of a set weighs beside its bytes.
const VALUE_OVERHEAD_BYTES: usize = 32;

/// What a request that waits, or an operation of one, weighs beside the bytes of what it says.
const OVERHEAD_BYTES: usize = 256;

#[derive(Debug)]
struct Waiter {
    request: Request,
    until: Time,
    what: For,
}

/// All requests that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    waiters: BTreeMap<Ticket, Waiter>,
    /// Those of clients' connections among them: how many of each, how many in all, and what they weigh in memory, about.
    seats: BTreeMap<u64, usize>,
    seated: usize,
    bytes: usize,
    by_write: BTreeMap<Origin, BTreeSet<(u64, Ticket)>>,
    for_readiness: BTreeSet<Ticket>,
    deadlines: BTreeSet<(Time, Ticket)>,
    /// What they waited for is there: to be served at the end of the round.
    woken: Vec<Ticket>,
}

impl Waiting {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiters.len()
    }

    /// All that wait.
    pub(super) fn all(&self) -> impl Iterator<Item = (Ticket, &Request)> {
        self.waiters
            .iter()
            .map(|(ticket, waiter)| (*ticket, &waiter.request))
    }

    /// Whether there is room for one more. What came by the desk has bounds of its own.
    pub(super) fn has_room(&self, ticket: Ticket, request: &Request, config: &Config) -> bool {
        let seat = ticket.seat();
        seat == Ticket::DESK
            || self.seated < config.waiting_max
                && self
                    .seats
                    .get(&seat)
                    .is_none_or(|count| *count < config.waiting_seat_max)
                && self.bytes + weight(request) <= config.waiting_bytes_max
    }

    /// Lets a request wait.
    pub(super) fn add(&mut self, ticket: Ticket, request: Request, until: Time, what: For) {
        self.deadlines.insert((until, ticket));
        if ticket.seat() != Ticket::DESK {
            *self.seats.entry(ticket.seat()).or_default() += 1;
            self.seated += 1;
            self.bytes += weight(&request);
        }
        match what {
            For::Write(dot) => {
                let waiting = self.by_write.entry(dot.origin).or_default();
                waiting.insert((dot.number, ticket));
            }
            For::Readiness => {
                self.for_readiness.insert(ticket);
            }
        }
        let waiter = Waiter { request, until, what };
        self.waiters.insert(ticket, waiter);
    }

    /// Writes of an origin have been applied, up to a number.
    #[inline]
    pub(super) fn applied(&mut self, origin: Origin, number: u64) {
        if self.by_write.is_empty() {
            return;
        }
        if let Some(waiting) = self.by_write.get_mut(&origin) {
            while let Some((wanted, ticket)) = waiting.first().copied()
                && wanted <= number
            {
                // It is woken once, not again by what comes next.
                self.woken.push(ticket);
                waiting.pop_first();
            }
            if waiting.is_empty() {
                self.by_write.remove(&origin);
            }
        }
    }

    /// This replica serves now.
    pub(super) fn ready(&mut self) {
        self.woken.extend(std::mem::take(&mut self.for_readiness));
    }

    /// All that wait, to look at them anew.
    pub(super) fn wake_all(&mut self) {
        self.woken.extend(self.waiters.keys());
    }

    /// The last write of each origin that is waited for.
    pub(super) fn awaited(&self) -> Vec<Dot> {
        let last = |(origin, waiting): (&Origin, &BTreeSet<(u64, Ticket)>)| {
            waiting.last().map(|(number, _)| Dot::new(*origin, *number))
        };
        self.by_write.iter().filter_map(last).collect()
    }

    /// Those that were woken: they do not wait any more.
    pub(super) fn take_woken(&mut self) -> Vec<(Ticket, Request, Time)> {
        let woken = std::mem::take(&mut self.woken);
        woken.into_iter().filter_map(|ticket| self.take(ticket)).collect()
    }

    /// Those whose time is over: they do not wait any more.
    pub(super) fn take_late(&mut self, now: Time) -> Vec<(Ticket, Request, Time)> {
        let late: Vec<Ticket> = self
            .deadlines
            .iter()
            .take_while(|(until, _)| *until <= now)
            .map(|(_, ticket)| *ticket)
            .collect();
        late.into_iter().filter_map(|ticket| self.take(ticket)).collect()
    }

    /// Takes one out: its client has gone, or it is to be served.
    pub(super) fn take(&mut self, ticket: Ticket) -> Option<(Ticket, Request, Time)> {
        let waiter = self.waiters.remove(&ticket)?;
        self.deadlines.remove(&(waiter.until, ticket));
        if ticket.seat() != Ticket::DESK {
            self.seated -= 1;
            self.bytes -= weight(&waiter.request);
            if let Some(count) = self.seats.get_mut(&ticket.seat()) {
                *count -= 1;
                if *count == 0 {
                    self.seats.remove(&ticket.seat());
                }
            }
        }
        match waiter.what {
            For::Readiness => {
                self.for_readiness.remove(&ticket);
            }
            For::Write(dot) => {
                if let Some(waiting) = self.by_write.get_mut(&dot.origin) {
                    waiting.remove(&(dot.number, ticket));
                    if waiting.is_empty() {
                        self.by_write.remove(&dot.origin);
                    }
                }
            }
        }
        Some((ticket, waiter.request, waiter.until))
    }

    /// When the first deadline is.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.deadlines.first().map(|(until, _)| *until)
    }
}

/// What a request weighs in memory, about.
fn weight(request: &Request) -> usize {
    let values = |values: &[Value]| {
        values
            .iter()
            .map(|value| VALUE_OVERHEAD_BYTES + value.bytes.len())
            .sum()
    };
    let said: usize = match &request.action {
        Action::Write { operations, .. } => operations
            .iter()
            .map(|operation| {
                let change: usize = match &operation.change {
                    Change::Put(value) | Change::PutBeside(value) => value.bytes.len(),
                    Change::Insert(elements) | Change::Remove(elements) => values(elements),
                    Change::Delete | Change::Add(_) => 0,
                };
                OVERHEAD_BYTES + operation.key.len() + change
            })
            .sum(),
        Action::Get { key } | Action::Why { key } => key.len(),
        Action::Scan { prefix, .. } | Action::Watch { prefix, .. } => prefix.len(),
        Action::Present { .. } => OVERHEAD_BYTES,
        Action::Change(_) | Action::Members | Action::Status | Action::Backup { .. } => 0,
    };
    OVERHEAD_BYTES + tokens::weight(&request.token) + said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kv::Token, units::MachineId};

    #[test]
    fn who_waits_is_woken_once() {
        let origin = Origin {
            machine: MachineId(1),
            incarnation: 7,
        };
        let mut waiting = Waiting::default();
        for number in 1..=3 {
            let request = Request {
                token: Token::new(),
                wait_us: 0,
                action: Action::Members,
            };
            let what = For::Write(Dot::new(origin, number));
            waiting.add(Ticket(number), request, Time(number), what);
        }
        for number in [1, 1, 2, 2] {
            waiting.applied(origin, number);
        }
        assert_eq!(waiting.woken, [Ticket(1), Ticket(2)]);
        let woken = waiting.take_woken();
        assert_eq!(woken.len(), 2);
        assert_eq!(waiting.len(), 1);
        assert_eq!(waiting.awaited(), [Dot::new(origin, 3)]);
        waiting.applied(origin, 9);
        assert!(waiting.by_write.is_empty());
        assert_eq!(waiting.take_woken().len(), 1);
        assert!(waiting.deadline().is_none());
        assert!(waiting.seats.is_empty() && waiting.seated == 0 && waiting.bytes == 0);
    }
}
