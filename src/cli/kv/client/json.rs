//! The same as JSON, for programs: one object a line.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::kv::{Content, Format, Item, Key, Member, Missing, Value};

/// A value: JSON as it was written, text, or base64 of what is neither.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum ValueJson {
    Json(Box<RawValue>),
    Text(String),
    Bytes { base64: String },
}

/// What is under a key.
#[derive(Debug, Serialize)]
pub(super) struct ItemJson {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<ValueJson>,
    /// All that were written concurrently, if there are several, the chosen one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    siblings: Vec<ValueJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sum: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    elements: Option<Vec<ValueJson>>,
    mark: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_us: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct MissingJson {
    write: String,
    have: u64,
    seen_by: Vec<u16>,
}

#[derive(Debug, Serialize)]
pub(super) struct MemberJson {
    id: u16,
    address: String,
    standing: &'static str,
    incarnation: u32,
}

impl From<&Value> for ValueJson {
    fn from(value: &Value) -> Self {
        let Ok(text) = String::from_utf8(value.bytes.to_vec()) else {
            return Self::Bytes {
                base64: STANDARD.encode(&value.bytes),
            };
        };
        match value.format {
            Format::Bytes => Self::Text(text),
            // Line feeds of a JSON text are none of its meaning, and an object is one line.
            Format::Json => match RawValue::from_string(text.replace(['\n', '\r'], " ")) {
                Ok(raw) => Self::Json(raw),
                Err(_) => Self::Text(text),
            },
        }
    }
}

impl From<&Item> for ItemJson {
    fn from(item: &Item) -> Self {
        let all = |values: &[Value]| values.iter().map(ValueJson::from).collect();
        let empty = Self {
            kind: "value",
            value: None,
            siblings: Vec::new(),
            sum: None,
            elements: None,
            mark: item.mark.to_string(),
            ends_us: item.ends_us,
        };
        match &item.content {
            Content::Values(values) => Self {
                value: values.first().map(ValueJson::from),
                siblings: if values.len() > 1 { all(values) } else { Vec::new() },
                ..empty
            },
            Content::Counter(sum) => Self {
                kind: "counter",
                sum: Some(*sum),
                ..empty
            },
            Content::Set(elements) => Self {
                kind: "set",
                elements: Some(all(elements)),
                ..empty
            },
        }
    }
}

impl From<&Missing> for MissingJson {
    fn from(missing: &Missing) -> Self {
        Self {
            write: missing.dot.to_string(),
            have: missing.have,
            seen_by: missing.seen_by.iter().map(|machine| machine.0).collect(),
        }
    }
}

impl From<&Member> for MemberJson {
    fn from(member: &Member) -> Self {
        Self {
            id: member.id.0,
            address: member.address.to_string(),
            standing: super::words::standing(member),
            incarnation: member.incarnation,
        }
    }
}

/// A key: text, or base64 of what is none.
pub(super) fn key(key: &Key) -> ValueJson {
    ValueJson::from(&Value {
        format: Format::Bytes,
        bytes: key.clone(),
    })
}

/// One line of JSON.
pub(super) fn line(shape: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string(shape)? + "\n")
}
