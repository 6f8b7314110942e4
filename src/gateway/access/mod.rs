//! Who may do what: bearer tokens (RFC 6750).
//!
//! A token is 256 random bits, shown once and kept as its SHA-256 with a name, a scope and a prefix of keys, in
//! `tokens.json` of the data folder, which only its owner may read. A random token of that length needs no slow hash. Scopes
//! include each other: `admin` (members too) ⊃ `write` ⊃ `read`. A token whose prefix is not empty reaches the keys that
//! begin so, what says nothing of keys (status, members, metrics), and nothing else.
//!
//! Once there is a token, or where the store listens for other hosts and nobody said `--insecure`, every request needs one,
//! but `/healthz`, `/ping` and the page's files, which hold no data. The file is looked at once a second; one that cannot be
//! read any more lets nobody in.
//!
//! Clients by the wire present the same tokens (`wire`), where no secret lets in only who knows it.
//!
//! Not here: what the replicas show each other (the mesh's secret), encryption (a proxy's business, or a VPN's).

mod file;
#[cfg(test)]
mod tests;
mod wire;

use std::{
    path::PathBuf,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::SystemTime,
};

use hyper::{HeaderMap, StatusCode, header};
use tokio::sync::watch;

pub use file::{FILE, Scope, TOKENS_MAX, TokenEntry, TokenFile, TokenFileError, TokenLock, TokenText};

use super::problem::Problem;

/// What a token of ours begins with: so that people and scanners of repositories know one.
const PREFIX: &str = "clk_";

/// Who may do what on one server.
#[derive(Debug)]
pub struct Access {
    /// Where the tokens are; `None` where there is no folder.
    path: Option<PathBuf>,
    /// Whether a request needs a token even if there is none.
    is_strict: bool,
    /// Whether any request needs one now.
    is_needed: AtomicBool,
    /// Counts how often the tokens were read: whoever has found one looks for it again then.
    turn: AtomicU64,
    known: RwLock<Known>,
    /// How often the tokens have become others: what goes on judges its caller again.
    changes: watch::Sender<u64>,
}

/// What the file said when it was read last.
#[derive(Debug, Default)]
struct Known {
    tokens: Arc<[TokenEntry]>,
    /// Whether the file is there and cannot be read: then nobody is let in.
    is_unreadable: bool,
    /// When it was changed, and its length; `None` if it was not there.
    version: Option<(SystemTime, u64)>,
}

/// Whom a request comes from, as far as it matters.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    /// Anybody: nobody needs a token.
    Anybody,
    /// The holder of a token.
    Holder(TokenEntry),
}

/// Which keys a request is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reach<'a> {
    /// None: what says nothing of keys.
    NoKey,
    /// This one.
    Key(&'a [u8]),
    /// All that begin so.
    Prefix(&'a [u8]),
}

impl Access {
    /// The tokens of a file, which need not be there. With `is_strict` every request needs one even if there is none.
    ///
    /// # Errors
    /// [`TokenFileError`]: the file is there and cannot be read.
    pub fn open(path: Option<PathBuf>, is_strict: bool) -> Result<Self, TokenFileError> {
        let access = Self {
            path,
            is_strict,
            is_needed: AtomicBool::new(is_strict),
            turn: AtomicU64::new(0),
            known: RwLock::default(),
            changes: watch::Sender::default(),
        };
        access.refresh()?;
        Ok(access)
    }

    /// Everybody may do everything.
    #[must_use]
    pub fn open_to_all() -> Self {
        Self {
            path: None,
            is_strict: false,
            is_needed: AtomicBool::new(false),
            turn: AtomicU64::new(0),
            known: RwLock::default(),
            changes: watch::Sender::default(),
        }
    }

    /// Whether requests need a token now.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        self.is_needed.load(Ordering::Relaxed)
    }

    /// Reads the file again if it has changed. A file that cannot be read lets nobody in; one that is gone is one without
    /// tokens.
    ///
    /// # Errors
    /// [`TokenFileError`]; it is said again at the next change only.
    pub(super) fn refresh(&self) -> Result<(), TokenFileError> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let version = file::version(path);
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if known.version == version {
                return Ok(());
            }
        }
        let read = TokenFile::read(path);
        let tokens: Arc<[TokenEntry]> = match &read {
            Ok(file) => file.entries().into(),
            Err(_) => Arc::default(),
        };
        let is_needed = self.is_strict || !tokens.is_empty() || read.is_err();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let is_gone = version.is_none() && known.version.is_some();
        *known = Known {
            tokens,
            is_unreadable: read.is_err(),
            version,
        };
        self.is_needed.store(is_needed, Ordering::Relaxed);
        // Last: whoever sees it sees the rest.
        self.turn.fetch_add(1, Ordering::Release);
        drop(known);
        self.changes.send_modify(|times| *times += 1);
        if is_gone {
            let who = match self.is_strict {
                true => "nobody is let in",
                false => "whoever reaches this replica may do everything",
            };
            tracing::warn!("{} is gone, and {who}: copy it back", path.display());
        }
        read.map(|_| ())
    }

    /// Whom a request comes from.
    ///
    /// # Errors
    /// 401: it has no token, or one that is none of ours; 503: which are ours cannot be read.
    pub(super) fn judge(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        if !self.is_needed() {
            return Ok(Caller::Anybody);
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if known.is_unreadable {
            return Err(unreadable());
        }
        let said = headers.get(header::AUTHORIZATION);
        let bearer = said
            .and_then(|said| said.to_str().ok())
            .and_then(|said| said.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, given)) = bearer else {
            return Err(self.needed());
        };
        let holder = file::find(&known.tokens, given.trim());
        holder.cloned().map(Caller::Holder).ok_or_else(unknown)
    }

    /// Who a caller is by now that was let in before.
    ///
    /// # Errors
    /// 401: its token was revoked, or it has none and needs one now; 503: which are good cannot be read.
    pub(super) fn judge_again(&self, caller: &Caller) -> Result<Caller, Problem> {
        if !self.is_needed() {
            return Ok(Caller::Anybody);
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if known.is_unreadable {
            return Err(unreadable());
        }
        let Caller::Holder(entry) = caller else {
            return Err(self.needed());
        };
        let mut holders = known.tokens.iter();
        let holder = holders.find(|token| token.sha256 == entry.sha256);
        holder.cloned().map(Caller::Holder).ok_or_else(unknown)
    }

    /// Tells when the tokens have become others.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// A request has no token.
    fn needed(&self) -> Problem {
        let detail = match self.path {
            Some(_) => {
                "this store needs a token: Authorization: Bearer TOKEN; `clocklab kv token create` makes one"
            }
            None => {
                "this replica needs a token and keeps none, because its data is in memory alone: start it with --data instead \
                 of --memory, or with --insecure"
            }
        };
        let challenge = "Bearer realm=\"clocklab\"".to_owned();
        Problem::challenge(StatusCode::UNAUTHORIZED, detail, challenge)
    }
}

impl Caller {
    /// Whether the caller may do this to these keys.
    ///
    /// # Errors
    /// 403, which says what is missing.
    pub(super) fn may(&self, scope: Scope, reach: Reach<'_>) -> Result<(), Problem> {
        let Self::Holder(entry) = self else {
            return Ok(());
        };
        let challenge = format!("Bearer realm=\"clocklab\", error=\"insufficient_scope\", scope=\"{scope}\"");
        let denied = |detail: String| Problem::challenge(StatusCode::FORBIDDEN, detail, challenge);
        entry.lets(scope, reach).map_err(denied)
    }
}

impl TokenEntry {
    /// Whether its holder may do this to these keys; else what is missing.
    fn lets(&self, scope: Scope, reach: Reach<'_>) -> Result<(), String> {
        if self.scope < scope {
            return Err(format!(
                "the token `{}` may {}, and this needs {scope}",
                self.name, self.scope
            ));
        }
        let is_within = match reach {
            Reach::NoKey => true,
            Reach::Key(keys) | Reach::Prefix(keys) => keys.starts_with(self.prefix.as_bytes()),
        };
        if !is_within {
            return Err(format!(
                "the token `{}` reaches keys that begin with `{}`",
                self.name, self.prefix
            ));
        }
        Ok(())
    }
}

/// What is said to everybody while the file cannot be read: no token was revoked.
const UNREADABLE: &str = "this replica's tokens.json cannot be read, so that nobody is let in: its terminal says why; ask another replica";

/// Which tokens are good is not known.
fn unreadable() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "access", UNREADABLE)
}

/// A request has a token that is none of ours.
fn unknown() -> Problem {
    Problem::challenge(
        StatusCode::UNAUTHORIZED,
        "no such token, or it was revoked",
        "Bearer realm=\"clocklab\", error=\"invalid_token\"".to_owned(),
    )
}
