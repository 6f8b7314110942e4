//! Whatever is written is read as it was: headers, records, times, and logs cut at every byte.

use proptest::{collection::vec, option, prelude::*};

use super::*;

fn any_machines(least: usize) -> impl Strategy<Value = Vec<MachineId>> {
    proptest::collection::btree_set(any::<u16>(), least..12)
        .prop_map(|ids| ids.into_iter().map(MachineId).collect())
}

fn any_time() -> impl Strategy<Value = WallTime> {
    // From year 1 to 9999, and often near the same minute.
    prop_oneof![
        (-62_135_596_800_000_000_i64..=253_402_300_799_999_999).prop_map(WallTime),
        (AT_US..AT_US + 120_000_000).prop_map(WallTime),
    ]
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Internal),
        Just(Kind::Other),
        (any_machines(1), any_mishaps()).prop_map(|(to, mishaps)| Kind::Send {
            to: to.into(),
            mishaps: mishaps.into_event(),
        }),
        any::<(u16, u64, u64, Option<u64>)>().prop_map(|(from, sent, queue, waited_us)| Kind::Receive {
            from: MachineId(from),
            sent,
            queue,
            waited_us,
        }),
    ]
}

fn any_mishaps() -> impl Strategy<Value = Mishaps> {
    let lists = [any_machines(0), any_machines(0), any_machines(0), any_machines(0)];
    lists.prop_map(|[dropped, lost, duplicated, unordered]| Mishaps {
        dropped: dropped.into(),
        lost: lost.into(),
        duplicated: duplicated.into(),
        unordered: unordered.into(),
    })
}

fn any_known() -> impl Strategy<Value = VersionVector> {
    vec(((any::<u16>(), any::<u32>()), 1..=u64::MAX), 1..5).prop_map(|entries| {
        let origin = |(machine, incarnation)| Origin {
            machine: MachineId(machine),
            incarnation,
        };
        entries
            .into_iter()
            .map(|(of, number)| (origin(of), number))
            .collect()
    })
}

fn any_stretch() -> impl Strategy<Value = Stretch> {
    (any::<(u16, u32)>(), 1..=u64::MAX, any::<u64>()).prop_map(|((machine, incarnation), first, more)| {
        Stretch {
            origin: Origin {
                machine: MachineId(machine),
                incarnation,
            },
            first,
            last: first.saturating_add(more),
        }
    })
}

/// At least one of its keys is there: without any the line says nothing of a change.
fn any_change() -> impl Strategy<Value = StoreChange> {
    let needs = proptest::collection::btree_map(any::<u64>(), any_known(), 0..4);
    let parts = (
        any_stretch(),
        needs,
        vec(any_stretch(), 0..4),
        option::of(any_known()),
    );
    parts.prop_map(|(wrote, needs, applied, adopted)| StoreChange {
        wrote: Some(wrote),
        needs: needs.into_iter().collect(),
        applied,
        adopted,
    })
}

fn any_event() -> impl Strategy<Value = Event> {
    (
        any::<(u64, u64)>(),
        option::of(vec(any::<u64>(), 0..5)),
        option::of(any::<(u64, u32)>()),
        option::of(any_change().prop_map(Box::new)),
        any_kind(),
    )
        .prop_map(|((tick, clock), vector, hybrid, store, kind)| Event {
            tick,
            clock,
            vector: vector.map(Vec::into_boxed_slice),
            hybrid: hybrid.map(|(physical_us, logical)| HybridTime { physical_us, logical }),
            store,
            kind,
        })
}

fn any_footer() -> impl Strategy<Value = Footer> {
    let reason = (0..Reason::ALL.len()).prop_map(|place| Reason::ALL[place]);
    (
        reason,
        any::<(Option<u16>, u64, u64)>(),
        vec(any::<u64>(), 0..5),
        any_machines(0),
        any::<(Option<u64>, Option<u64>, Option<u64>, Option<u64>)>(),
    )
        .prop_map(
            |(reason, (peer, ticks, queued), waiting, goodbye, (mean, max, stalls, suspended))| Footer {
                ended: WallTime::default(),
                reason: Some(reason),
                peer: peer.map(MachineId),
                ticks,
                queued,
                waiting,
                goodbye,
                tick_error_us_mean: mean,
                tick_error_us_max: max,
                stalls,
                ticking_us: suspended.map(|us| us / 2),
                suspended_us: suspended,
                frames_sent: mean,
                bytes_sent: max,
            },
        )
}

fn any_fault() -> impl Strategy<Value = FaultNote> {
    (any::<u32>(), "[a-z-]{1,12}", any_machines(0), "[a-z0-9.:-]{0,20}").prop_map(|(id, kind, to, detail)| {
        FaultNote {
            id,
            kind,
            to: to.into(),
            detail,
        }
    })
}

fn any_record() -> impl Strategy<Value = (WallTime, Record)> {
    let record = prop_oneof![
        6 => any_event().prop_map(Record::Event),
        1 => any::<(u16, u32)>().prop_map(|(peer, incarnation)| Record::LinkUp {
            peer: MachineId(peer),
            incarnation: incarnation.max(1),
        }),
        1 => any_fault().prop_map(|fault| Record::Fault(Box::new(fault))),
        1 => any::<u32>().prop_map(|id| Record::Mended { id }),
        1 => Just(Record::Paused),
        1 => any::<u64>().prop_map(|ticks| Record::Stepped { ticks }),
        1 => any::<(u32, u64)>().prop_map(|(rate, next_us)| Record::Pace { rate, next_us }),
        1 => any::<(u64, i64)>().prop_map(|(ticks, physical_us)| Record::Jumped { ticks, physical_us }),
        1 => any::<u32>().prop_map(|incarnation| Record::Restarted { incarnation }),
        1 => (any_known(), any::<u64>()).prop_map(|(known, digest)| Record::Data(Box::new(DataNote { known, digest }))),
        1 => any::<u16>().prop_map(|peer| Record::LinkLost { peer: MachineId(peer) }),
        1 => any::<(u64, u64)>().prop_map(|(late_us, skipped)| Record::Stall { late_us, skipped }),
        1 => any_footer().prop_map(|footer| Record::Ended(Box::new(footer))),
    ];
    (any_time(), record).prop_map(|(at, record)| match record {
        Record::Ended(footer) => (at, Record::Ended(Box::new(Footer { ended: at, ..*footer }))),
        record => (at, record),
    })
}

fn any_header() -> impl Strategy<Value = Header> {
    (
        (0_u16..u16::MAX, any::<u16>()),
        any::<(Option<u32>, Option<u32>, Option<u64>, u64, bool)>(),
        (1_u32..=1_000_000).prop_map(|permille| format!("{}", f64::from(permille) / 1000.0)),
        "[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
        any_time(),
        any::<Option<u32>>(),
    )
        .prop_map(
            |((machine, more), (rate, draw, phase_us, seed, ring), speed, run, started, incarnation)| {
                Header {
                    machine: MachineId(machine),
                    machines: (machine + 1).saturating_add(more),
                    rate,
                    draw,
                    traffic: if ring { Traffic::Ring } else { Traffic::Assignment },
                    phase_us,
                    speed: speed.parse().unwrap(),
                    clock: ClockKind::Lamport,
                    incarnation,
                    seed,
                    run: run.parse::<RunId>().unwrap(),
                    started,
                }
            },
        )
}

proptest! {
    #[test]
    fn every_record_is_read_as_it_was_written(records in vec(any_record(), 0..20)) {
        let (found, errors) = read(&written(&records));
        prop_assert_eq!(found, records);
        prop_assert_eq!(errors, Vec::<String>::new());
    }

    #[test]
    fn every_header_is_read_as_it_was_written(header in any_header()) {
        let mut output = Vec::new();
        LineWriter::default().write_header(&header, &mut output);
        let reader = LogReader::new("a.log", output.as_slice()).unwrap();
        prop_assert_eq!(reader.header(), &header);
    }

    #[test]
    fn every_time_is_read_as_it_was_written_whatever_came_before(times in vec(any_time(), 1..8)) {
        let (mut writer, mut reader) = (TimeText::default(), TimeText::default());
        for time in times {
            let mut text = Vec::new();
            writer.write(time, &mut text);
            prop_assert_eq!(reader.parse(&text), Some(time));
            prop_assert_eq!(text, time.to_string().into_bytes());
        }
    }

    #[test]
    fn a_cut_log_reads_as_its_whole_lines(records in vec(any_record(), 1..6)) {
        let log = written(&records);
        let behind_header = written(&[]).len();
        for cut in 0..=log.len() {
            let text = &log[..cut];
            if cut < behind_header {
                let is_headless = matches!(LogReader::new("a.log", text), Err(ReadError::Headless { .. }));
                prop_assert!(is_headless, "cut at {}", cut);
                continue;
            }
            let lines = text[behind_header..].iter().filter(|byte| **byte == b'\n').count();
            let (found, errors) = read(text);
            prop_assert_eq!(found.as_slice(), &records[..lines]);
            prop_assert!(errors.is_empty());
        }
    }

    #[test]
    fn keys_are_read_in_any_order_among_unknown_ones(
        event in any_event(),
        order in any::<prop::sample::Index>(),
        unknown in "[a-z_]{3,9}[0-9]=[!-~]{0,12}",
    ) {
        let line = written(&[(WallTime(AT_US), Record::Event(event.clone()))]);
        let line = String::from_utf8(line[written(&[]).len()..].to_vec()).unwrap();
        let mut words: Vec<&str> = line.trim_end().split(' ').collect();
        words.push(&unknown);
        let rotation = order.index(words.len() - 2);
        words[2..].rotate_left(rotation);
        prop_assert_eq!(record_of(&words.join(" ")), Ok(Record::Event(event)));
    }

    #[test]
    fn arbitrary_bytes_behind_the_header_never_panic(
        bytes in vec(prop_oneof![any::<u8>(), prop::sample::select(b"# =,\n\r0tick".as_slice())], 0..200),
    ) {
        let log = [log_of("").as_bytes(), &bytes].concat();
        let (records, errors) = read(&log);
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        prop_assert!(records.len() + errors.len() <= lines);
    }

    #[test]
    fn arbitrary_bytes_are_no_log(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert!(LogReader::new("a.log", bytes.as_slice()).is_err());
    }
}
