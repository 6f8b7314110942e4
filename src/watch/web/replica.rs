//! The page of a store's replica: how it is, what it holds, and the live diagram of writes spreading.
//!
//! The page itself holds no data: its script asks the replica's `/v1` for everything, with a token where one is needed. The
//! diagram's events come from the logs in the run folder of this replica: of a run on one computer those of all replicas, else
//! its own. They are read while a page listens, from near their ends on.

#![allow(
    clippy::disallowed_methods,
    reason = "logs are read every so often in real time"
)]

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{Query, Request, State},
    http::HeaderMap,
    middleware::{self, Next},
    response::{Response, sse::Sse},
    routing::get,
};

use super::{
    known::Known,
    near_end::near_ends,
    page::Page,
    server::{Back, protect},
    source::Source,
    stream::Cursor,
};

/// How often the logs are read.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long one look goes on while there is more to read.
const LOOK_MAX: Duration = Duration::from_millis(200);

/// After so long without a look, what was read is too old to go on from.
const STALE_AFTER: Duration = Duration::from_secs(10);

/// The logs of a folder, followed while somebody looks.
struct Followed {
    folder: PathBuf,
    known: Mutex<Known>,
    looks: Mutex<Option<Instant>>,
    browsers: AtomicUsize,
}

/// The page, its style and its script, for a replica's HTTP.
pub fn replica_page() -> Router {
    let page = Arc::new(Page::of_replica());
    Router::new()
        .route("/", get(async || Page::replica_html()))
        .route(
            "/page.css",
            get(|State(page): State<Arc<Page>>| async move { page.style() }),
        )
        .route(
            "/page.js",
            get(|State(page): State<Arc<Page>>| async move { page.script() }),
        )
        .layer(middleware::from_fn(protected))
        .with_state(page)
}

/// What answers `/v1/events`: the logs in `folder`, which need not be there yet.
pub fn replica_events(folder: &Path) -> Router {
    router_of(Arc::new(Followed::new(folder)))
}

fn router_of(followed: Arc<Followed>) -> Router {
    Router::new()
        .route("/v1/events", get(events))
        .layer(middleware::from_fn(protected))
        .with_state(followed)
}

async fn events(
    State(followed): State<Arc<Followed>>,
    Query(back): Query<Back>,
    headers: HeaderMap,
) -> Response {
    let cursor = Cursor::new(followed, back.place(&headers));
    axum::response::IntoResponse::into_response(Sse::new(cursor.batches()))
}

async fn protected(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    protect(response.headers_mut());
    response
}

impl Followed {
    fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            known: Mutex::new(Known::new(folder)),
            looks: Mutex::new(None),
            browsers: AtomicUsize::new(0),
        }
    }
}

impl Source for Followed {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn come(&self) {
        self.browsers.fetch_add(1, Ordering::SeqCst);
    }

    fn go(&self) {
        let before = self.browsers.fetch_sub(1, Ordering::SeqCst);
        // Not where it would have to be waited for: what is left is small, and too old for who comes later.
        if before == 1
            && let Ok(mut looks) = self.looks.try_lock()
        {
            *looks = None;
            *self.known() = Known::new(&self.folder);
        }
    }

    fn look(&self) -> io::Result<()> {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let since = looks.map(|last| last.elapsed());
        if since.is_some_and(|since| since < LOOK_EVERY) {
            return Ok(());
        }
        if since.is_none_or(|since| since > STALE_AFTER) {
            let folder = match fs::canonicalize(&self.folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                folder => folder?,
            };
            let near = near_ends(&folder)?;
            *self.known() = Known::near_the_end(&folder, near);
        }
        let begun = Instant::now();
        loop {
            let mut known = self.known();
            known.look()?;
            if !known.more || begun.elapsed() > LOOK_MAX {
                break;
            }
        }
        *looks = Some(Instant::now());
        Ok(())
    }

    /// Who may read keys need not know this computer's folders.
    fn place(&self) -> Option<PathBuf> {
        None
    }

    fn why_no_control(&self) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests;
