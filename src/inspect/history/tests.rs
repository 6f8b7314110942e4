//! Hand-made runs in memory: matching, vectors, fronts and names, and logs that do not fit.

use std::{fs, path::Path};

use super::*;

const START: &str = "2026-11-20T23:16:01";

/// Writes a log of one machine of three: the header, and lines of (milliseconds, text).
fn write(dir: &Path, machine: u16, lines: &[(u32, &str)]) {
    let mut text = format!(
        "# clocklab-log 1\n# machine={machine} machines=3 clock=lamport seed=1 run=r started={START}.000000Z\n"
    );
    for (millis, line) in lines {
        let at = format!("{START}.{millis:03}000Z");
        text += &match line.strip_prefix("# ") {
            Some(remark) => {
                let (kind, keys) = remark.split_once(' ').unwrap();
                format!("# {kind}={at} {keys}\n")
            }
            None => format!("{at} {line}\n"),
        };
    }
    fs::write(dir.join(format!("machine-{machine}.log")), text).unwrap();
}

/// 0 sends to 1, which sends to 2; 2 sends to 1, which never takes it; 0 sends to 2 at last.
fn chain() -> (tempfile::TempDir, History) {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        0,
        &[
            (10, "send tick=1 clock=1 to=1"),
            (20, "internal tick=2 clock=2"),
            (90, "send tick=3 clock=3 to=1,2"),
        ],
    );
    write(
        dir.path(),
        1,
        &[
            (30, "receive tick=1 clock=2 from=0 sent=1 queue=0 waited_us=5000"),
            (40, "send tick=2 clock=3 to=2"),
        ],
    );
    write(
        dir.path(),
        2,
        &[
            (5, "send tick=1 clock=1 to=1"),
            (50, "receive tick=2 clock=4 from=1 sent=3 queue=0"),
        ],
    );
    let history = History::read(dir.path()).unwrap();
    (dir, history)
}

fn id(process: u32, index: u32) -> EventId {
    EventId { process, index }
}

#[test]
fn messages_are_matched_by_identity_and_keep_their_three_moments() {
    let (_dir, history) = chain();
    assert_eq!((history.len(), history.messages().len()), (7, 5));
    let message = history.received_by(id(1, 0)).next().unwrap();
    assert_eq!((message.send, message.to), (id(0, 0), 1));
    let moments = (
        history.event(message.send).unwrap().at.unwrap(),
        history.arrived(message).unwrap(),
        history.event(id(1, 0)).unwrap().at.unwrap(),
    );
    assert_eq!(
        (moments.1.us_since(moments.0), moments.2.us_since(moments.1)),
        (15_000, 5_000)
    );
    assert_eq!(history.sent_by(id(0, 2)).len(), 2);
    assert_eq!(history.sent_by(id(0, 1)), []);
    assert_eq!(history.sent_by(id(2, 0)).first().unwrap().fate, Fate::Unknown);
    assert_eq!(history.notes, Vec::<String>::new());
}

#[test]
fn vectors_count_the_past_of_each_event_causes_first() {
    let (_dir, history) = chain();
    let mut vectors = Vec::new();
    assert!(history.each_in_causal_order(|id, vector| vectors.push((history.name_of(id), vector.to_vec()))));
    let of = |name: &str| vectors.iter().find(|(other, _)| other == name).unwrap().1.clone();
    assert_eq!(of("0:3"), [3, 0, 0]);
    assert_eq!(of("1:3"), [1, 2, 0]);
    assert_eq!(of("2:4"), [1, 2, 2]);
    assert_eq!(vectors.len(), 7);
}

#[test]
fn fronts_lead_on_and_back_and_leave_out_what_is_overtaken() {
    let (_dir, history) = chain();
    let onward: Vec<_> = history.fronts().onward(0, 0).collect();
    assert_eq!(onward, [(1, Hop { send: 0, receive: 0 })]);
    assert_eq!(
        history.fronts().onward(0, 1).count(),
        0,
        "what is sent later is never taken"
    );
    let backward: Vec<_> = history.fronts().backward(2, 1).collect();
    assert_eq!(backward, [(1, Hop { send: 1, receive: 1 })]);
    let message = |send, receive| Message {
        send: id(0, send),
        to: 1,
        fate: Fate::Received(id(1, receive)),
        waited_us: None,
    };
    let fronts = Fronts::new(2, &[message(0, 3), message(2, 1), message(4, 5)]);
    assert_eq!(
        fronts.onward(0, 0).collect::<Vec<_>>(),
        [(1, Hop { send: 2, receive: 1 })]
    );
    assert_eq!(
        fronts.backward(1, 4).collect::<Vec<_>>(),
        [(0, Hop { send: 2, receive: 1 })]
    );
    assert_eq!(fronts.backward(1, 0).count(), 0);
}

#[test]
fn events_are_found_by_name_and_strangers_are_answered_with_their_neighbours() {
    let (_dir, history) = chain();
    let find = |text: &str| history.find(&text.parse().unwrap());
    assert_eq!(find("0:3"), Ok(id(0, 2)));
    let error = find("2:3").unwrap_err().to_string();
    let expected = "machine 2 has no event with clock 3; its neighbours are 2:1 (line 3) and 2:4 (line 4)";
    assert!(error.ends_with(expected), "{error}");
    let error = find("7:3").unwrap_err().to_string();
    assert!(
        error.ends_with("there is no machine 7; there are 0, 1, 2"),
        "{error}"
    );
    for text in ["", "0", ":3", "0:x", "0:-1"] {
        assert!(text.parse::<EventName>().is_err(), "{text}");
    }
}

#[test]
fn a_circle_of_messages_is_cut_and_told() {
    let dir = tempfile::tempdir().unwrap();
    for (me, other) in [(0, 1), (1, 0)] {
        let receive = format!("receive tick=1 clock=8 from={other} sent=9 queue=0");
        let send = format!("send tick=2 clock=9 to={other}");
        write(dir.path(), me, &[(10, &receive), (20, &send)]);
    }
    let history = History::read(dir.path()).unwrap();
    let mut count = 0;
    assert!(!history.each_in_causal_order(|_, _| count += 1));
    assert_eq!(count, 4);
    assert!(
        history.notes[0].contains("no log of machine 2"),
        "{:?}",
        history.notes
    );
}

#[test]
fn receives_without_a_send_are_kept_and_noted() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 0, &[(10, "send tick=1 clock=1 to=1")]);
    write(
        dir.path(),
        1,
        &[
            (20, "receive tick=1 clock=2 from=0 sent=1 queue=0"),
            (30, "receive tick=2 clock=3 from=0 sent=1 queue=0"),
            (40, "receive tick=3 clock=9 from=0 sent=8 queue=0"),
        ],
    );
    write(dir.path(), 2, &[]);
    let history = History::read(dir.path()).unwrap();
    assert_eq!(history.received().count(), 1);
    assert_eq!(history.notes.len(), 2, "{:?}", history.notes);
    assert!(
        history.notes[0]
            .contains("machine-1.log:4: the receive of 0:1 takes a message that was taken before")
    );
    assert!(history.notes[1].contains("machine-1.log:5: the receive of 0:8 has no send event"));
    let strays: Vec<String> = history
        .ids()
        .filter_map(|id| history.stray(id))
        .map(|stray| history.name_of_send(stray))
        .collect();
    assert_eq!(strays, ["0:1", "0:8"]);
}

#[test]
fn a_receive_from_a_machine_without_a_log_says_what_it_took() {
    let dir = tempfile::tempdir().unwrap();
    let receive = "receive tick=1 clock=8 from=2 sent=7 queue=0 waited_us=4000";
    write(dir.path(), 0, &[(10, receive)]);
    let history = History::read(dir.path()).unwrap();
    let stray = history.stray(id(0, 0)).unwrap();
    assert_eq!((stray.from, stray.sent), (Sender::Missing(MachineId(2)), 7));
    assert_eq!(history.name_of_send(stray), "2:7");
    let taken = history.event(id(0, 0)).unwrap().at.unwrap();
    assert_eq!(taken.us_since(history.stray_arrived(stray).unwrap()), 4000);
    assert_eq!(history.received_by(id(0, 0)).count(), 0);
}

#[test]
fn the_order_without_vectors_is_the_order_with_them() {
    let (_dir, history) = chain();
    let (mut plain, mut stamped) = (Vec::new(), Vec::new());
    assert!(history.each_causes_first(|id| plain.push(id)));
    assert!(history.each_in_causal_order(|id, _| stamped.push(id)));
    assert_eq!((plain.len(), plain), (7, stamped));
}

#[test]
fn messages_are_matched_where_clocks_fall_or_come_twice() {
    let dir = tempfile::tempdir().unwrap();
    let sends = [(10, 5), (20, 99), (30, 6), (40, 6), (50, 7)];
    let lines: Vec<(u32, String)> = (1..)
        .zip(sends)
        .map(|(tick, (at, clock))| (at, format!("send tick={tick} clock={clock} to=1")))
        .collect();
    let lines: Vec<(u32, &str)> = lines.iter().map(|(at, line)| (*at, line.as_str())).collect();
    write(dir.path(), 0, &lines);
    let received = [5, 99, 6, 6, 7];
    let lines: Vec<(u32, String)> = (1..)
        .zip(received)
        .map(|(tick, sent)| {
            let line = format!(
                "receive tick={tick} clock={} from=0 sent={sent} queue=0",
                200 + tick
            );
            (60 + tick, line)
        })
        .collect();
    let lines: Vec<(u32, &str)> = lines.iter().map(|(at, line)| (*at, line.as_str())).collect();
    write(dir.path(), 1, &lines);
    write(dir.path(), 2, &[]);
    let history = History::read(dir.path()).unwrap();
    let matched: Vec<u32> = history.received().map(|message| message.send.index).collect();
    assert_eq!(
        matched,
        [0, 1, 2, 3, 4],
        "each receive has a send event of its own"
    );
    assert_eq!(history.stray_count(), 0);
}

#[test]
fn what_was_on_a_process_that_died_ended_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let loss = "# fault id=1 kind=loss to=1 detail=30%";
    write(
        dir.path(),
        0,
        &[
            (10, loss),
            (11, "# fault id=2 kind=rate detail=3"),
            (15, "# mended id=2"),
            (20, "internal tick=1 clock=1"),
            (400, "# restarted incarnation=2"),
            (400, "# pace rate=4 next_us=1000"),
            (400, loss),
            (500, "# mended id=1"),
            (600, "# fault id=3 kind=delay to=1,2 detail=constant:1ms"),
        ],
    );
    write(dir.path(), 1, &[(10, "# fault id=4 kind=loss to=0 detail=1%")]);
    let mut history = History::read(dir.path()).unwrap();
    let ms = |at: WallTime| at.us_since(history.processes[0].started.unwrap()) / 1000;
    let breaks: Vec<(u32, i64, Option<i64>)> = history
        .breaks_of(0)
        .chain(history.breaks_of(1))
        .map(|found| (found.id, ms(found.from), found.until.map(ms)))
        .collect();
    let expected = [
        (1, 10, Some(20)),
        (2, 11, Some(15)),
        (1, 400, Some(500)),
        (3, 600, None),
        (4, 10, None),
    ];
    assert_eq!(breaks, expected);
    assert_eq!(history.deaths_of(0).map(ms).collect::<Vec<_>>(), [20]);
    assert_eq!(history.deaths_of(1).count(), 0);
    // Faults and deaths move with the clock that dated them.
    let before: Vec<Break> = history.breaks_of(0).cloned().collect();
    let died = history.deaths_of(0).next().unwrap();
    history.align(&[1000, 0]);
    for (found, before) in history.breaks_of(0).zip(&before) {
        assert_eq!(found.from.0, before.from.0 - 1000);
        assert_eq!(found.until, before.until.map(|at| WallTime(at.0 - 1000)));
    }
    assert_eq!(history.deaths_of(0).next(), Some(WallTime(died.0 - 1000)));
}

/// What became of the messages of machine 0, in order, by a letter: received, waiting, dropped, unknown.
fn fates(sender: &[(u32, &str)], receiver: &[(u32, &str)]) -> String {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 0, sender);
    write(dir.path(), 1, receiver);
    let history = History::read(dir.path()).unwrap();
    let letter = |message: &Message| match message.fate {
        Fate::Received(_) => 'r',
        Fate::Waiting => 'w',
        Fate::Dropped => 'd',
        Fate::Lost => 'l',
        Fate::Unknown => 'u',
    };
    history.messages().iter().map(letter).collect()
}

#[test]
fn what_waits_at_the_end_was_sent_to_the_life_that_ended() {
    let sender = [
        (10, "send tick=1 clock=1 to=1"),
        (20, "send tick=2 clock=2 to=1"),
        (30, "send tick=3 clock=3 to=1"),
        (40, "# link-lost peer=1"),
        (50, "send tick=4 clock=4 to=1 dropped=1"),
        (60, "# link-up peer=1 incarnation=2"),
        (70, "send tick=5 clock=5 to=1"),
        (80, "send tick=6 clock=6 to=1"),
        (90, "send tick=7 clock=7 to=1"),
    ];
    let first = (15, "receive tick=1 clock=2 from=0 sent=1 queue=0 waited_us=1000");
    let again = (55, "# restarted incarnation=2");
    let third = (75, "receive tick=2 clock=6 from=0 sent=5 queue=0 waited_us=1000");
    let ended = |queued: u32| format!("# ended reason=duration ticks=2 queued={queued} waiting={queued},0,0");
    let receiver = |queued| fates(&sender, &[first, again, third, (99, &ended(queued))]);
    assert_eq!(receiver(2), "ruudrww");
    assert_eq!(receiver(1), "ruudrwu", "the last one was under way");
    assert_eq!(receiver(3), "ruudrww", "no queue outlives its process");
}

#[test]
fn a_lost_link_loses_its_tail_and_no_queue() {
    let sender = [
        (10, "send tick=1 clock=1 to=1"),
        (20, "send tick=2 clock=2 to=1"),
        (30, "send tick=3 clock=3 to=1"),
        (40, "# link-lost peer=1"),
        (60, "# link-up peer=1"),
        (70, "send tick=4 clock=4 to=1"),
        (80, "send tick=5 clock=5 to=1"),
    ];
    let ended = |queued: u32| format!("# ended reason=duration ticks=0 queued={queued} waiting={queued},0,0");
    let receiver = |queued| fates(&sender, &[(99, &ended(queued))]);
    assert_eq!(receiver(2), "uuuww");
    assert_eq!(receiver(4), "wwuww");
    assert_eq!(receiver(5), "wwwww");
}
