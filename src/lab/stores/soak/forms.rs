//! What clients ask, as requests of HTTP in both of the gateway's faces, and what their answers mean.
//!
//! `/v1` can say everything; `/kvs`, the assignment's form, puts, reads and deletes registers. Answers are read as a client
//! of these interfaces reads them, and become what the wire would have said.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::http::{Answered, Asked};
use crate::{
    clock::{Dot, VersionVector},
    kv::{
        Answer, Content, Copies, Deny, Done, Format, Item, Key, Reply, Token, Value, parse_token, token_text,
    },
    lab::stores::ask::{Ask, BATCH_KEYS, counter_key, set_key},
};

/// Microseconds of a millisecond.
const MS_US: u64 = 1000;

/// What a request says beside its [`Ask`].
#[derive(Clone, Debug)]
pub(super) struct Manner {
    /// What its keys begin with.
    pub(super) prefix: String,
    pub(super) token: Token,
    pub(super) copies: Copies,
    pub(super) wait_us: u64,
}

/// An answer that no replica may give, in words.
pub(super) type Strange = String;

fn json_header() -> (&'static str, String) {
    ("Content-Type", "application/json".to_owned())
}

/// A request of `/v1`.
pub(super) fn v1(ask: &Ask, manner: &Manner) -> Asked<'static> {
    let prefix = &manner.prefix;
    let wait = match manner.wait_us {
        0 => "wait=0s".to_owned(),
        wait_us => format!("wait={}ms", wait_us / MS_US),
    };
    let copies = match manner.copies {
        Copies::One => "1",
        Copies::Pushed => "pushed",
        Copies::Two => "2",
        Copies::Majority => "majority",
    };
    let (read, written) = (wait.clone(), format!("{wait}&w={copies}"));
    let token = ("Clocklab-Token", token_text(&manner.token));
    let target = |key: &str, query: &str| format!("/v1/keys/{prefix}{key}?{query}");
    let request = |method, target, body: Option<String>| Asked {
        method,
        target,
        headers: vec![token.clone(), json_header()],
        body: body.map(String::into_bytes),
    };
    let get = |key: &str| request("GET", target(key, &read), None);
    let put = |key: &str, value: &str| request("PUT", target(key, &written), Some(value.to_owned()));
    let post = |key: &str, body: String| request("POST", target(key, &written), Some(body));
    let scan = |start: &str| {
        request(
            "GET",
            format!("/v1/keys?prefix={prefix}{start}&limit=1000&{read}"),
            None,
        )
    };
    match ask {
        Ask::Get { key } => get(key),
        Ask::Theirs { place } => get(&place.key()),
        Ask::Count { counter } => get(&counter_key(*counter)),
        Ask::Elements { set } => get(&set_key(*set)),
        Ask::Siblings { key } => request("GET", target(key, &format!("siblings=true&{read}")), None),
        Ask::BatchScan => scan("b"),
        Ask::OwnScan => scan("p"),
        Ask::Put { key, value } => put(key, value),
        Ask::Mine { place, number } => put(&place.key(), &number.to_string()),
        Ask::Swap { key, value, mark } => {
            let mut asked = put(key, value);
            asked.headers.push(("If-Match", format!("\"{mark}\"")));
            asked
        }
        Ask::Beside { key, value } => {
            let target = target(key, &format!("siblings=true&{written}"));
            request("PUT", target, Some(value.clone()))
        }
        Ask::Ending { value } => {
            let target = target(
                crate::lab::stores::ask::ENDING_KEY,
                &format!("ttl=700ms&{written}"),
            );
            request("PUT", target, Some(value.clone()))
        }
        Ask::Delete { key } => request("DELETE", target(key, &written), None),
        Ask::Add { counter, bit } => post(&counter_key(*counter), format!("{{\"add\":{}}}", 1_i64 << bit)),
        Ask::Insert { set, element } => post(&set_key(*set), format!("{{\"insert\":[{element}]}}")),
        Ask::Remove { set, element } => post(&set_key(*set), format!("{{\"remove\":[{element}]}}")),
        Ask::Batch { value } => {
            let operations = BATCH_KEYS.map(|key| format!("{{\"key\":\"{prefix}{key}\",\"put\":{value}}}"));
            let body = format!("{{\"operations\":[{}]}}", operations.join(","));
            request("POST", format!("/v1/batch?{written}"), Some(body))
        }
    }
}

/// A request of `/kvs`, if that can say it.
pub(super) fn kvs(ask: &Ask, manner: &Manner) -> Option<Asked<'static>> {
    let token = match manner.token.is_empty() {
        true => "null".to_owned(),
        false => format!("\"{}\"", token_text(&manner.token)),
    };
    let (method, key, value) = match ask {
        Ask::Get { key } => ("GET", key.clone(), None),
        Ask::Theirs { place } => ("GET", place.key(), None),
        Ask::Delete { key } => ("DELETE", key.clone(), None),
        Ask::Put { key, value } => ("PUT", key.clone(), Some(value.clone())),
        Ask::Mine { place, number } => ("PUT", place.key(), Some(number.to_string())),
        Ask::Swap { .. }
        | Ask::Add { .. }
        | Ask::Count { .. }
        | Ask::Insert { .. }
        | Ask::Remove { .. }
        | Ask::Elements { .. }
        | Ask::Batch { .. }
        | Ask::BatchScan
        | Ask::OwnScan
        | Ask::Beside { .. }
        | Ask::Siblings { .. }
        | Ask::Ending { .. } => return None,
    };
    let value = value
        .map(|value| format!("\"value\":{value},"))
        .unwrap_or_default();
    Some(Asked {
        method,
        target: format!("/kvs/{}{key}", manner.prefix),
        headers: vec![json_header()],
        body: Some(format!("{{{value}\"causal-metadata\":{token}}}").into_bytes()),
    })
}

/// What is under a key, as the gateway writes it.
#[derive(Deserialize)]
pub(super) struct Entry<'a> {
    pub(super) key: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(borrow, default)]
    siblings: Option<Vec<&'a RawValue>>,
    etag: Option<String>,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    items: Vec<Entry<'a>>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    detail: String,
    write: Option<String>,
    have: Option<u32>,
    want: Option<u32>,
}

#[derive(Deserialize)]
struct BatchAnswer {
    write: Option<String>,
}

/// An answer of `/kvs`.
#[derive(Deserialize)]
struct Plain<'a> {
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(rename = "causal-metadata")]
    metadata: Option<String>,
    error: Option<String>,
}

fn mark_of(tag: Option<&str>) -> VersionVector {
    let inside = tag.and_then(|tag| tag.strip_prefix('"')?.strip_suffix('"'));
    inside.and_then(|mark| mark.parse().ok()).unwrap_or_default()
}

/// A write's name.
pub(super) fn dot_of(text: Option<&str>) -> Option<Dot> {
    let vector: VersionVector = text?.parse().ok()?;
    let (origin, number) = vector.iter().next()?;
    Some(Dot::new(origin, number))
}

fn value(raw: &RawValue) -> Value {
    Value {
        format: Format::Json,
        bytes: raw.get().as_bytes().into(),
    }
}

fn content(kind: &str, raw: &RawValue, siblings: Option<Vec<&RawValue>>) -> Result<Content, Strange> {
    let wrong = |error: serde_json::Error| format!("`{}` is no {kind}: {error}", raw.get());
    match kind {
        "counter" => serde_json::from_str(raw.get())
            .map(Content::Counter)
            .map_err(wrong),
        "set" => {
            let elements: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(wrong)?;
            Ok(Content::Set(elements.into_iter().map(value).collect()))
        }
        _ => {
            let all = siblings.unwrap_or_else(|| vec![raw]);
            Ok(Content::Values(all.into_iter().map(value).collect()))
        }
    }
}

/// What is under the key.
pub(super) fn item(entry: Entry<'_>) -> Result<Option<Item>, Strange> {
    let Some(raw) = entry.value else {
        return Ok(None);
    };
    let mark = mark_of(entry.etag.as_deref());
    let content = content(entry.kind.as_deref().unwrap_or_default(), raw, entry.siblings)?;
    Ok(Some(Item {
        mark,
        content,
        ends_us: None,
    }))
}

/// What an answer of `/v1` means.
///
/// # Errors
/// One that no replica may give.
pub(super) fn of_v1(ask: &Ask, manner: &Manner, answered: &Answered) -> Result<Reply, Strange> {
    let text = String::from_utf8_lossy(&answered.body);
    let token = match answered.header("clocklab-token") {
        Some(token) => parse_token(token).map_err(|error| format!("the answer's token: {error}"))?,
        None => Token::new(),
    };
    let released = answered
        .header("clocklab-released")
        .map(str::parse::<VersionVector>);
    let released = released.and_then(Result::ok).unwrap_or_default();
    let answer = match answered.status {
        200 | 201 | 204 => done_v1(ask, manner, answered, &text)?,
        status => match problem(status, &text)? {
            None if ask.is_write() => written(None, Done::Nothing),
            None => Answer::NotFound,
            Some(deny) => Answer::Denied(deny),
        },
    };
    Ok(Reply {
        token,
        released: released
            .iter()
            .map(|(origin, number)| Dot::new(origin, number))
            .collect(),
        answer,
    })
}

fn written(dot: Option<Dot>, done: Done) -> Answer {
    Answer::Written {
        dot,
        done: vec![done],
    }
}

fn done_v1(ask: &Ask, manner: &Manner, answered: &Answered, text: &str) -> Result<Answer, Strange> {
    let wrong = |error: serde_json::Error| format!("`{text}` is no answer to {ask:?}: {error}");
    let raw = || serde_json::from_str::<&RawValue>(text).map_err(wrong);
    Ok(match ask {
        Ask::Batch { .. } => {
            let answer: BatchAnswer = serde_json::from_str(text).map_err(wrong)?;
            written(dot_of(answer.write.as_deref()), Done::Updated)
        }
        Ask::BatchScan | Ask::OwnScan => {
            let page: Page<'_> = serde_json::from_str(text).map_err(wrong)?;
            let mut items = Vec::new();
            for entry in page.items {
                let key = entry.key.strip_prefix(&manner.prefix);
                let key: Key = key
                    .ok_or(format!("a scan shows {}", entry.key))?
                    .as_bytes()
                    .into();
                items.extend(item(entry)?.map(|item| (key, item)));
            }
            let next = page.next.map(|next| next.into_bytes().into());
            Answer::Scanned { items, next }
        }
        Ask::Siblings { .. } => {
            let entry = serde_json::from_str(text).map_err(wrong)?;
            item(entry)?.map_or(Answer::NotFound, Answer::Found)
        }
        Ask::Get { .. } | Ask::Theirs { .. } | Ask::Count { .. } | Ask::Elements { .. } => {
            let kind = answered.header("clocklab-type").unwrap_or_default();
            Answer::Found(Item {
                mark: mark_of(answered.header("etag")),
                content: content(kind, raw()?, None)?,
                ends_us: None,
            })
        }
        Ask::Put { .. }
        | Ask::Delete { .. }
        | Ask::Swap { .. }
        | Ask::Mine { .. }
        | Ask::Add { .. }
        | Ask::Insert { .. }
        | Ask::Remove { .. }
        | Ask::Beside { .. }
        | Ask::Ending { .. } => written(dot_of(answered.header("clocklab-write")), Done::Updated),
    })
}

/// What an answer that says no means; `None` if there is nothing.
fn problem(status: u16, text: &str) -> Result<Option<Deny>, Strange> {
    let strange = || format!("{status} {text}");
    let problem: Problem = serde_json::from_str(text).map_err(|_| strange())?;
    let kind = problem.kind.rsplit(':').next().unwrap_or_default();
    Ok(Some(match (status, kind) {
        (404, "not-found") => return Ok(None),
        (412, "condition") => Deny::Condition {
            operation: 0,
            mark: VersionVector::new(),
        },
        (503, "unmet") => Deny::Unmet { missing: Vec::new() },
        (503, "no-member") => Deny::NoMember,
        (503, "joining") => Deny::Joining,
        (503, "leaving") => Deny::Leaving,
        (429, "busy") => Deny::Busy,
        (504, "too-few-copies") => Deny::TooFewCopies {
            dot: dot_of(problem.write.as_deref()).ok_or_else(strange)?,
            have: problem.have.ok_or_else(strange)?,
            want: problem.want.ok_or_else(strange)?,
        },
        // Of a write that was under way when the replica stopped.
        (500, "stopped" | "disk") => Deny::Disk { why: problem.detail },
        _ => return Err(strange()),
    }))
}

/// What an answer of `/kvs` means.
///
/// # Errors
/// One that no replica may give.
pub(super) fn of_kvs(ask: &Ask, manner: &Manner, answered: &Answered) -> Result<Reply, Strange> {
    let text = String::from_utf8_lossy(&answered.body);
    let strange = || format!("{} {text}", answered.status);
    let plain: Plain<'_> = serde_json::from_str(&text).map_err(|_| strange())?;
    let token = match &plain.metadata {
        Some(token) => parse_token(token).map_err(|error| format!("the answer's metadata: {error}"))?,
        // The texts of 2024 have none beside an error.
        None => manner.token.clone(),
    };
    let error = plain.error.unwrap_or_default();
    let answer = match answered.status {
        200 | 201 if ask.is_write() => {
            let dot = manner.token.missing(&token).next();
            written(Some(dot.ok_or_else(strange)?), Done::Updated)
        }
        200 => {
            let raw = plain.value.ok_or_else(strange)?;
            Answer::Found(Item {
                mark: VersionVector::new(),
                content: content("", raw, None)?,
                ends_us: None,
            })
        }
        404 if error == "Key does not exist" && ask.is_write() => written(None, Done::Nothing),
        404 if error == "Key does not exist" => Answer::NotFound,
        503 => Answer::Denied(match error.as_str() {
            "Causal dependencies not satisfied; try again later" => Deny::Unmet { missing: Vec::new() },
            error if error.contains("no view") => Deny::NoMember,
            error if error.contains("is new") => Deny::Joining,
            error if error.contains("leaves") || error.contains("stopped") => Deny::Leaving,
            error if error.contains("too many") => Deny::Busy,
            _ => return Err(strange()),
        }),
        500 if error.contains("stopped") => Answer::Denied(Deny::Disk { why: error }),
        _ => return Err(strange()),
    };
    Ok(Reply {
        token,
        released: Vec::new(),
        answer,
    })
}
