//! JSON that is written around values as they came, and read without looking into them.
//!
//! A value is passed on as its text: numbers like 1e400 or 1.0 and the order of members stay. What was written through
//! other interfaces is shown so: bytes as a string if they are UTF-8, else as `{"base64": "…"}`; a counter as a number; a
//! set as an array of its elements.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::kv::{Content, Format, Item, Missing, Value};

/// Appends an object, or anything else that serde writes.
pub(super) fn object<T: Serialize + ?Sized>(output: &mut Vec<u8>, object: &T) {
    let before = output.len();
    if serde_json::to_writer(&mut *output, object).is_err() {
        // Only maps whose keys are no strings fail, and there are none.
        output.truncate(before);
        output.extend_from_slice(b"null");
    }
}

/// Appends a string.
pub(super) fn text(output: &mut Vec<u8>, text: &str) {
    object(output, text);
}

/// Appends bytes: as a string if they are UTF-8, else as an object with their base64.
pub(super) fn bytes(output: &mut Vec<u8>, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(utf8) => text(output, utf8),
        Err(_) => {
            output.extend_from_slice(b"{\"base64\":\"");
            output.extend_from_slice(STANDARD.encode(bytes).as_bytes());
            output.extend_from_slice(b"\"}");
        }
    }
}

/// Whether this is one JSON text and nothing else.
pub(super) fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(bytes).is_ok()
}

/// Appends a value. One that says it is JSON and is not, which no interface but the wire could write, is bytes.
pub(super) fn value(output: &mut Vec<u8>, value: &Value) {
    match value.format {
        Format::Json if is_json(&value.bytes) => output.extend_from_slice(&value.bytes),
        Format::Json | Format::Bytes => bytes(output, &value.bytes),
    }
}

/// Appends values as an array.
pub(super) fn values(output: &mut Vec<u8>, values: &[Value]) {
    output.push(b'[');
    for (place, one) in values.iter().enumerate() {
        if place > 0 {
            output.push(b',');
        }
        value(output, one);
    }
    output.push(b']');
}

/// Appends what a key holds; of concurrent values the chosen one.
pub(super) fn content(output: &mut Vec<u8>, content: &Content) {
    match content {
        Content::Values(values) => match values.first() {
            Some(chosen) => value(output, chosen),
            None => output.extend_from_slice(b"null"),
        },
        Content::Counter(sum) => output.extend_from_slice(itoa::Buffer::new().format(*sum).as_bytes()),
        Content::Set(elements) => values(output, elements),
    }
}

/// What a key holds, in one word.
pub(super) fn type_of(content: &Content) -> &'static str {
    match content {
        Content::Values(values) => match values.first().map(|value| value.format) {
            Some(Format::Bytes) => "bytes",
            Some(Format::Json) | None => "json",
        },
        Content::Counter(_) => "counter",
        Content::Set(_) => "set",
    }
}

/// Appends a key and what is under it, or that nothing is.
pub(super) fn entry(output: &mut Vec<u8>, key: &[u8], item: Option<&Item>) {
    output.extend_from_slice(b"{\"key\":");
    bytes(output, key);
    let Some(item) = item else {
        output.extend_from_slice(b",\"type\":null}");
        return;
    };
    output.extend_from_slice(b",\"type\":\"");
    output.extend_from_slice(type_of(&item.content).as_bytes());
    output.extend_from_slice(b"\",\"value\":");
    content(output, &item.content);
    if let Content::Values(all) = &item.content
        && all.len() > 1
    {
        output.extend_from_slice(b",\"siblings\":");
        values(output, all);
    }
    output.extend_from_slice(b",\"etag\":");
    text(output, &super::answer::etag(&item.mark));
    if let Some(ends_us) = item.ends_us {
        output.extend_from_slice(b",\"ends_us\":");
        output.extend_from_slice(itoa::Buffer::new().format(ends_us).as_bytes());
    }
    output.push(b'}');
}

/// Appends writes that are not here.
pub(super) fn missing(output: &mut Vec<u8>, missing: &[Missing]) {
    output.push(b'[');
    for (place, one) in missing.iter().enumerate() {
        if place > 0 {
            output.push(b',');
        }
        let seen_by: Vec<u16> = one.seen_by.iter().map(|member| member.0).collect();
        let start = format!("{{\"write\":\"{}\",\"have\":{},\"seen_by\":", one.dot, one.have);
        output.extend_from_slice(start.as_bytes());
        object(output, &seen_by);
        output.push(b'}');
    }
    output.push(b']');
}
