//! A client that sends what it is told to, and reads one response.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

/// How long a test waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Client {
    stream: BufReader<TcpStream>,
}

#[derive(Debug)]
pub(super) struct Said {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Said {
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

impl Client {
    pub(super) fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Sends a request and reads its response.
    pub(super) fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Said {
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() || method == "PUT" || method == "POST" {
            text += &format!("content-length: {}\r\n", body.len());
        }
        text += "\r\n";
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(body);
        self.send(&bytes);
        self.read(method == "HEAD")
    }

    /// The same with a body of JSON, without headers.
    pub(super) fn json(&mut self, method: &str, path: &str, body: &str) -> Said {
        self.ask(method, path, &[], body.as_bytes())
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        // A server that has said no already may not read the rest.
        let _ = self.stream.get_mut().write_all(bytes);
    }

    pub(super) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// So many bytes.
    pub(super) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).expect("so many bytes");
        bytes
    }

    /// Whether the server has closed the connection.
    pub(super) fn is_closed(&mut self) -> bool {
        let mut rest = [0; 1];
        !matches!(self.stream.read(&mut rest), Ok(1))
    }

    /// The status line and the headers.
    pub(super) fn head(&mut self) -> (u16, BTreeMap<String, String>) {
        let line = self.line();
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status: {line:?}"));
        let mut headers = BTreeMap::new();
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(':') else {
                return (status, headers);
            };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }

    pub(super) fn read(&mut self, is_head: bool) -> Said {
        let (status, headers) = self.head();
        let length = headers
            .get("content-length")
            .map_or(0, |length| length.parse().expect("a length"));
        let mut body = vec![0; if is_head { 0 } else { length }];
        self.stream.read_exact(&mut body).expect("a body");
        Said {
            status,
            headers,
            body,
        }
    }
}
