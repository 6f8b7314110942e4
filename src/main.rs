//! The `clocklab` command: parse, run, print the error, choose the exit code.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clocklab::cli::{self, Exit, Usage};
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match cli::run() {
        Ok(Exit::Valid) => ExitCode::SUCCESS,
        Ok(Exit::Violated) => ExitCode::from(1),
        Ok(Exit::Failed) => ExitCode::from(3),
        Err(error) => {
            // Where nobody listens any more there is nothing left to say; `eprintln!` would panic.
            let _ = writeln!(io::stderr(), "clocklab: {error:#}");
            ExitCode::from(if error.downcast_ref::<Usage>().is_some() {
                2
            } else {
                3
            })
        }
    }
}
