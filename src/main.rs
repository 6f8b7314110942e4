//! The `clocklab` command: parse, run, print the error, choose the exit code.

use std::process::ExitCode;

use clocklab::cli::{self, Exit, Usage};

#[expect(clippy::print_stderr, reason = "the one place where errors are printed")]
fn main() -> ExitCode {
    match cli::run() {
        Ok(Exit::Valid) => ExitCode::SUCCESS,
        Ok(Exit::Violated) => ExitCode::from(1),
        Ok(Exit::Failed) => ExitCode::from(3),
        Err(error) => {
            eprintln!("clocklab: {error:#}");
            ExitCode::from(if error.downcast_ref::<Usage>().is_some() {
                2
            } else {
                3
            })
        }
    }
}
