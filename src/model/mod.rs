//! The scale model: machines of different speeds on one computer, and Lamport's clock in each, beside it a vector clock
//! or a hybrid one if the run asks for it.
//!
//! Source: the assignment "scale models and logical clocks" (CS 262), with its ambiguities decided in
//! protocol.md, section 6. Each tick a machine does one thing: it takes a waiting message, or rolls a die
//! that says send or internal event.
//!
//! | message | kind | meaning |
//! |---|---|---|
//! | stamp | 0x10 | the sender's clocks at the send event |
//!
//! Invariants, checked from the logs alone by [`check`]:
//!
//! - *one thing a tick*: ticks = receives + sends + internal events, and never before the tick is due;
//! - *queue first*: while a message waits, the next event is a receive; `length_n >= length_(n-1) - 1`;
//! - *queue counted*: the queue behind a receive is what had arrived by then and was not taken;
//! - *rate kept*: ticks lie within 2 of rate × speed × seconds, schedule by schedule;
//! - *steps kept*: while paused there are the ticks that step commands ask for, and no others;
//! - *die obeyed*: a send goes to one peer or to all; in a ring to the next machine.

pub mod check;
mod clocks;
mod config;
mod memory;
mod message;
mod node;
mod pace;
mod schedule;
pub mod theory;
mod waits;

pub use crate::units::RATE_MAX;
pub use config::{
    Config, ConfigError, DRAW_DEFAULT, DRAW_MAX, DRAW_MIN, Phase, Rates, draw_from_internal,
    internal_probability,
};
pub use memory::Memory;
pub use message::{STAMP, Stamp};
pub use node::{Machine, QUEUE_MESSAGES_MAX};

#[cfg(test)]
mod tests;
