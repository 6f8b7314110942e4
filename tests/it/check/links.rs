//! Hand-made logs of machines that are started again and of links that are lost: what is excused, and what is not.

use super::{Verdict, folder, inspect};

/// Machine 0 as long as machine 1 lives, while it is away, and with its second life.
const SENDER: &str = "
    01.100000 send tick=1 clock=1 to=1
    01.200000 send tick=2 clock=2 to=1
    # link-lost=01.300000 peer=1
    01.400000 send tick=3 clock=3 to=1 dropped=1
    # link-up=01.500000 peer=1 incarnation=2
    01.600000 send tick=4 clock=4 to=1
    01.700000 send tick=5 clock=5 to=1
    01.800000 send tick=6 clock=6 to=1
    # ended=02.000000 reason=duration ticks=6 queued=0 waiting=0,0 goodbye=1 frames_sent=5 bytes_sent=70";

/// Machine 1, which received these messages in its first life and those in its second.
fn receiver(first: &[u64], second: &[u64]) -> String {
    let (mut text, mut tick, mut clock) = (String::new(), 0, 0);
    let mut receive = |second: u64, sent: u64| {
        (tick, clock) = (tick + 1, clock.max(sent) + 1);
        format!("0{second}.{tick:06} receive tick={tick} clock={clock} from=0 sent={sent} queue=0\n")
    };
    first.iter().for_each(|sent| text += &receive(1, *sent));
    text += "# restarted=01.500000 incarnation=2\n# link-up=01.500000 peer=0\n";
    second.iter().for_each(|sent| text += &receive(2, *sent));
    text + &format!("# ended=03.000000 reason=duration ticks={tick} queued=0 waiting=0,0 goodbye=0\n")
}

/// The rules that are broken, each once.
fn rules(verdict: &Verdict) -> Vec<&'static str> {
    let mut rules: Vec<&str> = verdict.violations.iter().map(|it| it.rule).collect();
    rules.dedup();
    rules
}

#[track_caller]
fn judged(sender: &str, receiver: &str) -> Vec<&'static str> {
    // Whichever of the logs is read first.
    let skewed = sender
        .replace(" 01.", " 04.")
        .replace("=01.", "=04.")
        .replace("=02.", "=05.");
    let [plain, skewed] = [sender, &skewed].map(|sender| {
        let dir = folder(sender, receiver);
        inspect::check(dir.path()).unwrap().0
    });
    assert_eq!(rules(&plain), rules(&skewed), "{plain}\n{skewed}");
    rules(&plain)
}

#[test]
fn a_loss_excuses_a_tail_of_what_was_sent_before_it() {
    for first in [&[1, 2][..], &[1], &[]] {
        assert_eq!(judged(SENDER, &receiver(first, &[4, 5, 6])), [""; 0], "{first:?}");
    }
    assert_eq!(judged(SENDER, &receiver(&[2], &[4, 5, 6])), ["channel order"]);
}

#[test]
fn a_channel_is_counted_again_behind_each_loss() {
    for (second, rules) in [
        (&[4, 5][..], &["conservation"][..]),
        (&[], &["conservation"]),
        (&[5, 6], &["channel order", "conservation"]),
        (&[6], &["channel order", "conservation"]),
        (&[4, 6], &["channel order", "conservation"]),
        (&[4, 5, 6, 6], &["channel order", "conservation"]),
    ] {
        assert_eq!(judged(SENDER, &receiver(&[1], second)), rules, "{second:?}");
    }
}

#[test]
fn what_was_sent_to_one_life_reaches_no_other() {
    let rules = judged(SENDER, &receiver(&[1], &[2, 4, 5, 6]));
    assert_eq!(rules, ["conservation", "incarnation"]);
    let early = judged(SENDER, &receiver(&[1, 2, 4], &[5, 6]));
    assert_eq!(early, ["incarnation"]);
}

#[test]
fn a_life_is_heard_of_before_its_messages() {
    let sender = "
        01.100000 internal tick=1 clock=1
        # restarted=01.200000 incarnation=2
        # link-up=01.200000 peer=1
        01.300000 send tick=2 clock=2 to=1";
    let receiver =
        |remarks: &str| format!("{remarks}02.100000 receive tick=1 clock=3 from=0 sent=2 queue=0\n");
    let up = "# link-lost=01.150000 peer=0\n# link-up=01.250000 peer=0 incarnation=2\n";
    assert_eq!(judged(sender, &receiver(up)), [""; 0]);
    assert_eq!(judged(sender, &receiver("")), ["incarnation"]);
    let first = up.replace(" incarnation=2", "");
    assert_eq!(judged(sender, &receiver(&first)), ["incarnation"]);
}

#[test]
fn a_goodbye_is_heard_by_the_life_that_its_sender_had_a_link_to() {
    let whole = receiver(&[1], &[4, 5, 6]);
    assert_eq!(judged(SENDER, &whole), [""; 0]);
    // The wrong life, however many of its messages are missing.
    let first = SENDER.replace(" incarnation=2", "");
    assert_eq!(judged(&first, &receiver(&[1], &[])), ["incarnation"]);
    // No life at all.
    let (before, behind) = SENDER
        .split_once("# link-up=01.500000 peer=1 incarnation=2\n")
        .unwrap();
    let behind = behind.replace(" to=1", " to=1 dropped=1");
    let never = format!(
        "{before}{}",
        behind.replace("goodbye=1 frames_sent=5 bytes_sent=70", "")
    );
    assert_eq!(judged(&never, &receiver(&[], &[])), ["incarnation"]);
    // Where the goodbye was not heard, nothing says that the link was there.
    let silent = receiver(&[1], &[]).replace(" goodbye=0", "");
    assert_eq!(judged(&first, &silent), [""; 0]);
}

#[test]
fn a_goodbye_comes_over_a_link_that_is_up() {
    let sender = "
        01.100000 internal tick=1 clock=1
        # restarted=01.200000 incarnation=2
        # link-up=01.200000 peer=1
        01.300000 send tick=2 clock=2 to=1
        # ended=02.000000 reason=duration ticks=2 queued=0 waiting=0,0 goodbye=1";
    let receiver = |remarks: &str, end: &str| {
        format!("{remarks}\n# ended=03.000000 reason=duration ticks=0 {end} goodbye=0")
    };
    let up = "# link-lost=01.150000 peer=0\n# link-up=01.250000 peer=0 incarnation=2";
    let (none, one) = ("queued=0 waiting=0,0", "queued=1 waiting=1,0");
    assert_eq!(judged(sender, &receiver(up, one)), [""; 0]);
    assert_eq!(judged(sender, &receiver(up, none)), ["conservation"]);
    let lost = up.lines().next().unwrap();
    assert_eq!(judged(sender, &receiver(lost, none)), ["incarnation", "links"]);
    let unanswered = sender.replace(" goodbye=1", "");
    assert_eq!(judged(&unanswered, &receiver(lost, none)), ["links"]);
    // A further life says of each link that it is up.
    let reborn = sender.replace("# link-up=01.200000 peer=1\n", "");
    let dropped = reborn.replace(" to=1", " to=1 dropped=1");
    assert_eq!(judged(&dropped, &receiver(up, none)), ["links"]);
}

#[test]
fn links_go_down_when_they_are_up_and_up_when_they_are_down() {
    let whole = receiver(&[1], &[4, 5, 6]);
    let without = |word: &str| {
        let kept = SENDER.lines().filter(|line| !line.contains(word));
        kept.collect::<Vec<_>>().join("\n")
    };
    let twice = |word: &str| {
        let line = SENDER.lines().find(|line| line.contains(word)).unwrap();
        SENDER.replace(line, &format!("{line}\n{line}"))
    };
    assert_eq!(judged(&twice("link-lost"), &whole), ["links"]);
    assert_eq!(judged(&twice("link-up"), &whole), ["links"]);
    assert!(judged(&without("link-up"), &whole).contains(&"links"));
    let undropped = SENDER
        .replace(" dropped=1", "")
        .replace("frames_sent=5", "frames_sent=6");
    assert!(judged(&undropped, &whole).contains(&"links"));
    // An end with goodbye leaves no remark; a fault that kills lets nobody say goodbye.
    let killed = whole.replace("# restarted", "# fault=01.400000 id=1 kind=restart\n# restarted");
    assert_eq!(judged(SENDER, &killed), [""; 0]);
    assert_eq!(judged(&without("link-lost"), &whole), [""; 0]);
    assert_eq!(judged(&without("link-lost"), &killed), ["links"]);
}

#[test]
fn messages_are_dropped_behind_a_loss_or_a_goodbye() {
    let sender = |goodbye: &str, then: &str| {
        format!(
            "01.100000 send tick=1 clock=1 to=1
             01.200000 send tick=2 clock=2 to=1 dropped=1
             01.300000 send tick=3 clock=3 to=1{then}
             # ended=02.000000 reason=duration ticks=3 queued=0 waiting=0,0{goodbye}"
        )
    };
    let receiver = "01.150000 receive tick=1 clock=2 from=0 sent=1 queue=0
        # ended=01.180000 reason=interrupted ticks=1 queued=0 waiting=0,0";
    assert_eq!(judged(&sender(" goodbye=1", " dropped=1"), receiver), [""; 0]);
    assert_eq!(judged(&sender("", " dropped=1"), receiver), ["links"]);
    assert_eq!(judged(&sender(" goodbye=1", ""), receiver), ["links"]);
}

#[test]
fn a_loss_that_nothing_follows_from_is_found() {
    let receiver = "02.150000 receive tick=1 clock=4 from=0 sent=3 queue=0";
    let invented = "
        01.100000 send tick=1 clock=1 to=1
        # link-lost=01.150000 peer=1
        01.300000 send tick=3 clock=3 to=1";
    assert!(judged(invented, receiver).contains(&"links"));
}

#[test]
fn a_link_that_comes_up_again_was_lost_at_both_ends() {
    let sender = |remarks: &str| {
        format!(
            "01.100000 send tick=1 clock=1 to=1
             01.200000 send tick=2 clock=2 to=1
             {remarks}
             01.600000 send tick=3 clock=3 to=1
             # ended=02.000000 reason=duration ticks=3 queued=0 waiting=0,0 goodbye=1"
        )
    };
    let receiver = |remarks: &str| {
        format!(
            "{remarks}
             01.650000 receive tick=1 clock=4 from=0 sent=3 queue=0
             # ended=03.000000 reason=duration ticks=1 queued=0 waiting=0,0 goodbye=0"
        )
    };
    let (lost, up) = ("# link-lost=01.300000 peer=1", "# link-up=01.300000 peer=1");
    let again = format!("{lost}\n{up}");
    let other = again.replace("peer=1", "peer=0");
    assert_eq!(judged(&sender(&again), &receiver(&other)), [""; 0]);
    assert_eq!(judged(&sender(&again), &receiver("")), ["links"]);
    // One end may lose a link while the other drains; and a log that is cut may have lost the line that says so.
    let drained = sender(lost).replace(
        " to=1\n             # ended",
        " to=1 dropped=1\n             # ended",
    );
    let whole = "01.650000 receive tick=1 clock=2 from=0 sent=1 queue=0
        # ended=03.000000 reason=duration ticks=1 queued=0 waiting=0,0";
    assert_eq!(judged(&drained.replace(" goodbye=1", ""), whole), [""; 0]);
    let cut = receiver("").lines().take(2).collect::<Vec<_>>().join("\n");
    assert_eq!(judged(&sender(&again), &cut), [""; 0]);
}

#[test]
fn footers_count_the_frames_of_the_last_life() {
    let whole = receiver(&[1], &[4, 5, 6]);
    // A loss may take frames that faults held back, and never adds one.
    let said = |frames: &str| judged(&SENDER.replace("frames_sent=5", frames), &whole);
    assert_eq!(said("frames_sent=4"), [""; 0]);
    assert_eq!(said("frames_sent=6"), ["footer"]);
    assert_eq!(said("frames_sent=15"), ["footer"]);
    let never_lost = |frames: u32| {
        let sender = format!(
            "01.100000 send tick=1 clock=1 to=1
             # ended=02.000000 reason=duration ticks=1 queued=0 frames_sent={frames} bytes_sent={}",
            frames * 14
        );
        judged(
            &sender,
            "# ended=02.000000 reason=duration ticks=0 queued=1 waiting=1,0 goodbye=0",
        )
    };
    assert_eq!(never_lost(1), [""; 0]);
    assert_eq!(never_lost(0), ["footer"]);
    assert_eq!(never_lost(2), ["footer"]);
}

#[test]
fn remarks_name_machines_and_faults_that_are_there() {
    for (remark, rule) in [
        ("# link-lost=01.100000 peer=9", "format"),
        ("# link-lost=01.100000 peer=0", "format"),
        ("# link-up=01.100000 peer=2", "format"),
        ("# fault=01.100000 id=3 kind=loss to=9 detail=1%", "format"),
        ("# mended=01.100000 id=77", "faults"),
        (
            "# fault=01.100000 id=3 kind=loss to=1 detail=1%\n# fault=01.100000 id=3 kind=loss to=1 detail=1%",
            "faults",
        ),
        (
            "# fault=01.100000 id=3 kind=jump detail=100\n# mended=01.100000 id=3",
            "faults",
        ),
    ] {
        assert_eq!(judged(remark, ""), [rule], "{remark}");
    }
    let mended = "# fault=01.100000 id=3 kind=rate detail=4\n# mended=01.100000 id=3";
    assert_eq!(judged(mended, ""), [""; 0]);
    // A number names one fault of a life; what is still on in the next begins there again.
    let twice = |between: &str| judged(&format!("{mended}\n{between}\n{mended}"), "");
    assert_eq!(twice(""), ["faults"]);
    assert_eq!(twice("# restarted=01.100000 incarnation=2"), [""; 0]);
}

#[test]
fn nothing_follows_a_kill_but_a_further_life() {
    let kill = "# fault=01.100000 id=1 kind=kill";
    let event = " 01.200000 internal tick=1 clock=1";
    let end = "# ended=02.000000 reason=duration ticks=0 queued=0 waiting=0,0";
    let reborn = format!("{kill}\n# restarted=01.150000 incarnation=2\n{event}");
    assert_eq!(judged(kill, ""), [""; 0]);
    assert_eq!(judged(&reborn, ""), [""; 0]);
    for line in [event, end, "# link-lost=01.200000 peer=1"] {
        assert_eq!(judged(&format!("{kill}\n{line}"), ""), ["faults"], "{line}");
        let restart = kill.replace("kind=kill", "kind=restart");
        assert_eq!(judged(&format!("{restart}\n{line}"), ""), ["faults"], "{line}");
    }
}
