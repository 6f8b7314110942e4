//! `order`, `past`, `future`, `cut` and `concurrency` as a person runs them: golden answers for one small run, and
//! bad input answered with what is wrong, where, and the mend.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use expect_test::{Expect, expect};

/// Machine 0 sends to 2 and then to 1, which sends to 2: there the second way is faster. At the end a message to 0
/// waits and one to 1 was never seen again.
const LOGS: [&str; 3] = [
    "\
01.100000 send tick=1 clock=1 to=2
01.200000 send tick=2 clock=2 to=1
01.300000 internal tick=3 clock=3
01.400000 internal tick=4 clock=4
# ended=02.000000 reason=duration ticks=4 queued=1 waiting=0,0,1 goodbye=
",
    "\
01.250000 receive tick=1 clock=3 from=0 sent=2 queue=0 waited_us=49000
01.350000 send tick=2 clock=4 to=2
01.450000 internal tick=3 clock=5
# ended=02.000000 reason=duration ticks=3 queued=0 waiting=0,0,0 goodbye=
",
    "\
01.150000 internal tick=1 clock=1
01.400000 receive tick=2 clock=5 from=1 sent=4 queue=1 waited_us=40000
01.500000 receive tick=3 clock=6 from=0 sent=1 queue=0 waited_us=350000
01.600000 send tick=4 clock=7 to=0,1
# ended=02.000000 reason=duration ticks=4 queued=0 waiting=0,0,0 goodbye=
",
];

/// The whole log of a machine.
fn log(run: &str, machine: usize, lines: &str) -> String {
    let mut text = format!(
        "# clocklab-log 1\n# machine={machine} machines=3 clock=lamport seed=7 run={run} \
         started=2026-11-20T23:16:01.000000Z\n"
    );
    for line in lines.lines() {
        let line = match line.strip_prefix("# ended=") {
            Some(rest) => format!("# ended=2026-11-20T23:16:{}Z{}\n", &rest[..9], &rest[9..]),
            None => format!("2026-11-20T23:16:{}Z{}\n", &line[..9], &line[9..]),
        };
        text += &line;
    }
    text
}

/// A folder with the run, in which `run` is its name.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("run")).unwrap();
    for (machine, lines) in LOGS.iter().enumerate() {
        write(dir.path(), machine, &log("small", machine, lines));
    }
    dir
}

fn write(dir: &Path, machine: usize, text: &str) {
    fs::write(dir.join(format!("run/machine-{machine}.log")), text).unwrap();
}

fn output(dir: &Path, words: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_clocklab"))
        .args(words.split_whitespace())
        .current_dir(dir)
        .output()
        .unwrap()
}

/// What a command answers; it must succeed, and stay within 100 columns.
#[track_caller]
fn answer(dir: &Path, words: &str) -> String {
    let output = output(dir, words);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), error.as_str()), (Some(0), ""), "{words}");
    let text = String::from_utf8(output.stdout).unwrap();
    if !words.contains("--json") {
        let wide = text.lines().find(|line| line.chars().count() > 100);
        assert_eq!(wide, None, "{words}");
    }
    text
}

#[track_caller]
fn golden(words: &str, expected: &Expect) {
    expected.assert_eq(&answer(folder().path(), words));
}

/// A command that fails with this code, and says all of this.
#[track_caller]
fn refused(dir: &Path, words: &str, code: i32, says: &[&str]) {
    let output = output(dir, words);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{words}: {error}");
    for part in says {
        assert!(error.contains(part), "{words}: {part:?} is missing in: {error}");
    }
}

#[test]
fn an_order_is_proved_by_its_chain() {
    golden(
        "order 0:1 2:7 run",
        &expect![[r#"
        small in run; seconds count from 2026-11-20T23:16:01.000000Z

        0:1 happened before 2:7, by 1 message:

          event   seconds  log line         what happens
          0:1    0.100000  machine-0.log:3  sends to 2
          2:6    0.500000  machine-2.log:5  takes 0:1's message: 50.0 ms on its way, 350.0 ms in the queue
          2:7    0.600000  machine-2.log:6  the next event: sends to 0, 1
    "#]],
    );
    golden(
        "order 2:5 0:2 run",
        &expect![[r#"
        small in run; seconds count from 2026-11-20T23:16:01.000000Z

        0:2 happened before 2:5, by 2 messages:

          event   seconds  log line         what happens
          0:2    0.200000  machine-0.log:4  sends to 1
          1:3    0.250000  machine-1.log:3  takes 0:2's message: 1.0 ms on its way, 49.0 ms in the queue
          1:4    0.350000  machine-1.log:4  the next event: sends to 2
          2:5    0.400000  machine-2.log:4  takes 1:4's message: 10.0 ms on its way, 40.0 ms in the queue
    "#]],
    );
    golden(
        "order 0:1 0:4 run",
        &expect![[r#"
        small in run; seconds count from 2026-11-20T23:16:01.000000Z

        0:1 happened before 0:4, on the same machine:

          event   seconds  log line         what happens
          0:1    0.100000  machine-0.log:3  sends to 2
          0:4    0.400000  machine-0.log:6  3 events later: internal event
    "#]],
    );
    golden(
        "order 1:4 1:4 run",
        &expect![[r#"
        small in run; seconds count from 2026-11-20T23:16:01.000000Z

        1:4 and 1:4 are the same event: machine-1.log:4, sends to 2
    "#]],
    );
}

#[test]
fn concurrency_of_two_events_is_explained_in_both_directions() {
    golden(
        "order 0:3 2:5 run",
        &expect![[r#"
        small in run; seconds count from 2026-11-20T23:16:01.000000Z

        0:3 and 2:5 are concurrent: neither happened before the other.

        0:3 did not happen before 2:5.
        What machine 2 knew of machine 0 at 2:5 reaches up to 0:2, brought by:
          event   seconds  log line         what happens
          0:2    0.200000  machine-0.log:4  sends to 1
          1:3    0.250000  machine-1.log:3  takes 0:2's message: 1.0 ms on its way, 49.0 ms in the queue
          1:4    0.350000  machine-1.log:4  the next event: sends to 2
          2:5    0.400000  machine-2.log:4  takes 1:4's message: 10.0 ms on its way, 40.0 ms in the queue
        In these logs, machine 2 never learns of 0:3.

        2:5 did not happen before 0:3.
        At 0:3, machine 0 knew nothing of machine 2.
        In these logs, machine 0 never learns of 2:5.
    "#]],
    );
}

#[test]
fn a_past_counts_by_machine_and_lists_the_nearest() {
    golden(
        "past 2:5 --list run",
        &expect![[r#"
            small in run; seconds count from 2026-11-20T23:16:01.000000Z

            The past of 2:5: 5 of 11 events happened before 2:5; concurrent with it: 3.

              machine  in the past  of its events  last one known   seconds  log line
                    0            2              4  0:2             0.200000  machine-0.log:4
                    1            2              3  1:4             0.350000  machine-1.log:4
                    2            1              4  2:1             0.150000  machine-2.log:3

              event   seconds  log line         what happens
              0:1    0.100000  machine-0.log:3  sends to 2
              2:1    0.150000  machine-2.log:3  internal event
              0:2    0.200000  machine-0.log:4  sends to 1
              1:3    0.250000  machine-1.log:3  takes 0:2's message
              1:4    0.350000  machine-1.log:4  sends to 2
        "#]],
    );
    golden(
        "future 0:2 run",
        &expect![[r#"
            small in run; seconds count from 2026-11-20T23:16:01.000000Z

            The future of 0:2: 8 of 11 events happened after 0:2 and could know of it; concurrent with it: 1.

              machine  in the future  of its events  first to know   seconds  log line
                    0              2              4  0:3            0.300000  machine-0.log:5
                    1              3              3  1:3            0.250000  machine-1.log:3
                    2              3              4  2:5            0.400000  machine-2.log:4
        "#]],
    );
}

#[test]
fn a_cut_names_what_crosses_it_and_what_its_channels_hold() {
    golden(
        "cut run",
        &expect![[r#"
        small in run; seconds count from 2026-11-20T23:16:01.000000Z

        The cut at the end of the logs is consistent: 11 of 11 events.

          machine  in it  asked for  of its events  last event   seconds  log line
                0      4          4              4  0:4         0.400000  machine-0.log:6
                1      3          3              3  1:5         0.450000  machine-1.log:5
                2      4          4              4  2:7         0.600000  machine-2.log:6

        Sent in the cut and not received in it: 2 messages: 0 in flight, 1 waiting in a queue, 0 of which
        the logs do not say whether they had arrived (unsaid), 1 that no log ever saw arrive (never seen).

          from  to  in flight  waiting  unsaid  never seen  sent by
             2   0          0        1       0           0  2:7
             2   1          0        0       0           1  2:7
    "#]],
    );
    golden(
        "cut --events 0:1,1:3,2:5 run",
        &expect![[r#"
        small in run; seconds count from 2026-11-20T23:16:01.000000Z

        The cut after the events named, 4 of 11 events, is not consistent: 2 messages cross it backwards,
        received inside and sent outside.

          sent outside by  log line         received inside by  log line
          0:2              machine-0.log:4  1:3                 machine-1.log:3
          1:4              machine-1.log:4  2:5                 machine-2.log:4

        The largest consistent cut inside it has 2 events.

          machine  in it  asked for  of its events  last event   seconds  log line
                0      1          1              4  0:1         0.100000  machine-0.log:3
                1      0          1              3  -                  -  -
                2      1          2              4  2:1         0.150000  machine-2.log:3

        Sent in the cut and not received in it: 1 message: 0 in flight, 1 waiting in a queue, 0 of which the
        logs do not say whether they had arrived (unsaid), 0 that no log ever saw arrive (never seen).

          from  to  in flight  waiting  unsaid  never seen  sent by
             0   2          0        1       0           0  0:1
    "#]],
    );
    golden(
        "cut --at 380ms run",
        &expect![[r#"
        small in run; seconds count from 2026-11-20T23:16:01.000000Z

        The cut at 2026-11-20T23:16:01.380000Z (0.380000 s) is consistent: 6 of 11 events.

          machine  in it  asked for  of its events  last event   seconds  log line
                0      3          3              4  0:3         0.300000  machine-0.log:5
                1      2          2              3  1:4         0.350000  machine-1.log:4
                2      1          1              4  2:1         0.150000  machine-2.log:3

        Sent in the cut and not received in it: 2 messages: 0 in flight, 2 waiting in a queue, 0 of which
        the logs do not say whether they had arrived (unsaid), 0 that no log ever saw arrive (never seen).

          from  to  in flight  waiting  unsaid  never seen  sent by
             0   2          0        1       0           0  0:1
             1   2          0        1       0           0  1:4
    "#]],
    );
}

#[test]
fn a_moment_outside_of_the_run_is_called_that() {
    let dir = folder();
    let dir = dir.path();
    for (at, outside) in [
        ("90s", Some("after the last")),
        ("0s", Some("before the first")),
        ("380ms", None),
    ] {
        let text = answer(dir, &format!("cut --at {at} run"));
        let told = outside.map(|outside| format!("The moment asked for lies {outside} event of these logs."));
        assert_eq!(
            text.lines().find(|line| line.starts_with("The moment")),
            told.as_deref(),
            "{text}"
        );
    }
}

#[test]
fn concurrency_is_counted_and_the_longest_chain_told() {
    golden(
        "concurrency run",
        &expect![[r#"
            small in run; seconds count from 2026-11-20T23:16:01.000000Z

              pairs of events                                count    share
              all                                               55  100.0 %
              one happened before the other                     33   60.0 %
              concurrent                                        22   40.0 %
                of these, with equal Lamport clocks              4   18.2 %
              ranked by Lamport's clocks (different clocks)     51   92.7 %
                of these, concurrent in truth                   18   35.3 %

            Every event's clock is the length of the longest chain that ends in it, as it must be where clocks
            start at 0 and step by 1.

            Overtaken by a causal path: 1 of 3 received messages.
              0:1 -> 2:6 (machine-0.log:3, machine-2.log:5): sooner by 0:1 .. 0:2 -> 1:3 .. 1:4 -> 2:5

            The longest causal chain has 7 events and 2 messages, over 500.0 ms:

              where                      events   share   seconds  of the time
              machine 0                       2  28.6 %  0.100000       20.0 %
              machine 1                       2  28.6 %  0.100000       20.0 %
              machine 2                       3  42.9 %  0.200000       40.0 %
              messages, send to receive                  0.100000       20.0 %
                on their way                             0.011000        2.2 %
                in queues                                0.089000       17.8 %

              machine  from  to   log line         events     stays  message  on its way  in queue
                    0  0:1   0:2  machine-0.log:3       2  100.0 ms  50.0 ms      1.0 ms   49.0 ms
                    1  1:3   1:4  machine-1.log:3       2  100.0 ms  50.0 ms     10.0 ms   40.0 ms
                    2  2:5   2:7  machine-2.log:4       3  200.0 ms        -           -         -
        "#]],
    );
}

#[test]
fn json_has_the_same_answers() {
    let dir = folder();
    let json = |words: &str| -> serde_json::Value {
        serde_json::from_str(&answer(dir.path(), &format!("{words} --json run"))).unwrap()
    };
    let order = json("order 0:1 2:7");
    assert_eq!(order["order"], "before");
    assert_eq!(order["chain"]["messages"], 1);
    assert_eq!(order["chain"]["steps"][1]["event"], "2:6");
    assert_eq!(order["chain"]["steps"][1]["waited_us"], 350_000);
    assert_eq!(json("order 2:7 0:1")["order"], "after");
    assert_eq!(json("order 0:3 2:5")["gaps"][0]["known"]["event"], "0:2");
    assert_eq!(json("past 2:5")["count"], 5);
    assert_eq!(json("past 2:5 --list")["listed"].as_array().unwrap().len(), 5);
    assert_eq!(json("cut --events 0:1,1:3,2:5")["consistent"], false);
    assert_eq!(
        json("cut --at 2026-11-20T23:16:01.38Z")["channels"][0]["waiting"],
        1
    );
    let concurrency = json("concurrency");
    assert_eq!(concurrency["pairs"], 55);
    assert_eq!(concurrency["overtaken"], 1);
    assert_eq!(concurrency["longest"]["events"], 7);
}

#[test]
fn a_list_has_a_limit_that_is_said_and_can_be_lifted() {
    let dir = folder();
    let mut lines = LOGS[1]
        .lines()
        .take(3)
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    for tick in 4..104 {
        lines += &format!("01.5{tick:05} internal tick={tick} clock={}\n", tick + 2);
    }
    write(dir.path(), 1, &log("small", 1, &lines));
    let near = answer(dir.path(), "future 1:5 --list run");
    assert!(
        near.contains("  60 later events left out; --all lists them\n"),
        "{near}"
    );
    assert!(near.contains("  1:45 ") && !near.contains("  1:46 "), "{near}");
    let all = answer(dir.path(), "future 1:5 --list --all run");
    assert!(all.contains("  1:105 ") && !all.contains("left out"), "{all}");
    let past = answer(dir.path(), "past 1:105 --list run");
    assert!(past.contains("  64 earlier events left out"), "{past}");
}

#[test]
fn what_cannot_be_asked_is_answered_with_the_mend() {
    let dir = folder();
    let dir = dir.path();
    refused(
        dir,
        "order 0:1 2:99 run",
        2,
        &["machine-2.log", "its last event is 2:7 (line 6)"],
    );
    refused(
        dir,
        "order 0:1 9:1 run",
        2,
        &["there is no machine 9; there are 0, 1, 2"],
    );
    refused(
        dir,
        "order 0:1 two run",
        2,
        &["`two` names no event", "such as 0:17"],
    );
    refused(dir, "past 2 run", 2, &["`2` names no event"]);
    refused(dir, "past 2:5 --all run", 2, &["--list"]);
    refused(dir, "cut --events 0:1,7:1 run", 2, &["there is no machine 7"]);
    refused(dir, "cut --events 0:1,0:2 run", 2, &["names machine 0 twice"]);
    refused(dir, "cut --at noon run", 2, &["such as 30s"]);
    refused(dir, "cut --at 1s --events 0:1 run", 2, &["cannot be used with"]);
    for words in ["order 0:1 0:2", "past 0:1", "future 0:1", "cut", "concurrency"] {
        refused(
            dir,
            &format!("{words} nowhere"),
            2,
            &["nowhere", "make one with `clocklab run`"],
        );
        refused(dir, words, 2, &["logs/latest", "make one with `clocklab run`"]);
        refused(dir, &format!("{words} ."), 2, &["no log here"]);
    }
}

#[test]
fn logs_that_are_no_run_are_refused_with_file_and_line() {
    let dir = folder();
    fs::copy(
        dir.path().join("run/machine-1.log"),
        dir.path().join("run/machine-7.log"),
    )
    .unwrap();
    refused(
        dir.path(),
        "cut run",
        3,
        &[
            "machine-7.log, line 2",
            "the log of machine 1",
            "remove one of them",
        ],
    );
    let dir = folder();
    write(dir.path(), 1, &log("other", 1, LOGS[1]));
    refused(
        dir.path(),
        "cut run",
        3,
        &["machine-1.log, line 2: run other", "a folder holds one run"],
    );
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("run")).unwrap();
    write(dir.path(), 0, "");
    refused(dir.path(), "concurrency run", 3, &["run/machine-0.log"]);
}

#[test]
fn a_damaged_log_is_answered_from_with_a_note_of_what_is_missing() {
    let dir = folder();
    let whole = log("small", 2, LOGS[2]);
    write(dir.path(), 2, &whole[..whole.find("clock=7").unwrap()]);
    let text = answer(dir.path(), "order 0:1 2:6 run");
    assert!(text.contains("0:1 happened before 2:6, by 1 message"), "{text}");
    assert!(
        text.contains("note: run/machine-2.log: ends within a line"),
        "{text}"
    );

    write(
        dir.path(),
        2,
        &whole.replace("internal tick=1", "internal ticks of a clock"),
    );
    let text = answer(dir.path(), "order 0:1 2:6 run");
    assert!(text.contains("note: run/machine-2.log:3: "), "{text}");

    write(dir.path(), 2, "");
    let text = answer(dir.path(), "cut run");
    assert!(
        text.contains("note: run/machine-2.log: empty, or cut off"),
        "{text}"
    );
}

#[test]
fn clocks_that_break_the_clock_condition_are_said_and_the_order_is_right_all_the_same() {
    let dir = folder();
    write(
        dir.path(),
        1,
        &log("small", 1, LOGS[1]).replace("clock=3 from", "clock=1 from"),
    );
    assert!(answer(dir.path(), "order 0:2 1:1 run").contains("0:2 happened before 1:1, by 1 message"));
    let text = answer(dir.path(), "concurrency run");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("they are no Lamport clocks"), "{text}");
    assert!(
        text.contains("the first is 1:1 (machine-1.log:3): the chain has 3"),
        "{text}"
    );
}

#[test]
fn what_missing_logs_may_hide_is_not_denied() {
    let dir = folder();
    let whole = answer(dir.path(), "order 0:2 2:5 run");
    assert!(
        whole.contains("0:2 happened before 2:5, by 2 messages"),
        "{whole}"
    );
    fs::remove_file(dir.path().join("run/machine-1.log")).unwrap();
    let order = answer(dir.path(), "order 0:2 2:5 run");
    assert!(
        order.contains("as far as these logs tell, neither happened before the other"),
        "{order}"
    );
    assert!(!order.contains("are concurrent:"), "{order}");
    let cut = answer(dir.path(), "cut run");
    assert!(cut.contains("as far as these logs tell"), "{cut}");
}
