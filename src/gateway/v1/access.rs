//! GET `/v1/access`: what the caller may, so that a page or a program need not try.

use serde::Serialize;
use utoipa::ToSchema;

use super::members::shown;
use crate::gateway::{access::Caller, answer::Response, call::Call};

/// What the caller may.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccessBody {
    /// The token's name; `null` where nobody needs one.
    name: Option<String>,
    /// read, write or admin; each includes the one before.
    scope: String,
    /// What the keys begin with that it reaches.
    prefix: String,
}

/// What the caller may. Answers 401 to one that needs a token and has none that is good.
#[utoipa::path(
    get, path = "/v1/access", tag = "replica", operation_id = "getAccess",
    responses(
        (status = 200, description = "It", body = AccessBody),
        (status = 401, description = "A token is needed", content_type = "application/problem+json",
            body = super::openapi::ProblemBody),
    ),
)]
pub(in crate::gateway) fn access(call: &Call<'_>) -> Response {
    let body = match &call.caller {
        Caller::Anybody => AccessBody {
            name: None,
            scope: "admin".to_owned(),
            prefix: String::new(),
        },
        Caller::Holder(entry) => AccessBody {
            name: Some(entry.name.clone()),
            scope: entry.scope.to_string(),
            prefix: entry.prefix.clone(),
        },
    };
    shown(&body)
}
