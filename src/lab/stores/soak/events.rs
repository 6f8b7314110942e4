//! A watch by HTTP: the server-sent events of `/v1/watch`, as they come in chunks.
#![allow(clippy::disallowed_methods, reason = "waits for a replica in real time")]

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde::Deserialize;

use super::forms::{Entry, Strange, dot_of, item};
use crate::{
    clock::Dot,
    kv::{Item, Key, Watched},
};

/// Most bytes that wait to be read as an event: beyond that it is none of a replica's.
const EVENT_BYTES_MAX: usize = 16 << 20;

/// An open watch.
#[derive(Debug)]
pub(super) struct Events {
    stream: TcpStream,
    reading: Reading,
}

/// What was told.
#[derive(Debug, PartialEq)]
pub(super) enum Event {
    Change(Watched),
    /// It ends: why, in the server's words.
    Problem(String),
}

/// Bytes that have come: head, chunks, events.
#[derive(Debug, Default)]
struct Reading {
    has_head: bool,
    raw: Vec<u8>,
    /// What the chunks hold.
    text: Vec<u8>,
}

#[derive(Deserialize)]
struct Change<'a> {
    write: String,
    #[serde(borrow)]
    changes: Vec<Entry<'a>>,
}

impl Events {
    /// Asks for the changes of keys that begin so, and waits until the watch has begun.
    pub(super) fn connect(address: SocketAddr, prefix: &str, patience: Duration) -> io::Result<Self> {
        let mut stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_write_timeout(Some(patience))?;
        write!(
            stream,
            "GET /v1/watch?prefix={prefix} HTTP/1.1\r\nHost: {address}\r\n\r\n"
        )?;
        let reading = Reading::default();
        let mut events = Self { stream, reading };
        while !events.reading.begins()? {
            if !events.fill(patience)? {
                return Err(ErrorKind::TimedOut.into());
            }
        }
        Ok(events)
    }

    /// The next event, if one comes in time. Keys are told behind `prefix`.
    pub(super) fn next(
        &mut self,
        prefix: &str,
        patience: Duration,
    ) -> io::Result<Option<Result<Event, Strange>>> {
        loop {
            if let Some(event) = self.reading.event() {
                if let Some(event) = parse(&event, prefix) {
                    return Ok(Some(event));
                }
            } else if !self.fill(patience)? {
                return Ok(None);
            }
        }
    }

    /// Whether something has come.
    fn fill(&mut self, patience: Duration) -> io::Result<bool> {
        self.stream.set_read_timeout(Some(patience))?;
        let mut bytes = [0; 16 << 10];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.reading.take(bytes.get(..count).unwrap_or_default())?;
                Ok(true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Reading {
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.raw.len() + self.text.len() + bytes.len() > EVENT_BYTES_MAX {
            return Err(io::Error::new(ErrorKind::InvalidData, "too many bytes"));
        }
        self.raw.extend_from_slice(bytes);
        self.unchunk()
    }

    /// Whether the head is there and says yes.
    fn begins(&mut self) -> io::Result<bool> {
        let Some(end) = self.raw.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(false);
        };
        if !self.raw.starts_with(b"HTTP/1.1 200 ") {
            let head = String::from_utf8_lossy(self.raw.get(..end.min(100)).unwrap_or_default()).into_owned();
            return Err(io::Error::other(head));
        }
        self.raw.drain(..end + 4);
        self.has_head = true;
        self.unchunk()?;
        Ok(true)
    }

    /// Takes whole chunks off.
    fn unchunk(&mut self) -> io::Result<()> {
        while self.has_head
            && let Some(line) = self.raw.windows(2).position(|two| two == b"\r\n")
        {
            let wrong = || io::Error::new(ErrorKind::InvalidData, "no chunk");
            let size = std::str::from_utf8(self.raw.get(..line).unwrap_or_default()).ok();
            let size = size
                .and_then(|size| usize::from_str_radix(size.trim(), 16).ok())
                .ok_or_else(wrong)?;
            if size > EVENT_BYTES_MAX {
                return Err(wrong());
            }
            if size == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let start = line + 2;
            let Some(chunk) = self.raw.get(start..start + size + 2) else {
                return Ok(());
            };
            self.text.extend_from_slice(chunk.get(..size).unwrap_or_default());
            self.raw.drain(..start + size + 2);
        }
        Ok(())
    }

    /// The next event's text.
    fn event(&mut self) -> Option<String> {
        let end = self.text.windows(2).position(|two| two == b"\n\n")?;
        let event: Vec<u8> = self.text.drain(..end + 2).collect();
        Some(String::from_utf8_lossy(&event).into_owned())
    }
}

/// What an event says; nothing, if it is a comment.
fn parse(text: &str, prefix: &str) -> Option<Result<Event, Strange>> {
    let field = |name: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(name));
        found.map(|value| value.trim_start_matches(':').trim_start())
    };
    let kind = field("event")?;
    let data = field("data").unwrap_or_default();
    Some(match kind {
        "change" => change(field("id").unwrap_or_default(), data, prefix).map(Event::Change),
        "problem" => Ok(Event::Problem(data.to_owned())),
        other => Err(format!("an event `{other}`, which was not asked for")),
    })
}

fn change(id: &str, data: &str, prefix: &str) -> Result<Watched, Strange> {
    let change: Change<'_> =
        serde_json::from_str(data).map_err(|error| format!("`{data}` is no change: {error}"))?;
    let position: Dot = id.parse().map_err(|_| format!("`{id}` is no id of an event"))?;
    let mut changes: Vec<(Key, Option<Item>)> = Vec::new();
    for entry in change.changes {
        let key = entry.key.strip_prefix(prefix);
        let key = key.ok_or_else(|| format!("asked for {prefix}, told of {}", entry.key))?;
        changes.push((key.as_bytes().into(), item(entry)?));
    }
    Ok(Watched {
        position: position.number,
        dot: dot_of(Some(&change.write)).ok_or_else(|| format!("`{}` names no write", change.write))?,
        changes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_they_are_cut() {
        let event = "id: 3.7.118\nevent: change\ndata: {\"write\":\"3.7.9\",\"changes\":[{\"key\":\"c1/p0.0\",\"type\":\"json\",\
                     \"value\":4,\"etag\":\"\\\"3.7.9\\\"\"}]}\n\n";
        let body = format!(
            "13\r\n: watching\n\n: more\n\n\r\n{:x}\r\n{event}\r\n",
            event.len()
        );
        let body = body.replacen("13", "14", 1).replacen(": more", ": morex", 1);
        let bytes = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        for cut in 0..bytes.len() {
            let mut reading = Reading::default();
            for part in [&bytes[..cut], &bytes[cut..]] {
                reading.take(part.as_bytes()).expect("bytes");
                if !reading.has_head {
                    reading.begins().expect("head");
                }
            }
            let mut told = Vec::new();
            while let Some(event) = reading.event() {
                told.extend(parse(&event, "c1/"));
            }
            let [Ok(Event::Change(watched))] = told.as_slice() else {
                panic!("cut at {cut}: {told:?}");
            };
            assert_eq!((watched.position, watched.dot.number), (118, 9));
            assert_eq!(&*watched.changes[0].0, b"p0.0");
        }
    }

    #[test]
    fn what_is_no_watch_is_refused() {
        let mut reading = Reading::default();
        reading
            .take(b"HTTP/1.1 429 Too Many Requests\r\n\r\n")
            .expect("bytes");
        assert!(reading.begins().is_err());
        let mut ended = Reading::default();
        ended.take(b"HTTP/1.1 200 OK\r\n\r\n0\r\n\r\n").expect("bytes");
        assert!(ended.begins().is_err(), "the last chunk");
        assert!(parse("event: reset\ndata: {}\n\n", "").is_some_and(|event| event.is_err()));
        assert!(parse(": nothing new\n\n", "").is_none());
    }
}
