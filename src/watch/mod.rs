//! A run as it happens, from its logs alone: whoever started it, and whether it still goes on.

mod follow;
pub mod walkthrough;

pub use follow::{Follower, News, What};
