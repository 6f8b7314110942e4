//! GET `/metrics`: Prometheus' text format, version 0.0.4. Names have their units; times are in seconds.

use std::{fmt::Write, sync::atomic::Ordering};

use hyper::StatusCode;

use super::status;
use crate::{
    gateway::{
        answer::{self, Response},
        call::Call,
        problem::Problem,
        server::Load,
    },
    kv::Status,
};

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is measured, in lines.
struct Lines(String);

/// Whether a number only grows.
#[derive(Clone, Copy)]
enum Kind {
    Gauge,
    Counter,
}

impl Lines {
    /// A family: its name, what it is, and a line for each set of labels.
    fn family<T: std::fmt::Display>(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        samples: impl IntoIterator<Item = (String, T)>,
    ) {
        let kind = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
        };
        // Writing to a string does not fail.
        let _ = write!(
            self.0,
            "# HELP clocklab_{name} {help}\n# TYPE clocklab_{name} {kind}\n"
        );
        for (labels, value) in samples {
            let _ = writeln!(self.0, "clocklab_{name}{labels} {value}");
        }
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, Kind::Gauge, help, [(String::new(), value)]);
    }
}

/// Figures for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "replica", operation_id = "metrics",
    responses((status = 200, description = "Prometheus' text format", content_type = "text/plain", body = String)),
)]
pub(in crate::gateway) async fn metrics(call: Call<'_>) -> Result<Response, Problem> {
    let status = status::ask(&call).await?;
    let mut lines = Lines(String::with_capacity(8192));
    of_store(&mut lines, &status);
    of_peers(&mut lines, &status);
    of_http(&mut lines, &call.shared.load);
    lines.gauge(
        "http_watch_bytes_held",
        "Bytes of changes that watches have not taken.",
        call.shared.asker.bytes_behind() as u64,
    );
    Ok(answer::whole(StatusCode::OK, TEXT, lines.0.into_bytes()))
}

fn of_store(lines: &mut Lines, status: &Status) {
    lines.gauge(
        "kv_ready",
        "Whether the replica is a member and has the data.",
        u64::from(status.is_ready),
    );
    let is_broken = u64::from(status.disk_trouble.is_some());
    lines.gauge(
        "kv_disk_failed",
        "Whether the disk takes nothing any more.",
        is_broken,
    );
    lines.gauge("kv_keys", "Keys that hold something.", status.keys);
    lines.gauge(
        "kv_tombstones",
        "Keys that hold the memory of a delete.",
        status.tombstones,
    );
    lines.gauge(
        "kv_buffered_writes",
        "Writes that wait for others.",
        status.buffered,
    );
    lines.gauge("kv_waiting_requests", "Requests that wait.", status.waiting);
    lines.gauge(
        "kv_logged_writes",
        "Writes that are kept to be sent again.",
        status.logged.0,
    );
    lines.gauge(
        "kv_logged_bytes",
        "Bytes of writes that are kept to be sent again.",
        status.logged.1,
    );
    for (name, help, vector) in [
        (
            "kv_applied_writes",
            "Writes of each life of each replica that have been applied here.",
            &status.known,
        ),
        (
            "kv_stable_writes",
            "Writes that every member is known to have.",
            &status.stable,
        ),
    ] {
        let samples = vector.iter().map(|(origin, number)| {
            let labels = format!(
                "{{machine=\"{}\",incarnation=\"{}\"}}",
                origin.machine.0, origin.incarnation
            );
            (labels, number)
        });
        lines.family(name, Kind::Counter, help, samples);
    }
    for (name, count) in &status.counts {
        let (name, help) = (
            format!("kv_{name}_total"),
            format!("{} since the start.", name.replace('_', " ")),
        );
        lines.family(&name, Kind::Counter, &help, [(String::new(), *count)]);
    }
}

fn of_peers(lines: &mut Lines, status: &Status) {
    let label = |peer: u16| format!("{{peer=\"{peer}\"}}");
    let seconds = |us: u64| format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    let lags = || status.lags.iter().map(move |lag| (label(lag.peer.0), lag));
    let writes = lags().map(|(label, lag)| (label, lag.writes));
    lines.family(
        "kv_peer_lag_writes",
        Kind::Gauge,
        "Writes that are here and that the peer has not said it has.",
        writes,
    );
    let behind = lags().map(|(label, lag)| (label, seconds(lag.behind_us)));
    lines.family(
        "kv_peer_behind_seconds",
        Kind::Gauge,
        "Since when the peer is behind.",
        behind,
    );
    let silent = lags().map(|(label, lag)| (label, seconds(lag.silent_us)));
    lines.family(
        "kv_peer_silent_seconds",
        Kind::Gauge,
        "How long the peer has not been heard of.",
        silent,
    );
    let phi = lags().map(|(label, lag)| (label, status::phi(lag.phi_permille)));
    lines.family(
        "kv_peer_phi",
        Kind::Gauge,
        "Suspicion that the peer is gone.",
        phi,
    );
}

fn of_http(lines: &mut Lines, load: &Load) {
    let now = |count: &std::sync::atomic::AtomicUsize| count.load(Ordering::Relaxed) as u64;
    lines.gauge("http_connections", "Open connections.", now(&load.connections));
    lines.gauge(
        "http_requests_under_way",
        "Requests under way.",
        now(&load.requests),
    );
    lines.gauge(
        "http_requests_waiting",
        "Requests that may wait for what their session has seen.",
        now(&load.waits),
    );
    lines.gauge("http_watches", "Open watches.", now(&load.watches));
    lines.gauge(
        "http_events",
        "Pages that follow the event log.",
        now(&load.events),
    );
    lines.gauge(
        "http_body_bytes_held",
        "Bytes of bodies that are held.",
        now(&load.body_bytes),
    );
    lines.gauge(
        "http_listing_bytes_held",
        "Bytes of listings that their clients have not taken.",
        now(&load.listing_bytes),
    );
    let turned_away = load.turned_away.load(Ordering::Relaxed);
    lines.family(
        "http_connections_turned_away_total",
        Kind::Counter,
        "Connections that were one too many.",
        [(String::new(), turned_away)],
    );
    let answers = load.answers.iter().enumerate().map(|(place, count)| {
        let labels = format!("{{status=\"{}xx\"}}", place + 1);
        (labels, count.load(Ordering::Relaxed))
    });
    lines.family(
        "http_answers_total",
        Kind::Counter,
        "Answers by the class of their status.",
        answers,
    );
}
