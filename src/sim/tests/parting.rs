//! Goodbye and drain: who stops when, in small runs, whose goodbyes are frames, and in large ones, whose are not.

use super::*;

/// How a machine ended: why, because of whom, and how many goodbyes it had heard.
type Ended = (MachineId, Reason, Option<MachineId>, u16);

/// Stops by itself at a moment, or never; writes down why it stopped.
struct Stopper {
    me: MachineId,
    stops: Option<Time>,
    ends: Rc<RefCell<Vec<Ended>>>,
    goodbyes: u16,
    stopped: Option<(Reason, Option<MachineId>)>,
}

impl Node for Stopper {
    type Message = Number;

    fn handle(&mut self, _now: Time, input: Input<Number>, effects: &mut Effects<Number>) {
        match input {
            Input::Timeout => {
                self.stops = None;
                effects.push(Effect::Stop {
                    reason: Reason::Limit,
                });
            }
            Input::Stop { reason, peer, .. } => {
                assert_eq!(self.stopped, None, "one stop");
                self.stopped = Some((reason, peer));
            }
            Input::LinkDown { .. } => self.goodbyes += 1,
            Input::End => {
                let (reason, peer) = self.stopped.expect("a stop before the end");
                self.ends
                    .borrow_mut()
                    .push((self.me, reason, peer, self.goodbyes));
            }
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Time> {
        self.stops
    }
}

/// How each machine ended, in the order of ids; `stops` is when machine 1 stops by itself.
fn ends(config: Config, stops: Option<Time>) -> Vec<Ended> {
    let ends = Rc::default();
    let stopper = |me: MachineId| Stopper {
        me,
        stops: stops.filter(|_| me.0 == 1),
        ends: Rc::clone(&ends),
        goodbyes: 0,
        stopped: None,
    };
    Simulation::new(config, stopper)
        .unwrap()
        .run(&mut Nothing)
        .unwrap();
    let mut ends = ends.borrow().clone();
    ends.sort_by_key(|(me, ..)| *me);
    ends
}

#[test]
fn all_end_with_their_duration_and_every_goodbye() {
    for machines in [2, 5, CONTROL_MACHINES_MAX + 1] {
        for latency in ["constant:0", "uniform:1ms-300ms", "exponential:50ms"] {
            let ends = ends(config(machines, 100_000, latency, 2), None);
            assert_eq!(ends.len(), usize::from(machines));
            for (me, reason, peer, goodbyes) in ends {
                assert_eq!(
                    (reason, peer, goodbyes),
                    (Reason::Duration, None, machines - 1),
                    "{me} of {machines}, {latency}"
                );
            }
        }
    }
}

#[test]
fn a_machine_that_stops_by_itself_stops_all_others_with_its_name() {
    for machines in [2, 5, CONTROL_MACHINES_MAX + 1] {
        let ends = ends(
            config(machines, 60_000_000, "uniform:1ms-9ms", 2),
            Some(Time(2_000_000)),
        );
        for (me, reason, peer, goodbyes) in ends {
            let expected = if me.0 == 1 {
                (Reason::Limit, None)
            } else {
                (Reason::PeerStopped, Some(MachineId(1)))
            };
            assert_eq!(
                (reason, peer, goodbyes),
                (expected.0, expected.1, machines - 1),
                "{me} of {machines}"
            );
        }
    }
}

#[test]
fn a_peer_whose_time_is_over_over_a_second_early_stops_the_others() {
    // Starts lie seconds apart, and so do ends.
    let mut reasons = Vec::new();
    for (machines, seeds) in [(3, 20), (CONTROL_MACHINES_MAX + 1, 3)] {
        for seed in 0..seeds {
            let ends = ends(config(machines, 60_000_000, "exponential:4s", seed), None);
            assert_eq!(ends.len(), usize::from(machines));
            reasons.extend(ends.into_iter().map(|(_, reason, _, _)| reason));
        }
    }
    assert!(reasons.contains(&Reason::Duration) && reasons.contains(&Reason::PeerStopped));
}

#[test]
fn a_run_shorter_than_its_latencies_ends_on_every_machine() {
    for (machines, seeds) in [(2, 20), (5, 20), (CONTROL_MACHINES_MAX + 1, 3)] {
        for seed in 0..seeds {
            let ends = ends(config(machines, 1, "exponential:500ms", seed), None);
            assert_eq!(ends.len(), usize::from(machines), "seed {seed}");
        }
    }
}

#[test]
fn a_stop_before_the_start_is_an_error_that_names_the_machine() {
    let ends = Rc::default();
    let stopper = |me: MachineId| Stopper {
        me,
        stops: Some(Time(0)),
        ends: Rc::clone(&ends),
        goodbyes: 0,
        stopped: None,
    };
    let run = Simulation::new(config(2, 1000, "constant:1ms", 1), stopper).unwrap();
    let error = run.run(&mut Nothing).unwrap_err();
    assert!(
        error.to_string().contains("stopped before the start: limit"),
        "{error}"
    );
}
