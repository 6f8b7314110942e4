//! One key, in either form.

use hyper::StatusCode;

use super::{
    WAIT_US,
    said::{self, Said},
};
use crate::{
    gateway::{
        answer::{self, Response},
        call::Call,
        json,
        path::is_too_long,
        problem::Problem,
    },
    kv::{Action, Answer, Change, Condition, Copies, Done, Format, Key, Operation, Reply, Token, Value},
};

/// What a write came to, as the texts of 2024 have it.
const CREATED: &[u8] = b"{\"result\":\"created\",";
const REPLACED: &[u8] = b"{\"result\":\"replaced\",";
const DELETED: &[u8] = b"{\"result\":\"deleted\",";

const NO_KEY: &str = "Key does not exist";

/// Which form a request has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gateway) enum Form {
    /// Of 2024: `/kvs`.
    Kvs,
    /// Of 2025: `/data`.
    Data,
}

impl Form {
    /// How long to wait for what is missing.
    fn wait_us(self) -> u64 {
        match self {
            Self::Kvs => 0,
            Self::Data => WAIT_US,
        }
    }

    fn write_token(self, output: &mut Vec<u8>, token: &Token) {
        match self {
            Self::Kvs => said::write_string(output, token),
            Self::Data => said::write_object(output, token),
        }
        output.push(b'}');
    }

    /// There is nothing under the key: the texts of 2024 have no metadata there.
    fn nothing(self, reply: &Reply) -> Response {
        let mut body = Vec::with_capacity(256);
        body.extend_from_slice(b"{\"error\":");
        json::text(&mut body, NO_KEY);
        match self {
            Self::Kvs => body.push(b'}'),
            Self::Data => {
                body.push(b',');
                self.write_token(&mut body, &reply.token);
            }
        }
        finish(StatusCode::NOT_FOUND, body, reply)
    }
}

/// PUT: holds a value.
pub(in crate::gateway) async fn put(mut call: Call<'_>, form: Form, key: Key) -> Result<Response, Problem> {
    let held = call.body().await?;
    let said = Said::read(held.bytes())?;
    let value = said
        .value
        .ok_or_else(|| Problem::malformed("PUT request does not specify a value"))?;
    if form == Form::Kvs && is_too_long(&key) {
        return Err(Problem::malformed("Key is too long"));
    }
    check_key(&key)?;
    let token = said.token()?;
    let change = Change::Put(Value {
        format: Format::Json,
        bytes: value.get().as_bytes().into(),
    });
    let (reply, done) = write(&call, form, token, key, change).await?;
    let (status, start) = match done {
        Done::Created => (StatusCode::CREATED, CREATED),
        Done::Updated | Done::Deleted | Done::Nothing => (StatusCode::OK, REPLACED),
    };
    Ok(written(form, status, start, &reply))
}

/// DELETE: holds nothing.
pub(in crate::gateway) async fn delete(
    mut call: Call<'_>,
    form: Form,
    key: Key,
) -> Result<Response, Problem> {
    let held = call.body().await?;
    let token = Said::read(held.bytes())?.token()?;
    if check_key(&key).is_err() {
        return Err(Problem::not_found(NO_KEY));
    }
    let (reply, done) = write(&call, form, token, key, Change::Delete).await?;
    match done {
        Done::Nothing => Ok(form.nothing(&reply)),
        Done::Created | Done::Updated | Done::Deleted => Ok(written(form, StatusCode::OK, DELETED, &reply)),
    }
}

/// GET: what is there?
pub(in crate::gateway) async fn get(mut call: Call<'_>, form: Form, key: Key) -> Result<Response, Problem> {
    let held = call.body().await?;
    let token = Said::read(held.bytes())?.token()?;
    if check_key(&key).is_err() {
        return Err(Problem::not_found(NO_KEY));
    }
    let reply = call.ask(token, form.wait_us(), Action::Get { key }).await?;
    let item = match &reply.answer {
        Answer::Found(item) => item,
        Answer::NotFound => return Ok(form.nothing(&reply)),
        _ => return Err(Problem::unexpected()),
    };
    let mut body = Vec::with_capacity(256);
    body.extend_from_slice(match form {
        Form::Kvs => b"{\"result\":\"found\",\"value\":",
        Form::Data => b"{\"value\":",
    });
    json::content(&mut body, &item.content);
    body.push(b',');
    form.write_token(&mut body, &reply.token);
    Ok(finish(StatusCode::OK, body, &reply))
}

/// The store's bounds of a key, which the assignment does not have.
fn check_key(key: &[u8]) -> Result<(), Problem> {
    match key.len() {
        0 => Err(Problem::malformed("Key is empty")),
        length if length > crate::kv::KEY_BYTES_MAX => Err(Problem::malformed("Key is too long")),
        _ => Ok(()),
    }
}

async fn write(
    call: &Call<'_>,
    form: Form,
    token: Token,
    key: Key,
    change: Change,
) -> Result<(Reply, Done), Problem> {
    let operation = Operation {
        key,
        change,
        condition: Condition::Always,
        lasts_us: None,
    };
    let action = Action::Write {
        operations: vec![operation],
        copies: Copies::Pushed,
    };
    let reply = call.ask(token, form.wait_us(), action).await?;
    let done = match &reply.answer {
        Answer::Written { done, .. } => done.first().cloned(),
        _ => None,
    };
    let done = done.ok_or_else(Problem::unexpected)?;
    Ok((reply, done))
}

fn written(form: Form, status: StatusCode, start: &[u8], reply: &Reply) -> Response {
    let mut body = Vec::with_capacity(128);
    body.extend_from_slice(start);
    form.write_token(&mut body, &reply.token);
    finish(status, body, reply)
}

fn finish(status: StatusCode, body: Vec<u8>, reply: &Reply) -> Response {
    let mut response = answer::whole(status, answer::JSON, body);
    answer::set_released(response.headers_mut(), &reply.released);
    response
}
