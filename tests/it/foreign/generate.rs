//! Random executions with their true vector clocks, and single changes of their logs.

use std::collections::BTreeMap;

use clocklab::inspect::foreign::read_bytes;
use proptest::prelude::*;

/// An event: its host, its vector, and whether a message arrives.
#[derive(Clone, Debug)]
struct Event {
    host: usize,
    clock: Vec<u64>,
    sender: Option<usize>,
}

/// One step of an execution: which host acts, and, if it sends, to whom; if it can, it receives.
type Step = (usize, Option<usize>, bool);

/// Lets hosts act by Fidge's and Mattern's rule; messages of a pair of hosts may overtake each other.
fn execute(hosts: usize, steps: &[Step]) -> Vec<Event> {
    let mut clocks = vec![vec![0; hosts]; hosts];
    let mut queues: BTreeMap<usize, Vec<(usize, Vec<u64>)>> = BTreeMap::new();
    let mut events = Vec::new();
    for (host, to, newest_first) in steps {
        let host = host % hosts;
        let queue = queues.entry(host).or_default();
        let message = if *newest_first {
            queue.pop()
        } else {
            (!queue.is_empty()).then(|| queue.remove(0))
        };
        clocks[host][host] += 1;
        if let Some((_, sent)) = &message {
            for (own, theirs) in clocks[host].iter_mut().zip(sent) {
                *own = (*own).max(*theirs);
            }
        }
        if let Some(to) = to
            .map(|to| to % hosts)
            .filter(|to| *to != host && message.is_none())
        {
            queues.entry(to).or_default().push((host, clocks[host].clone()));
        }
        events.push(Event {
            host,
            clock: clocks[host].clone(),
            sender: message.map(|(sender, _)| sender),
        });
    }
    events
}

/// The log as GoVector writes it, merged.
fn written(events: &[Event]) -> String {
    let mut text = "(?<host>\\S*) (?<clock>{.*})\\n(?<event>.*)\n\n".to_owned();
    for event in events {
        let entries: Vec<String> = (0..)
            .zip(&event.clock)
            .filter(|(_, entry)| **entry > 0)
            .map(|(host, entry)| format!("\"h{host}\":{entry}"))
            .collect();
        text += &format!("h{} {{{}}}\nevent\n", event.host, entries.join(", "));
    }
    text
}

fn execution() -> impl Strategy<Value = (usize, Vec<Event>)> {
    let step = (0..9_usize, proptest::option::of(0..9_usize), any::<bool>());
    (1..6_usize, proptest::collection::vec(step, 1..60))
        .prop_map(|(hosts, steps)| (hosts, execute(hosts, &steps)))
}

proptest! {
    #[test]
    fn a_true_execution_is_valid_and_its_arrows_give_its_vectors((hosts, events) in execution()) {
        let (verdict, history) = read_bytes("log", written(&events).into()).unwrap();
        prop_assert!(verdict.is_valid(), "{verdict}");
        prop_assert_eq!(history.len(), events.len());
        prop_assert!(history.processes.len() <= hosts);
        // An arrow comes only with a message.
        let receives = events.iter().filter(|event| event.sender.is_some()).count();
        prop_assert!(history.received().all(|message| message.send.process != message.to));
        let taken = history.ids().filter(|id| history.received_by(*id).next().is_some()).count();
        prop_assert!(taken <= receives);
        // By host and number: the vector that the execution had.
        let mut expected = BTreeMap::new();
        for event in &events {
            expected.insert((event.host, event.clock[event.host]), event.clock.clone());
        }
        let number = |process: usize| -> usize { history.processes[process].name[1..].parse().unwrap() };
        let mut wrong = Vec::new();
        let in_order = history.each_in_causal_order(|id, vector| {
            let mut clock = vec![0; hosts];
            for (process, entry) in vector.iter().enumerate() {
                clock[number(process)] = u64::from(*entry);
            }
            let key = (number(id.process as usize), u64::from(id.index) + 1);
            if expected.get(&key) != Some(&clock) {
                wrong.push((key, clock));
            }
        });
        prop_assert!(in_order);
        prop_assert_eq!(wrong, []);
    }

    /// An own entry, changed, is always seen. Another entry, changed, is seen, or the log that results is one
    /// that a true execution could have left: then its arrows give the vectors that it says.
    #[test]
    fn a_changed_entry_is_found_or_harmless(
        (hosts, mut events) in execution(),
        which in any::<prop::sample::Index>(),
        entry in any::<prop::sample::Index>(),
        change in prop_oneof![Just(-2_i64), Just(-1), Just(1), Just(2), Just(1_000_000)],
    ) {
        let place = which.index(events.len());
        let host = entry.index(hosts);
        let old = events[place].clock[host];
        let new = old.saturating_add_signed(change);
        prop_assume!(new != old);
        events[place].clock[host] = new;
        let is_own = events[place].host == host;
        let (verdict, history) = read_bytes("log", written(&events).into()).unwrap();
        if is_own {
            prop_assert!(!verdict.is_valid(), "{verdict}");
        }
        if !verdict.is_valid() {
            let told = verdict.violations.iter().all(|violation| !violation.places.is_empty());
            prop_assert!(told);
            return Ok(());
        }
        let said: BTreeMap<(usize, u64), Vec<u64>> = events
            .iter()
            .map(|event| ((event.host, event.clock[event.host]), event.clock.clone()))
            .collect();
        let number = |process: usize| -> usize { history.processes[process].name[1..].parse().unwrap() };
        let mut wrong = 0;
        let in_order = history.each_in_causal_order(|id, vector| {
            let key = (number(id.process as usize), u64::from(id.index) + 1);
            let fits = (0..).zip(vector).all(|(process, entry)| {
                said.get(&key).is_some_and(|clock| clock[number(process)] == u64::from(*entry))
            });
            wrong += u64::from(!fits);
        });
        prop_assert!(in_order && wrong == 0, "valid, but no execution has these vectors: {}", written(&events));
    }

    #[test]
    fn a_lost_event_and_a_doubled_one_are_found((_, mut events) in execution(), which in any::<prop::sample::Index>(), doubled: bool) {
        let place = which.index(events.len());
        let event = events[place].clone();
        let is_last = !events[place + 1..].iter().any(|later| later.host == event.host);
        let is_known = events.iter().any(|other| other.host != event.host && other.clock[event.host] >= event.clock[event.host]);
        if doubled {
            events.insert(place, event);
        } else {
            events.remove(place);
            prop_assume!(!is_last || is_known);
            prop_assume!(!events.is_empty());
        }
        let (verdict, _) = read_bytes("log", written(&events).into()).unwrap();
        prop_assert!(!verdict.is_valid());
    }

    #[test]
    fn bytes_of_a_log_changed_anywhere_are_read_or_refused(
        (_, events) in execution(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = written(&events).into_bytes();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes.truncate(cut.index(bytes.len()));
        if let Ok((verdict, history)) = read_bytes("log", bytes) {
            prop_assert!(verdict.rules.iter().all(|rule| rule.broken <= rule.judged.max(rule.broken)));
            let mut seen = 0;
            history.each_in_causal_order(|_, _| seen += 1);
            prop_assert_eq!(seen, history.len());
        }
    }
}
