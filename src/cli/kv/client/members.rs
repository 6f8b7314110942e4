//! `clocklab kv members`: who is a member, and who shall be.

use std::fmt::Write;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    ask::{AskOptions, Asker},
    exit_codes,
    json::{self, MemberJson},
    words,
};
use crate::{
    cli::{Exit, Usage, kv::view, print},
    kv::{self, Action, Answer, Deny, Member, MemberChange, Standing},
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
  clocklab kv members remove 2 --lost                     its disk is gone: nobody waits for it to come back with that
  clocklab kv members replace 2 127.0.0.1:17203           one that is gone for good by another

A member is removed by a decision only: one that cannot be reached is suspected, and still a member. One that was removed
is a member again as soon as it is started again, whoever starts it: end it, and see that nothing starts it.

Who was removed may come back with what it had. Until it is a member again, was drained, or is removed with --lost, the
others keep their writes, and remember what was deleted. One that is lost (--lost, or replaced) holds nothing back; what it
alone had is given up, and if its disk turns up after all it serves nobody until it is started once more: then it drops what
it has, and takes everything from the others.",
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
    /// Remove a member now: what it alone has is given up. Started again, it is a member again
    Remove {
        /// Its id or its address
        member: String,
        /// It is gone for good, and never comes back with what it had; also of one that was removed before
        #[arg(long)]
        lost: bool,
    },
    /// Let a member hand over what others do not have, then remove it
    Drain {
        /// Its id or its address
        member: String,
    },
    /// Remove a member that is gone for good (as with --lost), and add another
    Replace {
        /// The id or the address of the one that goes
        old: String,
        /// [ID=]HOST:PORT of the one that comes
        new: String,
    },
}

/// What was changed, as JSON.
#[derive(Debug, Serialize)]
struct ChangedJson {
    change: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    was_so: bool,
}

impl ChangedJson {
    fn of(change: &MemberChange, was_so: bool) -> Self {
        let (name, old, id, address) = match change {
            MemberChange::Add { id, address } => ("add", None, Some(id), Some(address)),
            MemberChange::Remove { id } => ("remove", None, Some(id), None),
            MemberChange::Lose { id } => ("lose", None, Some(id), None),
            MemberChange::Drain { id } => ("drain", None, Some(id), None),
            MemberChange::Replace { old, id, address } => ("replace", Some(old), Some(id), Some(address)),
            MemberChange::Set { .. } => ("set", None, None, None),
        };
        Self {
            change: name,
            old: old.map(|old| old.0),
            id: id.map(|id| id.0),
            address: address.map(ToString::to_string),
            was_so,
        }
    }
}

pub(super) fn run(arguments: &MembersArguments) -> anyhow::Result<Exit> {
    let mut asker = arguments.options.asker()?;
    let Some(change) = &arguments.change else {
        let members = list(&mut asker)?;
        print(&show(&members, arguments.options.json)?)?;
        return Ok(Exit::Valid);
    };
    let change = match change {
        Change::Add { member } => {
            let Peer { id, address } = new_member(&mut asker, member)?;
            MemberChange::Add { id, address }
        }
        Change::Remove { member, lost } => {
            let id = known(&mut asker, member)?;
            match lost {
                true => MemberChange::Lose { id },
                false => MemberChange::Remove { id },
            }
        }
        Change::Drain { member } => {
            let id = known(&mut asker, member)?;
            MemberChange::Drain { id }
        }
        Change::Replace { old, new } => {
            let (old, Peer { id, address }) = (known(&mut asker, old)?, new_member(&mut asker, new)?);
            MemberChange::Replace { old, id, address }
        }
    };
    let said = asker.ask(Action::Change(change.clone()))?;
    match &said.reply.answer {
        Answer::MembersChanged { was_so } => print(&match arguments.options.json {
            true => json::line(&ChangedJson::of(&change, *was_so))?,
            false => changed(&change, *was_so),
        })
        .and_then(|()| warn_of(&mut asker, &change))?,
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

/// Says so if nobody answers where a member was added: it may come yet, or be a slip. And if who was removed may come back.
fn warn_of(asker: &mut Asker, change: &MemberChange) -> anyhow::Result<()> {
    match change {
        MemberChange::Add { id, address } | MemberChange::Replace { id, address, .. } => {
            if !asker.is_somebody_at(address) {
                let view = whole_view(&list(asker)?);
                tracing::warn!(
                    "nobody answers at {address} yet: start it with `clocklab kv replica --id {id} --listen {address} --view {view}`; \
                     where tokens are needed, copy a member's tokens.json into its folder first, or it lets everybody in"
                );
            }
        }
        MemberChange::Remove { id } => {
            let members = list(asker)?;
            let member = members.iter().find(|member| member.id == *id);
            if member.is_some_and(|member| member.standing == Standing::Removed) {
                tracing::warn!("{}", words::held_back_by(&[*id]));
            }
        }
        MemberChange::Lose { .. } | MemberChange::Drain { .. } | MemberChange::Set { .. } => {}
    }
    Ok(())
}

/// All members, as `--view` has them.
fn whole_view(members: &[Member]) -> String {
    let members = members.iter().filter(|member| member.standing.is_member());
    let entries: Vec<String> = members
        .map(|member| format!("{}={}", member.id, member.address))
        .collect();
    entries.join(",")
}

/// What was changed, in words.
fn changed(change: &MemberChange, was_so: bool) -> String {
    let done = match change {
        MemberChange::Add { id, address } => format!("machine {id} at {address} is a member"),
        MemberChange::Remove { id } => format!("machine {id} is removed"),
        MemberChange::Lose { id } => format!("machine {id} is removed as lost"),
        MemberChange::Drain { id } => format!("machine {id} hands over, and is then removed"),
        MemberChange::Replace { old, id, address } => {
            format!("machine {old} is removed as lost, and machine {id} at {address} is a member")
        }
        MemberChange::Set { .. } => "the members are these".to_owned(),
    };
    let before = if was_so { ", and was so before" } else { "" };
    format!("{done}{before}\n")
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
            0 => "–".to_owned(),
            life => format!("life {life}"),
        };
        let _ = writeln!(
            text,
            "machine {:<6} {:<22} {:<11} {life}",
            member.id.to_string(),
            member.address.to_string(),
            words::standing(member)
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Address;

    #[test]
    fn a_change_is_a_line_of_words_or_of_json() {
        let (id, old) = (MachineId(3), MachineId(2));
        let address: Address = "127.0.0.1:17203".parse().expect("an address");
        let (added, there) = (address.clone(), address);
        for (change, words, json) in [
            (
                MemberChange::Add { id, address: added },
                "machine 3 at 127.0.0.1:17203 is a member\n",
                r#"{"change":"add","id":3,"address":"127.0.0.1:17203","was_so":false}"#,
            ),
            (
                MemberChange::Remove { id },
                "machine 3 is removed\n",
                r#"{"change":"remove","id":3,"was_so":false}"#,
            ),
            (
                MemberChange::Lose { id },
                "machine 3 is removed as lost\n",
                r#"{"change":"lose","id":3,"was_so":false}"#,
            ),
            (
                MemberChange::Drain { id },
                "machine 3 hands over, and is then removed\n",
                r#"{"change":"drain","id":3,"was_so":false}"#,
            ),
            (
                MemberChange::Replace {
                    old,
                    id,
                    address: there,
                },
                "machine 2 is removed as lost, and machine 3 at 127.0.0.1:17203 is a member\n",
                r#"{"change":"replace","old":2,"id":3,"address":"127.0.0.1:17203","was_so":false}"#,
            ),
        ] {
            assert_eq!(changed(&change, false), words);
            let line = json::line(&ChangedJson::of(&change, false)).expect("JSON");
            assert_eq!(line.trim_end(), json);
        }
        let again = changed(&MemberChange::Remove { id }, true);
        assert_eq!(again, "machine 3 is removed, and was so before\n");
    }

    #[test]
    fn a_newcomer_is_shown_the_whole_view_with_ids() {
        let member = |id, standing| Member {
            id: MachineId(id),
            address: format!("127.0.0.1:{}", 17200 + id).parse().expect("an address"),
            standing,
            incarnation: 1,
        };
        let members = [
            member(0, Standing::Myself),
            member(1, Standing::Suspected),
            member(2, Standing::Lost),
            member(3, Standing::Alive),
        ];
        let view = whole_view(&members);
        assert_eq!(view, "0=127.0.0.1:17200,1=127.0.0.1:17201,3=127.0.0.1:17203");
        assert_eq!(view::parse(&view).expect("a view").len(), 3);
    }
}
