//! The one integration binary: one link step, and one name for everything that sees the crate from outside.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests may index, unwrap and read the clock: a panic is how a test fails; clippy.toml reaches only functions marked as tests"
)]

mod ahead;
mod by_hand;
mod causality;
mod check;
mod clocks;
mod compare;
mod control;
mod disk;
mod draw;
mod export;
mod faults;
mod foreign;
mod hosts;
mod lives;
mod mesh;
mod open;
mod protocol;
mod report;
mod round_trip;
mod run;
mod simulate;
mod soak;
mod store_simulation;
mod stores;
mod support;
mod sweep;
mod tidy;
mod trust;
mod walkthrough;
mod watch;
