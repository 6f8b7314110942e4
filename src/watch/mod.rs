//! A run as it happens, from its logs alone: whoever started it, and whether it still goes on.
//!
//! `follow` reads logs, `scene` knows what they said, `terminal` shows it; `hands` give commands to the machines.

mod eyes;
mod filter;
mod follow;
mod hands;
mod scene;
mod terminal;
pub mod walkthrough;
pub mod web;
mod words;

pub use eyes::{Eyes, Lag, Seen};
pub use follow::{Follower, News, Position, Positions, What};
pub use hands::{Deed, HandsThread, Reach};
pub use scene::{Kept, Killed, Machine, Scene, Standing, UnderWay};
pub use terminal::{Closing, Ending, Letters, Look, Palette, Terminal, TerminalError, picture};
