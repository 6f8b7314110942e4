//! The OpenAPI 3.1 document, made from the handlers, and the shapes of bodies that are written by hand.
#![allow(
    dead_code,
    reason = "shapes that are written by hand for speed are described here and never made"
)]

use std::sync::LazyLock;

use hyper::StatusCode;
use serde_json::Value as Json;
use utoipa::{
    Modify, OpenApi, ToSchema,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

use crate::gateway::answer::{self, Response};

/// Made once: it never changes.
static DOCUMENT: LazyLock<Vec<u8>> = LazyLock::new(|| document().to_json().unwrap_or_default().into_bytes());

/// An error (RFC 9457).
#[derive(ToSchema)]
pub(super) struct ProblemBody {
    /// `urn:clocklab:problem:` and a name: unmet, condition, wrong-type, busy, too-few-copies, disk, …
    #[schema(rename = "type")]
    kind: String,
    /// The status in words.
    title: String,
    /// The status.
    status: u16,
    /// What was wrong, for a person.
    detail: String,
    /// definite: nothing was done and nothing will be; indefinite: a write may have been done.
    outcome: String,
    /// Of unmet: the writes that are not here.
    missing: Option<Vec<super::status::MissingBody>>,
    /// Of condition and wrong-type: which operation, from 0.
    operation: Option<u32>,
    /// Of condition: the key's present entity tag.
    etag: Option<String>,
    /// Of too-few-copies: the write's name, how many have it, how many were asked for.
    write: Option<String>,
    have: Option<u64>,
    want: Option<u64>,
}

/// A page of keys.
#[derive(ToSchema)]
pub(super) struct PageBody {
    items: Vec<EntryBody>,
    /// The address of the next page.
    next: Option<String>,
}

/// A key and what is under it.
#[derive(ToSchema)]
pub(super) struct EntryBody {
    /// A string, or {"base64": …} if the key is no UTF-8.
    #[schema(value_type = Object)]
    key: Json,
    /// json, bytes, counter or set; null if there is nothing.
    #[schema(rename = "type")]
    kind: Option<String>,
    /// The value; bytes as a string if they are UTF-8, else as {"base64": …}.
    #[schema(value_type = Object)]
    value: Json,
    /// All values that were written concurrently, the chosen one first, if there are several.
    #[schema(value_type = Option<Vec<Object>>)]
    siblings: Option<Vec<Json>>,
    /// Its entity tag.
    etag: String,
    /// When it ends, in microseconds since 1970.
    ends_us: Option<u64>,
}

/// What a batch came to.
#[derive(ToSchema)]
pub(super) struct BatchAnswer {
    /// The write's name, if anything was written.
    write: Option<String>,
    /// Of each operation: created, updated, deleted or nothing.
    done: Vec<String>,
}

/// Bearer tokens.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "clocklab's causal store",
        description = "A replicated, causally consistent, durable key-value store. What a session has seen travels in the \
            header Clocklab-Token, both ways: pass on with each request what the last answer had."
    ),
    paths(
        super::keys::get, super::keys::put, super::keys::delete, super::keys::change, super::scan::scan,
        super::batch::batch, super::watch::watch,
        super::members::members, super::members::set_members, super::members::member, super::members::add_member,
        super::members::remove_member, super::members::drain_member, super::members::replace_member,
        super::status::status, super::status::why, super::status::why_all,
        super::events::no_events, super::access::access, super::status::health, super::status::ready,
        super::metrics::metrics, show,
    ),
    components(schemas(ProblemBody, PageBody, EntryBody, BatchAnswer)),
    modifiers(&Bearer),
    security(("bearer" = []), ()),
)]
struct Document;

/// The document.
pub(in crate::gateway) fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// This document.
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "replica", operation_id = "getOpenApi",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json", body = Object)),
)]
fn show() -> Response {
    answer::whole(StatusCode::OK, answer::JSON, DOCUMENT.clone())
}

/// The document, as an answer.
pub(in crate::gateway) fn openapi() -> Response {
    show()
}
