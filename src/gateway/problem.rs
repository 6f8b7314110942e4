//! What went wrong, as a response: `application/problem+json` (RFC 9457), or `{"error": …}` where the assignment has that.
//!
//! Statuses say whether a failure is definite. After 4xx, 501 and 503 nothing was done and nothing will be. After 500 and 504
//! a write may have been done, or will be: `"outcome":"indefinite"` says so too. 504 stands for copies that were asked for
//! and did not come in time: the replica is a gateway to the others (RFC 9110, 15.6.5). It is no 202, because a client
//! that looks at the first digit alone must not take two copies for granted.

use std::borrow::Cow;

use hyper::{StatusCode, header};
use serde::Serialize;

use super::{
    answer::{self, Response},
    ask::Gone,
    body::{BODY_BYTES_MAX, BodyError},
    json,
    path::Style,
};
use crate::{
    clock::Dot,
    kv::{Deny, Token},
};

/// The assignment's text for dependencies that are missing.
pub(super) const UNMET: &str = "Causal dependencies not satisfied; try again later";

/// Seconds after which to try again what is full or on its way.
const RETRY_AFTER_S: u32 = 1;

/// Why a request was not answered with what it asked for.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    /// A name for programs: `urn:clocklab:problem:<kind>`.
    kind: &'static str,
    /// For a person.
    detail: Cow<'static, str>,
    /// Further members of the JSON object, each with a comma in front.
    more: Vec<u8>,
    /// What the header `WWW-Authenticate` says.
    challenge: Option<String>,
    /// What the header `Allow` says.
    allow: Option<&'static str>,
    /// What the session has seen, and what was let go of it, where the problem tells what is there.
    seen: Option<Box<(Token, Vec<Dot>)>>,
}

#[derive(Serialize)]
struct Plain<'a> {
    error: &'a str,
}

#[derive(Serialize)]
struct Head<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    outcome: &'static str,
}

impl Problem {
    pub(super) fn new(status: StatusCode, kind: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            kind,
            detail: detail.into(),
            more: Vec::new(),
            challenge: None,
            allow: None,
            seen: None,
        }
    }

    /// The request makes no sense: 400.
    pub(super) fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    /// There is no such thing: 404.
    pub(super) fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// The resource knows other methods: 405.
    pub(super) fn method(allow: &'static str) -> Self {
        let detail = format!("this resource knows the methods {allow}");
        let mut problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail);
        problem.allow = Some(allow);
        problem
    }

    /// Too much is under way: 429, and 503 in the assignment's forms, which know no other.
    pub(super) fn busy(style: Style) -> Self {
        let status = match style {
            Style::Assignment => StatusCode::SERVICE_UNAVAILABLE,
            Style::Problem => StatusCode::TOO_MANY_REQUESTS,
        };
        let detail =
            "too many requests are under way, or too many writes wait for the disk: try again in a moment";
        Self::new(status, "busy", detail)
    }

    /// No such request is let in: 401 or 403.
    pub(super) fn challenge(
        status: StatusCode,
        detail: impl Into<Cow<'static, str>>,
        challenge: String,
    ) -> Self {
        let mut problem = Self::new(status, "access", detail);
        problem.challenge = Some(challenge);
        problem
    }

    /// The store has answered something else than what it was asked, or has ended meanwhile.
    pub(super) fn unexpected() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "unexpected",
            "the store's answer is none to what was asked: this is an error of clocklab",
        )
    }

    /// The store has ended.
    pub(super) fn gone(Gone: Gone, is_write: bool) -> Self {
        if is_write {
            let detail = "this replica has stopped: whether the write was done is not known";
            Self::new(StatusCode::INTERNAL_SERVER_ERROR, "stopped", detail)
        } else {
            Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "leaving",
                "this replica has stopped",
            )
        }
    }

    /// Of a request that was given up while it waited: of a write it is not known whether that was in time.
    pub(super) fn of_given_up(self, is_write: bool) -> Self {
        if is_write {
            let detail = "the token was revoked while this waited: whether the write was done is not known";
            Self::new(StatusCode::INTERNAL_SERVER_ERROR, "revoked", detail)
        } else {
            self
        }
    }

    /// The body could not be read.
    pub(super) fn body(error: BodyError, style: Style) -> Self {
        match error {
            BodyError::TooLarge => {
                let detail = format!("a body has at most {BODY_BYTES_MAX} bytes");
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
            }
            BodyError::TooSlow => {
                let detail = "the body did not come in time";
                Self::new(StatusCode::REQUEST_TIMEOUT, "too-slow", detail)
            }
            BodyError::Broken => Self::malformed("the body ended early, or is no HTTP"),
            BodyError::Full => Self::busy(style),
        }
    }

    /// What the store says no with.
    pub(super) fn denied(deny: Deny, style: Style) -> Self {
        let unavailable =
            |kind, detail: &'static str| Self::new(StatusCode::SERVICE_UNAVAILABLE, kind, detail);
        match deny {
            Deny::Unmet { missing } => {
                let mut problem = unavailable("unmet", UNMET);
                let nowhere = missing.iter().find(|missing| missing.is_nowhere());
                if let (Some(nowhere), Style::Problem) = (nowhere, style) {
                    let detail = format!(
                        "{UNMET}. Nothing of a life of machine {} that the token names is here, and nobody is known to have it: if the \
                         store was begun anew, begin a new session, without the token",
                        nowhere.dot.origin.machine
                    );
                    problem.detail = detail.into();
                }
                problem.more.extend_from_slice(b",\"missing\":");
                json::missing(&mut problem.more, &missing);
                problem
            }
            Deny::NoMember => unavailable("no-member", "this replica is in no view"),
            Deny::Joining => unavailable("joining", "this replica is new and does not have the data yet"),
            Deny::Leaving => unavailable("leaving", "this replica leaves: ask another one"),
            Deny::Condition { operation, mark } => {
                let detail = "the key is not as the request wants it to be: read it and decide again";
                let mut problem = Self::new(StatusCode::PRECONDITION_FAILED, "condition", detail);
                let more = format!(",\"operation\":{operation},\"etag\":");
                problem.more.extend_from_slice(more.as_bytes());
                json::text(&mut problem.more, &answer::etag(&mark));
                problem
            }
            Deny::WrongType { operation } => {
                let detail = "the key holds something else, such as a counter or a set: delete it first";
                let mut problem = Self::new(StatusCode::CONFLICT, "wrong-type", detail);
                let more = format!(",\"operation\":{operation}");
                problem.more.extend_from_slice(more.as_bytes());
                problem
            }
            Deny::TooLarge { what } => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", what),
            Deny::Malformed { what } => Self::malformed(what),
            Deny::Busy => Self::busy(style),
            Deny::TooFewCopies { dot, have, want } => {
                let detail = format!(
                    "the write is here and will reach the others, but only {have} of {want} replicas have it on \
                     their disks so far"
                );
                let mut problem = Self::new(StatusCode::GATEWAY_TIMEOUT, "too-few-copies", detail);
                let more = format!(",\"write\":\"{dot}\",\"have\":{have},\"want\":{want}");
                problem.more.extend_from_slice(more.as_bytes());
                problem
            }
            Deny::Disk { why } => {
                let detail =
                    format!("this replica only reads, because its disk takes nothing any more: {why}");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "disk", detail)
            }
            Deny::NoSuchMember => Self::not_found("View has no such replica"),
            Deny::Forbidden { why } => Self::new(StatusCode::FORBIDDEN, "forbidden", why),
        }
    }

    /// The session that is told so has seen this.
    pub(super) fn with_seen(mut self, token: Token, released: Vec<Dot>) -> Self {
        self.seen = Some(Box::new((token, released)));
        self
    }

    /// As a response.
    pub(super) fn response(self, style: Style) -> Response {
        let mut body = Vec::with_capacity(256);
        let kind = match style {
            Style::Assignment => {
                let plain = Plain { error: &self.detail };
                json::object(&mut body, &plain);
                answer::JSON
            }
            Style::Problem => {
                let head = Head {
                    kind: format!("urn:clocklab:problem:{}", self.kind),
                    title: self.status.canonical_reason().unwrap_or("Error"),
                    status: self.status.as_u16(),
                    detail: &self.detail,
                    outcome: self.outcome(),
                };
                json::object(&mut body, &head);
                body.pop();
                body.extend_from_slice(&self.more);
                body.push(b'}');
                answer::PROBLEM
            }
        };
        let mut response = answer::whole(self.status, kind, body);
        let headers = response.headers_mut();
        if matches!(
            self.status,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
        ) {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER_S.into());
        }
        if let Some(challenge) = self.challenge.as_deref().and_then(answer::header_value) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some((token, released)) = self.seen.as_deref() {
            answer::set_token(headers, token, released);
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, header::HeaderValue::from_static(allow));
        }
        response
    }

    /// Whether nothing was done, or that is not known.
    fn outcome(&self) -> &'static str {
        match self.status {
            StatusCode::INTERNAL_SERVER_ERROR | StatusCode::GATEWAY_TIMEOUT => "indefinite",
            _ => "definite",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kv::Missing, units::MachineId};

    #[test]
    fn what_nobody_has_is_not_waited_for_without_a_word() {
        let detail = |have, seen_by: &[u16], style| {
            let missing = Missing {
                dot: "3.9.5".parse().expect("a dot"),
                have,
                seen_by: seen_by.iter().copied().map(MachineId).collect(),
            };
            let missing = vec![missing];
            Problem::denied(Deny::Unmet { missing }, style).detail
        };
        let nowhere = detail(0, &[], Style::Problem);
        assert!(
            nowhere.contains("of machine 3") && nowhere.contains("begin a new session"),
            "{nowhere}"
        );
        assert_eq!(detail(0, &[1], Style::Problem), UNMET);
        assert_eq!(detail(4, &[], Style::Problem), UNMET);
        // The assignment's text is its own.
        assert_eq!(detail(0, &[], Style::Assignment), UNMET);
    }
}
