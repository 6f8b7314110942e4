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
        Arc, Mutex, PoisonError,
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
use serde::Deserialize;
use thiserror::Error;

use super::{commands, guard::Guard, hands::Hands, known::Known, page::Page, stream::Cursor};
use crate::{control::Command, wire::Secret};

/// The ports that are tried where none is asked for.
const PORTS: std::ops::RangeInclusive<u16> = 17_000..=17_049;

/// How often the logs are read.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How often it is tried whether machines can be given commands, while somebody looks.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// Most browsers at once.
const BROWSERS_MAX: usize = 32;

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
    /// There are no random numbers for the page's token.
    #[error("no random numbers for the page's token: {0}")]
    Token(String),
}

/// A server that listens, and serves when told to.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
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
    no_control: Mutex<Option<String>>,
    guard: Guard,
    page: Page,
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
        let guard = Guard::new(address.port()).map_err(WebError::Token)?;
        let shared = Arc::new(Shared {
            known: Mutex::new(Known::new(folder)),
            hands: Mutex::new(Hands::new(secret)),
            browsers: AtomicUsize::new(0),
            commands: AtomicUsize::new(0),
            no_control: Mutex::new(Some("the run has not started yet".to_owned())),
            page: Page::new(guard.token()),
            guard,
        });
        Ok(Self {
            listener,
            address,
            shared,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
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
        // Small messages go out at once.
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
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

fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route(
            "/",
            get(|State(shared): State<Arc<Shared>>| async move { shared.page.html() }),
        )
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
        .judge(request.method(), request.uri().path(), request.headers());
    let mut response = match judged {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    response
}

/// Where a browser was that comes back by itself, rather than by the browser's own `Last-Event-ID`.
#[derive(Deserialize)]
struct Back {
    after: Option<String>,
}

async fn events(State(shared): State<Arc<Shared>>, Query(back): Query<Back>, headers: HeaderMap) -> Response {
    if shared.browsers.load(Ordering::SeqCst) >= BROWSERS_MAX {
        let text = format!("{BROWSERS_MAX} pages are open already: close one.\n");
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    }
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let last = last.map(str::to_owned).or(back.after);
    Sse::new(Cursor::new(shared, last).batches()).into_response()
}

/// How every machine is, for programs.
async fn state(State(shared): State<Arc<Shared>>) -> Response {
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
        "no_control": shared.why_no_control(),
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

/// Finds out whether machines can be given commands.
async fn ask(shared: Arc<Shared>) -> Infallible {
    loop {
        if shared.browsers.load(Ordering::SeqCst) > 0 {
            let asker = Arc::clone(&shared);
            let _ = tokio::task::spawn_blocking(move || asker.ask()).await;
        }
        // A page that has just been opened need not wait long.
        let wait = if shared.browsers.load(Ordering::SeqCst) > 0 {
            ASK_EVERY
        } else {
            LOOK_EVERY
        };
        tokio::time::sleep(wait).await;
    }
}

impl Shared {
    /// Why no command can be given.
    pub(super) fn why_no_control(&self) -> Option<String> {
        let why = self.no_control.lock().unwrap_or_else(PoisonError::into_inner);
        why.clone()
    }

    /// The folder of the run, resolved once it is there.
    pub(super) fn folder(&self) -> PathBuf {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.folder().to_owned()
    }

    /// Puts a question to one machine, to see whether it can be reached.
    fn ask(&self) {
        let folder = self.folder();
        let (machines, has_ended, anyone) = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            (known.machines, known.has_ended(), known.anyone())
        };
        let why = if machines == 0 {
            Some("the run has not started yet".to_owned())
        } else if has_ended {
            Some("the run has ended".to_owned())
        } else {
            match anyone {
                None => Some("no machine is there to answer".to_owned()),
                Some(machine) => {
                    let mut hands = self.hands.lock().unwrap_or_else(PoisonError::into_inner);
                    match hands.reach(&folder).tell(Some(machine), &Command::Status) {
                        Ok(said) => said
                            .into_iter()
                            .find_map(|(_, answer)| answer.err())
                            .map(|error| error.to_string()),
                        Err(error) => Some(error),
                    }
                }
            }
        };
        *self.no_control.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}

/// Microseconds since 1970.
pub(super) fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
