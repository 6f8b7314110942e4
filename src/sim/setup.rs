//! Link set-up and start barrier, in virtual time (protocol.md, sections 2 and 4).
//!
//! ```text
//!   greater id, dials            smaller id, accepts
//!        | ------ hello ------------> |   link up, answers
//!   link |                            |
//!    up  | <----- hello ------------- |
//!        |                            |
//!        | all links up: ready to all, and the other way round; ready from all: start
//! ```
//!
//! All machines dial at time 0. Nothing else happens before the start, so the moments are computed pair by pair
//! and only the two that a node hears of go on the agenda. Frames are real up to
//! [`CONTROL_MACHINES_MAX`](super::CONTROL_MACHINES_MAX) machines.

use super::{CONTROL_MACHINES_MAX, Config, SimError, network::Network};
use crate::{
    units::{MachineId, Time},
    wire::{
        Control, Decoder, Expectation, FRAME_LENGTH_MAX, HANDSHAKE_LENGTH_MAX, Hello, Refusal, Standing,
        Trust, kind,
    },
};

/// When the machines pass the two steps to their start.
#[derive(Debug)]
pub(super) struct Barrier {
    /// By machine: when all its links are up.
    pub(super) entered: Vec<Time>,
    /// By machine: when every peer has said ready.
    pub(super) started: Vec<Time>,
}

/// Connects every pair.
///
/// # Errors
/// [`SimError`] if a machine refuses another, which only a fault of this program can bring about.
pub(super) fn connect(config: &Config, system: u8, network: &mut Network) -> Result<Barrier, SimError> {
    let mut entered = vec![Time(0); usize::from(config.machines)];
    for dialler in MachineId::all(config.machines) {
        for accepter in MachineId::all(dialler.0) {
            let there = network.arrival(dialler, accepter, Time(0));
            let back = network.arrival(accepter, dialler, there);
            if config.machines <= CONTROL_MACHINES_MAX {
                shake_hands(config, system, dialler, accepter, network)?;
            }
            for (machine, up) in [(accepter, there), (dialler, back)] {
                if let Some(entered) = entered.get_mut(machine.index()) {
                    *entered = up.max(*entered);
                }
            }
        }
    }
    let mut started = entered.clone();
    for (from, said) in MachineId::all(config.machines).zip(&entered) {
        for (to, started) in MachineId::all(config.machines).zip(&mut started) {
            if from != to {
                *started = network.arrival(from, to, *said).max(*started);
                if config.machines <= CONTROL_MACHINES_MAX {
                    say_ready(from, to, network)?;
                }
            }
        }
    }
    Ok(Barrier { entered, started })
}

/// Both hellos of a pair, through cut streams and both judgements.
fn shake_hands(
    config: &Config,
    system: u8,
    dialler: MachineId,
    accepter: MachineId,
    network: &mut Network,
) -> Result<(), SimError> {
    let hello = |sender, receiver| Hello {
        system,
        machines: config.machines,
        sender,
        receiver,
        incarnation: 1,
        trust: Trust::Open,
        standing: Standing::Given,
        run: config.run.clone(),
    };
    let (asks, answers) = (hello(dialler, accepter), hello(accepter, dialler));
    let theirs = [(&asks, &answers, None), (&answers, &asks, Some(accepter))];
    for (said, mine, dialled) in theirs {
        let refused = |refusal| SimError::Refused {
            from: said.sender,
            to: said.receiver,
            refusal,
        };
        let mut frame = Vec::new();
        said.encode(&mut frame);
        let heard = heard(
            said.sender,
            said.receiver,
            &frame,
            HANDSHAKE_LENGTH_MAX,
            network,
            |kind, body| {
                debug_assert_eq!(kind, kind::HELLO);
                Hello::decode(body)
            },
        )?;
        heard
            .and_then(|hello| Expectation { mine, dialled }.judge(&hello))
            .map_err(refused)?;
    }
    Ok(())
}

/// One ready, through a cut stream.
fn say_ready(from: MachineId, to: MachineId, network: &mut Network) -> Result<(), SimError> {
    let mut frame = Vec::new();
    Control::Ready.encode(&mut frame);
    let heard = heard(from, to, &frame, FRAME_LENGTH_MAX, network, |kind, body| {
        Control::decode(kind, body).map_err(Refusal::malformed)
    })?;
    match heard {
        Ok(control) => {
            assert_eq!(control, Control::Ready, "what machine {from} said to {to}");
            Ok(())
        }
        Err(refusal) => Err(SimError::Refused { from, to, refusal }),
    }
}

/// What `to` makes of one frame of `from`.
fn heard<T>(
    from: MachineId,
    to: MachineId,
    frame: &[u8],
    length_max: usize,
    network: &mut Network,
    read: impl FnOnce(u8, &[u8]) -> Result<T, Refusal>,
) -> Result<Result<T, Refusal>, SimError> {
    let mut decoder = Decoder::new(length_max);
    network.carry(from, frame, &mut decoder);
    match decoder.next_frame() {
        Ok(Some(frame)) => Ok(read(frame.kind, frame.body)),
        Ok(None) => panic!("{} bytes from {from} to {to} are no whole frame", frame.len()),
        Err(error) => Err(SimError::Frame { from, to, error }),
    }
}
