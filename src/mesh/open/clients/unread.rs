//! Answers: in the order in which they are ready, and what becomes of who does not read them.
//!
//! What is unread is bounded for each client and for all of them. A client that comes to its own bound is told so behind its
//! answers, if it reads on. At the bound of all, the one with the most is closed and its answers are thrown away, at once: told
//! behind them it would hold them for as long as it likes.

use std::time::Duration;

use tracing::{debug, warn};

use super::{Client, Clients, Said, whose};
use crate::{
    mesh::open::{UNREAD_BYTES_MAX, UNREAD_MS_MAX, UNREAD_PAUSE_BYTES_MAX},
    service::{Last, Ticket},
    units::Time,
    wire::{Answer, ErrorCode, Message, Refusal, encode_answer},
};

impl Clients {
    /// Gives a client an answer, unless it has gone.
    #[inline]
    pub(in crate::mesh::open) fn reply<A: Message>(
        &mut self,
        ticket: Ticket,
        reply: A,
        last: Last,
        now: Time,
    ) -> Said<A> {
        if ticket.seat() == Ticket::DESK {
            return Said::Desk(reply);
        }
        let (seat, place, count) = whose(ticket);
        let Some(client) = self.seats.get_mut(seat).and_then(|seat| seat.client.as_mut()) else {
            return Said::Done;
        };
        let Some(slot) = client.open.get_mut(usize::from(place)) else {
            return Said::Done;
        };
        let Some(open) = slot.filter(|open| open.count == count) else {
            return Said::Done;
        };
        if last == Last::Yes {
            *slot = None;
            client.free.push(place);
        }
        if client.leaving {
            // It has had its last frame.
            return Said::Done;
        }
        let before = client.connection.unsent();
        if before == 0 {
            client.moved = now;
        }
        let answer = Answer {
            ticket: open.ticket,
            is_last: last == Last::Yes,
            reply: &reply,
        };
        if !encode_answer(client.connection.output(), &answer) {
            client.end(
                "an answer does not fit a frame: ask for less at once",
                ErrorCode::FrameTooLong,
            );
        } else if client.connection.unsent() > UNREAD_BYTES_MAX {
            client.end("answers are not read", ErrorCode::Overflow);
        }
        let unsent = client.connection.unsent();
        let is_much = unsent > client.left + UNREAD_PAUSE_BYTES_MAX;
        self.unread += unsent - before;
        if self.unread > self.unread_max {
            self.end_heaviest();
        }
        match is_much || self.unread > self.unread_max / 2 {
            true => Said::Many(seat),
            false => Said::Done,
        }
    }

    /// Closes the client with the most unread answers, which go with it.
    #[cold]
    fn end_heaviest(&mut self) {
        let clients = self.seats.iter_mut().filter_map(|seat| seat.client.as_mut());
        let Some(client) = clients.max_by_key(|client| client.connection.unsent()) else {
            return;
        };
        let unsent = client.connection.unsent();
        warn!(
            "the client at {} is closed: the clients have {} bytes of answers unread, over the {} allowed, and it the most of \
             them, {unsent}",
            client.address, self.unread, self.unread_max
        );
        client.leaving = true;
        client.connection.discard_output();
        *client.connection.output() = Vec::new();
        self.unread = self.unread.saturating_sub(unsent);
    }

    /// Writes the answers of one client before the round is over: what comes together may be more than it is ever to
    /// leave unread.
    pub(in crate::mesh::open) fn relieve(&mut self, seat: usize, now: Time) {
        if let Some(client) = self.seats.get_mut(seat).and_then(|seat| seat.client.as_mut()) {
            // It may have read since the system said last that it takes more.
            client.connection.set_ready(false, false, true);
            let before = client.connection.unsent();
            client.flush(now);
            self.unread = self.unread.saturating_sub(before - client.connection.unsent());
        }
    }

    /// Writes each client's answers once.
    pub(in crate::mesh::open) fn flush(&mut self, now: Time) {
        self.unread = 0;
        for client in self.seats.iter_mut().filter_map(|seat| seat.client.as_mut()) {
            client.flush(now);
            self.unread += client.connection.unsent();
        }
    }

    /// Whether every answer is with the operating system.
    pub(in crate::mesh::open) fn is_flushed(&self) -> bool {
        let mut clients = self.seats.iter().filter_map(|seat| seat.client.as_ref());
        clients.all(|client| client.connection.unsent() == 0)
    }

    /// Whether a client is to be closed now: it was refused, or has not read for too long.
    pub(in crate::mesh::open) fn is_over(&self, seat: usize, now: Time) -> bool {
        let client = self.seats.get(seat).and_then(|seat| seat.client.as_ref());
        client.is_some_and(|client| {
            let unsent = client.connection.unsent();
            let limit = Duration::from_millis(UNREAD_MS_MAX);
            (client.leaving && unsent == 0) || (unsent > 0 && now.since(client.moved) > limit)
        })
    }

    /// When a client that does not read is to be closed.
    pub(in crate::mesh::open) fn deadline(&self) -> Option<Time> {
        let clients = self.seats.iter().filter_map(|seat| seat.client.as_ref());
        let slow = clients.filter(|client| client.connection.unsent() > 0);
        slow.map(|client| client.moved.after(Duration::from_millis(UNREAD_MS_MAX + 1)))
            .min()
    }
}

impl Client {
    /// Answers a request that the service was not given.
    pub(super) fn answer<A: Message>(&mut self, ticket: u64, reply: &A, now: Time) {
        if self.connection.unsent() == 0 {
            self.moved = now;
        }
        let answer = Answer {
            ticket,
            is_last: true,
            reply,
        };
        if !encode_answer(self.connection.output(), &answer) {
            self.end("an answer does not fit a frame", ErrorCode::FrameTooLong);
        }
    }

    /// Writes its answers, as far as the system takes them.
    fn flush(&mut self, now: Time) {
        let before = self.connection.unsent();
        if before == 0 {
            return;
        }
        if let Err(error) = self.connection.flush() {
            // It shows as the end of the stream in the next round.
            debug!("the client at {} is gone: {error}", self.address);
            self.connection.discard_output();
            self.leaving = true;
        }
        self.left = self.connection.unsent();
        if self.left < before {
            self.moved = now;
        }
    }

    /// It is told why, behind what it has been answered so far, and closed.
    fn end(&mut self, text: &str, code: ErrorCode) {
        if !self.leaving {
            self.leaving = true;
            debug!("the client at {} is to be closed: {text}", self.address);
            Refusal::new(code, text)
                .to_control()
                .encode(self.connection.output());
        }
    }
}

#[cfg(test)]
mod tests;
