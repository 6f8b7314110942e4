//! What becomes of clients that do not read.

use std::net::{Ipv4Addr, TcpListener, TcpStream as StdStream};

use mio::{Token, net::TcpStream};

use super::{super::Open, *};
use crate::{
    mesh::connection::Connection,
    wire::{FRAME_LENGTH_MAX, FieldError},
};

/// An answer of so many bytes.
struct Long(usize);

impl Message for Long {
    const SYSTEM: u8 = 255;

    fn kind(&self) -> u8 {
        0xF4
    }

    fn encode(&self, body: &mut Vec<u8>) {
        body.resize(body.len() + self.0, 7);
    }

    fn decode(_: u8, body: &[u8]) -> Result<Self, FieldError> {
        Ok(Self(body.len()))
    }
}

/// So many clients, each with a watch, and the other ends of their connections.
fn clients(count: usize) -> (Clients, Vec<Ticket>, Vec<StdStream>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    let mut clients = Clients::new();
    let (mut tickets, mut ends) = (Vec::new(), Vec::new());
    for number in 0..count {
        ends.push(StdStream::connect(address).expect("a connection"));
        let (stream, from) = listener.accept().expect("its other end");
        stream.set_nonblocking(true).expect("a socket");
        let connection = Connection::new(TcpStream::from_std(stream), FRAME_LENGTH_MAX);
        let mut client = Client::new(Token(number), connection, from, Time(0));
        let place = client.take_place(Open { count: 1, ticket: 9 });
        let seat = clients.add(client);
        tickets.push(super::super::ticket(seat, place, 1));
    }
    (clients, tickets, ends)
}

#[test]
fn of_all_clients_the_one_with_the_most_unread_is_closed() {
    let (mut clients, tickets, _ends) = clients(3);
    clients.unread_max = 3_000_000;
    let now = Time(1);
    let tell = |clients: &mut Clients, client: usize, bytes| {
        clients.reply(tickets[client], Long(bytes), Last::No, now);
    };
    let is_over = |clients: &Clients| [0, 1, 2].map(|seat| clients.is_over(seat, now));
    for _ in 0..5 {
        tell(&mut clients, 0, 500_000);
    }
    tell(&mut clients, 1, 450_000);
    assert_eq!(is_over(&clients), [false; 3]);
    assert!(
        (2_950_000..2_960_000).contains(&clients.unread),
        "{}",
        clients.unread
    );
    // It is another that comes to the bound.
    tell(&mut clients, 2, 100_000);
    assert_eq!(is_over(&clients), [true, false, false]);
    assert!((550_000..560_000).contains(&clients.unread), "{}", clients.unread);
    tell(&mut clients, 0, 500_000);
    assert!(clients.unread < 560_000, "who is closed is told nothing");
    tell(&mut clients, 2, 100_000);
    assert_eq!(is_over(&clients), [true, false, false]);
    // What has gone out counts no more.
    clients.relieve(1, now);
    assert!((200_000..210_000).contains(&clients.unread), "{}", clients.unread);
    clients.flush(now);
    assert_eq!((clients.unread, clients.is_flushed()), (0, true));
}
