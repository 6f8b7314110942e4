//! GET `/v1/events`: the event logs that lie beside this replica's, as they grow. Who answers is a router that was given
//! ([`Options::events`](crate::gateway::Options)); here is what is said where there is none, and no place.

use hyper::StatusCode;

use crate::gateway::problem::Problem;

/// The event logs of the run, as far as they lie on this computer, as they grow: what the page at `/` draws.
#[utoipa::path(
    get, path = "/v1/events", tag = "replica", operation_id = "events",
    params(
        ("after" = Option<String>, Query, description = "Go on behind this id"),
        ("Last-Event-ID" = Option<String>, Header, description = "The same"),
    ),
    responses(
        (status = 200,
            description = "Server-sent events, each with a batch: columns of events, how the machines are, what else the logs \
            say; the id of each is a place in the logs. For the page, and may change with it",
            content_type = "text/event-stream", body = String),
        (status = 404, description = "This replica writes no event log", content_type = "application/problem+json",
            body = super::openapi::ProblemBody),
        (status = 429, description = "Too many follow it already", content_type = "application/problem+json",
            body = super::openapi::ProblemBody),
    ),
)]
pub(in crate::gateway) fn no_events() -> Problem {
    Problem::not_found("this replica writes no event log: it was started without --logs, or with --no-log")
}

/// There is no place for one more.
pub(in crate::gateway) fn too_many_events(most: usize) -> Problem {
    let detail = format!("{most} pages follow the event log already: close one");
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "busy", detail)
}
