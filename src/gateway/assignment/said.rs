//! What a body of the assignment says.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::{
    gateway::{json, problem::Problem},
    kv::{Token, parse_token, token_text},
};

/// A body's members, as far as they are of interest; each as the text that it came as.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Said<'a> {
    #[serde(borrow, default, deserialize_with = "as_it_came")]
    pub(super) value: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "causal-metadata", deserialize_with = "as_it_came")]
    metadata: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "socket-address", deserialize_with = "as_it_came")]
    pub(super) socket_address: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "as_it_came")]
    pub(super) view: Option<&'a RawValue>,
}

/// The token inside an object.
#[derive(Debug, Default, Deserialize)]
struct Wrapped {
    clocklab: Option<String>,
}

/// Keeps null apart from what is not there.
fn as_it_came<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> Said<'a> {
    /// Reads a body; none says nothing.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Problem> {
        let body = body.trim_ascii();
        match body.first() {
            None => Ok(Self::default()),
            Some(b'n') if body == b"null" => Ok(Self::default()),
            // Serde would take an array for an object's members in their order.
            Some(b'{') => serde_json::from_slice(body)
                .map_err(|error| Problem::malformed(format!("the body is no JSON object: {error}"))),
            Some(_) => Err(Problem::malformed("the body has to be a JSON object")),
        }
    }

    /// What the session has seen, in whichever form.
    pub(super) fn token(&self) -> Result<Token, Problem> {
        let Some(raw) = self.metadata else {
            return Ok(Token::new());
        };
        let wrong = "causal-metadata has to be what the last answer had: null or {} in a first request, then a string or an \
                     object of this store";
        let text: String = match raw.get().as_bytes() {
            b"null" => return Ok(Token::new()),
            [b'"', ..] => serde_json::from_str(raw.get()).map_err(|_| Problem::malformed(wrong))?,
            [b'{', inside @ ..] if inside.trim_ascii() == b"}" => return Ok(Token::new()),
            [b'{', ..] => {
                let wrapped: Wrapped =
                    serde_json::from_str(raw.get()).map_err(|_| Problem::malformed(wrong))?;
                wrapped.clocklab.ok_or_else(|| Problem::malformed(wrong))?
            }
            _ => return Err(Problem::malformed(wrong)),
        };
        if text.is_empty() {
            return Ok(Token::new());
        }
        parse_token(&text).map_err(|error| Problem::malformed(format!("causal-metadata: {error}")))
    }
}

/// The string that a member has to be.
pub(super) fn string(member: &RawValue, name: &str) -> Result<String, Problem> {
    serde_json::from_str(member.get()).map_err(|_| Problem::malformed(format!("{name} has to be a string")))
}

/// Appends `"causal-metadata":` and the token as a string.
pub(super) fn write_string(output: &mut Vec<u8>, seen: &Token) {
    output.extend_from_slice(b"\"causal-metadata\":");
    json::text(output, &token_text(seen));
}

/// Appends `"causal-metadata":` and the token as an object.
pub(super) fn write_object(output: &mut Vec<u8>, seen: &Token) {
    output.extend_from_slice(b"\"causal-metadata\":{\"clocklab\":");
    json::text(output, &token_text(seen));
    output.push(b'}');
}
