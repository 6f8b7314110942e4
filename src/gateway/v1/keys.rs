//! `/v1/keys/KEY`: one key.

use hyper::{
    HeaderMap, StatusCode,
    header::{self, HeaderName, HeaderValue},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    conditions,
    parameters::{Parameters, Siblings, token},
};
use crate::{
    clock::{Dot, VersionVector},
    gateway::{
        answer::{self, Response},
        call::Call,
        front, json,
        problem::Problem,
    },
    kv::{
        Action, Answer, Change, Condition, Content, Done, Format, Item, Key, Operation, Reply,
        VALUE_BYTES_MAX, Value,
    },
};

/// What a key holds: json, bytes, counter or set.
const TYPE: HeaderName = HeaderName::from_static("clocklab-type");

/// A write's name.
const WRITE: HeaderName = HeaderName::from_static("clocklab-write");

/// When a value ends, in microseconds since 1970.
const ENDS_US: HeaderName = HeaderName::from_static("clocklab-ends-us");

/// How many values were written concurrently and are there, if several are.
const SIBLINGS: HeaderName = HeaderName::from_static("clocklab-siblings");

/// What to do to a counter or a set: one of these.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeBody<'a> {
    /// Adds to the counter; one that is not there is 0.
    add: Option<i64>,
    /// Puts JSON values into the set. Elements are equal if their texts are.
    #[serde(borrow)]
    #[schema(value_type = Option<Vec<Object>>)]
    insert: Option<Vec<&'a RawValue>>,
    /// Takes JSON values out of the set.
    #[serde(borrow)]
    #[schema(value_type = Option<Vec<Object>>)]
    remove: Option<Vec<&'a RawValue>>,
}

/// What is under a key.
#[utoipa::path(
    get,
    path = "/v1/keys/{key}",
    tag = "keys",
    operation_id = "getKey",
    params(
        ("key" = String, Path,
            description = "Everything behind the slash, percent-encoded where a path needs it: 1 to 1024 bytes"),
        ("wait" = Option<String>, Query,
            description = "How long to wait for what the token names and is not here: 0s to 30s, 0s if left out"),
        ("siblings" = Option<bool>, Query,
            description = "Answer with a JSON object that has all values that were written concurrently"),
        ("Clocklab-Token" = Option<String>, Header, description = "What the session has seen: of the last answer"),
        ("If-None-Match" = Option<String>, Header, description = "Entity tags: 304 if one is the present one's"),
    ),
    responses(
        (status = 200,
            description = "The value as it was written (JSON or bytes), a counter as a JSON number, a set as a JSON array",
            headers(("ETag" = String), ("Clocklab-Token" = String), ("Clocklab-Type" = String),
                ("Clocklab-Ends-Us" = u64), ("Clocklab-Siblings" = u32))),
        (status = 304, description = "The client has it already"),
        (status = 404, description = "There is nothing under the key",
            content_type = "application/problem+json", body = super::openapi::ProblemBody),
        (status = 503, description = "This replica does not have yet what the token names",
            content_type = "application/problem+json", body = super::openapi::ProblemBody),
    ),
)]
pub(in crate::gateway) async fn get(call: Call<'_>, key: Key) -> Result<Response, Problem> {
    let parameters = Parameters::read(call.query, &["wait", "siblings"])?;
    let action = Action::Get { key: key.clone() };
    let reply = call.ask(token(&call)?, parameters.wait_us, action).await?;
    let item = match &reply.answer {
        Answer::Found(item) => item,
        Answer::NotFound => return Ok(nothing(&call, &reply)),
        _ => return Err(Problem::unexpected()),
    };
    let mut response = if conditions::is_known(&call, &item.mark)? {
        answer::empty(StatusCode::NOT_MODIFIED)
    } else {
        match parameters.siblings {
            Siblings::Replace => plain(&item.content),
            Siblings::Keep => {
                let mut body = Vec::with_capacity(256);
                json::entry(&mut body, &key, Some(item));
                answer::whole(StatusCode::OK, answer::JSON, body)
            }
        }
    };
    describe(response.headers_mut(), item);
    answer::set_token(response.headers_mut(), &reply.token, &reply.released);
    Ok(response)
}

/// Holds a value.
#[utoipa::path(
    put,
    path = "/v1/keys/{key}",
    tag = "keys",
    operation_id = "putKey",
    params(
        ("key" = String, Path, description = "The key"),
        ("ttl" = Option<String>, Query, description = "How long the value lasts: 30s, 2h"),
        ("siblings" = Option<bool>, Query,
            description = "Leave concurrent values that the session has not seen beside this one"),
        ("w" = Option<String>, Query,
            description = "How many replicas shall have it on their disks before the answer: 1, 2, majority, or \
            pushed (the default: to all that are alive, for at most a second)"),
        ("wait" = Option<String>, Query, description = "How long to wait for what the token names and is not here"),
        ("Clocklab-Token" = Option<String>, Header, description = "What the session has seen"),
        ("If-Match" = Option<String>, Header, description = "Only if the key has this entity tag; * if it has any"),
        ("If-None-Match" = Option<String>, Header, description = "* only if there is nothing"),
    ),
    request_body(
        description = "JSON if the content type says so, else any bytes; at most 786432",
        content((Object = "application/json"), (Vec<u8> = "application/octet-stream")),
    ),
    responses(
        (status = 201,
            description = "There was nothing",
            headers(("ETag" = String), ("Clocklab-Token" = String), ("Clocklab-Write" = String))),
        (status = 204,
            description = "There was something",
            headers(("ETag" = String), ("Clocklab-Token" = String), ("Clocklab-Write" = String))),
        (status = 400, description = "The request makes no sense",
            content_type = "application/problem+json", body = super::openapi::ProblemBody),
        (status = 412, description = "The condition does not hold",
            content_type = "application/problem+json", body = super::openapi::ProblemBody),
        (status = 413, description = "The value is too large",
            content_type = "application/problem+json", body = super::openapi::ProblemBody),
        (status = 429, description = "Too much is under way",
            content_type = "application/problem+json", body = super::openapi::ProblemBody),
        (status = 503, description = "This replica does not have yet what the token names; nothing was done",
            content_type = "application/problem+json", body = super::openapi::ProblemBody),
        (status = 504, description = "Indefinite: it is here, but not on as many replicas as asked for",
            content_type = "application/problem+json", body = super::openapi::ProblemBody),
    ),
)]
pub(in crate::gateway) async fn put(mut call: Call<'_>, key: Key) -> Result<Response, Problem> {
    let parameters = Parameters::read(call.query, &["ttl", "siblings", "w", "wait"])?;
    let condition = conditions::of_write(&call)?;
    let held = call.body().await?;
    let bytes = held.bytes();
    if bytes.len() > VALUE_BYTES_MAX {
        let what = format!(
            "a value has at most {VALUE_BYTES_MAX} bytes, and this has {}",
            bytes.len()
        );
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", what));
    }
    let format = if is_json(call.headers) {
        if !json::is_json(bytes) {
            return Err(Problem::malformed(
                "the body is no JSON, as its content type says",
            ));
        }
        Format::Json
    } else {
        Format::Bytes
    };
    let bytes = match format {
        Format::Json => bytes.trim_ascii().into(),
        Format::Bytes => bytes[..].into(),
    };
    let value = Value { format, bytes };
    let change = match parameters.siblings {
        Siblings::Replace => Change::Put(value),
        Siblings::Keep => Change::PutBeside(value),
    };
    write(&call, &parameters, key, change, condition).await
}

/// Holds nothing.
#[utoipa::path(
    delete,
    path = "/v1/keys/{key}",
    tag = "keys",
    operation_id = "deleteKey",
    params(
        ("key" = String, Path, description = "The key"),
        ("w" = Option<String>, Query, description = "As in PUT"),
        ("wait" = Option<String>, Query, description = "As in PUT"),
        ("Clocklab-Token" = Option<String>, Header, description = "What the session has seen"),
        ("If-Match" = Option<String>, Header, description = "Only if the key has this entity tag"),
    ),
    responses(
        (status = 204, description = "It is gone", headers(("Clocklab-Token" = String), ("Clocklab-Write" = String))),
        (status = 404, description = "There was nothing",
            content_type = "application/problem+json", body = super::openapi::ProblemBody),
        (status = 412, description = "The condition does not hold",
            content_type = "application/problem+json", body = super::openapi::ProblemBody),
        (status = 503, description = "As in PUT",
            content_type = "application/problem+json", body = super::openapi::ProblemBody),
    ),
)]
pub(in crate::gateway) async fn delete(call: Call<'_>, key: Key) -> Result<Response, Problem> {
    let parameters = Parameters::read(call.query, &["w", "wait"])?;
    let condition = conditions::of_write(&call)?;
    write(&call, &parameters, key, Change::Delete, condition).await
}

/// Adds to a counter, or changes a set. Both merge: concurrent changes all count.
#[utoipa::path(
    post,
    path = "/v1/keys/{key}",
    tag = "keys",
    operation_id = "changeKey",
    params(
        ("key" = String, Path, description = "The key"),
        ("w" = Option<String>, Query, description = "As in PUT"),
        ("wait" = Option<String>, Query, description = "As in PUT"),
        ("Clocklab-Token" = Option<String>, Header, description = "What the session has seen"),
    ),
    request_body(content = ChangeBody, description = "One of {\"add\": 3}, {\"insert\": [\"a\"]}, {\"remove\": [\"a\"]}"),
    responses(
        (status = 201,
            description = "There was nothing", headers(("Clocklab-Token" = String), ("Clocklab-Write" = String))),
        (status = 204,
            description = "It was changed, or there was nothing to change",
            headers(("Clocklab-Token" = String), ("Clocklab-Write" = String))),
        (status = 409, description = "The key holds something else",
            content_type = "application/problem+json", body = super::openapi::ProblemBody),
        (status = 503, description = "As in PUT",
            content_type = "application/problem+json", body = super::openapi::ProblemBody),
    ),
)]
pub(in crate::gateway) async fn change(mut call: Call<'_>, key: Key) -> Result<Response, Problem> {
    let parameters = Parameters::read(call.query, &["w", "wait"])?;
    let condition = conditions::of_write(&call)?;
    let held = call.body().await?;
    let body: ChangeBody<'_> = serde_json::from_slice(held.bytes()).map_err(|error| {
        let what = "the body has to be one of {\"add\": 3}, {\"insert\": [\"a\"]}, {\"remove\": [\"a\"]}";
        Problem::malformed(format!("{what}: {error}"))
    })?;
    let change = match (body.add, body.insert, body.remove) {
        (Some(by), None, None) => Change::Add(by),
        (None, Some(elements), None) => Change::Insert(raw_values(&elements)),
        (None, None, Some(elements)) => Change::Remove(raw_values(&elements)),
        _ => {
            return Err(Problem::malformed(
                "the body has to have one of add, insert and remove",
            ));
        }
    };
    write(&call, &parameters, key, change, condition).await
}

/// JSON values as they came.
pub(super) fn raw_values(raw: &[&RawValue]) -> Vec<Value> {
    raw.iter().map(|raw| raw_value(raw)).collect()
}

/// A JSON value as it came.
pub(super) fn raw_value(raw: &RawValue) -> Value {
    Value {
        format: Format::Json,
        bytes: raw.get().as_bytes().into(),
    }
}

async fn write(
    call: &Call<'_>,
    parameters: &Parameters,
    key: Key,
    change: Change,
    condition: Condition,
) -> Result<Response, Problem> {
    let is_put = matches!(change, Change::Put(_));
    let is_delete = matches!(change, Change::Delete);
    let operation = Operation {
        key,
        change,
        condition,
        lasts_us: parameters.lasts_us,
    };
    let action = Action::Write {
        operations: vec![operation],
        copies: parameters.copies,
    };
    let reply = call.ask(token(call)?, parameters.wait_us, action).await?;
    let Answer::Written { dot, done } = &reply.answer else {
        return Err(Problem::unexpected());
    };
    let mut response = match done.first() {
        Some(Done::Created) => answer::empty(StatusCode::CREATED),
        Some(Done::Nothing) if is_delete => return Ok(nothing(call, &reply)),
        Some(Done::Updated | Done::Deleted | Done::Nothing) => front::done(),
        None => return Err(Problem::unexpected()),
    };
    let headers = response.headers_mut();
    if let Some(dot) = dot {
        describe_write(headers, *dot);
        if is_put {
            // It has replaced everything that was there.
            let mark: VersionVector = [(dot.origin, dot.number)].into_iter().collect();
            set_etag(headers, &mark);
        }
    }
    answer::set_token(headers, &reply.token, &reply.released);
    Ok(response)
}

fn nothing(call: &Call<'_>, reply: &Reply) -> Response {
    let mut response = Problem::not_found("there is nothing under the key").response(call.style);
    answer::set_token(response.headers_mut(), &reply.token, &reply.released);
    response
}

/// A value as it was written.
fn plain(content: &Content) -> Response {
    match content {
        Content::Values(values) => match values.first() {
            Some(value) => {
                let kind = match value.format {
                    Format::Json => answer::JSON,
                    Format::Bytes => answer::BYTES,
                };
                answer::whole(StatusCode::OK, kind, value.bytes.to_vec())
            }
            None => answer::whole(StatusCode::OK, answer::JSON, b"null".to_vec()),
        },
        Content::Counter(_) | Content::Set(_) => {
            let mut body = Vec::new();
            json::content(&mut body, content);
            answer::whole(StatusCode::OK, answer::JSON, body)
        }
    }
}

fn describe(headers: &mut HeaderMap, item: &Item) {
    set_etag(headers, &item.mark);
    headers.insert(TYPE, HeaderValue::from_static(json::type_of(&item.content)));
    if let Some(ends_us) = item.ends_us {
        headers.insert(ENDS_US, ends_us.into());
    }
    if let Content::Values(values) = &item.content
        && values.len() > 1
    {
        headers.insert(SIBLINGS, values.len().into());
    }
}

fn describe_write(headers: &mut HeaderMap, dot: Dot) {
    if let Some(text) = answer::header_value(&dot.to_string()) {
        headers.insert(WRITE, text);
    }
}

fn set_etag(headers: &mut HeaderMap, mark: &VersionVector) {
    if let Some(text) = answer::header_value(&answer::etag(mark)) {
        headers.insert(header::ETAG, text);
    }
}

/// Whether the content type is JSON's, or of a kind that is written in it.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    kind.eq_ignore_ascii_case("application/json") || kind.to_ascii_lowercase().ends_with("+json")
}
