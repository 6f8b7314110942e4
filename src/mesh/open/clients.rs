//! Clients by the wire: their requests, any number in flight up to a limit, and the answers in the order they are ready.
//!
//! ```text
//!   ticket given to the service:   seat 16 bits | place 16 bits | count 32 bits
//!                                  which client   which request   so that a place is never taken for an earlier one
//! ```
//!
//! A client costs no more than its seat, [`PIPELINE_MAX`] requests, one frame half read, and [`UNREAD_BYTES_MAX`] of answers;
//! the answers of all of them together have [`UNREAD_ALL_BYTES_MAX`] (`unread`). At the first limit, and at
//! [`UNREAD_PAUSE_BYTES_MAX`] of answers, it is not read any further until it has read; what it sends then waits in its own
//! kernel. Nor is anybody read while the service holds [`HELD_BYTES_MAX`] of answers that wait for its disk. So what is asked
//! for never comes to what closes a client by itself; what a watch is told may, and is written piece by piece.
//!
//! [`HELD_BYTES_MAX`]: super::HELD_BYTES_MAX
//! [`UNREAD_BYTES_MAX`]: super::UNREAD_BYTES_MAX

mod unread;

use std::{net::SocketAddr, time::Duration};

use mio::{Token, net::TcpStream};
use rustix::net::sockopt::{set_socket_keepalive, set_tcp_keepidle};
use tracing::debug;

use super::{CLIENTS_MAX, PIPELINE_MAX, REQUESTS_AT_ONCE, UNREAD_ALL_BYTES_MAX, UNREAD_PAUSE_BYTES_MAX};
use crate::{
    mesh::connection::{Connection, Filled},
    service::{Effects, Guard, Input, Service, Shown, Ticket},
    units::{MachineId, Time},
    wire::{Control, ErrorCode, Message, Reason, Refusal, kind, read_request},
};

/// Silence after which the kernel asks whether a client is still there.
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(60);

/// How far the place of a request stands from the right of its ticket's number.
const PLACE_SHIFT: u32 = 32;

/// All clients.
#[derive(Debug)]
pub(super) struct Clients {
    seats: Vec<Seat>,
    /// Seats that nobody sits in.
    free: Vec<usize>,
    /// Clients that wait for a seat.
    len: usize,
    /// Bytes of answers that all of them have not read, about …
    unread: usize,
    /// … and at most.
    unread_max: usize,
}

/// A place at the table: its count outlives those who sit there.
#[derive(Debug, Default)]
struct Seat {
    count: u32,
    client: Option<Client>,
}

/// One client.
#[derive(Debug)]
pub(super) struct Client {
    token: Token,
    connection: Connection<TcpStream>,
    address: SocketAddr,
    /// Its requests that wait for their last answer, at their places.
    open: Vec<Option<Open>>,
    free: Vec<u16>,
    /// When it last read something, or had nothing to read.
    moved: Time,
    /// Bytes of answers that were left when they were written last.
    left: usize,
    /// It is not read any more: it is to be closed when its answers are out.
    leaving: bool,
    /// What it has shown of who it is.
    shown: Shown,
}

/// A request that waits.
#[derive(Clone, Copy, Debug)]
struct Open {
    count: u32,
    /// The client's own ticket.
    ticket: u64,
}

/// What became of an answer.
pub(super) enum Said<A> {
    Done,
    /// It is one of many that the client in this seat has not read: they may be written now.
    Many(usize),
    /// It is none of a client's.
    Desk(A),
}

/// Requests that have been read and not given to the service yet.
pub(super) type Asked<S> = Vec<(Ticket, <S as Service>::Request)>;

/// How a client's turn ended.
enum Turn {
    Waits,
    Gone,
    Broken(Refusal),
}

impl Turn {
    /// What a client's frame is that is no request.
    fn of_control(kind: u8, body: &[u8]) -> Self {
        match Control::decode(kind, body) {
            Ok(Control::Error { .. } | Control::Goodbye { .. }) => Self::Gone,
            _ => {
                let text = format!("here come requests, not {kind:#04x}");
                Self::Broken(Refusal::new(ErrorCode::UnexpectedFrame, text))
            }
        }
    }
}

impl Client {
    pub(super) fn new(
        token: Token,
        mut connection: Connection<TcpStream>,
        address: SocketAddr,
        now: Time,
    ) -> Self {
        let stream = connection.stream_mut();
        let asked =
            set_socket_keepalive(&*stream, true).and_then(|()| set_tcp_keepidle(&*stream, KEEP_ALIVE_AFTER));
        if let Err(error) = asked {
            debug!("{address}: {error}");
        }
        Self {
            token,
            connection,
            address,
            open: Vec::new(),
            free: Vec::new(),
            moved: now,
            left: 0,
            leaving: false,
            shown: Shown::default(),
        }
    }

    /// Requests that wait for their last answer.
    fn waiting(&self) -> usize {
        self.open.len() - self.free.len()
    }

    /// Whether it may say more.
    fn may_ask(&self) -> bool {
        !self.leaving && self.waiting() < PIPELINE_MAX && self.connection.unsent() <= UNREAD_PAUSE_BYTES_MAX
    }

    /// Finds a place for a request.
    #[inline]
    fn take_place(&mut self, open: Open) -> u16 {
        match self.free.pop() {
            Some(place) => {
                if let Some(slot) = self.open.get_mut(usize::from(place)) {
                    *slot = Some(open);
                }
                place
            }
            None => {
                let place = u16::try_from(self.open.len()).unwrap_or(u16::MAX);
                self.open.push(Some(open));
                place
            }
        }
    }
}

#[inline]
fn ticket(seat: usize, place: u16, count: u32) -> Ticket {
    Ticket::of(seat as u64, u64::from(place) << PLACE_SHIFT | u64::from(count))
}

/// The seat, the place and the count of a ticket that was made of them.
#[inline]
fn whose(ticket: Ticket) -> (usize, u16, u32) {
    let [s1, s0, p1, p0, c3, c2, c1, c0] = ticket.0.to_be_bytes();
    (
        usize::from(u16::from_be_bytes([s1, s0])),
        u16::from_be_bytes([p1, p0]),
        u32::from_be_bytes([c3, c2, c1, c0]),
    )
}

impl Clients {
    pub(super) fn new() -> Self {
        Self {
            seats: Vec::new(),
            free: Vec::new(),
            len: 0,
            unread: 0,
            unread_max: UNREAD_ALL_BYTES_MAX,
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Gives a client a seat. The caller has counted them.
    pub(super) fn add(&mut self, client: Client) -> usize {
        self.len += 1;
        let seat = self.free.pop().unwrap_or_else(|| {
            assert!(
                self.seats.len() < CLIENTS_MAX,
                "there are {CLIENTS_MAX} clients already"
            );
            self.seats.push(Seat::default());
            self.seats.len() - 1
        });
        if let Some(seat) = self.seats.get_mut(seat) {
            seat.client = Some(client);
        }
        seat
    }

    /// The connection's token.
    pub(super) fn token(&self, seat: usize) -> Option<Token> {
        let seat = self.seats.get(seat)?;
        seat.client.as_ref().map(|client| client.token)
    }

    pub(super) fn set_ready(&mut self, seat: usize, event: &mio::event::Event) {
        if let Some(client) = self.seats.get_mut(seat).and_then(|seat| seat.client.as_mut()) {
            client
                .connection
                .set_ready(event.is_readable(), event.is_read_closed(), event.is_writable());
        }
    }

    /// Gives the service the next requests of one client. Says whether there were any.
    pub(super) fn hear<S>(
        &mut self,
        seat: usize,
        (guard, service): (Option<&dyn Guard<S>>, &mut S),
        (asked, effects): (&mut Asked<S>, &mut Effects<S>),
        bytes_left: &mut usize,
        now: Time,
    ) -> Heard
    where
        S: Service<Request: Message, Reply: Message>,
    {
        let Some(Seat {
            count,
            client: Some(client),
        }) = self.seats.get_mut(seat)
        else {
            return Heard::Nothing;
        };
        if !client.connection.is_readable() && client.connection.decoder.waiting() == 0 {
            return Heard::Nothing;
        }
        let mut requests = 0;
        let turn = loop {
            if !client.may_ask() || requests >= REQUESTS_AT_ONCE {
                break Turn::Waits;
            }
            match client.connection.decoder.next_frame() {
                Ok(Some(frame)) if frame.kind <= kind::CONTROL_LAST => {
                    break Turn::of_control(frame.kind, frame.body);
                }
                Ok(Some(frame)) => match read_request::<S::Request>(frame.kind, frame.body) {
                    Ok((own, request)) => {
                        requests += 1;
                        let judged = guard.and_then(|guard| guard.judge(&mut client.shown, &request));
                        if let Some(reply) = judged {
                            client.answer(own, &reply, now);
                            continue;
                        }
                        *count = count.wrapping_add(1);
                        let place = client.take_place(Open {
                            count: *count,
                            ticket: own,
                        });
                        asked.push((ticket(seat, place, *count), request));
                        continue;
                    }
                    Err(error) => break Turn::Broken(Refusal::malformed(error)),
                },
                Ok(None) => {}
                Err(error) => {
                    break Turn::Broken(Refusal::new(ErrorCode::FrameTooLong, error.to_string()));
                }
            }
            if *bytes_left == 0 {
                break Turn::Waits;
            }
            match client.connection.fill() {
                Ok(Filled::Bytes(bytes)) => *bytes_left = bytes_left.saturating_sub(bytes),
                Ok(Filled::Blocked) => break Turn::Waits,
                Ok(Filled::Closed) | Err(_) => break Turn::Gone,
            }
        };
        service.foresee(asked);
        for (ticket, request) in asked.drain(..) {
            service.handle(now, Input::Request { ticket, request }, effects);
        }
        let gave = Heard::of(requests > 0);
        match turn {
            Turn::Waits => gave,
            Turn::Gone => self.remove(seat, service, effects, now),
            Turn::Broken(refusal) => {
                debug!(
                    "the client at {} is not heard any more: {refusal}",
                    client.address
                );
                refusal.to_control().encode(client.connection.output());
                // The last words; whether they arrive is the other's business.
                let _ = client.connection.flush();
                self.remove(seat, service, effects, now)
            }
        }
    }

    /// What the client has shown whose request this is, if it is still there and waits for it.
    pub(super) fn shown(&mut self, ticket: Ticket) -> Option<&mut Shown> {
        let (seat, place, count) = whose(ticket);
        let client = self.seats.get_mut(seat)?.client.as_mut()?;
        let open = client.open.get(usize::from(place))?.as_ref()?;
        (open.count == count).then_some(&mut client.shown)
    }

    /// A client has gone: its requests are cancelled.
    pub(super) fn remove<S: Service>(
        &mut self,
        seat: usize,
        service: &mut S,
        effects: &mut Effects<S>,
        now: Time,
    ) -> Heard {
        let Some(client) = self.seats.get_mut(seat).and_then(|seat| seat.client.take()) else {
            return Heard::Nothing;
        };
        self.len -= 1;
        self.free.push(seat);
        self.unread = self.unread.saturating_sub(client.connection.unsent());
        let mut cancelled = false;
        for (place, open) in (0..=u16::MAX).zip(client.open) {
            if let Some(open) = open {
                let ticket = ticket(seat, place, open.count);
                service.handle(now, Input::Cancelled { ticket }, effects);
                cancelled = true;
            }
        }
        Heard::of(cancelled)
    }

    /// Says goodbye to all: nothing more is read of them.
    pub(super) fn say_goodbye(&mut self, reason: Reason, origin: MachineId) {
        for client in self.seats.iter_mut().filter_map(|seat| seat.client.as_mut()) {
            if !client.leaving {
                client.leaving = true;
                Control::Goodbye { reason, origin }.encode(client.connection.output());
            }
        }
    }

    /// Whether some client can be heard without waiting for it to say more.
    pub(super) fn has_more(&self) -> bool {
        let mut clients = self.seats.iter().filter_map(|seat| seat.client.as_ref());
        clients.any(|client| {
            client.may_ask() && (client.connection.is_readable() || client.connection.decoder.has_frame())
        })
    }

    /// The seats that somebody sits in.
    pub(super) fn seats(&self) -> usize {
        self.seats.len()
    }
}

/// Whether the service was given something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Something,
    Nothing,
}

impl Heard {
    fn of(something: bool) -> Self {
        match something {
            true => Heard::Something,
            false => Heard::Nothing,
        }
    }
}
