//! `clocklab watch`: a run as it happens.

use std::{env, os::unix::net::UnixStream, path::PathBuf};

use anyhow::Context;
use clap::Args;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    low_level::pipe,
};

use super::{Exit, Usage, print, secret::SecretOption};
use crate::watch::{
    Ending, Eyes, Letters, Look, Palette, Seen, Terminal, TerminalError, picture,
    web::{Server, WebError},
};

/// Columns of a picture that goes nowhere in particular.
const ONCE_WIDTH: u16 = 100;

pub(super) const EXAMPLES: &str = "\
Examples:
  clocklab watch                       the newest run, while it goes on or afterwards
  clocklab watch logs/demo             a run by its folder
  clocklab watch --web                 a page in the browser, with the diagram growing
  clocklab watch --once                one picture as text, for a pipe or a log
  NO_COLOR=1 clocklab watch --ascii    for a plain terminal

Start the run in another terminal, with `clocklab run` or by hand. In the view `?` shows the keys: freeze and look back, \
filter, pause and step the machines, break something. The run does not notice that it is watched.";

#[derive(Args, Debug)]
pub(super) struct WatchArguments {
    /// Folder of the run; it need not be there yet
    #[arg(value_name = "DIR", default_value = "logs/latest")]
    folder: PathBuf,
    #[command(flatten)]
    terminal: TerminalArguments,
    #[command(flatten)]
    web: WebArguments,
    #[command(flatten)]
    secret: SecretOption,
}

/// What concerns the view in a terminal.
#[derive(Args, Debug)]
struct TerminalArguments {
    /// Print one picture as text and stop
    #[arg(long)]
    once: bool,
    /// Quit when the run has ended
    #[arg(long, conflicts_with = "once")]
    until_end: bool,
    /// No colours; also if NO_COLOR is set
    #[arg(long)]
    no_color: bool,
    /// Letters, digits and signs of ASCII only
    #[arg(long)]
    ascii: bool,
}

/// What concerns the view in a browser.
#[derive(Args, Debug)]
struct WebArguments {
    /// Serve a page on 127.0.0.1 instead, for who is given the address that is printed
    #[arg(long, conflicts_with_all = ["once", "until_end", "no_color", "ascii"])]
    web: bool,
    /// The page's port; 0 is any that is free [default: the first free of 17000 to 17049]
    #[arg(long, value_name = "PORT", requires = "web")]
    port: Option<u16>,
}

pub(super) fn run(arguments: &WatchArguments) -> anyhow::Result<Exit> {
    if arguments.folder.is_file() {
        let name = arguments.folder.display();
        let text = format!("{name} is a file; name a run's folder, such as logs/latest");
        return Err(Usage(text).into());
    }
    if arguments.web.web {
        return web(arguments);
    }
    let mut eyes = Eyes::new(&arguments.folder);
    let look = look(&arguments.terminal);
    if arguments.terminal.once {
        return once(&mut eyes, look);
    }
    let secret = arguments.secret.read()?;
    let ending = if arguments.terminal.until_end {
        Ending::WithRun
    } else {
        Ending::Asked
    };
    let mut terminal = Terminal::take_over(look).map_err(|error| match error {
        TerminalError::NoTerminal | TerminalError::Dumb { .. } => Usage(error.to_string()).into(),
        TerminalError::Panicked | TerminalError::Io { .. } => anyhow::Error::from(error),
    })?;
    let shown = terminal.show(&mut eyes, secret.as_ref(), ending);
    // The screen first, words afterwards.
    drop(terminal);
    let closing = shown?;
    if closing.machines > 0 {
        let behind = match closing.lag.us_max {
            0 => String::new(),
            us => format!(", at most {} ms behind", us / 1000),
        };
        print(&format!(
            "watched {}: {} events of {} machines{behind}\n",
            eyes.folder().display(),
            closing.events,
            closing.machines,
        ))?;
    }
    Ok(Exit::Valid)
}

/// One picture of what is there now.
fn once(eyes: &mut Eyes, look: Look) -> anyhow::Result<Exit> {
    let name = eyes.folder().display().to_string();
    while eyes.look().with_context(|| format!("cannot read {name}"))? == Seen::More {}
    if eyes.scene().machines().is_empty() {
        let text = format!(
            "{name} holds no log of a run: name a run's folder, such as logs/latest, or make one with `clocklab run` or `clocklab kv run`"
        );
        return Err(Usage(text).into());
    }
    let columns = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let width = columns.unwrap_or(ONCE_WIDTH);
    print(&picture(eyes, Eyes::now(), look, width, None))?;
    Ok(Exit::Valid)
}

/// What the terminal can show, as far as it says.
fn look(arguments: &TerminalArguments) -> Look {
    let no_color = arguments.no_color || env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    Look {
        palette: if no_color {
            Palette::Plain
        } else {
            Palette::Sixteen
        },
        letters: if arguments.ascii {
            Letters::Ascii
        } else {
            Letters::Unicode
        },
    }
}

/// Serves the live page until it is interrupted.
fn web(arguments: &WatchArguments) -> anyhow::Result<Exit> {
    let secret = arguments.secret.read()?;
    let server = Server::bind(&arguments.folder, arguments.web.port, secret);
    let server = server.map_err(|error| match error {
        WebError::Port { .. } => Usage(error.to_string()).into(),
        error => anyhow::Error::from(error),
    })?;
    let (stop, stopped) = UnixStream::pair().context("cannot catch signals")?;
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        let end = stop
            .try_clone()
            .and_then(|end| pipe::register(signal, end).map(|_| ()));
        end.context("cannot catch signals")?;
    }
    print(&format!(
        "open {} to watch {}; Ctrl-C ends\n",
        server.page_address(),
        arguments.folder.display()
    ))?;
    if !arguments.folder.exists() {
        print(
            "there is no run yet: the page waits for one; `clocklab run` and `clocklab kv run` make one\n",
        )?;
    }
    server.serve(stopped)?;
    Ok(Exit::Valid)
}
