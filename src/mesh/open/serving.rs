//! Those who ask: other threads at the desk, clients by the wire.

use mio::Token;

use super::{
    HELD_BYTES_MAX, REQUESTS_A_ROUND, REQUESTS_AT_ONCE,
    clients::{Client, Heard},
    desk,
    round::OpenMesh,
};
use crate::{
    mesh::{EventLog, READ_BYTES_MAX},
    service::{Input, Service},
    units::Time,
    wire::Message,
};

impl<S, L> OpenMesh<S, L>
where
    S: Service<Request: Message + Send, Reply: Message>,
    L: EventLog,
{
    /// A client sits down.
    pub(super) fn seat(&mut self, token: Token, client: Client) {
        let seat = self.clients.add(client);
        self.seats.insert(token, seat);
    }

    /// Takes what other threads ask.
    pub(super) fn hear_desk(&mut self, now: Time) {
        let mut said = std::mem::take(&mut self.said);
        self.counter.take(&mut said);
        for said in said.drain(..) {
            match said {
                desk::Said::Request(ticket, request, answered) => {
                    self.counter.expect(ticket, answered);
                    self.input(now, Input::Request { ticket, request });
                }
                desk::Said::Cancel(ticket) => {
                    if self.counter.forget(ticket) {
                        self.input(now, Input::Cancelled { ticket });
                    }
                }
            }
        }
        self.said = said;
    }

    /// Takes what clients ask.
    pub(super) fn hear_clients(&mut self, now: Time) {
        let mut asked = Vec::new();
        for seat in 0..self.clients.seats() {
            let token = self.clients.token(seat);
            let mut bytes_left = READ_BYTES_MAX;
            for _ in 0..REQUESTS_A_ROUND / REQUESTS_AT_ONCE {
                if self.holds_much() {
                    break;
                }
                let service = (self.guard.as_deref(), &mut self.service);
                let (asked, effects) = (&mut asked, &mut self.effects);
                let heard = self
                    .clients
                    .hear(seat, service, (asked, effects), &mut bytes_left, now);
                if heard == Heard::Nothing {
                    break;
                }
                self.gave = true;
                // Answers find their place before the next requests are read.
                self.apply_effects(now);
            }
            self.stand_up(token, seat);
        }
        self.judge_again(now);
    }

    /// Whether nobody is asked for more: answers that wait for the disk are memory.
    fn holds_much(&self) -> bool {
        self.service.held_bytes() > HELD_BYTES_MAX
    }

    /// Whether some client can be heard now.
    pub(super) fn has_requests(&self) -> bool {
        !self.holds_much() && self.clients.has_more()
    }

    /// Closes the clients that are done, or do not read.
    pub(super) fn close_clients(&mut self, now: Time) {
        for seat in 0..self.clients.seats() {
            if self.clients.is_over(seat, now) {
                let token = self.clients.token(seat);
                if self
                    .clients
                    .remove(seat, &mut self.service, &mut self.effects, now)
                    == Heard::Something
                {
                    self.gave = true;
                }
                self.stand_up(token, seat);
            }
        }
    }

    /// Forgets the token of a client that has gone.
    fn stand_up(&mut self, token: Option<Token>, seat: usize) {
        if let Some(token) = token
            && self.clients.token(seat) != Some(token)
        {
            self.seats.remove(&token);
        }
    }
}
