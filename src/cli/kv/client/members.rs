//! `clocklab kv members`: who is a member, and who shall be.

use std::fmt::Write;

use clap::{Args, Subcommand};

use super::{
    ask::{AskOptions, Asker},
    exit_codes,
    json::{self, MemberJson},
    words,
};
use crate::{
    cli::{Exit, Usage, kv::view, print},
    kv::{self, Action, Answer, Deny, Member, MemberChange},
    service::Peer,
    units::MachineId,
};

pub(super) const EXAMPLES: &str = concat!(
    "\
Examples:
  clocklab kv members                                     list them, as the replica on port 17200 sees them
  clocklab kv members add 127.0.0.1:17203                 a further one; it takes the data from the others
  clocklab kv members drain 127.0.0.1:17202               let it hand over what it has, then remove it
  clocklab kv members remove 2                            remove it now: what it alone has is given up
  clocklab kv members replace 2 127.0.0.1:17203           one that is gone for good by another

A member is removed by a decision only: one that cannot be reached is suspected, and still a member.",
    exit_codes!()
);

#[derive(Args, Debug)]
pub(in crate::cli) struct MembersArguments {
    #[command(subcommand)]
    change: Option<Change>,
    #[command(flatten)]
    options: AskOptions,
}

#[derive(Debug, Subcommand)]
enum Change {
    /// Add a member; one that was removed is welcome again
    Add {
        /// [ID=]HOST:PORT; an id that is not given is made from the address
        member: String,
    },
    /// Remove a member now: what it alone has is given up
    Remove {
        /// Its id or its address
        member: String,
    },
    /// Let a member hand over what others do not have, then remove it
    Drain {
        /// Its id or its address
        member: String,
    },
    /// Remove a member that is gone for good, and add another
    Replace {
        /// The id or the address of the one that goes
        old: String,
        /// [ID=]HOST:PORT of the one that comes
        new: String,
    },
}

pub(super) fn run(arguments: &MembersArguments) -> anyhow::Result<Exit> {
    let mut asker = arguments.options.asker()?;
    let Some(change) = &arguments.change else {
        let members = list(&mut asker)?;
        print(&show(&members, arguments.options.json)?)?;
        return Ok(Exit::Valid);
    };
    let (change, done) = match change {
        Change::Add { member } => {
            let Peer { id, address } = new_member(&mut asker, member)?;
            let done = format!("machine {id} at {address} is a member");
            (MemberChange::Add { id, address }, done)
        }
        Change::Remove { member } => {
            let id = known(&mut asker, member)?;
            (MemberChange::Remove { id }, format!("machine {id} is removed"))
        }
        Change::Drain { member } => {
            let id = known(&mut asker, member)?;
            (
                MemberChange::Drain { id },
                format!("machine {id} hands over, and is then removed"),
            )
        }
        Change::Replace { old, new } => {
            let (old, Peer { id, address }) = (known(&mut asker, old)?, new_member(&mut asker, new)?);
            let done = format!("machine {old} is removed, and machine {id} at {address} is a member");
            (MemberChange::Replace { old, id, address }, done)
        }
    };
    let said = asker.ask(Action::Change(change))?;
    match &said.reply.answer {
        Answer::MembersChanged { was_so: false } => print(&(done + "\n"))?,
        Answer::MembersChanged { was_so: true } => print(&format!("{done}, and was so before\n"))?,
        Answer::Denied(Deny::NoSuchMember) => {
            tracing::warn!(
                "{}",
                words::denied(said.machine, &said.address, &Deny::NoSuchMember)
            );
            return Ok(Exit::Violated);
        }
        _ => return Err(said.unexpected()),
    }
    Ok(Exit::Valid)
}

fn list(asker: &mut Asker) -> anyhow::Result<Vec<Member>> {
    let said = asker.ask(Action::Members)?;
    match said.reply.answer {
        Answer::Members(members) => Ok(members),
        _ => Err(said.unexpected()),
    }
}

/// One that is to be a member. Where no id is given, it is that of who is or was there, or the address's own.
fn new_member(asker: &mut Asker, text: &str) -> anyhow::Result<Peer> {
    let members = view::parse(text).map_err(Usage)?;
    let Ok([mut member]) = <[Peer; 1]>::try_from(members) else {
        return Err(Usage(format!("`{text}` names several members: add one after the other")).into());
    };
    if !text.contains('=') {
        let members = list(asker)?;
        member.id = kv::id_for(&members, &member.address).map_err(|other| {
            Usage(format!(
                "`{text}` without an id would be machine {}, and that is the one at {}: name another, `ID={text}`, and start \
                 it with --id",
                other.id, other.address
            ))
        })?;
    }
    Ok(member)
}

/// The id of a member that is named by it or by its address.
fn known(asker: &mut Asker, text: &str) -> anyhow::Result<MachineId> {
    if let Ok(id) = text.parse() {
        return Ok(MachineId(id));
    }
    let members = list(asker)?;
    let is_there = |member: &&Member| member.address.as_str() == text.trim();
    // An address may have had others before.
    let mut present = members.iter().filter(|member| member.standing.is_member());
    let found = present.find(is_there).or_else(|| members.iter().find(is_there));
    match found {
        Some(member) => Ok(member.id),
        None => {
            let text = format!("`{text}` is no member's id or address: `clocklab kv members` lists them");
            Err(Usage(text).into())
        }
    }
}

fn show(members: &[Member], is_json: bool) -> anyhow::Result<String> {
    if is_json {
        let members: Vec<MemberJson> = members.iter().map(MemberJson::from).collect();
        return json::line(&members);
    }
    let mut text = String::new();
    for member in members {
        let life = match member.incarnation {
            0 => "never heard of".to_owned(),
            life => format!("life {life}"),
        };
        let _ = writeln!(
            text,
            "machine {:<6} {:<22} {:<10} {life}",
            member.id.to_string(),
            member.address.to_string(),
            words::standing(member.standing)
        );
    }
    Ok(text)
}
