//! A member's id where a view names addresses alone.
//!
//! Every replica has to come to the same id by itself, so it is a function of the address's text, and of nothing else. It
//! is written down here once and never changes: ids are in tokens, on disks and in logs. Two members that come to one id
//! are refused ([`Config::validate`](super::Config::validate)) and need ids of their own (`ID=HOST:PORT`).

use core::net::Ipv4Addr;

use super::request::Member;
use crate::{service::Address, units::MachineId};

/// Ids are below this; those above are not given (65535 is a controller's, 65534 a client's in the handshake).
pub const IDS: u16 = 65_000;

/// How far apart neighbouring hosts of a subnet are: a prime that divides no multiple of [`IDS`] below it, so that equal
/// ports on different hosts of a subnet differ, as different ports on one host do.
const STRIDE: u64 = 24_571;

/// FNV-1a's parameters for 64 bits (Fowler, Noll, Vo; RFC 9923).
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// The id of the member at an address: of `A.B.C.D:PORT` it is (PORT + 24571 · (256 · C + D)) mod 65000, of any other the
/// FNV-1a hash of its text mod 65000.
///
/// Hosts of one /17 with one port never share an id, and ports of one host never do either if they are less than 65,000
/// apart. Other addresses may.
#[must_use]
pub fn derived_id(address: &Address) -> MachineId {
    let text = address.as_str();
    let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
    let number = match host.parse::<Ipv4Addr>() {
        Ok(host) => {
            let [_, _, third, fourth] = host.octets();
            u64::from(address.port()) + STRIDE * u64::from(u16::from_be_bytes([third, fourth]))
        }
        Err(_) => text.bytes().fold(FNV_OFFSET, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME)
        }),
    };
    let id = number % u64::from(IDS);
    MachineId(u16::try_from(id).unwrap_or_default())
}

/// The id of one that is to be a member at an address: that of the member there, or of one that was removed there and is
/// none elsewhere, or the address's own.
///
/// # Errors
/// The member that has the address's own id, at another address: it would be taken from that.
pub fn id_for<'a>(members: &'a [Member], address: &Address) -> Result<MachineId, &'a Member> {
    let present = || members.iter().filter(|member| member.standing.is_member());
    if let Some(member) = present().find(|member| member.address == *address) {
        return Ok(member.id);
    }
    let holder = |id: MachineId| present().find(|member| member.id == id);
    let before = members.iter().filter(|member| member.address == *address);
    let mut before = before.map(|member| member.id).filter(|id| holder(*id).is_none());
    let id = before.next_back().unwrap_or_else(|| derived_id(address));
    match holder(id) {
        None => Ok(id),
        Some(member) => Err(member),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn id(text: &str) -> u16 {
        derived_id(&text.parse().expect(text)).0
    }

    #[test]
    fn ids_are_the_formula_for_ever() {
        // Changing any of these would give members of running stores other ids.
        assert_eq!(id("127.0.0.1:8090"), 32_661);
        assert_eq!(id("10.10.0.2:8090"), 57_232);
        assert_eq!(id("10.10.0.4:8090"), 41_374);
        assert_eq!(id("store-1:8090"), 31_999);
        assert_eq!(id("[::1]:8090"), 56_239);
    }

    #[test]
    fn ports_of_one_host_do_not_share_an_id() {
        let ids: BTreeSet<u16> = (1024..=65_535)
            .map(|port| id(&format!("127.0.0.1:{port}")))
            .collect();
        assert_eq!(ids.len(), 65_536 - 1024);
    }

    #[test]
    fn hosts_of_one_subnet_do_not_share_an_id() {
        let hosts = (0..=127).flat_map(|third| (0..=255).map(move |fourth| (third, fourth)));
        let ids: BTreeSet<u16> = hosts
            .map(|(third, fourth)| id(&format!("10.4.{third}.{fourth}:8090")))
            .collect();
        assert_eq!(ids.len(), 128 * 256);
    }

    #[test]
    fn ids_are_below_those_that_are_never_given() {
        for port in [1, 80, 8090, 65_535] {
            for host in ["0.0.0.0", "255.255.255.255", "a", "store-1.example", "[::1]"] {
                assert!(id(&format!("{host}:{port}")) < IDS);
            }
        }
    }
}
