//! How the replica is, and what it waits for.

use std::collections::BTreeMap;

use hyper::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    members::{MemberBody, shown},
    parameters::token,
};
use crate::{
    clock::{Dot, VersionVector},
    gateway::{
        answer::{self, Response},
        call::Call,
        problem::Problem,
    },
    kv::{Action, Answer, Key, Missing, Status, Token},
};

/// How a replica is. Version vectors are objects: of each life of a replica (`id.incarnation`) how many of its writes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatusBody {
    /// Which life of which replica: `id.incarnation`.
    origin: String,
    /// Where it is reached.
    address: String,
    /// Whether it is a member and has the data.
    is_ready: bool,
    /// What has been applied here.
    known: BTreeMap<String, u64>,
    /// What of it is on this replica's disk.
    kept: BTreeMap<String, u64>,
    /// What of it every member is known to have.
    stable: BTreeMap<String, u64>,
    /// The members.
    members: Vec<MemberBody>,
    /// How far each peer is behind.
    lags: Vec<LagBody>,
    /// Keys that hold something.
    keys: u64,
    /// Keys that hold nothing but the memory of a delete.
    tombstones: u64,
    /// Writes that wait for others.
    buffered: u64,
    /// Requests that wait.
    waiting: u64,
    /// Writes that are kept to be sent again.
    logged_writes: u64,
    /// Their bytes.
    logged_bytes: u64,
    /// Counts since the start.
    counts: BTreeMap<String, u64>,
    /// Why the disk takes nothing any more, if it does not.
    disk_trouble: Option<String>,
}

/// How far a peer is behind.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LagBody {
    /// Whose.
    peer: u16,
    /// What it said last that it has.
    known: BTreeMap<String, u64>,
    /// Writes that it has not said it has.
    writes: u64,
    /// Since when, in microseconds.
    behind_us: u64,
    /// Microseconds since it was heard of last.
    silent_us: u64,
    /// Suspicion (phi).
    phi: f64,
}

/// What a replica waits for, as far as a key is concerned, or all of them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WhyBody {
    /// What is under the key now, the chosen first.
    present: Vec<PresentBody>,
    /// Writes of the key that wait, and for what; of all keys the first that waits of each origin.
    buffered: Vec<BufferedBody>,
    /// What the token names: of each life of a replica (`id.incarnation`) how many of its writes.
    token: BTreeMap<String, u64>,
    /// What of it is not here.
    unmet: Vec<MissingBody>,
}

/// A write that is under a key.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PresentBody {
    /// Its name: `id.incarnation.number`.
    write: String,
    /// Its logical time: of concurrent writes the greatest is chosen.
    stamp: u64,
}

/// A write that waits.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BufferedBody {
    /// Its name.
    write: String,
    /// For what.
    missing: Vec<MissingBody>,
}

/// A write that is not here.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MissingBody {
    /// Its name.
    write: String,
    /// How many of that origin are here.
    have: u64,
    /// Members that have said that they have it.
    seen_by: Vec<u16>,
}

fn vector(vector: &VersionVector) -> BTreeMap<String, u64> {
    let entries = vector.iter();
    entries
        .map(|(origin, number)| (origin.to_string(), number))
        .collect()
}

fn all_missing(missing: &[Missing]) -> Vec<MissingBody> {
    let one = |missing: &Missing| MissingBody {
        write: missing.dot.to_string(),
        have: missing.have,
        seen_by: missing.seen_by.iter().map(|member| member.0).collect(),
    };
    missing.iter().map(one).collect()
}

impl StatusBody {
    fn new(status: &Status) -> Self {
        let lags = status.lags.iter().map(|lag| LagBody {
            peer: lag.peer.0,
            known: vector(&lag.known),
            writes: lag.writes,
            behind_us: lag.behind_us,
            silent_us: lag.silent_us,
            phi: phi(lag.phi_permille),
        });
        let counts = status.counts.iter();
        let counts = counts.map(|(name, count)| (name.to_string(), *count)).collect();
        Self {
            origin: status.origin.to_string(),
            address: status.address.to_string(),
            is_ready: status.is_ready,
            known: vector(&status.known),
            kept: vector(&status.kept),
            stable: vector(&status.stable),
            members: status.members.iter().map(MemberBody::from).collect(),
            lags: lags.collect(),
            keys: status.keys,
            tombstones: status.tombstones,
            buffered: status.buffered,
            waiting: status.waiting,
            logged_writes: status.logged.0,
            logged_bytes: status.logged.1,
            counts,
            disk_trouble: status.disk_trouble.clone(),
        }
    }
}

/// Thousandths as a number; what is larger than a million is no number that anybody reads.
pub(super) fn phi(permille: u64) -> f64 {
    f64::from(u32::try_from(permille).unwrap_or(u32::MAX)) / 1000.0
}

/// How the store is.
pub(super) async fn ask(call: &Call<'_>) -> Result<Box<Status>, Problem> {
    let reply = call.ask(Token::new(), 0, Action::Status).await?;
    match reply.answer {
        Answer::Status(status) => Ok(status),
        _ => Err(Problem::unexpected()),
    }
}

/// How this replica is.
#[utoipa::path(
    get, path = "/v1/status", tag = "replica", operation_id = "getStatus",
    responses((status = 200, description = "How it is", body = StatusBody)),
)]
pub(in crate::gateway) async fn status(call: Call<'_>) -> Result<Response, Problem> {
    let status = ask(&call).await?;
    Ok(shown(&StatusBody::new(&status)))
}

/// What this replica waits for, as far as a key and the token are concerned.
#[utoipa::path(
    get, path = "/v1/why/{key}", tag = "replica", operation_id = "why",
    params(
        ("key" = String, Path, description = "The key"),
        ("Clocklab-Token" = Option<String>, Header, description = "What the session has seen"),
    ),
    responses((status = 200, description = "Writes that are there, that wait, and that are missing", body = WhyBody)),
)]
pub(in crate::gateway) async fn why(call: Call<'_>, key: Key) -> Result<Response, Problem> {
    let token = token(&call)?;
    let reply = call.ask(token.clone(), 0, Action::Why { key }).await?;
    let Answer::Why(why) = reply.answer else {
        return Err(Problem::unexpected());
    };
    let present = |(write, stamp): &(Dot, u64)| PresentBody {
        write: write.to_string(),
        stamp: *stamp,
    };
    let buffered = |(write, missing): &(Dot, Vec<Missing>)| BufferedBody {
        write: write.to_string(),
        missing: all_missing(missing),
    };
    Ok(shown(&WhyBody {
        present: why.present.iter().map(present).collect(),
        buffered: why.buffered.iter().map(buffered).collect(),
        token: vector(&token),
        unmet: all_missing(&why.unmet),
    }))
}

/// What this replica waits for, whatever the key, and what of the token is not here.
#[utoipa::path(
    get, path = "/v1/why", tag = "replica", operation_id = "whyAll",
    params(("Clocklab-Token" = Option<String>, Header, description = "What the session has seen")),
    responses((status = 200, description = "Writes that wait, and that are missing", body = WhyBody)),
)]
pub(in crate::gateway) async fn why_all(call: Call<'_>) -> Result<Response, Problem> {
    why(call, Key::default()).await
}

/// Whether the process runs. Needs no token.
#[utoipa::path(
    get, path = "/healthz", tag = "replica", operation_id = "health",
    responses((status = 200, description = "It runs")),
    security(()),
)]
pub(in crate::gateway) fn health() -> Response {
    answer::whole(StatusCode::OK, answer::JSON, b"{\"status\":\"running\"}".to_vec())
}

/// Whether this replica is a member, has the data and takes writes.
#[utoipa::path(
    get, path = "/readyz", tag = "replica", operation_id = "ready",
    responses(
        (status = 200, description = "Clients may be sent here"),
        (status = 503, description = "Not yet, or not any more", content_type = "application/problem+json",
            body = super::openapi::ProblemBody),
    ),
)]
pub(in crate::gateway) async fn ready(call: Call<'_>) -> Result<Response, Problem> {
    let status = ask(&call).await?;
    let not_ready = |detail: String| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", detail);
    if let Some(why) = &status.disk_trouble {
        return Err(not_ready(format!("the disk takes nothing any more: {why}")));
    }
    if !status.is_ready {
        return Err(not_ready(
            "this replica is no member, or does not have the data yet".to_owned(),
        ));
    }
    Ok(answer::whole(
        StatusCode::OK,
        answer::JSON,
        b"{\"status\":\"ready\"}".to_vec(),
    ))
}
