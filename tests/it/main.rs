//! The one integration binary: one link step, and one name for everything that sees the crate from outside.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests may index and unwrap: a panic is how a test fails; clippy.toml reaches only functions marked as tests"
)]

mod check;
