//! The server: routes on loopback, on one thread; what blocks is done beside it.
#![allow(
    clippy::disallowed_methods,
    reason = "how far behind the page is shows against the wall clock"
)]

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response, sse::Sse},
    routing::{get, post},
    serve::ListenerExt,
};
use futures_util::future::{self, Either};
#[cfg(target_os = "linux")]
use rustix::net::sockopt;
use serde::Deserialize;
use thiserror::Error;

use super::{
    commands,
    guard::{Entry, Guard},
    hands::Hands,
    known::Known,
    page::Page,
    source::Source,
    stream::Cursor,
};
use crate::{control::Command, units::MachineId, wire::Secret};

/// The ports that are tried where none is asked for.
const PORTS: std::ops::RangeInclusive<u16> = 17_000..=17_049;

/// How often the logs are read.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How often it is tried whether machines can be given commands, while somebody looks.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// Most browsers at once.
const BROWSERS_MAX: usize = 32;

/// How long a browser may take nothing of what it was sent; it comes back with its place in the logs.
const TAKE_WITHIN: Duration = Duration::from_secs(30);

/// Most bytes of a command.
const COMMAND_BYTES_MAX: usize = 4096;

/// The page may load and ask for what this server has, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Why there is no live page.
#[derive(Debug, Error)]
pub enum WebError {
    /// The port cannot be listened on.
    #[error(
        "cannot listen on 127.0.0.1:{port}: {error}; choose another with --port N, or --port 0 for any that is free"
    )]
    Port {
        /// Which.
        port: u16,
        /// What the system says.
        error: io::Error,
    },
    /// Something else that the system refused.
    #[error("the live page cannot be served: {0}")]
    System(#[from] io::Error),
    /// There are no random numbers for the server's key.
    #[error("no random numbers for the page's key: {0}")]
    Key(String),
}

/// A server that listens, and serves when told to.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    pub(super) shared: Arc<Shared>,
    pub(super) take_within: Duration,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// What requests share.
pub(super) struct Shared {
    pub(super) known: Mutex<Known>,
    pub(super) hands: Mutex<Hands>,
    /// Browsers that are told what is new.
    pub(super) browsers: AtomicUsize,
    /// Commands that wait for machines.
    pub(super) commands: AtomicUsize,
    reach: Mutex<Reach>,
    guard: Guard,
    page: Page,
}

/// Whether the machines of a run that goes on can be given commands, as far as it was tried.
#[derive(Debug, Default)]
struct Reach {
    /// The machine that answered last.
    answered: Option<MachineId>,
    /// Why none answers.
    why_not: Option<String>,
}

impl Server {
    /// Listens on a port of 127.0.0.1 (0: any that is free; `None`: the first free of 17000 to 17049) for browsers
    /// that want to see the run in `folder`, which need not be there yet. Commands are given to its machines with
    /// `secret`, or with the one that `run.json` names.
    ///
    /// # Errors
    /// [`WebError`]; its words name the mend.
    pub fn bind(folder: &Path, port: Option<u16>, secret: Option<Secret>) -> Result<Self, WebError> {
        let listen = |port| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
            listener.map_err(|error| WebError::Port { port, error })
        };
        let listener = match port {
            Some(port) => listen(port)?,
            None => PORTS
                .map(listen)
                .find(Result::is_ok)
                .unwrap_or_else(|| listen(0))?,
        };
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let guard = Guard::new(address.port()).map_err(WebError::Key)?;
        let shared = Arc::new(Shared {
            known: Mutex::new(Known::new(folder)),
            hands: Mutex::new(Hands::new(secret)),
            browsers: AtomicUsize::new(0),
            commands: AtomicUsize::new(0),
            reach: Mutex::new(Reach::default()),
            page: Page::new(),
            guard,
        });
        Ok(Self {
            listener,
            address,
            shared,
            take_within: TAKE_WITHIN,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address that opens the page, with the key that every request has to bring.
    #[must_use]
    pub fn page_address(&self) -> String {
        format!("http://{}{}", self.address, self.shared.guard.path())
    }

    /// Serves until something can be read from `stop`, or its other end is closed.
    ///
    /// # Errors
    /// What the system says.
    pub fn serve(self, stop: UnixStream) -> Result<(), WebError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let done = runtime.block_on(self.until(stop));
        // Streams never end by themselves, and a machine that does not answer is not waited for.
        runtime.shutdown_background();
        Ok(done?)
    }

    async fn until(self, stop: UnixStream) -> io::Result<()> {
        stop.set_nonblocking(true)?;
        let stop = tokio::net::UnixStream::from_std(stop)?;
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let take_within = self.take_within;
        let listener = listener.tap_io(move |stream| {
            // Small messages go out at once.
            let _ = stream.set_nodelay(true);
            end_if_stuck(stream, take_within);
        });
        let serving = axum::serve(listener, routes(Arc::clone(&self.shared)));
        let reading = read(Arc::clone(&self.shared));
        let asking = ask(Arc::clone(&self.shared));
        let working = future::join(reading, asking);
        let serving = std::pin::pin!(serving.into_future());
        let (working, stopped) = (std::pin::pin!(working), std::pin::pin!(stop.readable()));
        let beside = future::select(working, stopped);
        match future::select(serving, beside).await {
            Either::Left((served, _)) => served,
            Either::Right(_) => Ok(()),
        }
    }
}

/// Ends a connection whose other side takes nothing for so long, which would keep its place among the browsers for ever.
/// Only Linux can.
fn end_if_stuck(stream: &tokio::net::TcpStream, take_within: Duration) {
    #[cfg(target_os = "linux")]
    {
        let millis = u32::try_from(take_within.as_millis()).unwrap_or(u32::MAX);
        let _ = sockopt::set_tcp_user_timeout(stream, millis);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, take_within);
}

fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(async || Page::html()))
        .route(
            "/page.css",
            get(|State(shared): State<Arc<Shared>>| async move { shared.page.style() }),
        )
        .route(
            "/page.js",
            get(|State(shared): State<Arc<Shared>>| async move { shared.page.script() }),
        )
        .route("/events", get(events))
        .route("/state", get(state))
        .route("/command", post(commands::command))
        .layer(DefaultBodyLimit::max(COMMAND_BYTES_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), guarded))
        .with_state(shared)
}

/// Judges each request before anything else, and gives each answer its headers.
async fn guarded(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let judged = shared
        .guard
        .judge(request.method(), request.uri(), request.headers());
    let mut response = match judged {
        Ok(Entry::Granted) => next.run(request).await,
        Ok(Entry::Welcome) => shared.guard.welcome(),
        Err(refusal) => refusal.into_response(),
    };
    protect(response.headers_mut());
    response
}

/// What keeps a page, and what it asks for, to itself.
pub(super) fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
}

/// Where a browser was that comes back by itself, rather than by the browser's own `Last-Event-ID`.
#[derive(Deserialize)]
pub(super) struct Back {
    after: Option<String>,
}

impl Back {
    /// The place, by whichever way it was said.
    pub(super) fn place(self, headers: &HeaderMap) -> Option<String> {
        let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
        last.map(str::to_owned).or(self.after)
    }
}

async fn events(State(shared): State<Arc<Shared>>, Query(back): Query<Back>, headers: HeaderMap) -> Response {
    if shared.browsers.load(Ordering::SeqCst) >= BROWSERS_MAX {
        let text = format!("{BROWSERS_MAX} pages are open already: close one.\n");
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    }
    let last = back.place(&headers);
    Sse::new(Cursor::new(shared, last).batches()).into_response()
}

/// How every machine is, for programs.
async fn state(State(shared): State<Arc<Shared>>) -> Response {
    let no_control = shared.why_no_control();
    let known = shared.known.lock().unwrap_or_else(PoisonError::into_inner);
    let states: Vec<_> = known.states().collect();
    Json(serde_json::json!({
        "run": known.run,
        "folder": known.folder().display().to_string(),
        "machines": known.machines,
        "start": known.start.map(|start| start.0),
        "now": now_us(),
        "events": known.events,
        "ended": known.has_ended(),
        "no_control": no_control,
        "states": states,
    }))
    .into_response()
}

/// Reads the logs as they grow.
async fn read(shared: Arc<Shared>) -> Infallible {
    let mut told = String::new();
    loop {
        let reader = Arc::clone(&shared);
        let look = tokio::task::spawn_blocking(move || {
            let mut known = reader.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.look().map(|()| known.more)
        });
        let more = match look.await {
            Ok(Ok(more)) => more,
            Ok(Err(error)) => {
                // Said once; the next look may work.
                let text = error.to_string();
                if text != told {
                    tracing::warn!("the logs cannot be read: {text}");
                    told = text;
                }
                false
            }
            Err(_) => false,
        };
        if !more {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Finds out whether machines can be given commands, while somebody looks.
async fn ask(shared: Arc<Shared>) -> Infallible {
    loop {
        // A page that has just been opened need not wait long.
        let wait = if shared.browsers.load(Ordering::SeqCst) > 0 {
            let asker = Arc::clone(&shared);
            let _ = tokio::task::spawn_blocking(move || asker.ask()).await;
            ASK_EVERY
        } else {
            // What was found out before would soon be wrong.
            shared.note(Reach::default());
            LOOK_EVERY
        };
        tokio::time::sleep(wait).await;
    }
}

impl Source for Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn come(&self) {
        self.browsers.fetch_add(1, Ordering::SeqCst);
    }

    fn go(&self) {
        self.browsers.fetch_sub(1, Ordering::SeqCst);
    }

    /// [`read`] does, for all.
    fn look(&self) -> io::Result<()> {
        Ok(())
    }

    /// Who has the key is whoever started it.
    fn place(&self) -> Option<PathBuf> {
        Some(self.folder())
    }

    /// By the logs, or because no machine answers.
    fn why_no_control(&self) -> Option<String> {
        self.why_no_run().map(str::to_owned).or_else(|| {
            let reach = self.reach.lock().unwrap_or_else(PoisonError::into_inner);
            reach.why_not.clone()
        })
    }
}

impl Shared {
    fn why_no_run(&self) -> Option<&'static str> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.machines {
            0 => Some("the run has not started yet"),
            _ if known.has_ended() => Some("the run has ended"),
            _ => None,
        }
    }

    /// The folder of the run, resolved once it is there.
    pub(super) fn folder(&self) -> PathBuf {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.folder().to_owned()
    }

    /// Puts a question to the machine that answered last, or to all if that one does not: one answer is enough.
    fn ask(&self) {
        if self.why_no_run().is_some() {
            return;
        }
        let folder = self.folder();
        let last = {
            let reach = self.reach.lock().unwrap_or_else(PoisonError::into_inner);
            reach.answered
        };
        let by_last = last.map(|machine| self.try_reach(&folder, Some(machine)));
        let reach = by_last.filter(|reach| reach.answered.is_some());
        self.note(reach.unwrap_or_else(|| self.try_reach(&folder, None)));
    }

    fn try_reach(&self, folder: &Path, machine: Option<MachineId>) -> Reach {
        let mut hands = self.hands.lock().unwrap_or_else(PoisonError::into_inner);
        let said = match hands.reach(folder).tell(machine, &Command::Status) {
            Ok(said) => said,
            Err(error) => {
                return Reach {
                    answered: None,
                    why_not: Some(error),
                };
            }
        };
        let answered = said.iter().find(|(_, answer)| answer.is_ok());
        let answered = answered.map(|(machine, _)| *machine);
        let mut errors = said.into_iter().filter_map(|(_, answer)| answer.err());
        let why_not = match answered {
            Some(_) => None,
            None => errors.next().map(|error| error.to_string()),
        };
        Reach { answered, why_not }
    }

    fn note(&self, reach: Reach) {
        *self.reach.lock().unwrap_or_else(PoisonError::into_inner) = reach;
    }
}

/// Microseconds since 1970.
pub(super) fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
