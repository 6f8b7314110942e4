//! GET `/v1/keys`: the keys that begin so, page by page. Each page is of one moment; the token of each stands for all that
//! its replica had applied by then, so that a session that goes on with it never goes back.

use hyper::StatusCode;

use super::parameters::{Parameters, token};
use crate::{
    gateway::{
        access::{Reach, Scope},
        answer::{self, Response},
        call::Call,
        json, path,
        problem::Problem,
    },
    kv::{Action, Answer},
};

/// What is under the keys that begin so, in the order of their bytes.
#[utoipa::path(
    get,
    path = "/v1/keys",
    tag = "keys",
    operation_id = "scanKeys",
    params(
        ("prefix" = Option<String>, Query, description = "What keys begin with; all keys if left out"),
        ("after" = Option<String>, Query, description = "Only keys behind this one"),
        ("limit" = Option<u32>, Query,
            description = "Most items: 1 to 10000, 100 if left out; a page also ends at half a mebibyte"),
        ("wait" = Option<String>, Query, description = "How long to wait for what the token names and is not here"),
        ("Clocklab-Token" = Option<String>, Header, description = "What the session has seen"),
    ),
    responses(
        (status = 200,
            description = "A page; `next` is the address of the one behind it, if there may be one",
            body = super::openapi::PageBody, headers(("Clocklab-Token" = String))),
        (status = 503, description = "This replica does not have yet what the token names",
            content_type = "application/problem+json", body = super::openapi::ProblemBody),
    ),
)]
pub(in crate::gateway) async fn scan(call: Call<'_>) -> Result<Response, Problem> {
    let parameters = Parameters::read(call.query, &["prefix", "after", "limit", "wait"])?;
    call.caller.may(Scope::Read, Reach::Prefix(&parameters.prefix))?;
    let action = Action::Scan {
        prefix: parameters.prefix.clone(),
        after: parameters.after.clone(),
        limit: parameters.limit,
    };
    let reply = call.ask(token(&call)?, parameters.wait_us, action).await?;
    let Answer::Scanned { items, next } = &reply.answer else {
        return Err(Problem::unexpected());
    };
    let mut body = b"{\"items\":[".to_vec();
    for (place, (key, item)) in items.iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        json::entry(&mut body, key, Some(item));
    }
    body.extend_from_slice(b"],\"next\":");
    match next {
        None => body.extend_from_slice(b"null"),
        Some(after) => {
            let address = format!(
                "/v1/keys?prefix={}&after={}&limit={}",
                path::encode(&parameters.prefix),
                path::encode(after),
                parameters.limit
            );
            json::text(&mut body, &address);
        }
    }
    body.push(b'}');
    let mut response = answer::whole(StatusCode::OK, answer::JSON, body);
    answer::set_token(response.headers_mut(), &reply.token, &reply.released);
    Ok(response)
}
