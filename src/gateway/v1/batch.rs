//! POST `/v1/batch`: several keys, all or nothing, and seen by others all at once.

use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    conditions,
    keys::{raw_value, raw_values},
    parameters::{self, Parameters, token},
};
use crate::{
    gateway::{
        access::{Reach, Scope},
        answer::{self, Response},
        call::Call,
        json,
        problem::Problem,
    },
    kv::{Action, Answer, BATCH_OPERATIONS_MAX, Change, Condition, Done, Format, Key, Operation, Value},
};

/// Operations that are done all or not at all, no key twice.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchBody<'a> {
    /// At least one, at most 1024.
    #[serde(borrow)]
    operations: Vec<OperationBody<'a>>,
}

/// One of them: a key, and one of put, put_base64, delete, add, insert and remove.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OperationBody<'a> {
    /// The key.
    #[schema(value_type = Option<String>)]
    key: Option<String>,
    /// The key, if it is no text.
    key_base64: Option<String>,
    /// Hold this JSON value.
    #[serde(borrow, default, deserialize_with = "as_it_came")]
    #[schema(value_type = Option<Object>)]
    put: Option<&'a RawValue>,
    /// Hold these bytes.
    put_base64: Option<String>,
    /// `true`: hold nothing.
    delete: Option<bool>,
    /// Add to the counter.
    add: Option<i64>,
    /// Put JSON values into the set.
    #[serde(borrow)]
    #[schema(value_type = Option<Vec<Object>>)]
    insert: Option<Vec<&'a RawValue>>,
    /// Take JSON values out of the set.
    #[serde(borrow)]
    #[schema(value_type = Option<Vec<Object>>)]
    remove: Option<Vec<&'a RawValue>>,
    /// How long a value that is put lasts: 30s, 2h.
    ttl: Option<String>,
    /// Leave concurrent values that the session has not seen beside the one that is put.
    siblings: Option<bool>,
    /// Only if the key has this entity tag; `*` if it has any.
    if_match: Option<String>,
    /// `*`: only if there is nothing.
    if_none_match: Option<String>,
}

/// Keeps null apart from what is not there.
fn as_it_came<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Does several operations, all or none.
#[utoipa::path(
    post,
    path = "/v1/batch",
    tag = "keys",
    operation_id = "batch",
    params(
        ("w" = Option<String>, Query, description = "As in PUT of a key"),
        ("wait" = Option<String>, Query, description = "As in PUT of a key"),
        ("Clocklab-Token" = Option<String>, Header, description = "What the session has seen"),
    ),
    request_body = BatchBody,
    responses(
        (status = 200,
            description = "All of it was done",
            body = super::openapi::BatchAnswer, headers(("Clocklab-Token" = String))),
        (status = 400, description = "The request makes no sense; nothing was done",
            content_type = "application/problem+json", body = super::openapi::ProblemBody),
        (status = 409, description = "A key holds something else; nothing was done",
            content_type = "application/problem+json", body = super::openapi::ProblemBody),
        (status = 412, description = "A condition does not hold; nothing was done",
            content_type = "application/problem+json", body = super::openapi::ProblemBody),
        (status = 503, description = "As in PUT of a key",
            content_type = "application/problem+json", body = super::openapi::ProblemBody),
        (status = 504, description = "As in PUT of a key",
            content_type = "application/problem+json", body = super::openapi::ProblemBody),
    ),
)]
pub(in crate::gateway) async fn batch(mut call: Call<'_>) -> Result<Response, Problem> {
    let parameters = Parameters::read(call.query, &["w", "wait"])?;
    call.caller.may(Scope::Write, Reach::NoKey)?;
    let held = call.body().await?;
    let body: BatchBody<'_> = serde_json::from_slice(held.bytes())
        .map_err(|error| Problem::malformed(format!("the body is no batch: {error}")))?;
    if !(1..=BATCH_OPERATIONS_MAX).contains(&body.operations.len()) {
        let what = format!(
            "a batch has 1 to {BATCH_OPERATIONS_MAX} operations, and this has {}",
            body.operations.len()
        );
        return Err(Problem::malformed(what));
    }
    let mut operations = Vec::with_capacity(body.operations.len());
    for (place, one) in body.operations.into_iter().enumerate() {
        let operation = one
            .read()
            .map_err(|what| Problem::malformed(format!("operation {place}: {what}")))?;
        call.caller.may(Scope::Write, Reach::Key(&operation.key))?;
        operations.push(operation);
    }
    let action = Action::Write {
        operations,
        copies: parameters.copies,
    };
    let reply = call.ask(token(&call)?, parameters.wait_us, action).await?;
    let Answer::Written { dot, done } = &reply.answer else {
        return Err(Problem::unexpected());
    };
    let mut body = b"{\"write\":".to_vec();
    json::object(&mut body, &dot.map(|dot| dot.to_string()));
    body.extend_from_slice(b",\"done\":");
    let done: Vec<&str> = done.iter().map(word).collect();
    json::object(&mut body, &done);
    body.push(b'}');
    let mut response = answer::whole(StatusCode::OK, answer::JSON, body);
    answer::set_token(response.headers_mut(), &reply.token, &reply.released);
    Ok(response)
}

fn word(done: &Done) -> &'static str {
    match done {
        Done::Created => "created",
        Done::Updated => "updated",
        Done::Deleted => "deleted",
        Done::Nothing => "nothing",
    }
}

impl OperationBody<'_> {
    fn read(self) -> Result<Operation, String> {
        let key = key(self.key, self.key_base64)?;
        let condition = condition(self.if_match.as_deref(), self.if_none_match.as_deref())?;
        let keeps_siblings = self.siblings == Some(true);
        let lasts_us = match &self.ttl {
            None => None,
            Some(text) => {
                let lasts = parameters::duration(text).filter(|lasts| !lasts.is_zero());
                let lasts = lasts.and_then(parameters::micros);
                Some(lasts.ok_or_else(|| format!("ttl {text} is not a time, such as 30s or 2h"))?)
            }
        };
        let mut changes = Vec::new();
        let mut value = self.put.map(raw_value);
        if let Some(text) = &self.put_base64 {
            if value.is_some() {
                return Err("put and put_base64 exclude each other".to_owned());
            }
            let format = Format::Bytes;
            let bytes = decode(text, "put_base64")?;
            value = Some(Value { format, bytes });
        }
        changes.extend(value.map(|value| {
            if keeps_siblings {
                Change::PutBeside(value)
            } else {
                Change::Put(value)
            }
        }));
        changes.extend((self.delete == Some(true)).then_some(Change::Delete));
        changes.extend(self.add.map(Change::Add));
        changes.extend(self.insert.map(|elements| Change::Insert(raw_values(&elements))));
        changes.extend(self.remove.map(|elements| Change::Remove(raw_values(&elements))));
        let is_put = matches!(changes.first(), Some(Change::Put(_) | Change::PutBeside(_)));
        if !is_put && (lasts_us.is_some() || keeps_siblings) {
            return Err("ttl and siblings are of put alone".to_owned());
        }
        let (Some(change), true) = (changes.pop(), changes.is_empty()) else {
            return Err("it has to have one of put, put_base64, delete, add, insert and remove".to_owned());
        };
        Ok(Operation {
            key,
            change,
            condition,
            lasts_us,
        })
    }
}

fn key(text: Option<String>, base64: Option<String>) -> Result<Key, String> {
    match (text, base64) {
        (Some(text), None) => Ok(text.into_bytes().into()),
        (None, Some(base64)) => decode(&base64, "key_base64"),
        (Some(_), Some(_)) | (None, None) => Err("it has to have one of key and key_base64".to_owned()),
    }
}

fn condition(is: Option<&str>, is_not: Option<&str>) -> Result<Condition, String> {
    match (is, is_not) {
        (None, None) => Ok(Condition::Always),
        (Some("*"), None) => Ok(Condition::Present),
        (None, Some("*")) => Ok(Condition::Absent),
        (Some(tag), None) => conditions::parse(tag)
            .map(Condition::Unchanged)
            .ok_or_else(|| format!("if_match {tag} is no entity tag of this store")),
        (_, Some(_)) => Err("if_none_match has to be *, and excludes if_match".to_owned()),
    }
}

fn decode(text: &str, name: &str) -> Result<Box<[u8]>, String> {
    let decoded = STANDARD
        .decode(text)
        .map_err(|error| format!("{name}: {error}"))?;
    Ok(decoded.into())
}
