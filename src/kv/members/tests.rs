//! Records of members: merged, decided, refused.

use proptest::prelude::*;

use super::*;

fn address(number: u16) -> Address {
    format!("10.0.0.{number}:8090").parse().unwrap()
}

fn id(number: u16) -> MachineId {
    MachineId(number)
}

fn three() -> Members {
    let mut members = Members::new(id(0));
    for number in 0..3 {
        members.begin_with(id(number), &address(number));
    }
    members.begin_myself(&address(0), 7);
    members
}

fn present(members: &Members) -> Vec<u16> {
    members.present().map(|record| record.id.0).collect()
}

#[test]
fn a_view_is_its_members_and_links_go_to_the_others() {
    let members = three();
    assert_eq!(present(&members), [0, 1, 2]);
    let peers: Vec<u16> = members.peers().iter().map(|peer| peer.id.0).collect();
    assert_eq!(peers, [1, 2]);
}

#[test]
fn who_introduces_itself_is_added_but_not_against_a_decision() {
    let mut members = three();
    assert!(members.greet(id(9), &address(9), 5));
    assert_eq!(present(&members), [0, 1, 2, 9]);
    assert!(!members.greet(id(9), &address(9), 5), "it is here already");
    let remove = MemberChange::Remove { id: id(9) };
    assert_eq!(members.change(&remove), Ok(true));
    assert_eq!(members.change(&remove), Err(Refused::NoSuchMember));
    assert!(!members.greet(id(9), &address(9), 5), "the same process");
    assert!(!members.greet(id(9), &address(9), 4), "an earlier one");
    assert_eq!(present(&members), [0, 1, 2]);
    assert!(members.greet(id(9), &address(8), 6), "started again");
    assert_eq!(
        members.get(id(9)).map(|record| record.address.clone()),
        Some(address(8))
    );
    members.change(&remove).unwrap();
    let add = MemberChange::Add {
        id: id(9),
        address: address(9),
    };
    assert_eq!(members.change(&add), Ok(true));
    assert_eq!(members.change(&add), Ok(false));
    assert_eq!(present(&members), [0, 1, 2, 9]);
}

#[test]
fn who_is_started_again_while_it_drains_goes_on_draining() {
    let mut members = three();
    members.greet(id(1), &address(1), 5);
    members.change(&MemberChange::Drain { id: id(1) }).unwrap();
    assert!(members.greet(id(1), &address(1), 6));
    let record = members.get(id(1)).unwrap();
    assert_eq!((record.status, record.incarnation), (Status::Draining, 6));
}

#[test]
fn a_list_is_the_members_and_nobody_else() {
    let mut members = Members::new(id(0));
    assert!(members.peers().is_empty());
    let set = |ids: &[(u16, u16)]| MemberChange::Set {
        members: ids
            .iter()
            .map(|(member, at)| (id(*member), address(*at)))
            .collect(),
    };
    assert_eq!(members.change(&set(&[(0, 0), (1, 1)])), Ok(true));
    assert_eq!(members.change(&set(&[(0, 0), (1, 1)])), Ok(false));
    assert_eq!(present(&members), [0, 1]);
    members.change(&set(&[(0, 0), (1, 5), (2, 2)])).unwrap();
    assert_eq!(
        members.get(id(1)).map(|record| record.address.clone()),
        Some(address(5))
    );
    members.change(&set(&[(2, 2)])).unwrap();
    assert!(
        !members.has_me() && members.peers().is_empty(),
        "a list without it means leave"
    );
    members.change(&set(&[(0, 0), (2, 2)])).unwrap();
    assert!(members.has_me());
}

#[test]
fn one_is_replaced_by_another() {
    let mut members = three();
    let replace = |old, new| MemberChange::Replace {
        old: id(old),
        id: id(new),
        address: address(new),
    };
    assert_eq!(members.change(&replace(2, 4)), Ok(true));
    assert_eq!(present(&members), [0, 1, 4]);
    assert_eq!(members.change(&replace(2, 5)), Err(Refused::NoSuchMember));
}

#[test]
fn there_are_only_so_many() {
    let mut members = Members::new(id(0));
    for number in 0..=RECORDS_MAX {
        let number = u16::try_from(number).unwrap();
        members.begin_with(id(number), &address(number));
    }
    assert_eq!(members.records().count(), RECORDS_MAX);
    let add = MemberChange::Add {
        id: id(60_000),
        address: address(60_000),
    };
    assert_eq!(members.change(&add), Err(Refused::TooMany));
    assert!(!members.greet(id(60_000), &address(60_000), 1));
}

fn record() -> impl Strategy<Value = Record> {
    let status = prop_oneof![
        Just(Status::Present),
        Just(Status::Draining),
        Just(Status::Removed)
    ];
    (0_u16..4, 1_u64..4, 0_u32..3, status, 0_u16..3).prop_map(|(number, version, incarnation, status, at)| {
        Record {
            id: id(number),
            version,
            incarnation,
            status,
            address: address(at),
        }
    })
}

proptest! {
    #[test]
    fn records_merge_to_the_same_in_any_order_and_any_number(
        records in prop::collection::vec(record(), 0..12),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let (mut forth, mut back) = (Members::new(id(0)), Members::new(id(1)));
        for record in &records {
            forth.merge(record);
        }
        for record in records.iter().rev() {
            back.merge(record);
        }
        if !records.is_empty() {
            for index in again {
                back.merge(&records[index.index(records.len())]);
            }
        }
        prop_assert!(forth.records().eq(back.records()));
        prop_assert_eq!(forth.digest(), back.digest());
    }
}

#[test]
fn no_two_members_are_at_one_address() {
    let mut members = three();
    let add = |member, at| MemberChange::Add {
        id: id(member),
        address: address(at),
    };
    assert_eq!(members.change(&add(7, 2)), Err(Refused::AddressTaken(id(2))));
    assert_eq!(present(&members), [0, 1, 2]);
    // In the place of the one that goes there is room, and where one was removed.
    let replace = MemberChange::Replace {
        old: id(2),
        id: id(7),
        address: address(2),
    };
    assert_eq!(members.change(&replace), Ok(true));
    assert_eq!(present(&members), [0, 1, 7]);
    assert_eq!(members.change(&add(2, 2)), Err(Refused::AddressTaken(id(7))));
    members.change(&MemberChange::Remove { id: id(7) }).unwrap();
    assert_eq!(members.change(&add(2, 2)), Ok(true));
    let set = |list: &[(u16, u16)]| MemberChange::Set {
        members: list
            .iter()
            .map(|(member, at)| (id(*member), address(*at)))
            .collect(),
    };
    for list in [[(0, 0), (1, 1), (1, 5)], [(0, 0), (1, 1), (5, 1)]] {
        let last = list[2].0;
        assert_eq!(members.change(&set(&list)), Err(Refused::Twice(id(last))));
        assert_eq!(present(&members), [0, 1, 2]);
    }
    // Two may change places.
    assert_eq!(members.change(&set(&[(0, 1), (1, 0)])), Ok(true));
    assert_eq!(present(&members), [0, 1]);
}

#[test]
fn who_was_given_up_is_so_whatever_those_say_who_have_not_heard_of_it() {
    let (mut here, mut there) = (three(), three());
    let lose = MemberChange::Lose { id: id(2) };
    assert_eq!(here.change(&lose), Ok(true));
    assert_eq!(here.change(&lose), Ok(false));
    for life in 5..50 {
        there.greet(id(2), &address(2), life);
    }
    let (lost, greeted) = (
        here.get(id(2)).unwrap().clone(),
        there.get(id(2)).unwrap().clone(),
    );
    assert!(there.merge(&lost) && !here.merge(&greeted));
    assert_eq!((present(&here), present(&there)), (vec![0, 1], vec![0, 1]));
    // Taken back, it is of the later age, also if it is only removed then.
    let (id, address) = (id(2), address(2));
    here.change(&MemberChange::Add { id, address }).unwrap();
    here.change(&MemberChange::Remove { id }).unwrap();
    assert_eq!(
        here.get(id).map(|record| (record.age(), record.status)),
        Some((1, Status::Removed))
    );
    // Who was removed can be given up later; who was never heard of cannot.
    assert_eq!(here.change(&lose), Ok(true));
    assert_eq!(here.get(id).map(Record::age), Some(2));
    let stranger = MemberChange::Lose { id: MachineId(9) };
    assert_eq!(here.change(&stranger), Err(Refused::NoSuchMember));
    // Of members that are told nobody hears of an age.
    let mut told = three();
    told.are_told = true;
    told.change(&lose).unwrap();
    assert_eq!(
        told.get(id).map(|record| (record.age(), record.status)),
        Some((0, Status::Removed))
    );
}

#[test]
fn one_that_is_only_configured_loses_against_one_that_was_met_at_its_address() {
    let mut members = three();
    members.begin_with(id(41), &address(1));
    assert_eq!(members.leave_out_phantoms().len(), 0, "nobody was met there");
    members.greet(id(1), &address(1), 5);
    // Whoever comes first, and also one that a joiner brings.
    let phantoms = members.leave_out_phantoms();
    assert_eq!(
        phantoms.iter().map(|record| record.id.0).collect::<Vec<_>>(),
        [41]
    );
    assert_eq!(present(&members), [0, 1, 2]);
    assert!(members.merge(&phantoms[0]));
    assert_eq!(members.leave_out_phantoms().len(), 1);
    // One that was met, or decided of, stays.
    members.greet(id(41), &address(1), 6);
    assert_eq!(members.leave_out_phantoms().len(), 0);
    assert_eq!(present(&members), [0, 1, 2, 41]);
}

#[test]
fn the_last_that_does_not_drain_is_not_drained() {
    let mut members = three();
    let drain = |number| MemberChange::Drain { id: id(number) };
    assert_eq!(members.change(&drain(0)), Ok(true));
    assert_eq!(members.change(&drain(2)), Ok(true));
    assert_eq!(members.change(&drain(1)), Err(Refused::Last));
    assert_eq!(members.change(&drain(0)), Ok(false));
    assert_eq!(members.change(&drain(9)), Err(Refused::NoSuchMember));
}
