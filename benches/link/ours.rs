//! The real driver on both sides, without an event log.
//!
//! The driver breaks a link off that has 64 MiB unsent, so a node that can send faster than its peer reads has to
//! keep a window: the receiver acknowledges every few thousand messages, the sender stays within [`WINDOW`] of that.

use std::time::Duration;

use clocklab::{
    clock::Lamport,
    node::{Effect, Effects, Input, Node},
    units::Time,
    wire::Reason,
};

use super::{
    Plan, Receipt,
    support::mesh::{self, Stamped},
};

/// Messages sent and not acknowledged: 2 MiB of frames.
const WINDOW: u64 = 1 << 16;

/// Messages between two acknowledgements.
const ACKNOWLEDGED_EVERY: u64 = 1 << 12;

/// Messages for each time-out of the sender; the driver grants 64 time-outs a round.
const BURST: u64 = 64;

pub(super) fn receive(plan: Plan) -> Duration {
    let (mesh, port) = mesh::parent(Receiver(Receipt::new(plan)));
    let sender = plan.start_sender(&port.to_string());
    let (_, Receiver(receipt)) = mesh.run().expect("an orderly end");
    sender.join();
    receipt.finish()
}

pub(super) fn send(plan: Plan, port: &str) {
    let sender = Sender {
        plan,
        started: false,
        clock: Lamport::default(),
        sent: 0,
        acknowledged: 0,
    };
    let port = port.parse().expect("a port");
    mesh::child(sender, port).run().expect("an orderly end");
}

struct Receiver(Receipt);

impl Node for Receiver {
    type Message = Stamped;

    #[inline]
    fn handle(&mut self, _now: Time, input: Input<Stamped>, effects: &mut Effects<Stamped>) {
        let Input::Message { from, message } = input else {
            return;
        };
        if self.0.take(message.clock) {
            effects.push(Effect::Stop {
                reason: Reason::Duration,
            });
        }
        if self.0.count.is_multiple_of(ACKNOWLEDGED_EVERY) {
            let message = Stamped { clock: self.0.count };
            effects.push(Effect::Send { to: from, message });
        }
    }

    fn deadline(&self) -> Option<Time> {
        None
    }
}

struct Sender {
    plan: Plan,
    started: bool,
    clock: Lamport,
    sent: u64,
    /// What the receiver said it has.
    acknowledged: u64,
}

impl Sender {
    /// Messages that may go out now.
    fn allowed(&self) -> u64 {
        let within_window = self.acknowledged + WINDOW - self.sent;
        within_window.min(self.plan.total() - self.sent)
    }
}

impl Node for Sender {
    type Message = Stamped;

    #[inline]
    fn handle(&mut self, _now: Time, input: Input<Stamped>, effects: &mut Effects<Stamped>) {
        match input {
            Input::Start { .. } => self.started = true,
            Input::Message { message, .. } => self.acknowledged = message.clock,
            Input::Timeout => {
                let burst = self.allowed().min(BURST);
                for _ in 0..burst {
                    let message = Stamped {
                        clock: self.clock.tick(),
                    };
                    effects.push(Effect::Send {
                        to: mesh::PARENT,
                        message,
                    });
                }
                self.sent += burst;
            }
            Input::LinkUp { .. }
            | Input::Unreliable { .. }
            | Input::Order(_)
            | Input::LinkDown { .. }
            | Input::Stop { .. }
            | Input::End => {}
        }
    }

    fn deadline(&self) -> Option<Time> {
        // Long past: call again at once, for as long as the window is open.
        (self.started && self.allowed() > 0).then_some(Time(0))
    }
}
