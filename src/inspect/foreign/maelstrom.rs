//! Maelstrom's messages, as lines of text.
//!
//! Maelstrom keeps its journal in `net-journal.fressian`, which is binary and is not read here. The same events
//! stand as text in `jepsen.log` and on the console of a test with `--log-net-send true --log-net-recv true`;
//! three forms are read, one event a line, lines of other kinds are skipped:
//!
//! ```text
//! 2023-02-25 21:15:31,337{GMT} INFO [n1 stdout] maelstrom.net: :send #maelstrom.net.message.Message{:id 7, …
//! INFO [2024-12-07 12:51:12,778] n1 stdout - maelstrom.net :recv {:src "c0", :dest "n1", :body {…}, :id 7}
//! {"type":"send","time":1200,"message":{"id":7,"src":"c0","dest":"n1","body":{"type":"echo","msg_id":1}}}
//! ```
//!
//! The last one is the journal's event as JSON, `time` in nanoseconds from any moment; `id`, `src`, `dest` and
//! `body` may also stand beside `type`, and instead of `type` the word `Sent` or `Received` may stand before
//! the object. Sending and receiving are events of the node that does it, in the order of the lines. Source:
//! jepsen-io/maelstrom, `src/maelstrom/net.clj` (send!, recv!), `net/journal.clj` (Event), `net/message.clj`.

use serde_json::Value;

use super::{
    edn::{self, Edn},
    error::ForeignError,
    text::{Text, shown},
    times,
    vectors::{HOSTS_MAX, Problem},
};
use crate::trace::WallTime;

/// Which end of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Send,
    Receive,
}

/// How the two ends of a message find each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// The number that Maelstrom's network gave it.
    Id(u64),
    /// Sender, recipient, `msg_id`, `in_reply_to` and `type`, where there is no number.
    Fields(u32, u32, Option<i64>, Option<i64>, String),
}

/// One line: a node sends or receives a message.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) line: u32,
    pub(super) end: End,
    pub(super) at: Option<WallTime>,
    pub(super) key: Key,
    pub(super) from: u32,
    pub(super) to: u32,
    /// The body's type and numbers.
    pub(super) text: String,
}

/// All lines.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// Nodes, in the order of their names.
    pub(super) nodes: Vec<String>,
    pub(super) entries: Vec<Entry>,
    pub(super) problems: Vec<Problem>,
    pub(super) notes: Vec<String>,
}

/// A message as a line has it.
#[derive(Debug)]
struct Message {
    end: End,
    at: Option<WallTime>,
    id: Option<u64>,
    from: String,
    to: String,
    kind: String,
    msg_id: Option<i64>,
    in_reply_to: Option<i64>,
}

/// Whether a line is one that this module reads.
pub(super) fn is_entry(line: &str) -> bool {
    matches!(message(line), Some(Ok(_)))
}

/// Whether a text is a log of Maelstrom at all, with messages in it or without.
pub(super) fn is_log(text: &str) -> bool {
    text.contains("maelstrom.net") || text.contains("maelstrom.db") || text.contains("maelstrom.process")
}

/// Reads every line.
pub(super) fn read(text: &Text) -> Result<Journal, ForeignError> {
    let mut journal = Journal::default();
    let mut messages = Vec::new();
    let mut names = std::collections::BTreeMap::new();
    let whole_lines = text.text.rfind('\n').map_or(0, |end| end + 1);
    let mut offset = 0;
    for (line, content) in (1..).zip(text.text.split_inclusive('\n')) {
        offset += content.len();
        match message(content) {
            None => {}
            Some(Ok(message)) => {
                names.insert(message.from.clone(), 0);
                names.insert(message.to.clone(), 0);
                if names.len() > HOSTS_MAX {
                    return Err(ForeignError::ManyHosts {
                        file: text.file.to_string(),
                        line: u64::from(line),
                        hosts_max: HOSTS_MAX,
                    });
                }
                messages.push((line, message));
            }
            Some(Err(_)) if offset > whole_lines => journal.notes.push(format!(
                "{}: the last line was cut and is left out",
                text.place(line)
            )),
            Some(Err(error)) => journal.problems.push(Problem {
                place: text.place(line),
                text: error,
            }),
        }
    }
    let has = |end| messages.iter().any(|(_, message)| message.end == end);
    if !has(End::Send) {
        return Err(ForeignError::NoMessages {
            file: text.file.to_string(),
            missing: if has(End::Receive) {
                "sent"
            } else {
                "sent or received"
            },
        });
    }
    for (number, id) in (0..).zip(names.values_mut()) {
        *id = number;
    }
    let id = |name: &String| names.get(name).copied().unwrap_or_default();
    let entry = |(line, message): (u32, Message)| {
        let (from, to) = (id(&message.from), id(&message.to));
        Entry {
            line,
            end: message.end,
            at: message.at,
            text: message.text(),
            from,
            to,
            key: match message.id {
                Some(id) => Key::Id(id),
                None => Key::Fields(from, to, message.msg_id, message.in_reply_to, message.kind),
            },
        }
    };
    journal.entries = messages.into_iter().map(entry).collect();
    journal.nodes = names.into_keys().collect();
    Ok(journal)
}

impl Entry {
    /// The node whose event this is.
    pub(super) fn node(&self) -> u32 {
        match self.end {
            End::Send => self.from,
            End::Receive => self.to,
        }
    }
}

impl Message {
    fn text(&self) -> String {
        let mut text = shown(&self.kind);
        for (name, number) in [("msg_id", self.msg_id), ("in_reply_to", self.in_reply_to)] {
            if let Some(number) = number {
                text += &format!(" {name}={number}");
            }
        }
        text
    }
}

/// The message of a line; `None` if it is a line of another kind, an error if it is a broken one.
fn message(line: &str) -> Option<Result<Message, String>> {
    for (word, end) in [(":send ", End::Send), (":recv ", End::Receive)] {
        if let Some((before, behind)) = line.split_once(word)
            && behind.starts_with(['#', '{'])
            && !before.contains('"')
        {
            let message = edn::parse(behind).and_then(|message| of_edn(&message, end, times::of_line(line)));
            return Some(message.ok_or_else(|| {
                format!(
                    "no message that can be read: `{}`; {{:src, :dest, :body}} was expected",
                    shown(behind)
                )
            }));
        }
    }
    let start = line.find('{')?;
    let (before, object) = line.split_at_checked(start)?;
    if !object.contains("\"src\"") || !object.contains("\"dest\"") {
        return None;
    }
    let word = before
        .split(|c: char| !c.is_alphanumeric())
        .rfind(|word| !word.is_empty());
    let told = word.and_then(end_of);
    if told.is_none() && !before.trim().is_empty() {
        return None;
    }
    let value: Value = match serde_json::from_str(object.trim_end()) {
        Ok(value) => value,
        Err(error) => return Some(Err(format!("no JSON object: {error}"))),
    };
    let end = value
        .get("type")
        .and_then(Value::as_str)
        .and_then(end_of)
        .or(told);
    let Some(end) = end else {
        return Some(Err(
            "the line says neither `send` nor `recv`: it needs a \"type\" of one of them".to_owned(),
        ));
    };
    Some(of_json(&value, end).ok_or_else(|| {
        "no message: {\"src\":\"…\",\"dest\":\"…\",\"body\":{…}} was expected, with an \"id\" that is a number from 0, if any"
            .to_owned()
    }))
}

fn end_of(word: &str) -> Option<End> {
    match word.trim_start_matches(':').to_ascii_lowercase().as_str() {
        "send" | "sent" => Some(End::Send),
        "recv" | "receive" | "received" => Some(End::Receive),
        _ => None,
    }
}

fn of_edn(message: &Edn, end: End, at: Option<WallTime>) -> Option<Message> {
    let body = message.get(":body")?;
    let number = |key: &str| body.get(key).and_then(Edn::number);
    let kind = body.get(":type").and_then(Edn::text).unwrap_or_default();
    Some(Message {
        end,
        at,
        // Maelstrom gives -1 to messages that have no number yet.
        id: message
            .get(":id")
            .and_then(Edn::number)
            .and_then(|id| u64::try_from(id).ok()),
        from: message.get(":src")?.text()?.to_owned(),
        to: message.get(":dest")?.text()?.to_owned(),
        kind: kind.trim_start_matches(':').to_owned(),
        msg_id: number(":msg_id"),
        in_reply_to: number(":in_reply_to"),
    })
}

fn of_json(value: &Value, end: End) -> Option<Message> {
    let message = value.get("message").unwrap_or(value);
    let body = message.get("body")?;
    let number = |key: &str| body.get(key).and_then(Value::as_i64);
    let id = match message.get("id") {
        None | Some(Value::Null) => None,
        Some(id) => Some(id.as_u64()?),
    };
    let time = value.get("time").and_then(Value::as_i64);
    Some(Message {
        end,
        at: time.map(|nanoseconds| WallTime(nanoseconds / 1000)),
        id,
        from: message.get("src")?.as_str()?.to_owned(),
        to: message.get("dest")?.as_str()?.to_owned(),
        kind: body
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        msg_id: number("msg_id"),
        in_reply_to: number("in_reply_to"),
    })
}
