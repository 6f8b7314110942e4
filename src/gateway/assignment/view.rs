//! `/view`, whose two forms are told apart by what the body says, and `/ping`.

use hyper::StatusCode;
use serde::Deserialize;

use super::said::{self, Said};
use crate::{
    gateway::{
        answer::{self, Response},
        call::Call,
        json,
        problem::Problem,
    },
    kv::{self, Action, Answer, IDS, Member, MemberChange, Standing, Token},
    service::Address,
    units::MachineId,
};

/// A member in the form of 2025.
#[derive(Debug, Deserialize)]
#[serde(expecting = "a member")]
struct Listed {
    address: String,
    id: u16,
}

/// GET `/ping`: whether anybody is here.
pub(in crate::gateway) fn ping() -> Response {
    answer::whole(StatusCode::OK, answer::JSON, b"{\"result\":\"pong\"}".to_vec())
}

/// GET `/view`: the addresses of the members that are not suspected.
pub(in crate::gateway) async fn show_view(call: Call<'_>) -> Result<Response, Problem> {
    let members = call.members().await?;
    let shown = members.iter().filter(|member| is_shown(member));
    let addresses: Vec<&str> = shown.map(|member| member.address.as_str()).collect();
    let mut body = b"{\"view\":".to_vec();
    json::object(&mut body, &addresses);
    body.push(b'}');
    Ok(answer::whole(StatusCode::OK, answer::JSON, body))
}

/// PUT `/view`: one more member (2024), or all of them (2025).
pub(in crate::gateway) async fn change_view(mut call: Call<'_>) -> Result<Response, Problem> {
    let held = call.body().await?;
    let said = Said::read(held.bytes())?;
    match (said.view, said.socket_address) {
        (Some(view), None) => {
            let listed: Vec<Listed> = serde_json::from_str(view.get()).map_err(|error| {
                let what =
                    "view has to be a list of members, each {\"address\": \"HOST:PORT\", \"id\": NUMBER}";
                Problem::malformed(format!("{what}: {error}"))
            })?;
            set(&call, listed).await
        }
        (None, Some(address)) => {
            let address = parse(&said::string(address, "socket-address")?)?;
            add(&call, address).await
        }
        (Some(_), Some(_)) | (None, None) => Err(Problem::malformed(
            "PUT /view needs either \"socket-address\" (one more member) or \"view\" (all members)",
        )),
    }
}

/// DELETE `/view`: one member less.
pub(in crate::gateway) async fn remove_member(mut call: Call<'_>) -> Result<Response, Problem> {
    let held = call.body().await?;
    let said = Said::read(held.bytes())?;
    let address = said
        .socket_address
        .ok_or_else(|| Problem::malformed("DELETE /view needs \"socket-address\""))?;
    // What is no address is no member's.
    let address: Address = said::string(address, "socket-address")?
        .parse()
        .map_err(|_| no_such())?;
    let members = call.members().await?;
    let id = present(&members, &address)
        .map(|member| member.id)
        .ok_or_else(no_such)?;
    changed(&call, MemberChange::Remove { id }).await?;
    Ok(result(StatusCode::OK, "deleted"))
}

async fn add(call: &Call<'_>, address: Address) -> Result<Response, Problem> {
    let members = call.members().await?;
    let id = id_for(&members, &address)?;
    let was_shown = present(&members, &address).is_some_and(is_shown);
    let was_so = changed(call, MemberChange::Add { id, address }).await?;
    Ok(if was_so && was_shown {
        result(StatusCode::OK, "already present")
    } else {
        result(StatusCode::CREATED, "added")
    })
}

/// The member at an address, among those that were not removed: an address may have had others before.
fn present<'a>(members: &'a [Member], address: &Address) -> Option<&'a Member> {
    let mut present = members.iter().filter(|member| member.standing.is_member());
    present.find(|member| member.address == *address)
}

/// The id of one that is to be a member at an address.
fn id_for(members: &[Member], address: &Address) -> Result<MachineId, Problem> {
    kv::id_for(members, address).map_err(|member| {
        let (id, other) = (member.id, &member.address);
        let what = format!(
            "the id of {address} is {id}, and the member at {other} has it: start the new one with another --id"
        );
        Problem::new(StatusCode::CONFLICT, "id-taken", what)
    })
}

async fn set(call: &Call<'_>, listed: Vec<Listed>) -> Result<Response, Problem> {
    let mut members = Vec::with_capacity(listed.len());
    for one in listed {
        if one.id >= IDS {
            let what = format!("the id {} is too large: ids are below {IDS}", one.id);
            return Err(Problem::malformed(what));
        }
        members.push((MachineId(one.id), parse(&one.address)?));
    }
    changed(call, MemberChange::Set { members }).await?;
    Ok(result(StatusCode::OK, "replaced"))
}

/// Changes who is a member. Says whether it was so already.
async fn changed(call: &Call<'_>, change: MemberChange) -> Result<bool, Problem> {
    let reply = call.ask(Token::new(), 0, Action::Change(change)).await?;
    match reply.answer {
        Answer::MembersChanged { was_so } => Ok(was_so),
        _ => Err(Problem::unexpected()),
    }
}

fn is_shown(member: &Member) -> bool {
    match member.standing {
        Standing::Myself | Standing::Alive | Standing::Draining => true,
        Standing::Suspected | Standing::Removed | Standing::Left | Standing::Lost => false,
    }
}

fn parse(text: &str) -> Result<Address, Problem> {
    text.parse()
        .map_err(|error: crate::service::AddressError| Problem::malformed(error.to_string()))
}

fn no_such() -> Problem {
    Problem::not_found("View has no such replica")
}

fn result(status: StatusCode, result: &str) -> Response {
    let mut body = b"{\"result\":".to_vec();
    json::text(&mut body, result);
    body.push(b'}');
    answer::whole(status, answer::JSON, body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::derived_id;

    fn member(id: u16, address: &str, standing: Standing) -> Member {
        Member {
            id: MachineId(id),
            address: parse(address).unwrap(),
            standing,
            incarnation: 1,
        }
    }

    #[test]
    fn who_was_removed_does_not_hide_who_is_there() {
        let address = parse("10.0.0.1:8090").unwrap();
        let mut members = vec![
            member(1, "10.0.0.1:8090", Standing::Removed),
            member(2, "10.0.0.1:8090", Standing::Removed),
            member(5, "10.0.0.1:8090", Standing::Alive),
            member(7, "10.0.0.2:8090", Standing::Alive),
        ];
        assert_eq!(present(&members, &address).unwrap().id, MachineId(5));
        assert_eq!(id_for(&members, &address).unwrap(), MachineId(5));
        members.remove(2);
        assert!(present(&members, &address).is_none());
        assert_eq!(id_for(&members, &address).unwrap(), MachineId(2), "it comes back");
        members.truncate(0);
        assert_eq!(id_for(&members, &address).unwrap(), derived_id(&address));
    }

    #[test]
    fn an_id_is_taken_from_nobody() {
        let address = parse("10.0.0.1:8090").unwrap();
        let id = derived_id(&address);
        let mut members = vec![member(id.0, "10.0.0.2:8090", Standing::Suspected)];
        let problem = id_for(&members, &address).unwrap_err();
        assert_eq!(problem.status, StatusCode::CONFLICT);
        // Nor the one that a member had which was here before.
        members.push(member(9, "10.0.0.1:8090", Standing::Removed));
        assert_eq!(id_for(&members, &address).unwrap(), MachineId(9));
        members.push(member(9, "10.0.0.3:8090", Standing::Alive));
        assert!(id_for(&members, &address).is_err());
    }
}
