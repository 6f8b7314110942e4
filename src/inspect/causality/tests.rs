//! Causality against a brute-force oracle: small random histories, whose happened-before is closed by hand.
//! Channels are not first in, first out; events take and send several messages at once.

mod oracle;

use proptest::prelude::*;

use self::oracle::{Oracle, plans};
use super::*;
use crate::{
    inspect::history::{Event, EventKind, Fate, HistoryBuilder, Message, Process},
    trace::WallTime,
};

fn id(process: u32, index: u32) -> EventId {
    EventId { process, index }
}

/// A process without events.
fn process(name: &str) -> Process {
    Process {
        name: name.to_owned(),
        rate: None,
        started: Some(WallTime(0)),
        ended: None,
        waiting: None,
        file: format!("machine-{name}.log").into(),
    }
}

/// An event at so many microseconds.
fn event(clock: u64, at: i64, line: u32) -> Event {
    Event {
        clock,
        at: Some(WallTime(at)),
        kind: EventKind::Other,
        queue: None,
        line,
    }
}

/// Every step is an event of the same process or a message of the history, and the ends are right.
fn assert_is_chain(history: &History, chain: &Chain, from: EventId, to: EventId) {
    assert_eq!((chain.from, chain.to()), (from, to));
    let mut here = from;
    for step in &chain.steps {
        match step {
            Step::Along(next) => assert!(next.process == here.process && next.index > here.index),
            Step::Message(message) => {
                assert!(history.messages().contains(message), "a message of the logs");
                assert_eq!(message.send, here);
            }
        }
        here = step.end().expect("received");
    }
    assert_eq!(here, to);
}

/// How many events a chain has if every event between its steps counts.
fn events_of(chain: &Chain) -> u32 {
    let mut here = chain.from;
    let mut count = 1;
    for step in &chain.steps {
        let end = step.end().unwrap();
        count += match step {
            Step::Along(_) => end.index - here.index,
            Step::Message(_) => 1,
        };
        here = end;
    }
    count
}

fn assert_shortest(oracle: &Oracle, history: &History, chain: &Chain, from: EventId, to: EventId) {
    assert_is_chain(history, chain, from, to);
    let fewest = oracle.fewest_messages(from);
    let messages = fewest[&to].unwrap();
    assert_eq!(chain.messages(), messages, "{chain:?}");
    let earliest = history
        .ids_of(to.process)
        .find(|event| fewest[event].is_some_and(|count| count <= messages));
    let arrival = chain.steps.iter().rev().find_map(|step| match step {
        Step::Message(message) => message.receive(),
        Step::Along(_) => None,
    });
    assert_eq!(arrival.unwrap_or(from), earliest.unwrap(), "{chain:?}");
}

fn assert_gap(oracle: &Oracle, history: &History, gap: &Gap) {
    let is_known = |event: &EventId| oracle.before_or_same(*event, gap.to);
    let last = history.ids_of(gap.from.process).rev().find(is_known);
    assert_eq!(gap.known.as_ref().map(|chain| chain.from), last);
    if let (Some(chain), Some(last)) = (&gap.known, last) {
        assert_shortest(oracle, history, chain, last, gap.to);
    }
    let mut behind = history.ids_of(gap.to.process);
    assert_eq!(
        gap.learns,
        behind.find(|event| oracle.before_or_same(gap.from, *event))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn orders_are_those_of_the_closure_with_the_shortest_proof(plan in plans()) {
        let (history, oracle) = plan.build();
        let causality = Causality::new(&history);
        prop_assert!(!causality.has_circle());
        for a in history.ids() {
            for b in history.ids() {
                prop_assert_eq!(causality.happened_before(a, b), oracle.before(a, b));
                match causality.order(a, b) {
                    Order::Same => prop_assert_eq!(a, b),
                    Order::Before(chain) => assert_shortest(&oracle, &history, &chain, a, b),
                    Order::After(chain) => assert_shortest(&oracle, &history, &chain, b, a),
                    Order::Concurrent { forth, back } => {
                        prop_assert!(a != b && !oracle.before(a, b) && !oracle.before(b, a));
                        assert_gap(&oracle, &history, &forth);
                        assert_gap(&oracle, &history, &back);
                    }
                }
            }
        }
    }

    #[test]
    fn cones_hold_exactly_the_past_and_the_future(plan in plans()) {
        let (history, oracle) = plan.build();
        let causality = Causality::new(&history);
        for event in history.ids() {
            let mut related = 1;
            for side in [Side::Past, Side::Future] {
                let cone = causality.cone(event, side);
                let is_in = |other: &EventId| match side {
                    Side::Past => oracle.before(*other, event),
                    Side::Future => oracle.before(event, *other),
                };
                let expected: Vec<EventId> = history.ids().filter(is_in).collect();
                let nearest: Vec<EventId> = causality.nearest(&cone).collect();
                let mut sorted = nearest.clone();
                sorted.sort();
                prop_assert_eq!(&sorted, &expected);
                prop_assert_eq!(cone.len(), expected.len() as u64);
                prop_assert_eq!(cone.is_empty(), expected.is_empty());
                for (process, count) in (0..).zip(&cone.counts) {
                    let of_process = expected.iter().filter(|event| event.process == process);
                    prop_assert_eq!(of_process.count() as u64, u64::from(*count));
                }
                for pair in nearest.windows(2) {
                    match side {
                        Side::Past => prop_assert!(!oracle.before(pair[0], pair[1])),
                        Side::Future => prop_assert!(!oracle.before(pair[1], pair[0])),
                    }
                }
                related += cone.len();
            }
            prop_assert_eq!(causality.concurrent_with(event), history.len() as u64 - related);
        }
    }

    #[test]
    fn the_largest_consistent_cut_is_what_removing_receives_leaves(
        plan in plans(),
        parts in prop::collection::vec(0_u32..=12, 6),
    ) {
        let (history, oracle) = plan.build();
        let causality = Causality::new(&history);
        let counts = history.process_ids().zip(parts);
        let cut = Cut {
            counts: counts.map(|(process, part)| part.min(history.events_of(process))).collect(),
        };
        let crossing: Vec<Message> = history
            .received()
            .filter(|message| cut.has(message.receive().unwrap()) && !cut.has(message.send))
            .copied()
            .collect();
        let found = causality.crossing(&cut, 2);
        prop_assert_eq!(found.count, crossing.len() as u64);
        prop_assert_eq!(&found.first[..], &crossing[..crossing.len().min(2)]);

        let largest = causality.largest_consistent(&cut);
        // An event may stay if all that happened before it is in the cut.
        let stays = |event: &EventId| {
            history.ids().all(|other| !oracle.before_or_same(other, *event) || cut.has(other))
        };
        for event in history.ids() {
            prop_assert_eq!(largest.has(event), stays(&event), "{:?}", event);
        }
        prop_assert_eq!(causality.crossing(&largest, 0).count, 0);
        prop_assert_eq!(largest == cut, crossing.is_empty());

        let in_channels: u64 = causality.channels(&cut, None, 1).iter().map(Channel::len).sum();
        let expected = history.messages().iter().filter(|message| {
            cut.has(message.send)
                && message.fate != Fate::Dropped
                && !message.receive().is_some_and(|receive| cut.has(receive))
        });
        prop_assert_eq!(in_channels, expected.count() as u64);
    }

    #[test]
    fn pairs_overtaken_messages_and_longest_chains_are_counted_exactly(plan in plans()) {
        let (history, oracle) = plan.build();
        let causality = Causality::new(&history);
        let found = causality.concurrency(3).unwrap();
        let ids: Vec<EventId> = history.ids().collect();
        let (mut ordered, mut equal, mut pairs) = (0, 0, 0);
        for (place, a) in ids.iter().enumerate() {
            for b in &ids[place + 1..] {
                pairs += 1;
                ordered += u128::from(oracle.before(*a, *b) || oracle.before(*b, *a));
                equal += u128::from(causality.rank(*a) == causality.rank(*b));
            }
        }
        prop_assert_eq!((found.pairs, found.ordered, found.equal), (pairs, ordered, equal));
        prop_assert_eq!(found.ranked_concurrent(), pairs - ordered - equal);

        let late: Vec<(Message, EventId)> = history
            .received()
            .filter(|message| message.send.process != message.to)
            .filter_map(|message| {
                let knew = history.ids_of(message.to).find(|event| oracle.before(message.send, *event))?;
                (Some(knew) < message.receive()).then_some((*message, knew))
            })
            .collect();
        prop_assert_eq!(found.overtaken.count, late.len() as u64);
        prop_assert_eq!(found.overtaken.of, history.received().count() as u64);
        let events = |late: &[(Message, EventId)]| -> Vec<_> {
            late.iter().map(|(message, knew)| (message.receive(), *knew)).collect()
        };
        prop_assert_eq!(events(&found.overtaken.first), events(&late[..late.len().min(3)]));

        let longest = oracle.longest_chains();
        prop_assert_eq!(
            found.longest.as_ref().map(|longest| longest.events),
            longest.values().copied().max()
        );
        if let Some(longest) = &found.longest {
            assert_is_chain(&history, &longest.chain, longest.chain.from, longest.chain.to());
            prop_assert_eq!(events_of(&longest.chain), longest.events);
        }
        let differ = history
            .ids()
            .filter(|id| history.event(*id).unwrap().clock != u64::from(longest[id]));
        prop_assert_eq!(found.difference.count, differ.count() as u64);
        if causality.clocks_are_lamport() && plan.is_lamport() {
            prop_assert_eq!(found.difference.count, 0);
        }
    }
}

#[test]
fn an_empty_history_has_no_answer_to_give_and_gives_none() {
    let history = HistoryBuilder::default().finish("r".to_owned(), "d".to_owned());
    let causality = Causality::new(&history);
    let found = causality.concurrency(3).unwrap();
    assert_eq!((found.pairs, found.longest), (0, None));
    assert!(causality.cut_at_end().is_empty());
    assert!(!causality.happened_before(id(0, 0), id(1, 0)));
}

/// Two processes that each wait for what the other sends later.
fn circle() -> History {
    let mut builder = HistoryBuilder::default();
    for name in ["0", "1"] {
        let me = builder.process(process(name));
        for index in 0..3 {
            builder.event(me, event(u64::from(index) + 1, 0, index + 3));
        }
    }
    for (from, to) in [(0, 1), (1, 0)] {
        builder.message(Message {
            send: id(from, 2),
            to,
            fate: Fate::Received(id(to, 1)),
            waited_us: None,
        });
    }
    builder.finish("r".to_owned(), "d".to_owned())
}

#[test]
fn messages_in_a_circle_are_seen_and_every_search_ends() {
    let history = circle();
    let causality = Causality::new(&history);
    assert!(causality.has_circle());
    for a in history.ids() {
        for b in history.ids() {
            assert_eq!(causality.order(a, b) == Order::Same, a == b);
            assert!(causality.chain(a, b).is_none_or(|chain| chain.from == a));
        }
        assert!(causality.concurrent_with(a) < 6);
    }
    assert!(causality.happened_before(id(0, 2), id(1, 1)));
    assert!(causality.concurrency(3).is_ok());
    let cut = causality.largest_consistent(&causality.cut_after(&[id(0, 1), id(1, 1)]));
    assert_eq!(cut.counts, [1, 1]);
}

/// 0 sends at 10, which arrives at 30 and is taken at 50; and at 20, which waits for ever.
fn queue() -> History {
    let mut builder = HistoryBuilder::default();
    let zero = builder.process(process("0"));
    let one = builder.process(Process {
        ended: Some(WallTime(90)),
        ..process("1")
    });
    builder.event(zero, event(1, 10, 3));
    builder.event(zero, event(2, 20, 4));
    builder.event(one, event(1, 25, 3));
    builder.event(one, event(2, 40, 4));
    builder.event(one, event(3, 50, 5));
    let message = |send, fate, waited_us| Message {
        send: id(0, send),
        to: 1,
        fate,
        waited_us,
    };
    builder.message(message(0, Fate::Received(id(1, 2)), Some(20)));
    builder.message(message(1, Fate::Waiting, None));
    builder.finish("r".to_owned(), "d".to_owned())
}

#[test]
fn a_message_is_in_flight_before_it_arrives_and_waits_after() {
    let history = queue();
    let causality = Causality::new(&history);
    let at = |us: i64| {
        let at = WallTime(us);
        let cut = causality.cut_at(at).unwrap();
        let channels = causality.channels(&cut, Some(at), 9);
        let messages = channels.into_iter().flat_map(|channel| channel.first);
        messages
            .map(|(message, place)| (message.send.index, place))
            .collect::<Vec<_>>()
    };
    assert_eq!(at(9), []);
    assert_eq!(at(10), [(0, Place::InFlight)]);
    assert_eq!(at(29), [(0, Place::InFlight), (1, Place::Unsaid)]);
    assert_eq!(at(30), [(0, Place::Waiting), (1, Place::Unsaid)]);
    assert_eq!(at(50), [(1, Place::Unsaid)], "it arrived, but nobody says when");
    assert_eq!(at(90), [(1, Place::Waiting)]);
    let end = causality.channels(&causality.cut_at_end(), None, 9);
    assert_eq!(end[0].count(Place::Waiting), 1);
    // Without a moment: just after each process's last event.
    let cut = causality.cut_after(&[id(0, 0), id(1, 0)]);
    assert_eq!(causality.channels(&cut, None, 9)[0].count(Place::InFlight), 1);
    let cut = causality.cut_after(&[id(0, 0), id(1, 1)]);
    assert_eq!(causality.channels(&cut, None, 9)[0].count(Place::Waiting), 1);
}

#[test]
fn a_moment_of_a_log_without_times_is_refused_with_its_line() {
    let mut builder = HistoryBuilder::default();
    let host = builder.process(process("alice"));
    builder.event(
        host,
        Event {
            at: None,
            ..event(1, 0, 7)
        },
    );
    let history = builder.finish("r".to_owned(), "d".to_owned());
    let error = Causality::new(&history).cut_at(WallTime(0)).unwrap_err();
    assert!(
        error.to_string().starts_with("machine-alice.log, line 7: "),
        "{error}"
    );
}
