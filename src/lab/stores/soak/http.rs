//! One connection to a replica by HTTP/1.1, as a client of a few lines has it: one request at a time, kept open in between.
#![allow(clippy::disallowed_methods, reason = "waits for a replica in real time")]

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// Longest head and body of an answer: beyond that it is none of a replica's.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// A connection. Of no further use after an error.
#[derive(Debug)]
pub(super) struct Http {
    address: SocketAddr,
    stream: TcpStream,
    read: Vec<u8>,
}

/// An answer.
#[derive(Debug, Default)]
pub(super) struct Answered {
    pub(super) status: u16,
    /// By name in small letters.
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// A request.
#[derive(Debug, Default)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    pub(super) target: String,
    pub(super) headers: Vec<(&'a str, String)>,
    pub(super) body: Option<Vec<u8>>,
}

impl Http {
    pub(super) fn connect(address: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        let read = Vec::new();
        Ok(Self {
            address,
            stream,
            read,
        })
    }

    /// Asks, and waits for the whole answer.
    pub(super) fn ask(&mut self, asked: &Asked<'_>) -> io::Result<Answered> {
        let Asked { method, target, .. } = asked;
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n", self.address);
        for (name, value) in &asked.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &asked.body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(asked.body.as_deref().unwrap_or_default());
        self.stream.write_all(&bytes)?;
        let (mut answered, length) = loop {
            let end = self.read.windows(4).position(|four| four == b"\r\n\r\n");
            match end {
                Some(end) => {
                    let head: Vec<u8> = self.read.drain(..end + 4).collect();
                    break parse_head(&head).ok_or_else(|| strange("no head of HTTP"))?;
                }
                None => self.fill()?,
            }
        };
        while self.read.len() < length {
            self.fill()?;
        }
        answered.body = self.read.drain(..length).collect();
        Ok(answered)
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut bytes = [0; 16 << 10];
        let count = self.stream.read(&mut bytes)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if self.read.len() + count > ANSWER_BYTES_MAX {
            return Err(strange("too many bytes"));
        }
        self.read
            .extend_from_slice(bytes.get(..count).unwrap_or_default());
        Ok(())
    }
}

fn strange(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Status, headers, and how long the body is.
fn parse_head(head: &[u8]) -> Option<(Answered, usize)> {
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.lines();
    let status: u16 = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let body = Vec::new();
    let answered = Answered {
        status,
        headers,
        body,
    };
    let length = answered
        .header("content-length")
        .map_or(Some(0), |length| length.parse().ok())?;
    (length <= ANSWER_BYTES_MAX).then_some((answered, length))
}

impl Answered {
    /// A header, by its name in small letters.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read() {
        let head = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 17\r\nETag: \"0.1.2\"\r\n\r\n";
        let (answered, length) = parse_head(head).expect("head");
        assert_eq!((answered.status, length), (503, 17));
        assert_eq!(answered.header("etag"), Some("\"0.1.2\""));
        for head in [
            "",
            "HTTP/1.0 200 OK\r\n\r\n",
            "HTTP/1.1 2x\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        ] {
            assert!(parse_head(head.as_bytes()).is_none(), "{head}");
        }
    }
}
