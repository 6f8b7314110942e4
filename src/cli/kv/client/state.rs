//! `clocklab kv status` and `clocklab kv why`: what a replica knows, and what it waits for.

use std::{collections::BTreeSet, ffi::OsString, fmt::Write};

use clap::Args;
use serde::Serialize;

use super::{
    ask::{AskOptions, Said},
    exit_codes,
    json::{self, MemberJson, MissingJson},
    value, words,
};
use crate::{
    cli::{Exit, print},
    kv::{Action, Answer, Lag, Standing, Status, Why},
    units::MachineId,
};

pub(super) const STATUS_EXAMPLES: &str = concat!(
    "\
Examples:
  clocklab kv status                                      the replica on port 17200
  clocklab kv status --at 127.0.0.1:17202 --json

Each replica answers for itself: ask several to see who suspects whom.",
    exit_codes!()
);

pub(super) const WHY_EXAMPLES: &str = concat!(
    "\
Examples:
  clocklab kv why color --at 127.0.0.1:17202              is something of this key waiting there, and for what
  clocklab kv why                                         is anything waiting on port 17200, and for what
  clocklab kv why color --session me.session              what of this session is not there yet, and who has it",
    exit_codes!()
);

#[derive(Args, Debug)]
pub(in crate::cli) struct StatusArguments {
    #[command(flatten)]
    options: AskOptions,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct WhyArguments {
    /// The key [default: all of them, the first that waits of each origin]
    key: Option<OsString>,
    #[command(flatten)]
    options: AskOptions,
}

#[derive(Serialize)]
struct StatusJson<'a> {
    machine: u16,
    incarnation: u32,
    address: &'a str,
    ready: bool,
    known: String,
    kept: String,
    stable: String,
    members: Vec<MemberJson>,
    lags: Vec<LagJson>,
    keys: u64,
    tombstones: u64,
    buffered: u64,
    waiting: u64,
    logged_writes: u64,
    logged_bytes: u64,
    counts: std::collections::BTreeMap<&'a str, u64>,
    disk_trouble: Option<&'a str>,
}

#[derive(Serialize)]
struct LagJson {
    peer: u16,
    known: String,
    writes: u64,
    behind_us: u64,
    silent_us: u64,
    phi: f64,
}

#[derive(Serialize)]
struct WhyJson {
    machine: u16,
    present: Vec<PresentJson>,
    buffered: Vec<BufferedJson>,
    unmet: Vec<MissingJson>,
}

#[derive(Serialize)]
struct PresentJson {
    write: String,
    stamp: u64,
}

#[derive(Serialize)]
struct BufferedJson {
    write: String,
    missing: Vec<MissingJson>,
}

pub(super) fn status(arguments: &StatusArguments) -> anyhow::Result<Exit> {
    let said = arguments.options.asker()?.ask(Action::Status)?;
    let Answer::Status(status) = &said.reply.answer else {
        return Err(said.unexpected());
    };
    if arguments.options.json {
        print(&json::line(&status_json(status))?)?;
    } else {
        print(&status_text(status))?;
    }
    Ok(Exit::Valid)
}

fn status_json(status: &Status) -> StatusJson<'_> {
    let lag = |lag: &Lag| LagJson {
        peer: lag.peer.0,
        known: lag.known.to_string(),
        writes: lag.writes,
        behind_us: lag.behind_us,
        silent_us: lag.silent_us,
        phi: phi(lag),
    };
    StatusJson {
        machine: status.origin.machine.0,
        incarnation: status.origin.incarnation,
        address: status.address.as_str(),
        ready: status.is_ready,
        known: status.known.to_string(),
        kept: status.kept.to_string(),
        stable: status.stable.to_string(),
        members: status.members.iter().map(MemberJson::from).collect(),
        lags: status.lags.iter().map(lag).collect(),
        keys: status.keys,
        tombstones: status.tombstones,
        buffered: status.buffered,
        waiting: status.waiting,
        logged_writes: status.logged.0,
        logged_bytes: status.logged.1,
        counts: status
            .counts
            .iter()
            .map(|(name, count)| (name.as_ref(), *count))
            .collect(),
        disk_trouble: status.disk_trouble.as_deref(),
    }
}

/// Counts of thousandths are small.
#[expect(clippy::cast_precision_loss, reason = "shown to a person")]
fn phi(lag: &Lag) -> f64 {
    lag.phi_permille as f64 / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "shown to a person")]
fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

fn status_text(status: &Status) -> String {
    let mut text = String::new();
    let origin = status.origin;
    let readiness = if status.is_ready {
        "ready"
    } else {
        "not ready: it is no member, or does not have the data yet"
    };
    // Writing to a text cannot fail.
    let _ = writeln!(
        text,
        "machine {} at {}, life {}, {readiness}",
        origin.machine, status.address, origin.incarnation
    );
    if let Some(trouble) = &status.disk_trouble {
        let _ = writeln!(text, "it only reads: {}", words::shown(trouble.as_bytes()));
    }
    let _ = writeln!(
        text,
        "{} keys, {} deleted ones remembered; {} writes wait for others, {} requests wait; {} writes ({} bytes) kept to be \
         sent again",
        status.keys, status.tombstones, status.buffered, status.waiting, status.logged.0, status.logged.1
    );
    let removed = status.members.iter();
    let removed = removed.filter(|member| member.standing == Standing::Removed);
    let removed: Vec<MachineId> = removed.map(|member| member.id).collect();
    if !removed.is_empty() {
        let _ = writeln!(text, "{}", words::held_back_by(&removed));
    }
    let _ = writeln!(text, "\nmembers:");
    for member in &status.members {
        let _ = write!(
            text,
            "  machine {:<6} {:<22} {:<11}",
            member.id.to_string(),
            member.address.to_string(),
            words::standing(member)
        );
        if let Some(lag) = status.lags.iter().find(|lag| lag.peer == member.id) {
            let _ = match lag.writes {
                0 => write!(text, " has everything"),
                writes => write!(text, " lacks {writes} writes for {:.1} s", seconds(lag.behind_us)),
            };
            let _ = write!(
                text,
                ", heard {:.1} s ago (phi {:.1})",
                seconds(lag.silent_us),
                phi(lag)
            );
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    let _ = write!(
        text,
        "\nwrites that are here, of each life of each machine:\n{}",
        words::vector(&status.known, "  ")
    );
    for (name, count) in &status.counts {
        let start = if status.counts.first().is_some_and(|first| first.0 == *name) {
            "\ncounts since the start:\n"
        } else {
            ""
        };
        let _ = writeln!(text, "{start}  {}: {count}", words::shown(name.as_bytes()));
    }
    text
}

pub(super) fn why(arguments: &WhyArguments) -> anyhow::Result<Exit> {
    let key = arguments.key.as_ref().map(|key| value::key(key)).transpose()?;
    let mut asker = arguments.options.asker()?;
    let said = asker.ask(Action::Why {
        key: key.clone().unwrap_or_default(),
    })?;
    let Answer::Why(why) = &said.reply.answer else {
        return Err(said.unexpected());
    };
    if arguments.options.json {
        let missing = |missing: &[_]| missing.iter().map(MissingJson::from).collect();
        let present = why.present.iter().map(|(dot, stamp)| PresentJson {
            write: dot.to_string(),
            stamp: *stamp,
        });
        let buffered = why.buffered.iter().map(|(dot, lacks)| BufferedJson {
            write: dot.to_string(),
            missing: missing(lacks),
        });
        print(&json::line(&WhyJson {
            machine: said.machine.0,
            present: present.collect(),
            buffered: buffered.collect(),
            unmet: missing(&why.unmet),
        })?)?;
    } else {
        let status = asker.ask(Action::Status)?;
        print(&(why_text(key.as_deref(), why, &said) + &who_accepted(why, &status.reply.answer)))?;
    }
    Ok(Exit::Valid)
}

/// Where those are that accepted what is missing, as far as nobody else is known to have it.
fn who_accepted(why: &Why, status: &Answer) -> String {
    let Answer::Status(status) = status else {
        return String::new();
    };
    let buffered = why.buffered.iter().flat_map(|(_, missing)| missing);
    let alone = buffered
        .chain(&why.unmet)
        .filter(|missing| missing.seen_by.is_empty());
    let machines: BTreeSet<MachineId> = alone.map(|missing| missing.dot.origin.machine).collect();
    let mut text = String::new();
    for machine in machines {
        let member = status.members.iter().find(|member| member.id == machine);
        let lag = status.lags.iter().find(|lag| lag.peer == machine);
        // Writing to a text cannot fail.
        let _ = match (member, lag) {
            (Some(member), Some(lag)) => writeln!(
                text,
                "  machine {machine} is at {}, {}, heard {:.1} s ago",
                member.address,
                words::standing(member),
                seconds(lag.silent_us)
            ),
            (Some(member), None) => writeln!(
                text,
                "  machine {machine} was at {}: {}",
                member.address,
                words::standing(member)
            ),
            (None, _) => writeln!(text, "  machine {machine} is no member"),
        };
    }
    text
}

fn why_text(key: Option<&[u8]>, why: &Why, said: &Said) -> String {
    let what = key.map_or_else(|| "all keys".into(), words::shown);
    let mut text = format!("{what} at machine {} ({}):\n", said.machine, said.address);
    for (place, (dot, stamp)) in why.present.iter().enumerate() {
        let role = match place {
            0 => "there is write",
            _ => "concurrent with it, write",
        };
        let _ = writeln!(text, "  {role} {} (logical time {stamp})", words::dot(*dot));
    }
    if why.present.is_empty() && key.is_some() {
        text.push_str("  there is nothing\n");
    }
    for (dot, lacks) in &why.buffered {
        let _ = writeln!(
            text,
            "  write {} has come and waits for what it depends on:",
            words::dot(*dot)
        );
        for lack in lacks {
            let _ = writeln!(text, "    {}", words::missing(lack));
        }
    }
    if why.buffered.is_empty() {
        text.push_str(match key {
            Some(_) => "  no write of it waits for others\n",
            None => "  no write waits for others\n",
        });
    }
    if !why.unmet.is_empty() {
        text.push_str("  this session has seen what is not here yet:\n");
        for lack in &why.unmet {
            let _ = writeln!(text, "    {}", words::missing(lack));
        }
    }
    text
}
