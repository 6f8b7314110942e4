//! Where every request comes in: is it let in, and whose is it?

use std::sync::{Arc, atomic::Ordering};

use axum::Router;
use hyper::{
    HeaderMap, Method, Request, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
    http::request::Parts,
    service::Service,
};
use hyper_util::service::TowerToHyperService;

use super::{
    access::{Caller, Reach, Scope},
    answer::{self, Response},
    assignment::{self, Form},
    body::{Body, GoesOn},
    call::Call,
    path::Resource,
    problem::Problem,
    revoked::Revoked,
    server::{Place, Shared},
    v1,
};

/// Answers a request, whatever it is.
pub(super) async fn answer(shared: &Arc<Shared>, request: Request<Incoming>) -> Response {
    let resource = Resource::of(request.uri().path());
    let style = resource.style();
    let most = shared.options.requests_max;
    let place = match resource.needs_place() {
        true => Place::take(shared, |load| &load.requests, most).map(Some),
        false => Some(None),
    };
    let answered = match &place {
        Some(_) => let_in(shared, request, resource).await,
        None => Err(Problem::busy(style)),
    };
    let mut response = answered.unwrap_or_else(|problem| problem.response(style));
    drop(place);
    finish(response.headers_mut());
    let class = usize::from(response.status().as_u16() / 100).wrapping_sub(1);
    if let Some(count) = shared.load.answers.get(class) {
        count.fetch_add(1, Ordering::Relaxed);
    }
    response
}

/// What every answer says: that it is what it says it is, and that it is of this moment.
fn finish(headers: &mut HeaderMap) {
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    let no_store = HeaderValue::from_static("no-store");
    headers.entry(header::CACHE_CONTROL).or_insert(no_store);
}

async fn let_in(
    shared: &Arc<Shared>,
    request: Request<Incoming>,
    resource: Resource,
) -> Result<Response, Problem> {
    shared
        .guard
        .judge(&resource, request.method(), request.uri(), request.headers())?;
    match resource {
        // Pages hold no data: what they show they ask for, with a token where one is needed.
        Resource::Page => return page(shared, request).await,
        Resource::Ping if is_get(request.method()) => return Ok(assignment::ping()),
        Resource::Health if is_get(request.method()) => return Ok(v1::health()),
        _ => {}
    }
    let caller = shared.access.judge(request.headers())?;
    check(&caller, &resource, request.method())?;
    if resource == Resource::Events {
        return events(shared, caller, request).await;
    }
    let style = resource.style();
    let (parts, body) = request.into_parts();
    let call = Call {
        shared,
        caller,
        query: parts.uri.query(),
        headers: &parts.headers,
        style,
        body: Some(body),
    };
    route(call, resource, &parts).await
}

/// Whether the caller may do this. Of what a body or a query names, the handlers ask themselves.
fn check(caller: &Caller, resource: &Resource, method: &Method) -> Result<(), Problem> {
    if matches!(caller, Caller::Anybody) {
        return Ok(());
    }
    let changes = |otherwise| if is_get(method) { Scope::Read } else { otherwise };
    match resource {
        Resource::Kvs(key) | Resource::Data(key) | Resource::Key(key) => {
            caller.may(changes(Scope::Write), Reach::Key(key))
        }
        Resource::AllData => caller.may(Scope::Read, Reach::Prefix(b"")),
        Resource::Why(key) if !key.is_empty() => caller.may(Scope::Read, Reach::Key(key)),
        Resource::View
        | Resource::Members
        | Resource::Member(_)
        | Resource::Drain(_)
        | Resource::Replace(_) => caller.may(changes(Scope::Admin), Reach::NoKey),
        Resource::Batch
        | Resource::Keys
        | Resource::Watch
        | Resource::Ping
        | Resource::Status
        | Resource::Why(_)
        | Resource::Events
        | Resource::Access
        | Resource::OpenApi
        | Resource::Health
        | Resource::Ready
        | Resource::Metrics
        | Resource::Nothing
        | Resource::Page => caller.may(Scope::Read, Reach::NoKey),
    }
}

fn is_get(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}

/// What a method does to a resource. (hyper leaves out the body of what answers HEAD.)
#[allow(clippy::too_many_lines, reason = "one flat match of resources and methods")]
async fn route(call: Call<'_>, resource: Resource, parts: &Parts) -> Result<Response, Problem> {
    let allow = resource.methods();
    match (resource, parts.method.as_str()) {
        (Resource::Kvs(key), "GET" | "HEAD") => assignment::get(call, Form::Kvs, key).await,
        (Resource::Kvs(key), "PUT") => assignment::put(call, Form::Kvs, key).await,
        (Resource::Kvs(key), "DELETE") => assignment::delete(call, Form::Kvs, key).await,
        (Resource::Data(key), "GET" | "HEAD") => assignment::get(call, Form::Data, key).await,
        (Resource::Data(key), "PUT") => assignment::put(call, Form::Data, key).await,
        (Resource::Data(key), "DELETE") => assignment::delete(call, Form::Data, key).await,
        (Resource::AllData, "GET" | "HEAD") => assignment::list(call).await,
        (Resource::View, "GET" | "HEAD") => assignment::show_view(call).await,
        (Resource::View, "PUT") => assignment::change_view(call).await,
        (Resource::View, "DELETE") => assignment::remove_member(call).await,
        (Resource::Key(key), "GET" | "HEAD") => v1::get(call, key).await,
        (Resource::Key(key), "PUT") => v1::put(call, key).await,
        (Resource::Key(key), "POST") => v1::change(call, key).await,
        (Resource::Key(key), "DELETE") => v1::delete(call, key).await,
        (Resource::Keys, "GET" | "HEAD") => v1::scan(call).await,
        (Resource::Batch, "POST") => v1::batch(call).await,
        (Resource::Watch, "GET" | "HEAD") => v1::watch(call).await,
        (Resource::Members, "GET" | "HEAD") => v1::members(call).await,
        (Resource::Members, "PUT") => v1::set_members(call).await,
        (Resource::Member(id), "GET" | "HEAD") => v1::member(call, id).await,
        (Resource::Member(id), "PUT") => v1::add_member(call, id).await,
        (Resource::Member(id), "DELETE") => v1::remove_member(call, id).await,
        (Resource::Drain(id), "POST") => v1::drain_member(call, id).await,
        (Resource::Replace(id), "POST") => v1::replace_member(call, id).await,
        (Resource::Status, "GET" | "HEAD") => v1::status(call).await,
        (Resource::Why(key), "GET" | "HEAD") if key.is_empty() => v1::why_all(call).await,
        (Resource::Why(key), "GET" | "HEAD") => v1::why(call, key).await,
        (Resource::Access, "GET" | "HEAD") => Ok(v1::access(&call)),
        (Resource::OpenApi, "GET" | "HEAD") => Ok(v1::openapi()),
        (Resource::Ready, "GET" | "HEAD") => v1::ready(call).await,
        (Resource::Metrics, "GET" | "HEAD") => v1::metrics(call).await,
        (Resource::Nothing, _) => {
            let detail = "there is no such resource: GET /v1/openapi.json says what there is";
            Err(Problem::not_found(detail))
        }
        (
            Resource::Kvs(_)
            | Resource::Data(_)
            | Resource::AllData
            | Resource::View
            | Resource::Ping
            | Resource::Key(_)
            | Resource::Keys
            | Resource::Batch
            | Resource::Watch
            | Resource::Members
            | Resource::Member(_)
            | Resource::Drain(_)
            | Resource::Replace(_)
            | Resource::Status
            | Resource::Why(_)
            | Resource::Events
            | Resource::Access
            | Resource::OpenApi
            | Resource::Health
            | Resource::Ready
            | Resource::Metrics
            | Resource::Page,
            _,
        ) => Err(Problem::method(allow)),
    }
}

/// What is none of ours: pages, if there are any.
async fn page(shared: &Arc<Shared>, request: Request<Incoming>) -> Result<Response, Problem> {
    let nothing = || {
        let detail = "there is no such resource: /kvs/KEY, /data/KEY, /view and /v1 are here, and GET /v1/openapi.json says more";
        Problem::not_found(detail)
    };
    let Some(pages) = &shared.options.pages else {
        return Err(nothing());
    };
    if !is_get(request.method()) {
        return Err(Problem::method(Resource::Page.methods()));
    }
    let response = routed(pages, request).await;
    if response.status() == StatusCode::NOT_FOUND {
        return Err(nothing());
    }
    Ok(response.map(|body| Body::Page { body, goes_on: None }))
}

/// The event log as it grows: what is new goes out as long as somebody takes it.
async fn events(
    shared: &Arc<Shared>,
    caller: Caller,
    request: Request<Incoming>,
) -> Result<Response, Problem> {
    let Some(events) = &shared.options.events else {
        return Err(v1::no_events());
    };
    if !is_get(request.method()) {
        return Err(Problem::method(Resource::Events.methods()));
    }
    let most = shared.options.events_max;
    let place = Place::take(shared, |load| &load.events, most).ok_or_else(|| v1::too_many_events(most))?;
    let response = routed(events, request).await;
    let goes_on = GoesOn {
        revoked: Revoked::new(shared, caller, None),
        _place: place,
    };
    Ok(response.map(|body| Body::Page {
        body,
        goes_on: Some(goes_on),
    }))
}

/// What a router says.
async fn routed(router: &Router, request: Request<Incoming>) -> hyper::Response<axum::body::Body> {
    let service = TowerToHyperService::new(router.clone());
    match service.call(request.map(axum::body::Body::new)).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// Without content: what the request asked for was done.
pub(super) fn done() -> Response {
    answer::empty(StatusCode::NO_CONTENT)
}
