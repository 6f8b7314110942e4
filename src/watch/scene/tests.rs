//! The scene of generated runs, however their files grow, and of remarks by hand.

use std::{
    collections::{BTreeSet, VecDeque},
    fs::File,
    io::Write,
};

use proptest::prelude::*;

use super::*;
use crate::{
    trace::{Event, FaultNote, Footer, LineWriter, Recipients},
    watch::Follower,
};

const MACHINES: u16 = 4;

/// 2026-11-20T23:16:01Z.
const START: WallTime = WallTime(1_795_216_561_000_000);

fn header(machine: u16) -> String {
    format!(
        "# clocklab-log 1\n# machine={machine} machines={MACHINES} rate=6 draw=10 clock=lamport seed=1 run=r \
         started=2026-11-20T23:16:01.000000Z\n"
    )
}

/// A run by hand: its logs, and what is under way at its end.
#[derive(Debug, Default)]
struct Generated {
    logs: Vec<Vec<u8>>,
    events: u64,
    clocks: Vec<u64>,
    under_way: BTreeSet<(u16, u16, u64)>,
}

/// Each number is a tick of some machine: the machine, and what it does if nothing waits.
fn generate(ticks: &[(u16, u8)]) -> Generated {
    let machines = usize::from(MACHINES);
    let mut run = Generated {
        logs: MachineId::all(MACHINES)
            .map(|id| header(id.0).into_bytes())
            .collect(),
        clocks: vec![0; machines],
        ..Generated::default()
    };
    let mut queues: Vec<VecDeque<(u16, u64)>> = vec![VecDeque::new(); machines];
    let mut counts = vec![0; machines];
    for (number, (machine, die)) in (1_i64..).zip(ticks) {
        let me = usize::from(*machine);
        counts[me] += 1;
        let kind = if let Some((from, sent)) = queues[me].pop_front() {
            run.under_way.remove(&(from, *machine, sent));
            run.clocks[me] = run.clocks[me].max(sent);
            Kind::Receive {
                from: MachineId(from),
                sent,
                queue: queues[me].len() as u64,
                waited_us: None,
            }
        } else if *die < MACHINES.try_into().unwrap() {
            let to: Recipients = MachineId(*machine)
                .peers(MACHINES)
                .filter(|peer| *die == 0 || u16::from(*die) == peer.0)
                .collect();
            for peer in &to {
                queues[peer.index()].push_back((*machine, run.clocks[me] + 1));
                run.under_way.insert((*machine, peer.0, run.clocks[me] + 1));
            }
            // A die that shows the machine itself.
            if to.is_empty() {
                Kind::Internal
            } else {
                Kind::Send { to, mishaps: None }
            }
        } else {
            Kind::Internal
        };
        run.clocks[me] += 1;
        run.events += 1;
        let event = Event {
            tick: counts[me],
            clock: run.clocks[me],
            vector: None,
            hybrid: None,
            store: None,
            kind,
        };
        let at = WallTime(START.0 + number * 1000);
        LineWriter::default().write(at, &Record::Event(event), &mut run.logs[me]);
    }
    run
}

/// The scene of files that grow by these pieces: which, and by how many bytes; then all the rest.
fn grown(run: &Generated, pieces: &[(u16, usize)]) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let mut follower = Follower::new(folder.path());
    let mut files: Vec<(File, &[u8])> = run
        .logs
        .iter()
        .enumerate()
        .map(|(id, log)| {
            let path = folder.path().join(format!("machine-{id}.log"));
            (File::create(path).unwrap(), log.as_slice())
        })
        .collect();
    let mut scene = Scene::default();
    let rest: Vec<(u16, usize)> = (0..MACHINES).map(|id| (id, usize::MAX)).collect();
    for (id, bytes) in pieces.iter().chain(&rest) {
        let (file, left) = &mut files[usize::from(*id)];
        let (piece, later) = left.split_at((*bytes).min(left.len()));
        file.write_all(piece).unwrap();
        *left = later;
        let mut news = Vec::new();
        follower.look(&mut news).unwrap();
        news.into_iter().for_each(|news| scene.take(news));
    }
    scene
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn every_event_counts_once_however_the_files_grow(
        ticks in prop::collection::vec((0..MACHINES, 0_u8..9), 0..300),
        pieces in prop::collection::vec((0..MACHINES, 0_usize..2000), 0..40),
    ) {
        let run = generate(&ticks);
        let scene = grown(&run, &pieces);
        prop_assert_eq!(scene.events(), run.events);
        for (id, machine) in scene.machines() {
            prop_assert_eq!(machine.clock, run.clocks[id.index()]);
            let waiting = run.under_way.iter().filter(|(_, to, _)| *to == id.0).count();
            prop_assert_eq!(scene.waiting(*id), waiting as u64);
        }
        let listed = scene.under_way(WallTime(i64::MAX));
        let listed: BTreeSet<_> = listed.iter().map(|message| (message.from.0, message.to.0, message.clock)).collect();
        prop_assert_eq!(listed, run.under_way);
    }

    #[test]
    fn an_earlier_moment_has_the_messages_that_were_under_way_then(
        ticks in prop::collection::vec((0..MACHINES, 0_u8..9), 1..200),
        part in 0.0..1.0,
    ) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a length")]
        let until = (part * ticks.len() as f64) as usize;
        let then = generate(&ticks[..until]);
        let scene = grown(&generate(&ticks), &[]);
        let at = WallTime(START.0 + i64::try_from(until).unwrap() * 1000);
        let listed = scene.under_way(at);
        let listed: BTreeSet<_> = listed.iter().map(|message| (message.from.0, message.to.0, message.clock)).collect();
        prop_assert_eq!(listed, then.under_way);
        for (id, machine) in scene.machines() {
            prop_assert_eq!(machine.at(at).map_or(0, |kept| kept.clock), then.clocks[id.index()]);
        }
    }
}

/// A scene that takes records of machine 0, one a second.
fn after(records: Vec<Record>) -> Scene {
    let run = generate(&[]);
    let mut scene = grown(&run, &[]);
    for (second, record) in (1..).zip(records) {
        let at = WallTime(START.0 + second * 1_000_000);
        let what = What::Record {
            line: 2 + u64::try_from(second).unwrap(),
            at,
            record,
        };
        scene.take(News {
            machine: MachineId(0),
            what,
        });
    }
    scene
}

fn fault(id: u32, kind: &str) -> Record {
    Record::Fault(Box::new(FaultNote {
        id,
        kind: kind.to_owned(),
        to: Recipients::new(),
        detail: String::new(),
    }))
}

#[test]
fn remarks_say_how_a_machine_stands_then_and_now() {
    let peer = MachineId(2);
    let scene = after(vec![
        fault(7, "loss"),
        Record::LinkLost { peer },
        Record::Mended { id: 7 },
        Record::Paused,
        Record::Pace {
            rate: 3,
            next_us: 1000,
        },
        fault(8, "kill"),
        Record::Restarted { incarnation: 2 },
        Record::LinkUp { peer, incarnation: 1 },
        Record::Ended(Box::new(Footer {
            queued: 4,
            ..Footer::default()
        })),
    ]);
    let machine = &scene.machines()[&MachineId(0)];
    let standing = |second: i64| machine.standing_at(WallTime(START.0 + second * 1_000_000));
    assert!(standing(1).faults.contains_key(&7) && !standing(3).faults.contains_key(&7));
    assert!(standing(2).lost.contains(&peer) && standing(8).lost.is_empty());
    assert!(standing(4).paused && !standing(5).paused);
    assert_eq!(
        (standing(6).killed, standing(7).killed),
        (Some(Killed::ForGood), None)
    );
    assert_eq!((standing(6).incarnation, standing(7).incarnation), (1, 2));
    assert!(standing(7).faults.is_empty());
    assert_eq!(machine.standing, standing(9));
    assert_eq!((machine.rate, scene.waiting(MachineId(0))), (Some(3), 4));
}

#[test]
fn a_run_has_ended_when_every_machine_has() {
    let mut scene = after(vec![Record::Ended(Box::default())]);
    assert!(!scene.has_ended());
    for id in 1..MACHINES {
        let what = What::Record {
            line: 3,
            at: START,
            record: Record::Ended(Box::default()),
        };
        scene.take(News {
            machine: MachineId(id),
            what,
        });
    }
    assert!(scene.has_ended());
    let newest = WallTime(START.0 + 1_000_000);
    assert_eq!(scene.edge(WallTime(START.0 + 99_000_000)), newest);
}

#[test]
fn the_picture_of_a_silent_run_stands_still() {
    let scene = after(vec![Record::Paused]);
    let newest = START.0 + 1_000_000;
    assert_eq!(scene.edge(WallTime(newest + 500_000)), WallTime(newest + 500_000));
    assert_eq!(
        scene.edge(WallTime(newest + 60_000_000)),
        WallTime(newest + SILENCE_US)
    );
}

#[test]
fn memory_is_bounded() {
    let machines = HISTORY_MAX / HISTORY_MACHINE_MIN + 100;
    let mut scene = Scene::default();
    let mut reader_header = None;
    let run = generate(&[]);
    if let Ok(reader) = crate::trace::LogReader::new("log", run.logs[0].as_slice()) {
        reader_header = Some(reader.header().clone());
    }
    let mut header = reader_header.unwrap();
    header.machines = u16::try_from(machines).unwrap();
    scene.take(News {
        machine: MachineId(0),
        what: What::Header(Box::new(header)),
    });
    for tick in 1..=3 * HISTORY_MACHINE_MIN as u64 {
        let event = Event {
            tick,
            clock: tick,
            vector: Some(vec![tick; 100].into()),
            hybrid: None,
            store: None,
            kind: Kind::Internal,
        };
        let what = What::Record {
            line: tick + 2,
            at: START,
            record: Record::Event(event),
        };
        scene.take(News {
            machine: MachineId(0),
            what,
        });
    }
    let machine = &scene.machines()[&MachineId(0)];
    assert_eq!(machine.history().len(), HISTORY_MACHINE_MIN);
    assert_eq!(scene.events(), 3 * HISTORY_MACHINE_MIN as u64);
    assert!(
        machine
            .history()
            .iter()
            .all(|kept| matches!(&kept.record, Record::Event(event) if event.vector.is_none()))
    );
}
