//! What `kv run` and `kv replica` take alike.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use crate::{cli::secret, kv, wire::Secret};

/// When a write counts as kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum SyncOption {
    /// Once it is on the disk (fsync); many writes share one
    Always,
    /// Once it is with the operating system, which is told to write it out ten times a second
    Interval,
    /// Once it is with the operating system
    Never,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct StoreOptions {
    /// When a write is answered: `always` loses nothing that was answered; `interval` may lose the last tenth of a second and
    /// `never` the last half minute if the computer fails, nothing if only the process does
    #[arg(long, value_enum, default_value_t = SyncOption::Always)]
    pub(super) sync: SyncOption,
    /// File with the secret that replicas and commands prove to know: `clocklab secret` makes one
    #[arg(long, value_name = "FILE")]
    pub(super) secret_file: Option<PathBuf>,
    /// How long a replica sees a gap before it asks for what is missing
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = humantime::parse_duration)]
    pub(super) repair_after: Duration,
    /// Time between heartbeats
    #[arg(long, value_name = "TIME", default_value = "200ms", value_parser = humantime::parse_duration)]
    pub(super) heartbeat: Duration,
}

impl StoreOptions {
    /// The secret, if a file is named.
    pub(super) fn secret(&self) -> anyhow::Result<Option<Secret>> {
        Ok(secret::read(self.secret_file.as_deref())?.map(|file| file.secret))
    }

    /// Puts the times into a replica's parameters.
    pub(super) fn apply(&self, config: &mut kv::Config) {
        config.repair_after_us = microseconds(self.repair_after);
        config.heartbeat_us = microseconds(self.heartbeat);
    }

    /// The same as words of a command line, the secret's file left out.
    pub(super) fn words(&self) -> Vec<String> {
        let sync = self.sync.to_possible_value();
        let sync = sync.map_or_else(String::new, |value| value.get_name().to_owned());
        let time = |time: Duration| humantime::format_duration(time).to_string().replace(' ', "");
        let pairs = [
            ("--sync", sync),
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
