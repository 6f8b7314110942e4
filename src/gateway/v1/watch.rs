//! GET `/v1/watch`: changes as they are applied, as server-sent events.
//!
//! ```text
//!   : watching                          at once, and every 15 s that there is nothing to say
//!   id: 3.1763740000.118                replica, its life, and the position there
//!   event: change
//!   data: {"write":"1.1763739990.52","changes":[{"key":…,"type":…,"value":…,"etag":…}]}
//! ```
//!
//! A position is one of this life of this replica. A client that comes back with `Last-Event-ID` goes on behind it; where that
//! is not possible (another replica, another life, too long ago) it is told so by an event `reset`, and has to read what it is
//! interested in again. An event `problem` is the last one; its data is what an error's body would have been: 401 where the
//! token was revoked. A client that takes too little is ended, and comes back with its position.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper::{
    StatusCode,
    body::Bytes,
    header::{self, HeaderName, HeaderValue},
};
use tokio::time::{Instant, Sleep, sleep};

use super::parameters::{Parameters, token};
use crate::{
    clock::{Dot, Origin},
    gateway::{
        access::{Reach, Scope},
        answer::Response,
        ask::{Asker, Watching},
        body::Body,
        call::Call,
        json,
        path::Style,
        problem::Problem,
        revoked::Revoked,
        server::Place,
    },
    kv::{Action, Answer, Deny, Request, Token, Watched},
};

/// How long there is silence at most: proxies end what is silent for longer.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What a client is told whose position is of no use here.
const RESET: &str = "event: reset\ndata: {\"detail\":\"what came behind your last event is not known here, because it was of \
    another replica, of another life of this one, or too long ago: read again what you are interested in\"}\n\n";

/// Changes as they go out.
pub(in crate::gateway) struct ChangeStream {
    /// What goes out first.
    first: Option<Bytes>,
    /// `None` once it has ended.
    watching: Option<Watching>,
    /// What to ask if the position turns out to be forgotten.
    otherwise: Option<(Asker, Request)>,
    silence: Pin<Box<Sleep>>,
    /// Whose positions these are.
    origin: Origin,
    revoked: Revoked,
    /// One of the watches that may be at once.
    _place: Place,
}

/// Tells of every change to the keys that begin so, in causal order.
#[utoipa::path(
    get,
    path = "/v1/watch",
    tag = "keys",
    operation_id = "watchKeys",
    params(
        ("prefix" = Option<String>, Query, description = "What keys begin with; all keys if left out"),
        ("Clocklab-Token" = Option<String>, Header, description = "What the session has seen"),
        ("Last-Event-ID" = Option<String>, Header, description = "Go on behind this event"),
    ),
    responses(
        (status = 200, description = "Server-sent events: change, reset, problem", content_type = "text/event-stream", body = String),
        (status = 429, description = "Too many watches", content_type = "application/problem+json",
            body = super::openapi::ProblemBody),
    ),
)]
pub(in crate::gateway) async fn watch(call: Call<'_>) -> Result<Response, Problem> {
    let parameters = Parameters::read(call.query, &["prefix"])?;
    call.caller.may(Scope::Read, Reach::Prefix(&parameters.prefix))?;
    let token = token(&call)?;
    let most = call.shared.options.watches_max;
    let place = Place::take(call.shared, |load| &load.watches, most);
    let place = place.ok_or_else(|| {
        let detail = format!("{most} watches are open already: end one");
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "busy", detail)
    })?;
    let last: Option<Dot> = match call.header(&LAST_EVENT_ID)? {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| {
            Problem::malformed(format!("Last-Event-ID: {text} is none of an event of a store"))
        })?),
    };
    let reply = call.ask(Token::new(), 0, Action::Status).await?;
    let Answer::Status(status) = reply.answer else {
        return Err(Problem::unexpected());
    };
    let origin = status.origin;
    let (first, after) = match last {
        None => (": watching\n\n", None),
        Some(last) if last.origin == origin => (": watching\n\n", Some(last.number)),
        Some(_) => (RESET, None),
    };
    let asker = &call.shared.asker;
    let from_now = Request {
        token,
        wait_us: 0,
        action: Action::Watch {
            prefix: parameters.prefix.clone(),
            after: None,
        },
    };
    let revoked = Revoked::new(call.shared, call.caller.clone(), Some(parameters.prefix.clone()));
    let mut request = from_now.clone();
    request.action = Action::Watch {
        prefix: parameters.prefix,
        after,
    };
    let watching = asker.watch(request);
    let stream = ChangeStream {
        first: Some(Bytes::from_static(first.as_bytes())),
        watching: Some(watching),
        otherwise: after.is_some().then(|| (asker.clone(), from_now)),
        silence: Box::pin(sleep(KEEP_ALIVE)),
        origin,
        revoked,
        _place: place,
    };
    let mut response = Response::new(Body::Changes(Box::new(stream)));
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

impl ChangeStream {
    /// The next bytes; `None` at the end.
    pub(in crate::gateway) fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        let Some(watching) = &mut self.watching else {
            return Poll::Ready(None);
        };
        if let Poll::Ready(problem) = self.revoked.poll(context) {
            self.watching = None;
            return Poll::Ready(Some(Bytes::from(last_event(problem))));
        }
        match watching.poll_next(context) {
            Poll::Ready(Some(reply)) => {
                self.silence.as_mut().reset(Instant::now() + KEEP_ALIVE);
                let otherwise = self.otherwise.take();
                let text = match (reply.answer, otherwise) {
                    (Answer::Changed(watched), _) => event(self.origin, &watched),
                    (Answer::Denied(Deny::Malformed { .. }), Some((asker, from_now))) => {
                        self.watching = Some(asker.watch(from_now));
                        RESET.as_bytes().to_vec()
                    }
                    (Answer::Denied(deny), _) => {
                        self.watching = None;
                        last_event(Problem::denied(deny, Style::Problem))
                    }
                    _ => {
                        self.watching = None;
                        last_event(Problem::unexpected())
                    }
                };
                Poll::Ready(Some(Bytes::from(text)))
            }
            Poll::Ready(None) => {
                let detail = if watching.is_behind() {
                    "too many changes wait to be taken: come back with Last-Event-ID"
                } else {
                    "this replica stops: come back, here or elsewhere"
                };
                self.watching = None;
                let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "leaving", detail);
                Poll::Ready(Some(Bytes::from(last_event(problem))))
            }
            Poll::Pending => {
                if self.silence.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.silence.as_mut().reset(Instant::now() + KEEP_ALIVE);
                // So that it wakes this task.
                let _ = self.silence.as_mut().poll(context);
                Poll::Ready(Some(Bytes::from_static(b": nothing new\n\n")))
            }
        }
    }
}

/// One change. JSON texts may have line feeds, which would end the data.
fn event(origin: Origin, watched: &Watched) -> Vec<u8> {
    let mut text = format!("id: {origin}.{}\nevent: change\ndata: ", watched.position).into_bytes();
    let start = text.len();
    text.extend_from_slice(format!("{{\"write\":\"{}\",\"changes\":[", watched.dot).as_bytes());
    for (place, (key, item)) in watched.changes.iter().enumerate() {
        if place > 0 {
            text.push(b',');
        }
        json::entry(&mut text, key, item.as_ref());
    }
    text.extend_from_slice(b"]}");
    // Between the tokens of a JSON text line ends are blanks, and inside of strings there are none.
    for byte in text.iter_mut().skip(start) {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    text.extend_from_slice(b"\n\n");
    text
}

/// The last event.
pub(in crate::gateway) fn last_event(problem: Problem) -> Vec<u8> {
    let mut text = b"event: problem\ndata: ".to_vec();
    if let Body::Whole(body) = problem.response(Style::Problem).into_body() {
        text.extend_from_slice(&body);
    }
    text.extend_from_slice(b"\n\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::VersionVector,
        kv::{Content, Format, Item, Value},
        units::MachineId,
    };

    #[test]
    fn an_event_is_three_lines_whatever_the_value() {
        let origin = Origin {
            machine: MachineId(3),
            incarnation: 7,
        };
        let item = Item {
            mark: VersionVector::from_iter([(origin, 9)]),
            content: Content::Values(vec![Value {
                format: Format::Json,
                bytes: b"{\r\n \"a\": \"b\\n\"\n}"[..].into(),
            }]),
            ends_us: None,
        };
        let watched = Watched {
            position: 118,
            dot: Dot::new(origin, 9),
            changes: vec![(b"k"[..].into(), Some(item)), (b"gone"[..].into(), None)],
        };
        let text = String::from_utf8(event(origin, &watched)).expect("text");
        assert_eq!(
            text,
            "id: 3.7.118\nevent: change\ndata: {\"write\":\"3.7.9\",\"changes\":[{\"key\":\"k\",\"type\":\"json\",\
             \"value\":{   \"a\": \"b\\n\" },\"etag\":\"\\\"3.7.9\\\"\"},{\"key\":\"gone\",\"type\":null}]}\n\n"
        );
    }
}
