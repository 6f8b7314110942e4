//! Check on broken runs: what the send lines say is expected, and nothing else; every lie is found.

use std::{fs, path::Path};

use clocklab::{
    faults::Plan,
    inspect::{self, Verdict},
};

use crate::check::generate::{self, Plan as Run};

const SENDER: &str =
    "# clocklab-log 1\n# machine=0 machines=2 clock=lamport seed=1 run=r started=2026-11-20T23:16:01.000000Z
# fault=2026-11-20T23:16:01.100000Z id=1 kind=loss to=1 detail=10%
# fault=2026-11-20T23:16:01.100000Z id=2 kind=duplicate to=1 detail=10%
# fault=2026-11-20T23:16:01.100000Z id=3 kind=delay to=1 detail=constant:1s,reorder\n";
const RECEIVER: &str = "# clocklab-log 1\n# machine=1 machines=2 clock=lamport seed=1 run=r started=2026-11-20T23:16:01.000000Z\n";

/// A run of two machines: sends of machine 0 (what stands behind `to=1`), and what machine 1 received (the clocks), all
/// of it before the sends if `ahead`.
fn judged(sends: &[&str], received: &[u64], ahead: bool) -> Verdict {
    judged_with(SENDER, sends, received, ahead)
}

/// The same, with what stands in the sender's log before its sends.
fn judged_with(head: &str, sends: &[&str], received: &[u64], ahead: bool) -> Verdict {
    let dir = tempfile::tempdir().unwrap();
    let (mut sender, mut receiver) = (head.to_owned(), RECEIVER.to_owned());
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
fn what_befalls_a_message_is_the_work_of_a_fault_of_that_kind_on_its_link() {
    let cases: [(&str, &[u64], u32); 3] = [
        (" lost=1", &[2], 1),
        (" duplicated=1", &[1, 1, 2], 2),
        (" unordered=1", &[2, 1], 3),
    ];
    for (mishap, received, fault) in cases {
        let rules = |head: &str| {
            let verdict = judged_with(head, &[mishap, ""], received, false);
            let broken = verdict.violations.iter().map(|violation| violation.rule);
            broken.collect::<Vec<_>>()
        };
        let mended = |id: u32| format!("{SENDER}# mended=2026-11-20T23:16:01.200000Z id={id}\n");
        assert_eq!(rules(SENDER), [""; 0], "{mishap}");
        assert_eq!(rules(&mended(fault)), ["faults"], "{mishap}");
        let other = mended(fault % 3 + 1);
        assert_eq!(rules(&other), [""; 0], "{mishap}");
        let elsewhere = SENDER.replace(" to=1", " to=0");
        assert!(rules(&elsewhere).contains(&"faults"), "{mishap}");
        // Neither a delay that keeps the order nor a partition that holds does any of that.
        let tame = SENDER
            .replace("kind=loss", "kind=partition")
            .replace("10%", "hold")
            .replace(",reorder", "")
            .replace("kind=duplicate", "kind=bandwidth");
        assert_eq!(rules(&tame), ["faults"], "{mishap}");
        let unknown = SENDER.replace("kind=", "kind=later-");
        assert_eq!(rules(&unknown), [""; 0], "{mishap}");
    }
}

#[test]
fn dropped_and_lost_exclude_each_other_and_the_others() {
    for pair in [
        " dropped=1 lost=1",
        " dropped=1 duplicated=1",
        " dropped=1 unordered=1",
        " lost=1 duplicated=1",
        " lost=1 unordered=1",
    ] {
        let rules = broken(&[pair], &[]);
        assert!(rules.contains(&("format", 1)), "{pair}: {rules:?}");
    }
    assert_eq!(broken(&[" duplicated=1 unordered=1"], &[1, 1]), []);
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

/// Mishaps of a recipient to whom no fault of that kind is on, faults that are not told of, and frames counted wrong.
fn lies_about_faults_are_found(logs: &[String]) {
    for key in ["lost", "duplicated", "unordered"] {
        let lied = lie(
            logs,
            |line| line.contains(" send ") && !line.contains(&format!(" {key}=")),
            |line| {
                let to = line.split(" to=").nth(1).unwrap();
                let to = to.split([',', ' ']).next().unwrap();
                format!("{line} {key}={to}")
            },
        );
        let verdict = verdict_of(&lied.unwrap());
        assert!(!verdict.is_valid(), "with {key} {verdict}");
    }
    let befell = |line: &str| {
        ["lost=", "duplicated=", "unordered="]
            .iter()
            .any(|key| line.contains(key))
    };
    if logs.iter().any(|log| log.lines().any(befell)) {
        let silent = logs.iter().map(|log| {
            let kept = log
                .lines()
                .filter(|line| !line.starts_with("# fault=") && !line.starts_with("# mended="));
            kept.fold(String::new(), |text, line| text + line + "\n")
        });
        let verdict = verdict_of(&silent.collect::<Vec<_>>());
        let is_found = verdict
            .violations
            .iter()
            .any(|violation| violation.rule == "faults");
        assert!(is_found, "without faults {verdict}");
    }
    for (key, less) in [("frames_sent=", 1), ("frames_sent=", -1)] {
        let count = |word: &str| word.strip_prefix(key).and_then(|count| count.parse::<i64>().ok());
        let change = |line: &str| {
            let words = line.split(' ').map(|word| match count(word) {
                Some(count) => format!("{key}{}", count - less),
                None => word.to_owned(),
            });
            words.collect::<Vec<_>>().join(" ")
        };
        let verdict = verdict_of(&lie(logs, |line| line.contains(key), change).unwrap());
        let rules: Vec<&str> = verdict
            .violations
            .iter()
            .map(|violation| violation.rule)
            .collect();
        assert_eq!(rules, ["footer"], "{key}{less} {verdict}");
    }
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
            lies_about_faults_are_found(&logs);
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
