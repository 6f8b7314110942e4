//! What is counted and listed of channels, in whichever order their logs are read.

use super::*;

const A: MachineId = MachineId(0);
const B: MachineId = MachineId(1);

fn sent(clock: u64) -> Sent {
    Sent {
        message: UnderWay {
            from: A,
            to: B,
            clock,
            at: WallTime(i64::try_from(clock).unwrap()),
        },
        copies: 1,
        unordered: false,
    }
}

#[test]
fn a_receive_may_be_read_before_its_send() {
    let mut channels = Channels::default();
    channels.taken(A, B, 5);
    assert_eq!(channels.waiting(B), 0);
    channels.sent(&sent(5));
    assert_eq!(channels.waiting(B), 0);
    channels.sent(&sent(9));
    assert_eq!((channels.waiting(B), channels.under_way().count()), (1, 1));
    channels.taken(A, B, 9);
    assert_eq!((channels.waiting(B), channels.under_way().count()), (0, 0));
}

#[test]
fn more_messages_than_are_listed_are_counted() {
    let mut channels = Channels::default();
    let many = 3 * LISTED_MAX as u64;
    for clock in 1..=many {
        channels.sent(&sent(clock));
    }
    assert_eq!(
        (channels.waiting(B), channels.under_way().count()),
        (many, LISTED_MAX)
    );
    // While it is taken from, more is sent.
    for clock in 1..=many {
        channels.taken(A, B, clock);
        channels.sent(&sent(many + clock));
        assert_eq!(channels.waiting(B), many, "after {clock}");
    }
    for clock in 1..=many {
        channels.taken(A, B, many + clock);
        assert_eq!(channels.waiting(B), many - clock);
        assert_eq!(channels.listed, channels.under_way().count());
    }
}

#[test]
fn all_channels_together_list_a_bounded_number() {
    let mut channels = Channels::default();
    let senders = 2 * ALL_LISTED_MAX / LISTED_MAX;
    for clock in 1..=LISTED_MAX as u64 {
        for from in 2..2 + u16::try_from(senders).unwrap() {
            channels.sent(&Sent {
                message: UnderWay {
                    from: MachineId(from),
                    ..sent(clock).message
                },
                ..sent(clock)
            });
        }
    }
    assert_eq!(channels.under_way().count(), ALL_LISTED_MAX);
    assert_eq!(channels.waiting(B), (senders * LISTED_MAX) as u64);
    channels.void(B, WallTime(i64::MAX));
    assert_eq!((channels.waiting(B), channels.listed), (0, 0));
}

#[test]
fn more_early_receives_than_are_kept_leave_nothing_under_way() {
    let mut channels = Channels::default();
    let many = 2 * EARLY_MAX as u64;
    for clock in 1..=many {
        channels.taken(A, B, clock);
    }
    for clock in 1..=many {
        channels.sent(&sent(clock));
    }
    assert_eq!(channels.waiting(B), 0);
}

#[test]
fn an_ordered_message_that_arrives_shows_what_was_lost_before_it() {
    let mut channels = Channels::default();
    for clock in 1..=4 {
        channels.sent(&Sent {
            unordered: clock == 2,
            ..sent(clock)
        });
    }
    channels.taken(A, B, 3);
    let left: Vec<u64> = channels.under_way().map(|message| message.clock).collect();
    assert_eq!((left, channels.waiting(B)), (vec![2, 4], 2));
}

#[test]
fn copies_are_counted() {
    let mut channels = Channels::default();
    channels.sent(&Sent { copies: 2, ..sent(1) });
    channels.sent(&Sent { copies: 0, ..sent(2) });
    assert_eq!(channels.waiting(B), 2);
    channels.taken(A, B, 1);
    assert_eq!(channels.waiting(B), 1);
    channels.taken(A, B, 1);
    assert_eq!(channels.waiting(B), 0);
}

#[test]
fn a_new_life_begins_with_an_empty_queue() {
    let mut channels = Channels::default();
    for clock in [1, 2, 30] {
        channels.sent(&sent(clock));
    }
    channels.void(B, WallTime(10));
    assert_eq!(channels.waiting(B), 1);
    channels.sent(&Sent {
        message: UnderWay {
            from: MachineId(2),
            ..sent(4).message
        },
        ..sent(4)
    });
    assert_eq!(channels.waiting(B), 1, "sent before, read later");
}

#[test]
fn an_empty_queue_behind_a_death_shows_what_was_lost_with_the_sender() {
    let many = 2 * LISTED_MAX as u64;
    for is_death_read_first in [true, false] {
        let mut channels = Channels::default();
        for clock in 1..=many {
            let unordered = clock == 3;
            channels.sent(&Sent {
                unordered,
                ..sent(clock)
            });
        }
        let (death, empty) = (WallTime(2000), WallTime(2001));
        channels.empty(B, WallTime(1999));
        if is_death_read_first {
            channels.died(A, death);
            assert_eq!(channels.waiting(B), many, "they may lie there");
            channels.empty(B, empty);
        } else {
            channels.empty(B, empty);
            assert_eq!(channels.waiting(B), many, "it lives");
            channels.died(A, death);
        }
        assert_eq!((channels.waiting(B), channels.listed), (0, 0));
        channels.sent(&sent(3000));
        channels.empty(B, WallTime(3001));
        assert_eq!(channels.waiting(B), 1, "of a further life");
    }
}

#[test]
fn the_newest_copies_are_lost_first() {
    let many = 2 * LISTED_MAX as u64;
    for lost in [0, 1, many / 2, many / 2 + 1, many, many + 1] {
        let mut channels = Channels::default();
        for clock in 1..=many / 2 {
            channels.sent(&Sent {
                copies: 2,
                ..sent(clock)
            });
        }
        channels.sent(&Sent {
            message: UnderWay {
                from: MachineId(2),
                ..sent(1).message
            },
            ..sent(1)
        });
        channels.lose_newest(A, B, lost);
        let left = many.saturating_sub(lost);
        assert_eq!((channels.between(A, B), channels.waiting(B)), (left, left + 1));
        assert_eq!(channels.listed, channels.under_way().count(), "{lost}");
    }
}
