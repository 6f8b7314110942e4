//! The stop and the last words.

use super::*;

#[test]
fn nothing_is_due_after_the_stop_and_messages_still_join_the_queue() {
    let mut script = Script::started(config(0, 3));
    script.tick();
    assert_eq!(script.input(1_000, stop(Reason::Duration, None)), []);
    assert_eq!(script.machine.deadline(), None);
    script.message(1, 5);
    assert_eq!(script.input(500_000, Input::Timeout), []);
    let footer = script.footer();
    assert_eq!((footer.ticks, footer.queued), (1, 1));
    assert_eq!(footer.reason, Some(Reason::Duration));
}

#[test]
fn a_start_after_the_stop_starts_nothing() {
    let mut script = Script::new(config(0, 3));
    script.input(0, stop(Reason::Interrupted, None));
    script.input(1_000, super::start());
    assert_eq!(script.machine.deadline(), None);
    assert_eq!(script.input(1_000, Input::Timeout), []);
    assert_eq!(script.footer().ticks, 0);
}

#[test]
fn the_first_stop_is_the_one_that_counts() {
    let mut script = Script::started(config(0, 3));
    script.input(2_000, Input::Timeout);
    script.input(3_000, stop(Reason::PeerLost, Some(2)));
    script.input(4_000, stop(Reason::Interrupted, None));
    let footer = script.footer();
    assert_eq!(
        (footer.reason, footer.peer),
        (Some(Reason::PeerLost), Some(MachineId(2)))
    );
    assert_eq!(
        footer.tick_error_us_max,
        Some(2_000),
        "the statistics of the ticks are kept"
    );
}

#[test]
fn the_footer_counts_waiting_messages_by_sender() {
    let mut script = Script::started(config(0, 4));
    for from in [1, 3, 3, 1, 3] {
        script.message(from, 1);
    }
    script.event();
    script.input(0, stop(Reason::PeerStopped, Some(3)));
    let footer = script.footer();
    assert_eq!((footer.ticks, footer.queued), (1, 4));
    assert_eq!(footer.waiting, [0, 1, 0, 3]);
    assert_eq!(
        (footer.reason, footer.peer),
        (Some(Reason::PeerStopped), Some(MachineId(3)))
    );
    assert_eq!(footer.suspended_us, None, "only the driver knows the wall clock");
}

#[test]
fn the_footer_says_how_late_ticks_were_without_the_skipped_ones() {
    let mut script = Script::started(config(0, 3));
    script.input(100, Input::Timeout);
    script.input(250_500, Input::Timeout);
    script.input(500_000, Input::Timeout);
    script.input(9_000_000, Input::Timeout);
    script.input(9_000_000, stop(Reason::Duration, None));
    let footer = script.footer();
    assert_eq!(
        (footer.tick_error_us_mean, footer.tick_error_us_max),
        (Some(200), Some(500))
    );
    assert_eq!((footer.stalls, footer.ticks), (Some(1), 3));
}

#[test]
fn a_machine_that_never_started_has_a_footer() {
    let mut script = Script::new(config(0, 3));
    script.message(2, 4);
    script.input(0, stop(Reason::Terminated, None));
    let footer = script.footer();
    assert_eq!(
        (footer.ticks, footer.queued, footer.waiting),
        (0, 1, vec![0, 0, 1])
    );
    assert_eq!((footer.tick_error_us_mean, footer.stalls), (None, None));
}

#[test]
fn ticks_are_receives_and_sends_and_internal_events() {
    let mut script = Script::started(config(0, 3));
    let mut sums = [0_u64; 3];
    for turn in 0..300 {
        if turn % 4 == 0 {
            script.message(1, turn);
        }
        match script.event().0.kind {
            Kind::Internal => sums[0] += 1,
            Kind::Send { .. } => sums[1] += 1,
            Kind::Receive { .. } => sums[2] += 1,
            Kind::Other => panic!("no kind of this system"),
        }
    }
    script.input(0, stop(Reason::Limit, None));
    assert_eq!(script.footer().ticks, sums.iter().sum::<u64>());
    assert_eq!(sums[2], 75);
}

#[test]
fn a_full_queue_asks_for_the_stop_once() {
    let mut script = Script::started(config(0, 3));
    let mut asked = Effects::new();
    for _ in 0..QUEUE_MESSAGES_MAX + 2 {
        let input = Input::Message {
            from: MachineId(1),
            message: Stamp(Timestamp::Lamport(1)),
        };
        script.machine.handle(Time(0), input, &mut asked);
    }
    let reason = Reason::Limit;
    assert_eq!(asked, [Effect::Stop { reason }]);
}
