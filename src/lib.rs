//! clocklab: a laboratory for logical time on real sockets.
//!
//! A few real processes, a real TCP mesh, a clock of its own speed in each, a log from each, and tools that
//! prove, measure and explain what happened. protocol.md is the specification of wire and log,
//! ARCHITECTURE.md the map of the house.
//!
//! | module | what it is |
//! |---|---|
//! | [`units`] | machine ids and time |
//! | [`dice`] | seeded random numbers, the same everywhere |
//! | [`latency`] | how long a message is under way, drawn from a seeded stream |
//! | [`wire`] | frames, decoder, handshake, error codes; no system's meaning |
//! | [`clock`] | logical clocks as plain values |
//! | [`trace`] | the event log's line, both ways |
//! | [`node`] | a system as a value: inputs in, effects out |
//! | [`service`] | the same for systems that serve clients and keep things on disks |
//! | [`faults`] | injected faults: what there is, how it is written, what it does to messages |
//! | [`control`] | commands to a running machine, as text |
//! | [`model`] | the scale model of machines that run at different speeds |
//! | [`kv`] | the causally consistent replicated key-value store |
//! | [`mesh`] | the mio driver: real TCP, real time |
//! | [`disk`] | rows on a disk that outlive the process: groups, one fsync for many, copies |
//! | [`sim`] | the virtual-time driver: one thread, everything from a seed |
//! | [`gateway`] | the store's HTTP interface |
//! | [`lab`] | launches machines, watches over them, runs experiments |
//! | [`inspect`] | checks, statistics, tables and figures, from the logs alone |
//! | [`watch`] | a run as it happens: in a terminal, in a browser |
//! | [`cli`] | arguments, validated, and the commands |
//!
//! Imports go only upwards in this table: a module uses those above it. Systems import no driver, drivers no
//! system, `inspect` only logs and systems' theory. `tests/it/tidy.rs` enforces it.

pub mod cli;
pub mod clock;
pub mod control;
pub mod dice;
pub mod disk;
pub mod faults;
pub mod gateway;
pub mod inspect;
pub mod kv;
pub mod lab;
pub mod latency;
pub mod mesh;
pub mod model;
pub mod node;
pub mod service;
pub mod sim;
pub mod trace;
pub mod units;
pub mod watch;
pub mod wire;
