//! The event log of a machine of an open mesh, over its lives.

use std::path::Path;

use clocklab::{
    clock::ClockKind,
    mesh::{LogEnd, LogFile},
    service::NoDisk,
    trace::{Header, Traffic, WallTime},
    units::{MachineId, Speed},
};

use super::{Ask, Running, ask, pair, peer, place};
use crate::support::free_addresses;

fn header(incarnation: u32) -> Header {
    Header {
        machine: MachineId(1),
        machines: 3,
        rate: None,
        draw: None,
        traffic: Traffic::Assignment,
        phase_us: None,
        speed: Speed::NORMAL,
        clock: ClockKind::Lamport,
        incarnation: Some(incarnation),
        seed: 7,
        run: "tally".parse().unwrap(),
        started: WallTime(0),
    }
}

/// The lines of the log without their times.
fn lines(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("tally/machine-1.log")).unwrap();
    let without_time = |line: &str| match line.split_once('=') {
        Some((key, rest)) if line.starts_with("# ") && !line.contains("machine=") => {
            let rest = rest.split_once(' ').map_or("", |(_, rest)| rest);
            format!("{key} {rest}").trim().to_owned()
        }
        _ => line.split_once(' ').map_or(line, |(_, rest)| rest).to_owned(),
    };
    text.lines().skip(2).map(without_time).collect()
}

#[test]
fn the_log_says_what_happened_to_links_and_goes_on_in_a_further_life() {
    let folder = tempfile::tempdir().unwrap();
    let addresses = free_addresses(2);
    let peers = vec![peer(2, addresses[1])];
    let start = |log: LogFile, incarnation: u32, log_end: Option<LogEnd>| {
        let mut place = place(1);
        place.listen = addresses[0];
        (place.incarnation, place.log_end) = (incarnation, log_end);
        Running::start_with(place, peers.clone(), log, Box::new(NoDisk::default()), None)
    };
    let one = start(LogFile::new(folder.path(), header(100)), 100, None);
    assert_eq!(ask(&mut one.client(), &Ask::Add(1)), 1);
    let mut place = place(2);
    place.listen = addresses[1];
    let two = Running::start(place, vec![peer(1, addresses[0])]);
    one.up(2);
    assert_eq!(ask(&mut one.client(), &Ask::Add(1)), 2);
    let settled = lines(folder.path());
    assert_eq!(
        settled,
        [
            "internal tick=1 clock=1",
            "# link-up peer=2",
            "send tick=2 clock=2 to=2"
        ],
        "it is there before the answer is"
    );
    one.stop();
    two.wait_for(|told| matches!(told, super::Told::Down(..)));
    let path = folder.path().join("tally/machine-1.log");
    let bytes = std::fs::metadata(path).unwrap().len();
    let log = LogFile::resumed(folder.path(), header(100), bytes).unwrap();
    let end = LogEnd {
        at: WallTime(0),
        tick: 2,
        clock: 2,
        fault_id_max: 0,
    };
    let one = start(log, 101, Some(end));
    one.up(2);
    two.wait_for(|told| *told == super::Told::Up(MachineId(1), 101));
    one.stop();
    let all = lines(folder.path());
    assert_eq!(all[3..], ["# restarted incarnation=101", "# link-up peer=2"]);
    two.stop();
}

#[test]
fn links_of_machines_without_a_log_are_the_same() {
    let (one, two) = pair();
    one.up(2);
    two.up(1);
    one.stop();
    two.stop();
}
