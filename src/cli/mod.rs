//! The commands: raw arguments are validated once, then run.
//!
//! One file a subcommand; `options` is the one place where what a person typed becomes settings. Prints
//! results on standard output; `main` alone prints errors and chooses the exit code.

mod align;
mod args;
mod causality;
mod check;
mod compare;
mod concurrency;
mod cone;
mod control;
mod cut;
mod draw;
mod experiment;
mod export;
mod fault;
mod gather;
mod kv;
mod machine;
mod options;
mod order;
mod output;
mod progress;
mod report;
mod run;
mod secret;
mod selection;
mod shell;
mod simulate;
mod sweep;
mod walkthrough;
mod watch;

use std::{
    env,
    io::{self, Write},
    time::Duration,
};

use clap::Parser;
use rustix::process::{Resource, getrlimit, setrlimit};
use tracing::level_filters::LevelFilter;

pub use args::Arguments;
use args::{Command, Verbosity};

use crate::inspect::causality::Side;

/// How a command ended, if it ended without an error: the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything held: 0.
    Valid,
    /// A check was violated: 1.
    Violated,
    /// A machine failed: 3.
    Failed,
}

/// An error of usage: exit code 2 instead of 3.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Parses the command line and runs it.
///
/// # Errors
/// What went wrong, with context; [`Usage`] inside it if the command line or a file it names was at fault.
pub fn run() -> anyhow::Result<Exit> {
    let arguments = Arguments::parse_from(fault::with_times_back(env::args_os()));
    let verbosity = arguments.verbosity;
    allow_many_files();
    match arguments.command {
        Command::Machine(arguments) => {
            tell(&verbosity, LevelFilter::INFO);
            machine::run(&arguments)
        }
        Command::Run(arguments) => {
            tell(&verbosity, LevelFilter::WARN);
            run::run(&arguments)
        }
        Command::Simulate(arguments) => {
            tell(&verbosity, LevelFilter::WARN);
            simulate::run(&arguments)
        }
        Command::Watch(arguments) => {
            tell(&verbosity, LevelFilter::WARN);
            watch::run(&arguments)
        }
        Command::Check(arguments) => check::run(&arguments),
        Command::Draw(arguments) => draw::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Export(arguments) => {
            tell(&verbosity, LevelFilter::WARN);
            export::run(&arguments)
        }
        Command::Gather(arguments) => gather::run(&arguments),
        Command::Order(arguments) => order::run(&arguments),
        Command::Past(arguments) => cone::run(&arguments, Side::Past),
        Command::Future(arguments) => cone::run(&arguments, Side::Future),
        Command::Cut(arguments) => cut::run(&arguments),
        Command::Concurrency(arguments) => concurrency::run(&arguments),
        Command::Experiment(arguments) => {
            tell(&verbosity, LevelFilter::WARN);
            experiment::run(&arguments)
        }
        Command::Sweep(arguments) => sweep::run(&arguments),
        Command::Control(arguments) => control::run(&arguments),
        Command::Fault(arguments) => fault::run(&arguments),
        Command::Secret(arguments) => secret::run(&arguments),
        Command::Walkthrough(arguments) => {
            tell(&verbosity, LevelFilter::WARN);
            walkthrough::run(&arguments)
        }
        Command::Kv { command } => {
            tell(&verbosity, LevelFilter::INFO);
            kv::run(&command)
        }
        Command::Completions { shell } => shell::completions(shell),
        Command::Man => shell::man(),
    }
}

/// Raises the limit of open files to what the system allows: one run may have thousands of logs and links, and
/// many systems begin with 1024 or 256. Where that fails, opening names the file that was one too many.
fn allow_many_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Some systems allow less than they say; the lower limit then stays.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// Sends diagnostics to standard error.
fn tell(verbosity: &Verbosity, normal: LevelFilter) {
    let level = match (verbosity.quiet, verbosity.verbose) {
        (true, _) => LevelFilter::WARN,
        (false, true) => LevelFilter::DEBUG,
        (false, false) => normal,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(false)
        .without_time()
        // A listener that is gone must not end the machine: the default would panic.
        .log_internal_errors(false)
        .init();
}

/// A time as a person types it. One without a unit is nobody's guess.
fn time(text: &str) -> Result<Duration, String> {
    let is_bare = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    humantime::parse_duration(text).map_err(|error| match is_bare {
        true => format!("say of what: {text}s are seconds, {text}ms milliseconds, {text}m minutes"),
        false => error.to_string(),
    })
}

/// Prints a result. A reader that has gone away, as `head` does, ends the program quietly.
fn print(text: &str) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

#[cfg(test)]
mod tests;
