//! Checks of whole runs: generated ones are valid and as the theory says, hand-made bad ones are explained.

mod distort;
pub(crate) mod generate;
mod links;
mod store;
mod store_runs;

use std::path::{Path, PathBuf};

use clocklab::{
    inspect::{
        self, InspectError, MachineSummary, RunSeries, RunSummary, Style, Verdict, figure, palette::Theme,
        table,
    },
    trace::Violation,
};
use expect_test::expect;

use self::{
    distort::{misread, skewed},
    generate::Plan,
};

const START: &str = "2026-11-20T23:16:01.000000Z";

/// A run of two machines of another system (no rate, no die), line by line. Lines begin with seconds and
/// microseconds: `1.500000 send …`.
fn folder(machine_0: &str, machine_1: &str) -> tempfile::TempDir {
    folder_with("", &[machine_0, machine_1])
}

fn folder_with(keys: &str, bodies: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (id, body) in bodies.iter().enumerate() {
        std::fs::write(log(dir.path(), id), text(keys, id, bodies.len(), body)).unwrap();
    }
    dir
}

fn text(keys: &str, id: usize, machines: usize, body: &str) -> String {
    let mut text = format!(
        "# clocklab-log 1\n# machine={id} machines={machines} {keys}clock=lamport seed=7 run=test started={START}\n"
    );
    for line in body.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let at = |seconds: &str| format!("2026-11-20T23:16:{seconds}Z");
        let line = match line.strip_prefix("# ").and_then(|remark| remark.split_once('=')) {
            Some((name, rest)) => {
                let (seconds, rest) = rest.split_once(' ').unwrap();
                format!("# {name}={} {rest}", at(seconds))
            }
            None => {
                let (seconds, rest) = line.split_once(' ').unwrap();
                format!("{} {rest}", at(seconds))
            }
        };
        text += &line;
        text.push('\n');
    }
    text
}

fn log(dir: &Path, id: usize) -> PathBuf {
    dir.join(format!("machine-{id}.log"))
}

fn verdict(dir: &tempfile::TempDir) -> Verdict {
    inspect::check(dir.path()).unwrap().0
}

/// `machine:line` of each place.
fn places(violation: &Violation) -> Vec<String> {
    let place = |place: &clocklab::trace::Place| {
        let name = place.file.rsplit(['/', '-']).next().unwrap();
        format!("{}:{}", name.trim_end_matches(".log"), place.line)
    };
    violation.places.iter().map(place).collect()
}

/// The run breaks exactly these rules, at these places.
#[track_caller]
fn assert_broken(dir: &tempfile::TempDir, expected: &[(&str, &[&str])]) -> Verdict {
    let verdict = verdict(dir);
    let found: Vec<(&str, Vec<String>)> = verdict
        .violations
        .iter()
        .map(|violation| (violation.rule, places(violation)))
        .collect();
    let expected: Vec<(&str, Vec<String>)> = expected
        .iter()
        .map(|(rule, places)| (*rule, places.iter().map(|&place| place.to_owned()).collect()))
        .collect();
    assert_eq!(found, expected, "{verdict}");
    assert_eq!(verdict.is_valid(), expected.is_empty());
    verdict
}

#[track_caller]
fn assert_valid(dir: &tempfile::TempDir) -> Verdict {
    assert_broken(dir, &[])
}

/// Sends of machine 0 at clocks 1, 2 and 3 (lines 3, 4 and 5).
const THREE_SENDS: &str = "
    01.100000 send tick=1 clock=1 to=1
    01.200000 send tick=2 clock=2 to=1
    01.300000 send tick=3 clock=3 to=1";

#[test]
fn a_plain_run_is_valid_and_says_so() {
    let dir = folder(
        &format!("{THREE_SENDS}\n# ended=02.000000 reason=duration ticks=3 queued=0 waiting=0,0 goodbye=1"),
        "01.150000 receive tick=1 clock=2 from=0 sent=1 queue=0
         01.350000 receive tick=2 clock=3 from=0 sent=2 queue=1
         01.450000 internal tick=3 clock=4
         # ended=02.000000 reason=duration ticks=3 queued=1 waiting=1,0 goodbye=0",
    );
    let verdict = assert_valid(&dir);
    let first = verdict.to_string().lines().next().unwrap().to_owned();
    assert!(
        first.ends_with("valid: 2 machines, 6 events, 2 messages matched, every rule held"),
        "{first}"
    );
    assert_eq!(verdict.notes, Vec::<String>::new());
}

#[test]
fn a_clock_that_missed_a_message_is_explained_with_both_lines() {
    let dir = folder(
        "01.100000 internal tick=1 clock=1
         01.200000 send tick=2 clock=2 to=1
         01.300000 internal tick=3 clock=3
         01.400000 send tick=4 clock=4 to=1",
        "01.250000 receive tick=1 clock=3 from=0 sent=2 queue=0
         01.450000 receive tick=2 clock=7 from=0 sent=4 queue=0",
    );
    let verdict = assert_broken(&dir, &[("clock rule", &["1:4", "0:6"])]);
    let shown = verdict.violations[0]
        .to_string()
        .replace(&dir.path().display().to_string(), "logs/x");
    let expected = "clock rule: logs/x/machine-1.log:4: receive of the message sent at machine 0, clock 4 \
        (logs/x/machine-0.log:6): the clock was 3, so it must become max(3, 4) + 1 = 5; the log says 7";
    assert_eq!(shown, expected);
}

#[test]
fn an_event_that_is_no_receive_steps_by_one() {
    let dir = folder("01.100000 internal tick=1 clock=2", "");
    assert_broken(&dir, &[("clock rule", &["0:3"])]);
}

#[test]
fn ticks_and_times_rise() {
    let dir = folder(
        "01.100000 internal tick=1 clock=1
         01.090000 internal tick=3 clock=2",
        "00.900000 internal tick=1 clock=1",
    );
    assert_broken(
        &dir,
        &[
            ("time", &["0:4", "0:3"]),
            ("time", &["1:3", "1:2"]),
            ("tick", &["0:4", "0:3"]),
        ],
    );
}

#[test]
fn lines_that_cannot_be_read_are_shown_and_passed_over() {
    let dir = folder(
        "01.100000 internal tick=1\n01.200000 internal tick=1 clock=1",
        "01.100000 send tick=1 clock=1 to=7",
    );
    assert_broken(&dir, &[("format", &["0:3"]), ("format", &["1:3"])]);
}

#[test]
fn a_skipped_message_is_shown_with_its_send() {
    let dir = folder(
        THREE_SENDS,
        "01.150000 receive tick=1 clock=2 from=0 sent=1 queue=0
         01.350000 receive tick=2 clock=4 from=0 sent=3 queue=0",
    );
    assert_broken(&dir, &[("channel order", &["1:4", "0:4", "0:5"])]);
}

#[test]
fn an_overtaken_message_is_one_violation_even_where_hosts_are_skewed() {
    let overtaken = "receive tick=1 clock=3 from=0 sent=2 queue=0
         SECOND receive tick=2 clock=4 from=0 sent=1 queue=0
         THIRD receive tick=3 clock=5 from=0 sent=3 queue=0";
    for (first, second, third) in [
        ("01.350000", "01.400000", "01.450000"),
        ("01.010000", "01.020000", "01.030000"),
    ] {
        let body = format!(
            "{first} {}",
            overtaken.replace("SECOND", second).replace("THIRD", third)
        );
        let dir = folder(THREE_SENDS, &body);
        assert_broken(&dir, &[("channel order", &["1:3", "0:3", "0:4"])]);
    }
}

#[test]
fn a_message_received_twice_is_shown_with_its_first_receipt() {
    let dir = folder(
        THREE_SENDS,
        "01.150000 receive tick=1 clock=2 from=0 sent=1 queue=0
         01.250000 receive tick=2 clock=3 from=0 sent=1 queue=0
         01.350000 receive tick=3 clock=4 from=0 sent=2 queue=0",
    );
    assert_broken(&dir, &[("channel order", &["1:4", "1:3", "0:3"])]);
}

#[test]
fn a_message_from_nowhere_is_one() {
    let dir = folder(
        &format!("{THREE_SENDS}\n# ended=02.000000 reason=duration ticks=3 queued=0"),
        "01.150000 receive tick=1 clock=2 from=0 sent=1 queue=0
         01.350000 receive tick=2 clock=10 from=0 sent=9 queue=0",
    );
    assert_broken(&dir, &[("channel order", &["1:4", "0:3"])]);
}

#[test]
fn what_was_sent_is_received_or_waits() {
    let receiver = |waiting: u32, goodbye: &str| {
        format!(
            "01.150000 receive tick=1 clock=2 from=0 sent=1 queue=0
             # ended=02.000000 reason=duration ticks=1 queued={waiting} waiting={waiting},0 {goodbye}"
        )
    };
    let sender = format!("{THREE_SENDS}\n# ended=02.000000 reason=duration ticks=3 queued=0");
    assert_valid(&folder(&sender, &receiver(2, "goodbye=0")));
    assert_valid(&folder(&sender, &receiver(1, "")));
    for (waiting, goodbye) in [(1, "goodbye=0"), (3, "goodbye=0"), (3, "")] {
        let dir = folder(&sender, &receiver(waiting, goodbye));
        assert_broken(&dir, &[("conservation", &["1:4", "0:6"])]);
    }
}

#[test]
fn dropped_messages_are_not_missed() {
    let dir = folder(
        "# link-lost=01.050000 peer=1
         01.100000 send tick=1 clock=1 to=1 dropped=1
         # link-up=01.150000 peer=1
         01.200000 send tick=2 clock=2 to=1
         # ended=02.000000 reason=duration ticks=2 queued=0",
        "# link-lost=01.050000 peer=0
         # link-up=01.150000 peer=0
         01.250000 receive tick=1 clock=3 from=0 sent=2 queue=0
         # ended=02.000000 reason=duration ticks=1 queued=0 waiting=0,0 goodbye=0",
    );
    assert_valid(&dir);
}

#[test]
fn a_lost_link_excuses_a_lost_tail_and_nothing_else() {
    let sender = "
        01.100000 send tick=1 clock=1 to=1
        01.200000 send tick=2 clock=2 to=1
        # link-lost=01.250000 peer=1
        # link-up=01.270000 peer=1
        01.300000 send tick=3 clock=3 to=1
        01.400000 send tick=4 clock=4 to=1
        01.500000 send tick=5 clock=5 to=1
        # ended=02.000000 reason=duration ticks=5 queued=0";
    let lost_tail = "
        01.150000 receive tick=1 clock=2 from=0 sent=1 queue=0
        # link-lost=01.250000 peer=0
        # link-up=01.270000 peer=0
        01.350000 receive tick=2 clock=4 from=0 sent=3 queue=0";
    let whole = |waiting: u32, goodbye: &str| {
        format!(
            "{lost_tail}
            01.450000 receive tick=3 clock=5 from=0 sent=4 queue=0
            # ended=02.000000 reason=duration ticks=3 queued={waiting} waiting={waiting},0{goodbye}"
        )
    };
    assert_valid(&folder(sender, &whole(1, " goodbye=0")));
    // The tail of the last epoch has no loss behind it, so goodbye keeps its meaning.
    assert_valid(&folder(sender, &whole(0, "")));
    for (waiting, goodbye) in [(0, " goodbye=0"), (2, " goodbye=0"), (2, "")] {
        let dir = folder(sender, &whole(waiting, goodbye));
        assert_broken(&dir, &[("conservation", &["1:8", "0:10"])]);
    }
    let late = format!("{lost_tail}\n01.450000 receive tick=3 clock=5 from=0 sent=2 queue=0");
    assert_broken(&folder(sender, &late), &[("channel order", &["1:7", "0:4"])]);
    let skipped = format!("{lost_tail}\n01.550000 receive tick=3 clock=6 from=0 sent=5 queue=0");
    assert_broken(
        &folder(sender, &skipped),
        &[("channel order", &["1:7", "0:8", "0:9"])],
    );
}

#[test]
fn footers_count_what_is_there_and_end_the_log() {
    let dir = folder(
        "01.100000 internal tick=1 clock=1
         # ended=02.000000 reason=duration ticks=2 queued=3 waiting=1,1
         02.100000 internal tick=2 clock=2",
        "",
    );
    assert_broken(
        &dir,
        &[
            ("footer", &["0:4"]),
            ("footer", &["0:4"]),
            ("footer", &["0:5", "0:4"]),
        ],
    );
}

#[test]
fn vector_clocks_are_judged_where_they_are() {
    let sender = "01.100000 send tick=1 clock=1 to=1 vector=1,0";
    let receive =
        |vector: &str| format!("01.200000 receive tick=1 clock=2 from=0 sent=1 queue=0 vector={vector}");
    assert_valid(&folder(sender, &receive("1,1")));
    assert_broken(
        &folder(sender, &receive("0,1")),
        &[("vector clock", &["1:3", "0:3"])],
    );
    assert_broken(&folder(sender, &receive("1,2")), &[("vector clock", &["1:3"])]);
    assert_broken(&folder(sender, &receive("1,1,0")), &[("vector clock", &["1:3"])]);
    let ended = format!("{sender}\n# ended=02.000000 reason=duration ticks=1 queued=0");
    let ahead = "01.200000 internal tick=1 clock=1 vector=1,1";
    assert_broken(&folder(&ended, ahead), &[("vector clock", &["1:3"])]);
    let ahead = "01.200000 receive tick=1 clock=2 from=0 sent=1 queue=0 vector=5,1";
    assert_broken(
        &folder(&ended, ahead),
        &[
            ("vector clock", &["1:3", "0:3"]),
            ("vector clock", &["1:3", "0:0"]),
        ],
    );
}

#[test]
fn a_missing_log_is_a_violation_and_hides_no_other() {
    let dir = folder(
        THREE_SENDS,
        "01.150000 receive tick=1 clock=2 from=0 sent=1 queue=0",
    );
    std::fs::remove_file(log(dir.path(), 0)).unwrap();
    let verdict = assert_broken(&dir, &[("complete", &["0:0"])]);
    assert!(
        verdict.violations[0].text.contains("log of machine 0 is missing"),
        "{verdict}"
    );
}

#[test]
fn the_scale_models_rules_are_judged_for_its_logs() {
    let model = |body: &str| folder_with("rate=10 draw=10 phase_us=50000 ", &[body, "", "", ""]);
    assert_valid(&model(
        "01.050000 internal tick=1 clock=1\n01.149998 send tick=2 clock=2 to=1,2,3",
    ));
    assert_broken(
        &model("01.049997 internal tick=1 clock=1"),
        &[("one thing a tick", &["0:3", "0:2"])],
    );
    assert_broken(
        &model("01.050000 send tick=1 clock=1 to=1,2"),
        &[("die obeyed", &["0:3"])],
    );
    let ended = "01.050000 internal tick=1 clock=1
        01.150000 nap tick=2 clock=2
        # ended=01.300000 reason=duration ticks=2 queued=0";
    assert_broken(&model(ended), &[("one thing a tick", &["0:5"])]);
    let slow = "01.900000 internal tick=1 clock=1
        # ended=01.950000 reason=duration ticks=1 queued=0 ticking_us=900000";
    assert_broken(&model(slow), &[("rate kept", &["0:4"])]);
    let stalled = slow.replace("# ended", "# stall=01.900000 late_us=800000 skipped=8\n# ended");
    assert_valid(&model(&stalled));
    let silent = "01.100000 internal tick=1 clock=1
        01.200000 internal tick=2 clock=2
        # ended=09.000000 reason=duration ticks=2 queued=0";
    assert_broken(&model(silent), &[("rate kept", &["0:5"])]);
}

#[test]
fn a_waiting_message_comes_first() {
    let sends = "01.100000 send tick=1 clock=1 to=1\n01.200000 send tick=2 clock=2 to=1\n01.300000 send tick=3 clock=3 to=1";
    let model = |body: &str| folder_with("rate=10 draw=10 ", &[sends, body]);
    let first = "01.350000 receive tick=1 clock=2 from=0 sent=1 queue=2";
    assert_valid(&model(&format!(
        "{first}\n01.450000 receive tick=2 clock=3 from=0 sent=2 queue=1"
    )));
    assert_broken(
        &model(&format!("{first}\n01.450000 internal tick=2 clock=3")),
        &[("queue first", &["1:4", "1:3"])],
    );
    assert_broken(
        &model(&format!(
            "{first}\n01.450000 receive tick=2 clock=3 from=0 sent=2 queue=0"
        )),
        &[("queue first", &["1:4", "1:3"])],
    );
    assert_broken(
        &model(&format!(
            "{first}\n# ended=01.460000 reason=duration ticks=1 queued=1 waiting=1,0 tick_error_us_max=300000"
        )),
        &[("queue first", &["1:4", "1:3"])],
    );
}

#[test]
fn logs_that_are_cut_or_of_a_later_version_are_read_as_far_as_they_go() {
    let dir = folder(THREE_SENDS, "");
    let body = "01.150000 receive tick=1 clock=2 from=0 sent=1 queue=0 mood=calm
        01.160000 nap colour=red
        01.170000 snooze tick=2 clock=3
        01.180000 internal clock=4 tick=3";
    let text = text("", 1, 2, body).replace('\n', "\r\n") + "# weather=fine\r\n2026-11-20T23:16:02.0";
    std::fs::write(log(dir.path(), 1), text).unwrap();
    let verdict = assert_valid(&dir);
    assert_eq!(verdict.events, 6);
    assert_eq!(
        verdict.notes.len(),
        3,
        "two logs without a footer, one cut: {verdict}"
    );
}

#[test]
fn receives_behind_the_end_of_a_cut_log_are_a_note() {
    let dir = folder(
        "01.100000 send tick=1 clock=1 to=1",
        "01.150000 receive tick=1 clock=2 from=0 sent=1 queue=0
         01.250000 receive tick=2 clock=3 from=0 sent=2 queue=0",
    );
    let verdict = assert_valid(&dir);
    assert!(
        verdict
            .notes
            .iter()
            .any(|note| note.contains("cannot be matched")),
        "{verdict}"
    );
}

#[test]
fn folders_that_hold_no_run_are_explained() {
    let error = |dir: &Path| inspect::check(dir).unwrap_err();
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(
        error(&dir.path().join("nothing")),
        InspectError::Folder { .. }
    ));
    std::fs::write(dir.path().join("run.json"), "{}").unwrap();
    assert!(matches!(error(dir.path()), InspectError::NoLogs { .. }));
    for content in [
        "",
        "hello\n",
        "# clocklab-log 1\n",
        "# clocklab-log 1\n# machine=0\n",
    ] {
        std::fs::write(log(dir.path(), 0), content).unwrap();
        assert!(matches!(error(dir.path()), InspectError::Log(_)), "{content:?}");
    }
    std::fs::write(log(dir.path(), 0), text("", 0, 2, "")).unwrap();
    std::fs::write(log(dir.path(), 1), text("", 0, 2, "")).unwrap();
    assert!(matches!(error(dir.path()), InspectError::Twice { .. }));
    std::fs::write(log(dir.path(), 1), text("", 1, 3, "")).unwrap();
    assert!(matches!(error(dir.path()), InspectError::OtherRun { .. }));
    std::fs::write(
        log(dir.path(), 1),
        text("", 1, 2, "").replace("run=test", "run=rest"),
    )
    .unwrap();
    assert!(matches!(error(dir.path()), InspectError::OtherRun { .. }));
}

#[test]
fn violations_beyond_a_handful_are_counted() {
    let mut body = String::new();
    for tick in 1..=100 {
        body += &format!("01.100000 internal tick={tick} clock={}\n", 2 * tick);
    }
    let verdict = verdict(&folder(&body, ""));
    assert_eq!(verdict.violations.len(), 5);
    assert_eq!(verdict.broken(), 100);
    assert!(verdict.violations[4].text.contains("and 95 more"), "{verdict}");
}

fn right(own: u64, sent: u64) -> u64 {
    own.max(sent) + 1
}

fn verdict_of(logs: &[String]) -> (Verdict, RunSummary) {
    let dir = tempfile::tempdir().unwrap();
    generate::write(dir.path(), logs);
    inspect::check(dir.path()).unwrap()
}

#[test]
fn a_wrong_merge_is_named_once() {
    let plan = Plan {
        rates: &[4, 4, 3],
        draw: 10,
        seed: 3,
        seconds: 60,
        skew_us: &[],
    };
    let logs = generate::logs(&plan);
    assert!(verdict_of(&misread(&logs, 1, false, right)).0.is_valid());
    let (verdict, _) = verdict_of(&misread(&logs, 1, false, |own, sent| (own + 1).max(sent)));
    let shown: Vec<&str> = verdict
        .violations
        .iter()
        .map(|violation| violation.rule)
        .collect();
    assert_eq!(shown, ["clock rule", "clock condition"], "{verdict}");
    let text = &verdict.violations[0].text;
    assert!(
        text.starts_with("machine 1 uses max(C + 1, T) instead of max(C, T) + 1"),
        "{verdict}"
    );
}

#[test]
fn send_then_update_is_named_once_even_where_hosts_are_skewed() {
    for skew_us in [[0, 0, 0], [3_000_000, 0, -2_000_000], [-9_000_000, 0, 0]] {
        let plan = Plan {
            rates: &[4, 4, 3],
            draw: 10,
            seed: 3,
            seconds: 60,
            skew_us: &[],
        };
        let logs = misread(&generate::logs(&plan), 0, true, right);
        let logs: Vec<String> = logs
            .iter()
            .zip(skew_us)
            .map(|(log, us)| skewed(log, us))
            .collect();
        let (verdict, _) = verdict_of(&logs);
        let stamps = verdict
            .violations
            .iter()
            .filter(|violation| violation.rule == "stamp");
        let text: Vec<&str> = stamps.map(|violation| violation.text.as_str()).collect();
        assert_eq!(text.len(), 1, "{verdict}");
        assert!(
            text[0].starts_with("machine 0 uses \"send, then update\""),
            "{verdict}"
        );
        let others = verdict
            .violations
            .iter()
            .filter(|violation| !["stamp", "clock condition"].contains(&violation.rule));
        assert_eq!(others.count(), 0, "{verdict}");
    }
}

#[test]
fn generated_runs_are_valid_for_every_seed_and_skew() {
    for seed in 0..150 {
        let rates = [[6, 4, 1], [3, 3, 3], [6, 6, 2]][(seed % 3) as usize];
        let skew_us = [[0, 0, 0], [0, 5_000_000, -7_000_000], [-60_000_000, 0, 1]][(seed / 3 % 3) as usize];
        let plan = Plan {
            rates: &rates,
            draw: 3 + (seed % 9) as u32,
            seed,
            seconds: 30,
            skew_us: &skew_us,
        };
        let (verdict, summary) = verdict_of(&generate::logs(&plan));
        assert!(verdict.is_valid(), "seed {seed}: {verdict}");
        // Notes are of clocks that differ alone; bounds hold what is true. A machine that sends nothing has only one.
        let skew = verdict.skew.as_ref().unwrap();
        let told = skew.offsets.iter().filter(|offset| offset.differs()).count();
        assert_eq!(verdict.notes.len(), told, "seed {seed}: {verdict}");
        for (offset, us) in skew.offsets.iter().zip(&skew_us) {
            let truth = us - skew_us[0];
            assert!(offset.low.is_none_or(|low| low <= truth), "seed {seed}: {skew:?}");
            assert!(
                offset.high.is_none_or(|high| truth <= high),
                "seed {seed}: {skew:?}"
            );
            let is_known = offset.estimate_us().is_some();
            assert!(
                !is_known || offset.differs() == (truth.abs() > 1),
                "seed {seed}: {skew:?}"
            );
        }
        for machine in &summary.machines {
            assert_eq!(
                machine.ticks,
                machine.receives + machine.sends + machine.internals
            );
        }
    }
    for rates in [vec![5, 1], (1..=9).collect()] {
        let plan = Plan {
            rates: &rates,
            draw: 5,
            seed: 1,
            seconds: 60,
            skew_us: &[],
        };
        let (verdict, _) = verdict_of(&generate::logs(&plan));
        assert!(verdict.is_valid(), "{verdict}");
    }
}

#[test]
fn every_cut_of_a_run_is_valid_as_far_as_it_goes() {
    let plan = Plan {
        rates: &[6, 4, 1],
        draw: 4,
        seed: 5,
        seconds: 10,
        skew_us: &[],
    };
    let logs = generate::logs(&plan);
    for cut in (200..logs[0].len()).step_by(97) {
        let mut logs = logs.clone();
        logs[0].truncate(cut);
        let (verdict, _) = verdict_of(&logs);
        assert!(verdict.is_valid(), "cut at {cut}: {verdict}");
        assert!(!verdict.notes.is_empty(), "cut at {cut}: {verdict}");
    }
}

#[test]
fn the_theory_holds_within_its_tolerances() {
    let mut outside = 0;
    let mut judged = 0;
    for seed in 0..60 {
        for rates in [[6, 6, 1], [6, 4, 1], [4, 3, 2], [6, 5, 4]] {
            let plan = Plan {
                rates: &rates,
                draw: 10,
                seed,
                seconds: 60,
                skew_us: &[],
            };
            let (_, summary) = verdict_of(&generate::logs(&plan));
            for machine in &summary.machines {
                judged += 1;
                outside += usize::from(is_outside(machine));
            }
        }
    }
    assert!(
        outside * 100 <= judged,
        "{outside} of {judged} machines are outside"
    );
}

#[expect(clippy::cast_precision_loss, reason = "counts of a minute")]
fn is_outside(machine: &MachineSummary) -> bool {
    let expected = machine.expected.unwrap();
    assert!(
        (machine.ticks as f64 - expected.ticks).abs() <= 2.0,
        "{machine:?}"
    );
    if expected.flow.is_critical() {
        return false;
    }
    let jump = (machine.jump_mean() / expected.jump - 1.0).abs() > expected.jump_tolerance;
    let queue = (machine.queue_last as f64 - expected.queue).abs() > expected.queue_tolerance;
    jump || (expected.flow.is_saturated() && queue)
}

#[test]
fn the_report_of_a_run_reads_like_this() {
    let plan = Plan {
        rates: &[6, 4, 1],
        draw: 10,
        seed: 7,
        seconds: 60,
        skew_us: &[],
    };
    let (verdict, summary) = verdict_of(&generate::logs(&plan));
    expect![[r#"
        run generated: 3 machines, die of 10, seed 7, 60.0 s, 660 events:
          valid (166 messages matched, every rule held)

         machine rate     ticks      sent received  internal     clock        jump   queue
               0    6 360 (360) 141 (130)  30 (35) 222 (227) 361 (361) 1.00 (1.00)   0 (0)
               1    4 240 (240)   57 (70)  77 (65) 118 (122) 358 (361) 1.49 (1.50)   1 (0)
               2    1   60 (60)     2 (0)  59 (60)     0 (0) 216 (217) 3.60 (3.61) 33 (40)

          machine  seconds  drift  jump max  queue max  late ms  stalls     ended
                0     60.0      0         2          0  0.0/0.0       0  duration
                1     60.0      3         7          1  0.0/0.0       0  duration
                2     60.0    145        13         33  0.0/0.0       0  duration

        Messages sent, from row to column:

          from \ to   0   1   2
                  0   -  77  64
                  1  29   -  28
                  2   1   1   -

        In brackets: expected by theory from rates, die and the fastest machine's clock.
        ticks: events of the machine · sent: messages, one a recipient
        received: receive events · internal: events without a message
        clock: at the end · jump: mean step of the clock · queue: waiting at the end
        drift: clock steps behind the fastest machine at the end
        late: lateness of ticks, mean/max

        - machine 2 cannot keep up: 1.67 messages a second reach a machine that takes 1;
          its queue grows by 0.67 a second
    "#]]
    .assert_eq(&table::run(&verdict, &summary, Style::Text));
    let both = [(verdict.clone(), summary.clone()), (verdict, summary)];
    expect![[r#"
               run rates draw seconds events      clocks jump max mean drift queue   verdict
         generated 6,4,1   10    60.0    660 361,358,216       13 2.03   145    33     valid
         generated 6,4,1   10    60.0    660 361,358,216       13 2.03   145    33     valid
              mean               60.0  660.0                 13.0 2.03 145.0  33.0 2/2 valid

        clocks: at the end, by machine · jump: largest and mean step of a clock
        drift: largest · queue: longest
    "#]]
    .assert_eq(&table::runs(&both, Style::Text));
    expect![[r#"
        |       run | rates | draw | seconds | events |      clocks | jump max | mean | drift | queue |   verdict |
        |---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
        | generated | 6,4,1 |   10 |    60.0 |    660 | 361,358,216 |       13 | 2.03 |   145 |    33 |     valid |
        | generated | 6,4,1 |   10 |    60.0 |    660 | 361,358,216 |       13 | 2.03 |   145 |    33 |     valid |
        |      mean |       |      |    60.0 |  660.0 |             |     13.0 | 2.03 | 145.0 |  33.0 | 2/2 valid |

        clocks: at the end, by machine · jump: largest and mean step of a clock
        drift: largest · queue: longest
    "#]].assert_eq(&table::runs(&both, Style::Markdown));
}

#[test]
fn a_report_fits_into_110_columns() {
    let plan = Plan {
        rates: &[1000, 900, 10],
        draw: 10,
        seed: 7,
        seconds: 10,
        skew_us: &[],
    };
    let (verdict, summary) = verdict_of(&generate::logs(&plan));
    let report = table::run(&verdict, &summary, Style::Text);
    let widest = report
        .lines()
        .filter(|line| line.starts_with("  "))
        .map(|line| line.chars().count())
        .max();
    assert!(widest.unwrap() <= 110, "{report}");
}

#[test]
fn figures_are_drawn_for_runs_of_any_size() {
    for (rates, seconds) in [
        (vec![6, 4, 1], 10),
        (vec![1000, 1000, 1], 5),
        ((1..=12).collect(), 5),
    ] {
        let plan = Plan {
            rates: &rates,
            draw: 10,
            seed: 7,
            seconds,
            skew_us: &[],
        };
        let dir = tempfile::tempdir().unwrap();
        generate::write(dir.path(), &generate::logs(&plan));
        let series = RunSeries::read(dir.path()).unwrap();
        let overview = figure::overview(&series, Theme::Light);
        assert!(
            overview.contains("</svg>") && overview.contains("machine 0, "),
            "{rates:?}"
        );
        assert_eq!(overview.contains("thinned"), rates[0] == 1000, "{rates:?}");
        assert_eq!(
            overview.contains("8 of them are shown, from the fastest to the slowest"),
            rates.len() > 8,
            "{rates:?}"
        );
        for svg in [
            figure::clocks(&series, Theme::Light),
            figure::drift(&series, Theme::Light),
            figure::queues(&series, Theme::Light),
            figure::jumps(&series, Theme::Light),
        ] {
            assert!(svg.len() < overview.len() && svg.contains("</svg>"));
        }
    }
    let empty = folder("", "");
    assert!(figure::overview(&RunSeries::read(empty.path()).unwrap(), Theme::Light).contains("</svg>"));
}
