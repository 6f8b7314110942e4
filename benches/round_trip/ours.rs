//! The real driver on both sides: one node asks, one answers.

use clocklab::{
    clock::Lamport,
    node::{Effect, Effects, Input, Node},
    units::{MachineId, Time},
    wire::Reason,
};

use super::{
    Trips,
    support::mesh::{self, Stamped},
};

pub(super) fn ask(trips: Trips) -> Vec<u64> {
    let contestant = trips.contestant;
    let (mesh, port) = mesh::parent(Asker {
        clock: Lamport::default(),
        trips,
    });
    let answerer = super::start_answerer(contestant, &port.to_string());
    let (_, asker) = mesh.run().expect("an orderly end");
    answerer.join();
    asker.trips.ns
}

pub(super) fn answer(port: &str) {
    let node = Answerer {
        clock: Lamport::default(),
    };
    mesh::child(node, port.parse().expect("a port"))
        .run()
        .expect("an orderly end");
}

struct Asker {
    clock: Lamport,
    trips: Trips,
}

impl Node for Asker {
    type Message = Stamped;

    fn handle(&mut self, _now: Time, input: Input<Stamped>, effects: &mut Effects<Stamped>) {
        match input {
            Input::Start { .. } => effects.push(stamp(&mut self.clock, mesh::CHILD)),
            Input::Message { from, message } => {
                self.clock.merge(message.clock);
                effects.push(if self.trips.take() {
                    stamp(&mut self.clock, from)
                } else {
                    Effect::Stop {
                        reason: Reason::Duration,
                    }
                });
            }
            Input::LinkUp { .. }
            | Input::Unreliable { .. }
            | Input::Order(_)
            | Input::LinkDown { .. }
            | Input::Timeout
            | Input::Stop { .. }
            | Input::End => {}
        }
    }

    fn deadline(&self) -> Option<Time> {
        None
    }
}

struct Answerer {
    clock: Lamport,
}

impl Node for Answerer {
    type Message = Stamped;

    fn handle(&mut self, _now: Time, input: Input<Stamped>, effects: &mut Effects<Stamped>) {
        if let Input::Message { from, message } = input {
            self.clock.merge(message.clock);
            effects.push(stamp(&mut self.clock, from));
        }
    }

    fn deadline(&self) -> Option<Time> {
        None
    }
}

fn stamp(clock: &mut Lamport, to: MachineId) -> Effect<Stamped> {
    let message = Stamped { clock: clock.tick() };
    Effect::Send { to, message }
}
