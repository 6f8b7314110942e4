//! The file of a walkthrough: everything that it may say, and what is said of everything else.

use super::*;

fn parse(text: &str) -> Result<Walkthrough, WalkthroughError> {
    Walkthrough::parse("demo.toml", text, 3)
}

fn action(text: &str) -> Action {
    parse(&format!("[[step]]\n{text}")).unwrap().steps[0]
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
    let said = walkthrough.steps.iter().filter(|step| step.say.is_some()).count();
    assert_eq!(said, 8, "eight steps are told, the others belong to them");
    let widest = example.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(120), "captions fit a terminal");
    assert!(Walkthrough::parse("docs/walkthrough.toml", example, 2).is_err());
}
