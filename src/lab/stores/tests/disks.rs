//! The judge of what may be gone, on runs that are made by hand.

use super::super::disks::{Disks, LATELY_US};
use crate::{
    clock::{Dot, VersionVector},
    kv::{Copies, Kept, MemberRecord, MemberStatus},
    service::Peer,
    units::{MachineId, Time},
};

const LIFE: u32 = 5;

fn id(number: u16) -> MachineId {
    MachineId(number)
}

fn vector(text: &str) -> VersionVector {
    text.parse().unwrap()
}

fn dot(text: &str) -> Dot {
    text.parse().unwrap()
}

fn record(number: u16, version: u64, status: MemberStatus) -> MemberRecord {
    MemberRecord {
        id: id(number),
        version,
        incarnation: LIFE,
        status,
        address: format!("store-{number}:1").parse().unwrap(),
    }
}

fn views(disks: &mut Disks, at: u64) {
    for machine in 0..3 {
        let others = (0..3).filter(|other| *other != machine);
        let peer = |number| Peer {
            id: id(number),
            address: format!("store-{number}:1").parse().unwrap(),
        };
        disks.views(id(machine), Time(at), &others.map(peer).collect::<Vec<_>>());
    }
}

/// Three replicas that have met.
fn three() -> Disks {
    let mut disks = Disks::default();
    for machine in 0..3 {
        disks.started(id(machine), LIFE);
        for other in (0..3).filter(|other| *other != machine) {
            disks.met(id(machine), id(other), LIFE);
        }
        let records = (0..3).map(|number| record(number, 1, MemberStatus::Present));
        let rows: Vec<_> = records.map(|record| Kept::Members(vec![record]).row()).collect();
        assert_eq!(disks.keeps(id(machine), Time(1), &rows), [""; 0]);
    }
    views(&mut disks, 1);
    disks
}

fn known(text: &str) -> Kept {
    Kept::Known {
        known: vector(text),
        forgotten: VersionVector::new(),
    }
}

fn keeps(disks: &mut Disks, machine: u16, at: u64, text: &str) -> Vec<String> {
    disks.keeps(id(machine), Time(at), &[known(text).row()])
}

fn decides(disks: &mut Disks, machine: u16, at: u64, record: MemberRecord) -> Vec<String> {
    disks.keeps(id(machine), Time(at), &[Kept::Members(vec![record]).row()])
}

/// Who is a member at the end: everybody but one.
fn all_but(number: u16) -> impl Fn(MachineId) -> bool {
    move |machine| machine != id(number)
}

#[test]
fn a_write_may_be_gone_if_all_disks_that_kept_it_are_lost() {
    let mut disks = three();
    keeps(&mut disks, 0, 10, "0.5.1");
    disks.lost(id(1));
    let gone = |disks: &Disks| disks.judge_gone(dot("0.5.1"), |_| true);
    assert!(
        gone(&disks).unwrap_err().contains("machine 0, a member"),
        "another disk"
    );
    disks.lost(id(0));
    assert_eq!(gone(&disks), Ok(()));
    let mut disks = three();
    keeps(&mut disks, 0, 10, "0.5.1");
    keeps(&mut disks, 2, 11, "0.5.1");
    disks.lost(id(0));
    assert!(gone(&disks).unwrap_err().contains("machine 2, a member"));
    assert!(gone(&three()).is_err(), "no disk ever had it");
}

#[test]
fn what_one_that_was_removed_had_alone_may_be_gone_but_not_what_one_had_that_left() {
    let mut disks = three();
    keeps(&mut disks, 2, 10, "2.5.1");
    let gone = |disks: &Disks| disks.judge_gone(dot("2.5.1"), all_but(2));
    assert!(gone(&disks).is_err(), "nothing was decided");
    decides(&mut disks, 0, 20, record(2, 2, MemberStatus::Removed));
    assert_eq!(gone(&disks), Ok(()));
    assert!(
        disks.judge_gone(dot("2.5.1"), |_| true).is_err(),
        "it was taken back"
    );
    // It is taken back and drained: now it has to hand over.
    decides(&mut disks, 0, 30, record(2, 4, MemberStatus::Left));
    assert!(
        gone(&disks).unwrap_err().contains("no disk"),
        "{:?}",
        gone(&disks)
    );
    // An unrelated disk is no excuse, nor is one that had it no more.
    disks.lost(id(1));
    assert!(gone(&disks).is_err());
}

#[test]
fn who_leaves_has_handed_over_what_it_had() {
    let leaves = |disks: &mut Disks| {
        disks.views(id(2), Time(40), &[]);
        decides(disks, 2, 41, record(2, 3, MemberStatus::Left))
    };
    let draining = |disks: &mut Disks| {
        keeps(disks, 2, 10, "0.5.1,2.5.1");
        decides(disks, 2, 20, record(2, 2, MemberStatus::Draining));
    };
    let mut early = three();
    draining(&mut early);
    keeps(&mut early, 0, 30, "0.5.1,2.5.1");
    let wrong = leaves(&mut early).join(" ");
    assert!(
        wrong.contains("machine 2 left") && wrong.contains("only [MachineId(0)]"),
        "{wrong}"
    );

    let mut good = three();
    draining(&mut good);
    keeps(&mut good, 2, 25, "0.5.3,2.5.1");
    for machine in [0, 1] {
        keeps(&mut good, machine, 30, "0.5.1,2.5.1");
    }
    // What came while it drained is not its to hand over. A disk that is lost unheard of counts.
    good.lost(id(1));
    assert_eq!(leaves(&mut good), [""; 0]);

    let mut heard_of = three();
    draining(&mut heard_of);
    for machine in [0, 1] {
        keeps(&mut heard_of, machine, 30, "0.5.1,2.5.1");
    }
    heard_of.lost(id(1));
    heard_of.started(id(1), LIFE + 1);
    heard_of.met(id(2), id(1), LIFE + 1);
    assert_eq!(
        leaves(&mut heard_of).len(),
        1,
        "it has met the next life, which has nothing"
    );
}

#[test]
fn who_leaves_hands_over_to_those_who_were_there_then() {
    let mut disks = three();
    for machine in [0, 1, 2] {
        assert_eq!(keeps(&mut disks, machine, 10, "2.5.1"), [""; 0]);
    }
    decides(&mut disks, 2, 20, record(2, 2, MemberStatus::Draining));
    // It leaves, hears of three others, and its slow disk says all at once.
    disks.views(id(2), Time(30), &[]);
    let left = [3, 4, 6]
        .map(|number| record(number, 1, MemberStatus::Present))
        .into_iter()
        .chain([record(2, 3, MemberStatus::Left)]);
    let rows: Vec<_> = left.map(|record| Kept::Members(vec![record]).row()).collect();
    assert_eq!(disks.keeps(id(2), Time(40), &rows), [""; 0]);
    // Nobody is excused who was there.
    let mut disks = three();
    assert_eq!(keeps(&mut disks, 2, 10, "2.5.1"), [""; 0]);
    decides(&mut disks, 2, 20, record(2, 2, MemberStatus::Draining));
    disks.views(id(2), Time(30), &[]);
    let wrong = decides(&mut disks, 2, 40, record(2, 3, MemberStatus::Left));
    assert_eq!(wrong.len(), 1, "{wrong:?}");
}

#[test]
fn an_acknowledged_write_is_on_as_many_disks_as_were_asked_for() {
    let mut disks = three();
    let judge = |disks: &Disks, copies| disks.judge_acknowledged(dot("0.5.2"), copies, 3);
    keeps(&mut disks, 0, 10, "0.5.1");
    keeps(&mut disks, 1, 10, "0.5.2");
    assert!(
        judge(&disks, Copies::One).is_err(),
        "not on the disk of who accepted it"
    );
    keeps(&mut disks, 0, 11, "0.5.2");
    for copies in [Copies::One, Copies::Pushed, Copies::Two, Copies::Majority] {
        assert_eq!(judge(&disks, copies), Ok(()));
    }
    assert!(
        disks
            .judge_acknowledged(dot("0.5.2"), Copies::Majority, 4)
            .is_err()
    );
    // What comes to one that drains does not count, unless it is taken back.
    let mut disks = three();
    keeps(&mut disks, 0, 10, "0.5.2");
    decides(&mut disks, 1, 12, record(1, 2, MemberStatus::Draining));
    keeps(&mut disks, 1, 14, "0.5.2");
    assert!(judge(&disks, Copies::Two).is_err());
    decides(&mut disks, 0, 16, record(1, 3, MemberStatus::Present));
    assert_eq!(judge(&disks, Copies::Two), Ok(()));
}

#[test]
fn nothing_is_let_go_that_a_member_has_had_for_a_while() {
    let mut disks = three();
    keeps(&mut disks, 1, 10, "1.5.1");
    let judge = |disks: &Disks, at| disks.judge_let_go(dot("1.5.1"), id(0), Time(at));
    assert!(judge(&disks, 10 + LATELY_US).is_err());
    assert_eq!(judge(&disks, 9 + LATELY_US), Ok(()), "the answer was under way");
    disks.lost(id(1));
    assert_eq!(judge(&disks, 10 + LATELY_US), Ok(()));
    assert!(
        disks
            .judge_let_go(dot("1.5.9"), id(0), Time(10 + LATELY_US))
            .is_err(),
        "no disk ever had it"
    );
}

#[test]
fn a_disk_forgets_nothing_and_gives_back_what_it_has() {
    let mut disks = three();
    keeps(&mut disks, 1, 10, "0.5.1,1.5.1");
    assert!(keeps(&mut disks, 1, 11, "1.5.2").join(" ").contains("instead"));
    assert_eq!(disks.judge_restored(id(1), &vector("1.5.2")), Ok(()));
    assert!(disks.judge_restored(id(1), &vector("1.5.1")).is_err());
    let unread = crate::service::Row {
        value: Some(Box::new([255])),
        ..known("1.5.2").row()
    };
    assert_eq!(disks.keeps(id(1), Time(12), &[unread]).len(), 1);
}

#[test]
fn what_was_given_up_is_dropped_and_excuses_what_is_gone_with_it() {
    let lost = |version: u64, status| record(2, (1 << 32) + version, status);
    let mut disks = three();
    keeps(&mut disks, 2, 10, "2.5.1");
    let gone =
        |disks: &Disks, is_there: bool| disks.judge_gone(dot("2.5.1"), |other| is_there || other != id(2));
    assert!(gone(&disks, false).is_err(), "nothing was decided");
    decides(&mut disks, 0, 20, lost(0, MemberStatus::Lost));
    assert_eq!(gone(&disks, false), Ok(()));
    assert!(gone(&disks, true).is_err(), "it has not given it up");
    assert_eq!(disks.keeps(id(2), Time(30), &[Kept::Lost(true).row()]), [""; 0]);
    assert_eq!(gone(&disks, true), Ok(()));
    // The next life begins with nothing, and says so to its disk.
    disks.died(id(2));
    disks.started(id(2), LIFE + 1);
    assert_eq!(disks.judge_restored(id(2), &VersionVector::new()), Ok(()));
    assert!(disks.judge_restored(id(2), &vector("2.5.1")).is_err());
    let rows = |known: &str| {
        let (known, forgotten) = (vector(known), VersionVector::new());
        let whole = [Kept::Known { known, forgotten }.row(), Kept::Lost(false).row()];
        let member = Kept::Members(vec![lost(1, MemberStatus::Present)]).row();
        whole.into_iter().chain([member]).collect::<Vec<_>>()
    };
    assert_eq!(disks.keeps(id(2), Time(40), &rows("-")), [""; 0]);
    assert_eq!(gone(&disks, true), Ok(()));
    // One that takes itself for a member again, and has it still.
    let mut disks = three();
    keeps(&mut disks, 2, 10, "2.5.1");
    let wrong = decides(&mut disks, 2, 30, lost(1, MemberStatus::Present)).join(" ");
    assert!(wrong.contains("goes on with what it had"), "{wrong}");
    let mut disks = three();
    keeps(&mut disks, 2, 10, "2.5.1");
    let wrong = disks.keeps(id(2), Time(40), &rows("-")).join(" ");
    assert!(wrong.contains("is given - instead"), "{wrong}");
}
