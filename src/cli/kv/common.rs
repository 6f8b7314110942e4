//! What commands of the store take alike.

use std::{env, path::PathBuf, time::Duration};

use anyhow::Context;
use clap::{Args, ValueEnum};
use rand::{TryRng, rngs::SysRng};

use crate::{
    cli::{Usage, secret},
    disk::{DiskError, Sync},
    kv::{self, Action, Answer, Bearer, Copies, Deny, DiskRule, Reply, Request, Token},
    mesh::open::{Client, ClientError},
    wire::{ErrorCode, Refusal, Secret},
};

/// How many replicas have a write before it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum CopiesOption {
    /// The one that was asked
    One,
    /// The one that was asked; and it waits, up to a second, until every live replica has heard of it
    Pushed,
    /// Two
    Two,
    /// More than half of the members
    Majority,
}

impl From<CopiesOption> for Copies {
    fn from(option: CopiesOption) -> Self {
        match option {
            CopiesOption::One => Self::One,
            CopiesOption::Pushed => Self::Pushed,
            CopiesOption::Two => Self::Two,
            CopiesOption::Majority => Self::Majority,
        }
    }
}

#[derive(Args, Debug)]
pub(in crate::cli) struct StoreOptions {
    /// When a write is answered: `always`: once it is on the disk, so nothing answered is ever lost; many writes share one fsync.
    /// `interval`: once it is with the operating system; a loss of power loses the last tenth of a second. `never`: at once;
    /// killing the process loses the last tenth of a second, and what a disk that cannot keep up has not taken by then, some 100
    /// MB at most; a loss of power loses more
    #[arg(long, value_name = "WHEN", default_value_t = Sync::Always)]
    pub(super) sync: Sync,
    /// File with the secret that replicas and commands prove to know: `clocklab secret` makes one
    #[arg(long, value_name = "FILE")]
    pub(super) secret_file: Option<PathBuf>,
    /// How long a replica sees a gap before it asks for what is missing
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = crate::cli::time)]
    pub(super) repair_after: Duration,
    /// Time between heartbeats
    #[arg(long, value_name = "TIME", default_value = "200ms", value_parser = crate::cli::time)]
    pub(super) heartbeat: Duration,
}

impl StoreOptions {
    /// The secret, if a file is named.
    pub(super) fn secret(&self) -> anyhow::Result<Option<Secret>> {
        Ok(secret::read(self.secret_file.as_deref())?.map(|file| file.secret))
    }

    /// Puts the times, and whether answers wait for the disk, into a replica's parameters.
    pub(super) fn apply(&self, config: &mut kv::Config) {
        config.disk = match self.sync {
            Sync::Never => DiskRule::Behind,
            Sync::Always | Sync::Interval => DiskRule::Waits,
        };
        config.repair_after_us = microseconds(self.repair_after);
        config.heartbeat_us = microseconds(self.heartbeat);
    }

    /// The same as words of a command line, the secret's file left out.
    pub(super) fn words(&self) -> Vec<String> {
        let time = |time: Duration| humantime::format_duration(time).to_string().replace(' ', "");
        let pairs = [
            ("--sync", self.sync.to_string()),
            ("--repair-after", time(self.repair_after)),
            ("--heartbeat", time(self.heartbeat)),
        ];
        pairs
            .into_iter()
            .flat_map(|(name, value)| [name.to_owned(), value])
            .collect()
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// A bearer token for a store that needs one.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct BearerOption {
    /// The bearer token, if the store needs one; others see it in the list of processes, unlike the variable [default:
    /// CLOCKLAB_TOKEN of the environment]
    #[arg(long, value_name = "TOKEN", global = true)]
    token: Option<String>,
}

impl BearerOption {
    /// Presents the token to a replica, if there is one.
    ///
    /// # Errors
    /// [`ClientError`]: the connection ended, or the token is not good there.
    pub(super) fn present(&self, connection: &mut Client<Request, Reply>) -> Result<(), ClientError> {
        let variable = || env::var("CLOCKLAB_TOKEN").ok().filter(|text| !text.is_empty());
        let Some(text) = self.token.clone().or_else(variable) else {
            return Ok(());
        };
        let bearer = Bearer::new(text);
        connection.send(&Request {
            token: Token::new(),
            wait_us: 0,
            action: Action::Present { bearer },
        })?;
        match connection.receive()?.reply.answer {
            Answer::Denied(Deny::Forbidden { why }) => Err(ClientError::Refused {
                address: connection.address().clone(),
                refusal: Refusal::new(ErrorCode::NotAuthenticated, why),
            }),
            _ => Ok(()),
        }
    }
}

/// A folder or a file that was named by mistake is a slip of usage.
pub(super) fn folder_error(error: DiskError) -> anyhow::Error {
    match &error {
        DiskError::Empty { .. }
        | DiskError::Occupied { .. }
        | DiskError::NoBackup { .. }
        | DiskError::Foreign { .. }
        | DiskError::Another { .. } => Usage(error.to_string()).into(),
        DiskError::Io { .. }
        | DiskError::Locked { .. }
        | DiskError::Newer { .. }
        | DiskError::Older { .. }
        | DiskError::Damaged { .. } => error.into(),
    }
}

/// Numbers that nobody else knows, for [`Config::hash_secret`](crate::kv::Config).
pub(super) fn hash_secret() -> anyhow::Result<[u64; 2]> {
    let drawn = SysRng
        .try_next_u64()
        .and_then(|one| Ok([one, SysRng.try_next_u64()?]));
    drawn.context("the system gives no random number")
}
