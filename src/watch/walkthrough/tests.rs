//! The file of a walkthrough: everything that it may say, and what is said of everything else.

use super::*;

fn parse(text: &str) -> Result<Walkthrough, WalkthroughError> {
    Walkthrough::parse("demo.toml", text, 3)
}

/// What a step does that comes behind a pause.
fn action(text: &str) -> Action {
    parse(&format!("[[step]]\npause = true\n[[step]]\n{text}"))
        .unwrap()
        .steps[1]
        .action
        .clone()
}

#[test]
fn every_step_is_read_as_it_is_written() {
    let second = Duration::from_secs(1);
    let machine = Some(MachineId(1));
    for (text, wanted) in [
        ("say = 'hello'", Action::Nothing),
        ("wait = '1s'", Action::Wait(second)),
        ("ask = true", Action::Nothing),
        ("pause = true", Action::Pause(None)),
        ("pause = true\nmachine = 1", Action::Pause(machine)),
        ("resume = true", Action::Resume(None)),
        (
            "step = 3",
            Action::Step {
                machine: None,
                ticks: 3,
            },
        ),
        ("step = 1\nmachine = 1", Action::Step { machine, ticks: 1 }),
        ("mend = true", Action::Mend(None)),
        ("mend = 'all'", Action::Mend(None)),
    ] {
        assert_eq!(action(text), wanted, "{text}");
    }
    for (text, event) in [
        ("internal", EventWord::Internal),
        ("send", EventWord::Send(None)),
        ("send to 2", EventWord::Send(Some(MachineId(2)))),
        ("receive", EventWord::Receive(None)),
        ("receive from 0", EventWord::Receive(Some(MachineId(0)))),
    ] {
        let machine = MachineId(1);
        assert_eq!(
            action(&format!("step = '{text}'\nmachine = 1")),
            Action::StepUntil { machine, event }
        );
        assert_eq!(event.to_string(), text);
    }
    for (text, goal, within) in [
        ("until = { machine = 2, tick = 20 }", Goal::Tick(20), WITHIN),
        (
            "until = { machine = 2, clock = 7 }\nwithin = '1s'",
            Goal::Clock(7),
            second,
        ),
    ] {
        let machine = MachineId(2);
        assert_eq!(
            action(text),
            Action::Until {
                machine,
                goal,
                within
            }
        );
    }
    let asks = parse("[[step]]\nresume = true\nask = true\n[[step]]\nsay = 'on'\n")
        .unwrap()
        .steps;
    assert_eq!((asks[0].ask, asks[1].ask), (true, false));
}

#[test]
fn steps_that_belong_together_know_each_other() {
    let second = Duration::from_secs(1);
    let walkthrough = parse(
        "title = 't'\n[[step]]\nsay = 'cut'\ninject = 'partition 0,1 / 2'\nfor = '5s'\n[[step]]\nwait = '1s'\n[[step]]\nmend = 1\n",
    );
    let Walkthrough { title, steps } = walkthrough.clone().unwrap();
    assert_eq!(title.as_deref(), Some("t"));
    let fault = "partition 0,1 / 2".parse().unwrap();
    let lasts = Some(5 * second);
    assert_eq!(steps[0].action, Action::Inject { fault, lasts });
    assert_eq!(
        (steps[0].say.as_deref(), &steps[2].action),
        (Some("cut"), &Action::Mend(Some(0)))
    );
    assert_eq!(walkthrough.unwrap().least(), second);
}

/// Files that are wrong, and what is said of them.
const WRONG: &[(&str, &str)] = &[
    ("", "it has 0 steps"),
    ("titel = 'x'", "unknown field `titel`"),
    (
        "machines = 5\n[[step]]\npause = true",
        "start it with --machines 5",
    ),
    ("[[step]]\n", "step 1: it says and does nothing"),
    (
        "[[step]]\nhalt = true",
        "step 1: unknown field `halt`, expected one of `say`",
    ),
    ("[[step]]\nsay = 'a'\n[[step]]\nwait = 3", "step 2: invalid type"),
    ("[[step]]\nwait = 'soon'", "step 1: `wait = \"soon\"`"),
    ("[[step]]\nwait = '2h'", "at most an hour"),
    ("[[step]]\nwait = '0s'", "more than nothing"),
    (
        "[[step]]\npause = true\nstep = 1",
        "both `pause` and `step`: make a step of each",
    ),
    ("[[step]]\npause = false", "`pause = false` does nothing"),
    (
        "[[step]]\npause = true\nmachine = 3",
        "there is no machine 3: the run has 0 to 2",
    ),
    (
        "[[step]]\nwait = '1s'\nmachine = 1",
        "`machine` belongs to pause, resume, step",
    ),
    ("[[step]]\npause = true\nfor = '1s'", "`for` belongs to inject"),
    ("[[step]]\nsay = 'x'\nwithin = '1s'", "`within` belongs to until"),
    (
        "[[step]]\nstep = 2",
        "step 1: machine 0 goes on by itself, and only who stands still can be stepped: put a step with `pause = true`",
    ),
    (
        "[[step]]\npause = true\nmachine = 1\n[[step]]\nstep = 1\nmachine = 1\n[[step]]\nstep = 1\nmachine = 2",
        "step 3: machine 2 goes on by itself",
    ),
    (
        "[[step]]\npause = true\n[[step]]\nresume = true\nmachine = 2\n[[step]]\nstep = 1",
        "step 3: machine 2 goes on by itself",
    ),
    (
        "[[step]]\npause = true\n[[step]]\nresume = true\n[[step]]\nstep = 'send'\nmachine = 1",
        "step 3: machine 1 goes on by itself",
    ),
    ("[[step]]\nstep = 0", "1 to 10000 ticks"),
    (
        "[[step]]\nstep = 'jump'\nmachine = 0",
        "give a number of ticks, or what to step to: send",
    ),
    ("[[step]]\nstep = 'send'", "is of one machine: say which"),
    (
        "[[step]]\nstep = 'send to 1'\nmachine = 1",
        "no messages with itself",
    ),
    (
        "[[step]]\nstep = 'send to 7'\nmachine = 1",
        "there is no machine 7",
    ),
    ("[[step]]\nstep = 'send to x'\nmachine = 1", "`x` is no machine"),
    (
        "[[step]]\ninject = 'flood 0 / 1'",
        "step 1: `flood 0 / 1` is no fault: write one of",
    ),
    ("[[step]]\ninject = 'kill 9'", "there is no machine 9"),
    ("[[step]]\ninject = 'kill 1'\nfor = 'ever'", "`for = \"ever\"`"),
    ("[[step]]\ninject = 'pause 1'", "add `for`"),
    ("[[step]]\ninject = 'restart 1'\nfor = '5s'", "leave `for` out"),
    ("[[step]]\nmend = 'some'", "mend all faults with `mend = true`"),
    ("[[step]]\nmend = false", "mend all faults with `mend = true`"),
    (
        "[[step]]\nmend = 1",
        "step 1 is none before this one that injects",
    ),
    (
        "[[step]]\nsay = 'x'\n[[step]]\nmend = 1",
        "step 2: `mend = 1`: step 1 is none",
    ),
    ("[[step]]\nmend = -1", "`mend = -1`"),
    ("[[step]]\nuntil = { machine = 0 }", "one of tick and clock"),
    (
        "[[step]]\nuntil = { machine = 0, tick = 1, clock = 2 }",
        "one of tick and clock",
    ),
    (
        "[[step]]\nuntil = { machine = 4, tick = 1 }",
        "there is no machine 4",
    ),
    ("[[step]", "TOML parse error at line 1"),
];

#[test]
fn what_is_wrong_is_named_with_its_step_and_the_mend() {
    for (text, part) in WRONG.iter().copied() {
        let error = parse(text).unwrap_err().to_string();
        assert!(
            error.starts_with("demo.toml: ") && error.contains(part),
            "{text}: {error}"
        );
    }
    let many = "[[step]]\nask = true\n".repeat(STEPS_MAX + 1);
    assert!(parse(&many).unwrap_err().what.contains("1001 steps"));
}

#[test]
fn the_example_is_valid_and_says_what_each_step_does() {
    let example = include_str!("../../../docs/walkthrough.toml");
    let walkthrough = parse(example).unwrap();
    let title = walkthrough.title.unwrap();
    assert!(
        title.ends_with("ten steps") && walkthrough.steps.len() == 10,
        "{title}"
    );
    assert!(
        walkthrough.steps.iter().all(|step| step.say.is_some()),
        "all are told"
    );
    let widest = example.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(120), "captions fit a terminal");
    assert!(Walkthrough::parse("docs/walkthrough.toml", example, 2).is_err());
}

#[test]
fn captions_fit_the_terminal_and_keep_paragraphs() {
    let text = "[[step]]\nask = true\nsay = \"\"\"\nOne machine sends\nto another one, which\nwaits.\n\nA paragraph:\n  \
        clocklab order A B\n\"\"\"\n[[step]]\npause = true\n";
    let steps = parse(text).unwrap().steps;
    assert_eq!(
        caption::caption(1, 2, &steps[0], 80),
        "[1/2] One machine sends to another one, which waits.\n     A paragraph:\n     clocklab order A B"
    );
    assert_eq!(
        caption::caption(1, 2, &steps[0], 24),
        "[1/2] One machine sends\n     to another one,\n     which waits.\n     A paragraph:\n     clocklab order A B"
    );
    assert_eq!(
        caption::caption(2, 2, &steps[1], 80),
        "[2/2] > pause all machines"
    );
    let example = parse(include_str!("../../../docs/walkthrough.toml")).unwrap();
    for (columns, step) in [40, 60, 80]
        .iter()
        .flat_map(|columns| example.steps.iter().map(move |step| (*columns, step)))
    {
        let caption = caption::caption(10, 10, step, columns);
        let widest = caption.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(columns), "{columns}: {caption}");
    }
    let machines = ["0: tick 4, clock 4".to_owned(), "1: tick 3, clock 5".to_owned()];
    assert_eq!(
        caption::standing(&machines, 44),
        "     0: tick 4, clock 4 | 1: tick 3, clock 5"
    );
    assert_eq!(
        caption::standing(&machines, 43),
        "     0: tick 4, clock 4\n     1: tick 3, clock 5"
    );
}

#[test]
fn what_is_held_back_or_slow_is_told_apart_from_what_lies_in_the_queue() {
    let folder = tempfile::tempdir().unwrap();
    let header = |id: u16| {
        format!(
            "# clocklab-log 1\n# machine={id} machines=2 clock=lamport seed=1 run=demo started=2026-01-01T00:00:00.000000Z\n"
        )
    };
    let (mut zero, mut one, mut second) = (header(0), header(1), 0);
    let mut sight = sight::Sight::new(folder.path());
    let mut words = |more_zero: &str, more_one: &str| {
        second += 1;
        let at = format!("2026-01-01T00:00:{second:02}.000000Z");
        for (log, more) in [(&mut zero, more_zero), (&mut one, more_one)] {
            for line in more.lines() {
                *log += &match line.split_once("=@") {
                    Some((key, rest)) => format!("# {key}={at}{rest}\n"),
                    None => format!("{at} {line}\n"),
                };
            }
        }
        std::fs::write(folder.path().join("machine-0.log"), &zero).unwrap();
        std::fs::write(folder.path().join("machine-1.log"), &one).unwrap();
        sight.look().unwrap();
        sight.words().remove(1)
    };
    assert_eq!(
        words("send tick=1 clock=1 to=1", ""),
        "1: tick 0, clock 0, 1 to take"
    );
    let cut = "fault=@ id=1 kind=partition to=1 detail=hold";
    let held = words(
        &format!("{cut}\nsend tick=2 clock=2 to=1\nsend tick=3 clock=3 to=1"),
        "",
    );
    assert_eq!(held, "1: tick 0, clock 0, 1 to take, 2 held back");
    let taken = words("", "receive tick=1 clock=2 from=0 sent=1 queue=0");
    assert_eq!(taken, "1: tick 1, clock 2, took 0:1, 2 held back");
    assert_eq!(
        words("mended=@ id=1", ""),
        "1: tick 1, clock 2, took 0:1, 2 to take"
    );
    let slow = words(
        "fault=@ id=2 kind=delay to=1 detail=constant:5s\nsend tick=4 clock=4 to=1\nmended=@ id=2",
        "",
    );
    assert_eq!(
        slow,
        "1: tick 1, clock 2, took 0:1, 2 to take, 1 to take or under way"
    );
    let behind = words("send tick=5 clock=5 to=1", "");
    assert!(behind.ends_with("2 to take, 2 to take or under way"), "{behind}");
    let lost = words("", "restarted=@ incarnation=2");
    assert_eq!(
        lost, "1: tick 1, clock 2, took 0:1",
        "a further life begins without a queue"
    );
}

/// What is said of the machines, after each part of their logs: `machine second line`, in the order of the files or in
/// that of time.
fn told(parts: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let mut sight = sight::Sight::new(folder.path());
    let mut logs: Vec<String> = (0..2)
        .map(|id| {
            format!(
                "# clocklab-log 1\n# machine={id} machines=2 clock=lamport seed=1 run=demo started=2026-01-01T00:00:00.000000Z\n"
            )
        })
        .collect();
    for part in parts {
        for line in part.lines() {
            let mut words = line.trim().splitn(3, ' ');
            let log = &mut logs[words.next().unwrap().parse::<usize>().unwrap()];
            let at = format!("2026-01-01T00:00:{:0>2}.000000Z", words.next().unwrap());
            let rest = words.next().unwrap();
            *log += &match rest.split_once("=@") {
                Some((key, rest)) => format!("# {key}={at}{rest}\n"),
                None => format!("{at} {rest}\n"),
            };
        }
        for (id, log) in logs.iter().enumerate() {
            std::fs::write(folder.path().join(format!("machine-{id}.log")), log).unwrap();
        }
        sight.look().unwrap();
    }
    sight.words()
}

/// What is said of the machines, whether their logs are read once or line by line.
fn told_in_any_order(lines: &str) -> Vec<String> {
    let lines: Vec<&str> = lines.trim().lines().collect();
    let at_once = told(&[&lines.join("\n")]);
    assert_eq!(told(&lines), at_once, "{lines:?}");
    // All of a later log before the earlier one.
    let (zero, one): (Vec<&str>, Vec<&str>) = lines.iter().partition(|line| line.trim().starts_with('0'));
    assert_eq!(told(&[&one.join("\n"), &zero.join("\n")]), at_once, "{lines:?}");
    at_once
}

#[test]
fn what_is_sent_to_a_further_life_is_to_be_taken_whenever_its_start_is_read() {
    let lines = "0 1 send tick=1 clock=1 to=1
        0 2 send tick=2 clock=2 to=1
        1 3 fault=@ id=1 kind=restart
        1 4 restarted=@ incarnation=2
        0 5 send tick=3 clock=3 to=1
        1 6 receive tick=1 clock=4 from=0 sent=3 queue=0
        0 7 send tick=4 clock=4 to=1";
    let told = told_in_any_order(lines);
    assert_eq!(told[1], "1: tick 1, clock 4, took 0:3, 1 to take");
    let cut = "0 8 fault=@ id=2 kind=partition to=1 detail=hold
        0 9 send tick=5 clock=5 to=1
        1 10 restarted=@ incarnation=3
        0 11 send tick=6 clock=6 to=1";
    let told = told_in_any_order(&format!("{lines}\n{cut}"));
    assert_eq!(told[1], "1: tick 1, clock 4, took 0:3, 1 held back");
}

#[test]
fn what_a_dead_machine_held_back_is_no_more_to_come() {
    for (fault, word) in [
        ("kind=delay to=1 detail=constant:20s", "to take or under way"),
        ("kind=bandwidth to=1 detail=100", "to take or under way"),
        ("kind=partition to=1 detail=hold", ""),
    ] {
        let before = format!(
            "0 1 send tick=1 clock=1 to=1
            0 2 fault=@ id=1 {fault}
            0 3 send tick=2 clock=2 to=1
            0 4 send tick=3 clock=3 to=1"
        );
        for end in ["0 5 fault=@ id=2 kind=kill", "0 6 restarted=@ incarnation=2"] {
            // Until it does something else than take, the slow ones may lie there.
            let dead = format!("{before}\n{end}");
            let slow = match word {
                "" => String::new(),
                word => format!(", 2 {word}"),
            };
            let told = told_in_any_order(&dead);
            assert_eq!(told[1], format!("1: tick 0, clock 0, 1 to take{slow}"), "{dead}");
            let taken = format!("{dead}\n1 7 receive tick=1 clock=2 from=0 sent=1 queue=0");
            let told = told_in_any_order(&taken);
            assert_eq!(told[1], "1: tick 1, clock 2, took 0:1", "{taken}");
        }
        let on = format!(
            "{before}
            0 5 fault=@ id=2 kind=restart
            0 6 restarted=@ incarnation=2
            0 7 send tick=4 clock=4 to=1
            1 8 receive tick=1 clock=5 from=0 sent=4 queue=0
            0 9 send tick=5 clock=5 to=1"
        );
        let told = told_in_any_order(&on);
        assert_eq!(told[1], "1: tick 1, clock 5, took 0:4, 1 to take", "{on}");
    }
}
