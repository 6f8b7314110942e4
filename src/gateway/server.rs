//! Threads and connections. Each connection stays with one thread for its life.

use std::{
    convert::Infallible,
    fmt, io,
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use axum::Router;
use futures_util::future::{self, Either};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
#[cfg(target_os = "linux")]
use rustix::net::sockopt;
use thiserror::Error;
use tokio::{
    runtime,
    sync::{mpsc, watch},
    time,
};

use super::{access::Access, ask::Asker, front, guard::Guard, socket::Socket};
use crate::{
    kv::{Reply, Request},
    service::{Address, Desk, Service},
};

/// How often the file with the tokens is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long open requests may take to end when the server stops.
const STOP_WITHIN: Duration = Duration::from_secs(1);

/// Bytes that a connection reads ahead, and the longest request line and headers together: beyond it 431. (hyper has room
/// for 100 headers: beyond that 431, too.)
const READ_BYTES_MAX: usize = 32 << 10;

/// What one is told that comes when there are too many connections.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: 58\r\n\
    retry-after: 1\r\nconnection: close\r\n\r\n{\"error\":\"too many connections are open: try again later\"}";

/// How a server behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Threads that serve connections.
    pub threads: usize,
    /// Most connections at once; a further one gets 503 and is closed.
    pub connections_max: usize,
    /// Most requests under way at once, watches left out; a further one gets 429 (503 in the assignment's forms). How the
    /// replica is (`/ping`, `/healthz`, `/readyz`, `/metrics`) and pages are told beyond it.
    pub requests_max: usize,
    /// Most of them that may wait for what their session has seen: fewer, so that those who wait for nothing find a place. A
    /// further one does not wait: what it needs is here, or it gets 503; one that wants copies gets 429.
    pub waits_max: usize,
    /// Most watches at once; a further one gets 429.
    pub watches_max: usize,
    /// Most bytes of bodies that are held at once; a further one gets what a request too many gets.
    pub body_bytes_held_max: usize,
    /// Most bytes of listings (`GET /data`) that are held at once, until their clients have taken them; a further one gets 503.
    pub listing_bytes_held_max: usize,
    /// How long a request's headers may take, from the end of the request before: also how long a connection may idle.
    pub headers_within: Duration,
    /// How long a request's body may take.
    pub body_within: Duration,
    /// How long a client may take nothing of what it was sent.
    pub take_within: Duration,
    /// Where the store listens on loopback alone: its advertised address, whose host may stand in `Host`.
    pub only_loopback: Option<Address>,
    /// What is served beside our own routes: pages, without data. Their requests have passed the guard, and need no token.
    pub pages: Option<Router>,
    /// Who answers `/v1/events`: the replica's event log as it grows. Its requests have passed the guard and the access.
    pub events: Option<Router>,
    /// Most of those at once; a further one gets 429.
    pub events_max: usize,
}

/// Why there is no server.
#[derive(Debug, Error)]
pub enum ServerError {
    /// A thread cannot be started.
    #[error("no thread for HTTP: {0}")]
    Thread(#[from] io::Error),
}

/// A server that serves the connections it is given.
pub struct Server {
    shared: Arc<Shared>,
    workers: Vec<Worker>,
    stopping: watch::Sender<bool>,
    next: AtomicUsize,
}

/// What requests share.
pub(super) struct Shared {
    pub(super) asker: Asker,
    pub(super) options: Options,
    pub(super) access: Arc<Access>,
    pub(super) guard: Guard,
    pub(super) load: Load,
}

/// What is under way, and what has been.
#[derive(Debug, Default)]
pub(super) struct Load {
    pub(super) connections: AtomicUsize,
    pub(super) requests: AtomicUsize,
    pub(super) waits: AtomicUsize,
    pub(super) watches: AtomicUsize,
    pub(super) events: AtomicUsize,
    pub(super) body_bytes: AtomicUsize,
    pub(super) listing_bytes: Arc<AtomicUsize>,
    /// Connections that were turned away.
    pub(super) turned_away: AtomicU64,
    /// Answers by the first digit of their status, from 1.
    pub(super) answers: [AtomicU64; 5],
}

/// One of `most`, counted as long as this lives.
pub(super) struct Place {
    shared: Arc<Shared>,
    of: fn(&Load) -> &AtomicUsize,
}

struct Worker {
    queue: Option<mpsc::UnboundedSender<(TcpStream, Place)>>,
    thread: Option<JoinHandle<()>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threads: 1,
            connections_max: 2048,
            requests_max: 1024,
            waits_max: 512,
            watches_max: 256,
            body_bytes_held_max: 64 << 20,
            listing_bytes_held_max: 128 << 20,
            headers_within: Duration::from_secs(30),
            body_within: Duration::from_secs(30),
            take_within: Duration::from_secs(30),
            only_loopback: None,
            pages: None,
            events: None,
            events_max: 32,
        }
    }
}

impl Server {
    /// Starts the threads; connections come by [`take`](Self::take).
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn start<S>(
        desk: Arc<dyn Desk<S>>,
        access: impl Into<Arc<Access>>,
        options: Options,
    ) -> Result<Self, ServerError>
    where
        S: Service<Request = Request, Reply = Reply> + 'static,
    {
        let host = options.only_loopback.as_ref().map(|address| {
            let text = address.as_str();
            text.rsplit_once(':').map_or(text, |(host, _)| host).to_owned()
        });
        let threads = options.threads.max(1);
        let shared = Arc::new(Shared {
            asker: Asker::new(desk),
            options,
            access: access.into(),
            guard: Guard::new(host),
            load: Load::default(),
        });
        let (stopping, stop) = watch::channel(false);
        let mut workers = Vec::with_capacity(threads);
        for number in 0..threads {
            let (queue, connections) = mpsc::unbounded_channel();
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            let (shared, stop) = (Arc::clone(&shared), stop.clone());
            let thread = thread::Builder::new()
                .name(format!("http-{number}"))
                .spawn(move || {
                    if number == 0 {
                        runtime.spawn(look(Arc::clone(&shared)));
                    }
                    runtime.block_on(serve(&shared, connections, &stop));
                    // What a client does not take is not waited for.
                    runtime.shutdown_background();
                })?;
            workers.push(Worker {
                queue: Some(queue),
                thread: Some(thread),
            });
        }
        Ok(Self {
            shared,
            workers,
            stopping,
            next: AtomicUsize::new(0),
        })
    }

    /// Serves a connection from now on. Does not block; one too many is told so and closed.
    pub fn take(&self, stream: TcpStream) {
        let most = self.shared.options.connections_max;
        let Some(place) = Place::take(&self.shared, |load| &load.connections, most) else {
            self.shared.load.turned_away.fetch_add(1, Ordering::Relaxed);
            turn_away(&stream);
            return;
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed) % self.workers.len().max(1);
        let queue = self.workers.get(number).and_then(|worker| worker.queue.as_ref());
        if let Some(queue) = queue {
            // A thread that has ended closes it.
            let _ = queue.send((stream, place));
        }
    }

    /// How many connections are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.load.connections.load(Ordering::Relaxed)
    }

    /// Takes no more connections, lets open requests end for a second, and closes all.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.stopping.send(true);
        for worker in &mut self.workers {
            worker.queue = None;
        }
        for worker in &mut self.workers {
            if let Some(thread) = worker.thread.take() {
                // It has said itself why it panicked.
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

impl Place {
    /// One more, unless there are `most` already.
    pub(super) fn take(shared: &Arc<Shared>, of: fn(&Load) -> &AtomicUsize, most: usize) -> Option<Self> {
        let before = of(&shared.load).fetch_add(1, Ordering::Relaxed);
        let place = Self {
            shared: Arc::clone(shared),
            of,
        };
        (before < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        (self.of)(&self.shared.load).fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves connections until there will be no more, and those that are open have ended or had their time.
async fn serve(
    shared: &Arc<Shared>,
    mut connections: mpsc::UnboundedReceiver<(TcpStream, Place)>,
    stop: &watch::Receiver<bool>,
) {
    let mut open = tokio::task::JoinSet::new();
    while let Some((stream, place)) = connections.recv().await {
        open.spawn(connection(Arc::clone(shared), stream, place, stop.clone()));
        // Those that have ended.
        while open.try_join_next().is_some() {}
    }
    let ended = async { while open.join_next().await.is_some() {} };
    let _ = time::timeout(STOP_WITHIN, ended).await;
}

/// Serves one connection to its end. How it ends is its client's business.
async fn connection(shared: Arc<Shared>, stream: TcpStream, place: Place, mut stop: watch::Receiver<bool>) {
    let Ok(stream) = prepare(stream, shared.options.take_within) else {
        return;
    };
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(shared.options.headers_within)
        .max_buf_size(READ_BYTES_MAX)
        .max_header_size(READ_BYTES_MAX);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(front::answer(&shared, request).await) }
    });
    let mut serving = pin!(builder.serve_connection(TokioIo::new(Socket::new(stream)), service));
    let stopped = pin!(async { stop.wait_for(|stop| *stop).await.is_ok() });
    let is_stopped = matches!(future::select(serving.as_mut(), stopped).await, Either::Right(_));
    if is_stopped {
        serving.as_mut().graceful_shutdown();
        let _ = serving.await;
    }
    drop(place);
}

/// Hands a socket to the runtime. Small answers go out at once; one that takes nothing is ended.
fn prepare(stream: TcpStream, take_within: Duration) -> io::Result<tokio::net::TcpStream> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    {
        let millis = u32::try_from(take_within.as_millis()).unwrap_or(u32::MAX);
        let _ = sockopt::set_tcp_user_timeout(&stream, millis);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = take_within;
    tokio::net::TcpStream::from_std(stream)
}

/// Says that there are too many, and closes, without waiting.
fn turn_away(mut stream: &TcpStream) {
    let _ = stream.set_nonblocking(true);
    // What is unread at the close would take the answer with it.
    let mut unread = [0; 4096];
    let _ = stream.read(&mut unread);
    let _ = stream.write(FULL);
    let _ = stream.shutdown(Shutdown::Write);
}

/// Looks at the file with the tokens, for ever.
async fn look(shared: Arc<Shared>) {
    loop {
        time::sleep(LOOK_EVERY).await;
        let reader = Arc::clone(&shared);
        let looked = tokio::task::spawn_blocking(move || reader.access.refresh()).await;
        if let Ok(Err(error)) = looked {
            tracing::error!("nobody is let in any more: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_one_too_many_has_its_length() {
        let text = std::str::from_utf8(FULL).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a body");
        assert!(
            head.contains(&format!("content-length: {}\r\n", body.len())),
            "{}",
            body.len()
        );
    }
}
