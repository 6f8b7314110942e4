//! Responses that say yes, and the headers that they all have.

use hyper::{
    HeaderMap, StatusCode,
    body::Bytes,
    header::{self, HeaderName, HeaderValue},
};

use super::body::Body;
use crate::{
    clock::{Dot, VersionVector},
    kv::{Token, token_text},
};

pub(super) type Response = hyper::Response<Body>;

/// Media types.
pub(super) const JSON: &str = "application/json";
pub(super) const PROBLEM: &str = "application/problem+json";
pub(super) const BYTES: &str = "application/octet-stream";

/// What a session has seen, both ways.
pub(super) const TOKEN: HeaderName = HeaderName::from_static("clocklab-token");

/// Writes that were let go because nobody has them any more.
const RELEASED: HeaderName = HeaderName::from_static("clocklab-released");

/// A response with this body.
pub(super) fn whole(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Response {
    with_body(status, kind, Body::Whole(Bytes::from(body)))
}

/// A response with this body, whatever it is.
pub(super) fn with_body(status: StatusCode, kind: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A response without a body.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::Whole(Bytes::new()));
    *response.status_mut() = status;
    response
}

/// Adds what the session has seen, if it has seen anything.
pub(super) fn set_token(headers: &mut HeaderMap, token: &Token, released: &[Dot]) {
    if !token.is_empty()
        && let Some(text) = header_value(&token_text(token))
    {
        headers.insert(TOKEN, text);
    }
    set_released(headers, released);
}

/// Warns of writes that were let go.
pub(super) fn set_released(headers: &mut HeaderMap, released: &[Dot]) {
    if released.is_empty() {
        return;
    }
    let vector: VersionVector = released.iter().map(|dot| (dot.origin, dot.number)).collect();
    if let Some(text) = header_value(&vector.to_string()) {
        headers.insert(RELEASED, text);
    }
}

/// The entity tag of a key's mark: strong, since equal marks are equal data.
pub(super) fn etag(mark: &VersionVector) -> String {
    format!("\"{mark}\"")
}

/// A header's value, if the text can be one.
pub(super) fn header_value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok()
}
