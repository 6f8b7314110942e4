//! The integration tests: one binary.

mod mesh;
mod support;
