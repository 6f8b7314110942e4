//! `/v1/members`: who the replicas are, and how one decides that.

use hyper::StatusCode;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::ToSchema;

use super::parameters::{Lost, Parameters};
use crate::{
    gateway::{
        answer::{self, Response},
        call::Call,
        front, json,
        problem::Problem,
    },
    kv::{Action, Answer, IDS, Member, MemberChange, Standing, Token},
    service::{Address, AddressError},
    units::MachineId,
};

/// A member, as the answering replica sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MemberBody {
    /// Its id.
    id: u16,
    /// Where it is reached.
    address: String,
    /// myself, alive, suspected, draining, removed, left (after draining), lost (removed as such), or `not met yet`:
    /// nothing was heard of it since this replica began.
    standing: &'static str,
    /// The life that was heard of last; 0 if none was.
    incarnation: u32,
}

/// The members.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MembersBody {
    members: Vec<MemberBody>,
}

/// A member's id and address.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedBody {
    /// Below 65000, and never another's.
    id: u16,
    /// HOST:PORT.
    address: String,
}

/// All members.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetBody {
    /// These and nobody else; a replica that is not in its own list leaves.
    members: Vec<NamedBody>,
}

/// Where a member is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AddressBody {
    /// HOST:PORT.
    address: String,
}

impl From<&Member> for MemberBody {
    fn from(member: &Member) -> Self {
        Self {
            id: member.id.0,
            address: member.address.to_string(),
            standing: word(member),
            incarnation: member.incarnation,
        }
    }
}

/// One that was never heard of is neither alive nor dead.
fn word(member: &Member) -> &'static str {
    match member.standing {
        Standing::Alive if member.incarnation == 0 => "not met yet",
        Standing::Myself => "myself",
        Standing::Alive => "alive",
        Standing::Suspected => "suspected",
        Standing::Draining => "draining",
        Standing::Removed => "removed",
        Standing::Left => "left",
        Standing::Lost => "lost",
    }
}

/// Who the members are, those that were removed included.
#[utoipa::path(
    get, path = "/v1/members", tag = "members", operation_id = "getMembers",
    responses((status = 200, description = "The members, as this replica sees them", body = MembersBody)),
)]
pub(in crate::gateway) async fn members(call: Call<'_>) -> Result<Response, Problem> {
    let members = call.members().await?;
    let members = members.iter().map(MemberBody::from).collect();
    Ok(shown(&MembersBody { members }))
}

/// Makes these the members, and nobody else.
#[utoipa::path(
    put, path = "/v1/members", tag = "members", operation_id = "setMembers",
    request_body = SetBody,
    responses(
        (status = 204, description = "They are"),
        (status = 400, description = "An id or an address cannot be", content_type = "application/problem+json",
            body = super::openapi::ProblemBody),
    ),
)]
pub(in crate::gateway) async fn set_members(mut call: Call<'_>) -> Result<Response, Problem> {
    let body: SetBody = read(&mut call).await?;
    let members = body
        .members
        .into_iter()
        .map(NamedBody::read)
        .collect::<Result<_, _>>()?;
    change(&call, MemberChange::Set { members }).await?;
    Ok(front::done())
}

/// One member.
#[utoipa::path(
    get, path = "/v1/members/{id}", tag = "members", operation_id = "getMember",
    params(("id" = u16, Path, description = "Its id")),
    responses(
        (status = 200, description = "It", body = MemberBody),
        (status = 404, description = "There is none", content_type = "application/problem+json",
            body = super::openapi::ProblemBody),
    ),
)]
pub(in crate::gateway) async fn member(call: Call<'_>, id: MachineId) -> Result<Response, Problem> {
    let members = call.members().await?;
    let member = members.iter().find(|member| member.id == id);
    let member = member.ok_or_else(|| Problem::not_found(format!("there is no member {id}")))?;
    Ok(shown(&MemberBody::from(member)))
}

/// Adds a member; one that was removed is welcome again.
#[utoipa::path(
    put, path = "/v1/members/{id}", tag = "members", operation_id = "addMember",
    params(("id" = u16, Path, description = "Its id: below 65000, and never another's")),
    request_body = AddressBody,
    responses((status = 201, description = "It is one now"), (status = 204, description = "It was one")),
)]
pub(in crate::gateway) async fn add_member(mut call: Call<'_>, id: MachineId) -> Result<Response, Problem> {
    let body: AddressBody = read(&mut call).await?;
    let (id, address) = (check_id(id.0)?, parse(&body.address)?);
    let was_so = change(&call, MemberChange::Add { id, address }).await?;
    Ok(if was_so {
        front::done()
    } else {
        answer::empty(StatusCode::CREATED)
    })
}

/// Removes a member: what it alone has is given up. Others keep writes and deletions for it until it is back or lost.
#[utoipa::path(
    delete, path = "/v1/members/{id}", tag = "members", operation_id = "removeMember",
    params(
        ("id" = u16, Path, description = "Its id"),
        ("lost" = Option<bool>, Query, description = "It is gone for good, with what it had: nothing is kept for it"),
    ),
    responses(
        (status = 204, description = "It is none any more"),
        (status = 404, description = "There is none", content_type = "application/problem+json",
            body = super::openapi::ProblemBody),
    ),
)]
pub(in crate::gateway) async fn remove_member(call: Call<'_>, id: MachineId) -> Result<Response, Problem> {
    let parameters = Parameters::read(call.query, &["lost"])?;
    let removal = match parameters.lost {
        Lost::Yes => MemberChange::Lose { id },
        Lost::No => MemberChange::Remove { id },
    };
    change(&call, removal).await?;
    Ok(front::done())
}

/// Has a member hand over what others do not have, and leave.
#[utoipa::path(
    post, path = "/v1/members/{id}/drain", tag = "members", operation_id = "drainMember",
    params(("id" = u16, Path, description = "Its id")),
    responses(
        (status = 202, description = "It has begun; GET of the member says how it stands"),
        (status = 404, description = "There is none", content_type = "application/problem+json",
            body = super::openapi::ProblemBody),
    ),
)]
pub(in crate::gateway) async fn drain_member(call: Call<'_>, id: MachineId) -> Result<Response, Problem> {
    change(&call, MemberChange::Drain { id }).await?;
    Ok(answer::empty(StatusCode::ACCEPTED))
}

/// Has another member take the place of one that is gone for good, and is lost.
#[utoipa::path(
    post, path = "/v1/members/{id}/replace", tag = "members", operation_id = "replaceMember",
    params(("id" = u16, Path, description = "Who goes")),
    request_body = NamedBody,
    responses(
        (status = 204, description = "It has"),
        (status = 404, description = "There is none", content_type = "application/problem+json",
            body = super::openapi::ProblemBody),
    ),
)]
pub(in crate::gateway) async fn replace_member(
    mut call: Call<'_>,
    old: MachineId,
) -> Result<Response, Problem> {
    let body: NamedBody = read(&mut call).await?;
    let (id, address) = body.read()?;
    change(&call, MemberChange::Replace { old, id, address }).await?;
    Ok(front::done())
}

impl NamedBody {
    fn read(self) -> Result<(MachineId, Address), Problem> {
        Ok((check_id(self.id)?, parse(&self.address)?))
    }
}

fn check_id(id: u16) -> Result<MachineId, Problem> {
    if id >= IDS {
        return Err(Problem::malformed(format!(
            "the id {id} is too large: ids are below {IDS}"
        )));
    }
    Ok(MachineId(id))
}

fn parse(text: &str) -> Result<Address, Problem> {
    text.parse()
        .map_err(|error: AddressError| Problem::malformed(error.to_string()))
}

async fn read<T: DeserializeOwned>(call: &mut Call<'_>) -> Result<T, Problem> {
    let held = call.body().await?;
    serde_json::from_slice(held.bytes()).map_err(|error| Problem::malformed(format!("the body: {error}")))
}

async fn change(call: &Call<'_>, change: MemberChange) -> Result<bool, Problem> {
    let reply = call.ask(Token::new(), 0, Action::Change(change)).await?;
    match reply.answer {
        Answer::MembersChanged { was_so } => Ok(was_so),
        _ => Err(Problem::unexpected()),
    }
}

/// Anything that serde writes, as an answer.
pub(super) fn shown<T: Serialize>(body: &T) -> Response {
    let mut text = Vec::with_capacity(512);
    json::object(&mut text, body);
    answer::whole(StatusCode::OK, answer::JSON, text)
}
