//! Check on broken runs: what the send lines say is expected, and nothing else; every lie is found.

use std::{fs, path::Path};

use clocklab::{
    faults::Plan,
    inspect::{self, Verdict},
};

use crate::check::generate::{self, Plan as Run};

const SENDER: &str = "# clocklab-log 1\n# machine=0 machines=2 clock=lamport seed=1 run=r started=2026-11-20T23:16:01.000000Z\n";
const RECEIVER: &str = "# clocklab-log 1\n# machine=1 machines=2 clock=lamport seed=1 run=r started=2026-11-20T23:16:01.000000Z\n";

/// A run of two machines: sends of machine 0 (what stands behind `to=1`), and what machine 1 received (the clocks), all
/// of it before the sends if `ahead`.
fn judged(sends: &[&str], received: &[u64], ahead: bool) -> Verdict {
    let dir = tempfile::tempdir().unwrap();
    let (mut sender, mut receiver) = (SENDER.to_owned(), RECEIVER.to_owned());
    for (clock, more) in (1..).zip(sends) {
        sender += &format!("2026-11-20T23:16:02.{clock:06}Z send tick={clock} clock={clock} to=1{more}\n");
    }
    let ticks = sends.len();
    sender += &format!(
        "# ended=2026-11-20T23:16:04.000000Z reason=duration ticks={ticks} queued=0 waiting=0,0 goodbye=1\n"
    );
    let mut clock = 0;
    for (tick, sent) in (1..).zip(received) {
        clock = clock.max(*sent) + 1;
        let second = if ahead { 1 } else { 3 };
        receiver += &format!(
            "2026-11-20T23:16:0{second}.{tick:06}Z receive tick={tick} clock={clock} from=0 sent={sent} queue=0\n"
        );
    }
    let ticks = received.len();
    receiver += &format!(
        "# ended=2026-11-20T23:16:04.000000Z reason=duration ticks={ticks} queued=0 waiting=0,0 goodbye=0\n"
    );
    fs::write(dir.path().join("machine-0.log"), sender).unwrap();
    fs::write(dir.path().join("machine-1.log"), receiver).unwrap();
    inspect::check(dir.path()).unwrap().0
}

/// The rules that a run breaks, whichever of its ends is read first.
#[track_caller]
fn broken(sends: &[&str], received: &[u64]) -> Vec<(&'static str, u64)> {
    let [behind, ahead] = [false, true].map(|ahead| {
        let verdict = judged(sends, received, ahead);
        let rules: Vec<(&str, u64)> = verdict
            .rules
            .iter()
            .filter(|count| count.broken > 0)
            .map(|count| (count.rule, count.broken))
            .collect();
        (rules, verdict.to_string())
    });
    assert_eq!(behind.0, ahead.0, "{}\n{}", behind.1, ahead.1);
    behind.0
}

#[test]
fn what_a_send_line_says_is_expected() {
    assert_eq!(broken(&["", " lost=1", ""], &[1, 3]), []);
    assert_eq!(broken(&["", " duplicated=1", ""], &[1, 2, 2, 3]), []);
    assert_eq!(
        broken(&["", " unordered=1", " unordered=1", ""], &[3, 1, 4, 2]),
        []
    );
    assert_eq!(broken(&[" unordered=1 duplicated=1", "", ""], &[2, 1, 3, 1]), []);
    assert_eq!(broken(&[" lost=1", " lost=1"], &[]), []);
}

#[test]
fn a_loss_that_is_not_logged_is_found() {
    assert_eq!(
        broken(&["", "", ""], &[1, 3]),
        [("channel order", 1), ("conservation", 1)]
    );
    assert_eq!(broken(&["", ""], &[1]), [("conservation", 1)]);
    assert_eq!(broken(&[" unordered=1", ""], &[2]), [("conservation", 1)]);
}

#[test]
fn a_loss_that_is_none_is_found() {
    assert_eq!(
        broken(&["", " lost=1", ""], &[1, 2, 3]),
        [("channel order", 1), ("conservation", 1)]
    );
}

#[test]
fn a_duplicate_that_is_not_logged_is_found() {
    assert_eq!(
        broken(&["", ""], &[1, 1, 2]),
        [("channel order", 1), ("conservation", 1)]
    );
    assert_eq!(
        broken(&[" duplicated=1", ""], &[1, 1, 1, 2]),
        [("channel order", 1), ("conservation", 1)]
    );
    assert_eq!(
        broken(&[" unordered=1", ""], &[1, 2, 1]),
        [("channel order", 1), ("conservation", 1)]
    );
}

#[test]
fn a_duplicate_that_is_missing_or_out_of_its_place_is_found() {
    assert_eq!(
        broken(&[" duplicated=1", ""], &[1, 2]),
        [("channel order", 1), ("conservation", 1)]
    );
    assert_eq!(
        broken(&[" duplicated=1", "", ""], &[1, 2, 1, 3]),
        [("channel order", 1)]
    );
}

#[test]
fn an_overtaking_that_is_not_marked_is_found() {
    assert_eq!(broken(&["", "", ""], &[2, 1, 3]), [("channel order", 1)]);
    // The mark of one does not excuse the others.
    assert_eq!(
        broken(&["", " unordered=1", ""], &[3, 2, 1]),
        [("channel order", 1)]
    );
}

#[test]
fn what_overtakes_on_skewed_hosts_is_found_by_name() {
    // Newest first, and all of it before its sends: a search through what waits would take half a billion steps.
    let count: u16 = 30_000;
    let received: Vec<u64> = (1..=u64::from(count)).rev().collect();
    let began = std::time::Instant::now();
    let verdict = judged(&vec![" unordered=1"; usize::from(count)], &received, true);
    assert!(verdict.is_valid(), "{verdict}");
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
}

#[test]
fn conservation_says_what_faults_did() {
    let verdict = judged(&[" lost=1", " duplicated=1", "", ""], &[2, 2, 3], false);
    let text = verdict.to_string();
    assert!(
        text.contains("machine 0 sent 4 messages to machine 1")
            && text.contains("1 lost and 1 doubled by faults make 4; 3 were received and 0 wait"),
        "{text}"
    );
}

/// A line of the log of a broken run, changed or left out.
fn lie(
    logs: &[String],
    is_it: impl Fn(&str) -> bool,
    change: impl Fn(&str) -> String,
) -> Option<Vec<String>> {
    let (machine, line) = logs.iter().enumerate().find_map(|(machine, log)| {
        let line = log.lines().find(|line| is_it(line))?;
        Some((machine, line.to_owned()))
    })?;
    let mut lied = logs.to_vec();
    lied[machine] = lied[machine].replace(&line, &change(&line));
    Some(lied)
}

fn verdict_of(logs: &[String]) -> Verdict {
    let dir = tempfile::tempdir().unwrap();
    generate::write(dir.path(), logs);
    inspect::check(dir.path()).unwrap().0
}

/// A send line without the key.
fn without(line: &str, key: &str) -> String {
    let words = line.split(' ').filter(|word| !word.starts_with(key));
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn runs_broken_at_random_are_valid_however_hosts_are_skewed_and_every_lie_is_found() {
    let (mut lost, mut doubled) = (0, 0);
    for seed in 0..40 {
        let skews = [[0, 0, 0], [1_500_000, 0, -700_000], [-40_000, 30_000, 0]];
        for skew_us in &skews {
            let run = Run {
                rates: &[50, 40, 30],
                draw: 6,
                seed,
                seconds: 2,
                skew_us,
            };
            let faults = Plan::random_links(seed, 3, 2_000_000);
            let logs = generate::broken_logs(&run, Some(faults));
            let verdict = verdict_of(&logs);
            // How far the clocks of skewed hosts are apart is all that there is to say.
            let other = |note: &String| !note.contains("wall clock");
            assert!(
                verdict.is_valid() && !verdict.notes.iter().any(other),
                "{seed} {skew_us:?}: {verdict}"
            );
            for key in ["lost=", "duplicated="] {
                let lied = lie(
                    &logs,
                    |line| line.contains(&format!(" {key}")),
                    |line| without(line, key),
                );
                if let Some(lied) = lied {
                    let verdict = verdict_of(&lied);
                    assert!(!verdict.is_valid(), "{seed} {skew_us:?}: without {key} {verdict}");
                    *(if key == "lost=" { &mut lost } else { &mut doubled }) += 1;
                }
            }
        }
    }
    assert!(lost > 40 && doubled > 15, "{lost} {doubled}");
}

#[test]
fn a_message_that_came_twice_has_two_arrows() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        0,
        "2026-11-20T23:16:02.000001Z send tick=1 clock=1 to=1 duplicated=1\n\
        2026-11-20T23:16:02.000002Z send tick=2 clock=2 to=1 lost=1\n",
    );
    write(
        dir.path(),
        1,
        "2026-11-20T23:16:02.100000Z receive tick=1 clock=2 from=0 sent=1 queue=1\n\
        2026-11-20T23:16:02.200000Z receive tick=2 clock=3 from=0 sent=1 queue=0\n",
    );
    let history = inspect::history::History::read(dir.path()).unwrap();
    let receives: Vec<u32> = history
        .received()
        .map(|message| message.receive().unwrap().index)
        .collect();
    assert_eq!((receives, history.stray_count()), (vec![0, 1], 0));
    assert_eq!(history.messages().len(), 3, "{:?}", history.messages());
    let send = inspect::history::EventId { process: 0, index: 0 };
    assert_eq!(history.recipients_of(send).collect::<Vec<_>>(), [1]);
    assert_eq!(history.notes, Vec::<String>::new());
}

fn write(dir: &Path, machine: u16, events: &str) {
    let header = if machine == 0 { SENDER } else { RECEIVER };
    fs::write(
        dir.join(format!("machine-{machine}.log")),
        format!("{header}{events}"),
    )
    .unwrap();
}
