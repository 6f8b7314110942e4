//! `clocklab walkthrough`: a demonstration from a file, on a run that goes on; and the same beside `clocklab run`.

use std::{
    fs,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use anyhow::Context;
use clap::Args;

use ratatui::crossterm::terminal;

use super::{Exit, Usage, print, secret::SecretOption};
use crate::{
    inspect::wrap::COLUMNS,
    lab::{Controllers, ended},
    watch::walkthrough::{PlayError, Player, Scene, Walkthrough},
};

/// What stands below the options in `--help`.
pub(super) const EXAMPLES: &str = "\
Examples:
  clocklab run --rates 4,3,2 --duration 15m --walkthrough docs/walkthrough.toml
  clocklab walkthrough docs/walkthrough.toml              on the newest run, in another terminal

A step of the file, each under [[step]], says something, does one thing, or both:
  say = \"text\"                           wait = \"2s\"
  ask = true                              waits for Enter once the step is done
  pause = true      resume = true         of one machine with machine = 1
  step = 3          step = \"send to 1\"    so many ticks, or until an event of that kind
  inject = \"partition 0,1 / 2\"           for = \"5s\", if it is to end by itself
  mend = true                             all faults; mend = 4: the one that step 4 began
  until = { machine = 0, tick = 20 }      or clock = 20

The file is checked whole before anything is done. Lines of a text are joined and \
broken anew at the width of the terminal; an empty line begins a paragraph.";

#[derive(Args, Debug)]
pub(super) struct WalkthroughArguments {
    /// The walkthrough
    #[arg(value_name = "FILE.toml")]
    file: PathBuf,
    /// Run folder
    #[arg(value_name = "DIR", default_value = "logs/latest")]
    folder: PathBuf,
    #[command(flatten)]
    secret: SecretOption,
}

/// Plays a file on a run that somebody else started.
pub(super) fn run(arguments: &WalkthroughArguments) -> anyhow::Result<Exit> {
    let secret = arguments.secret.read()?;
    let [file, named] = [&arguments.file, &arguments.folder];
    if file.is_dir() || named.is_file() {
        return Err(Usage(format!(
            "{} is {}: the file comes first, then the run's folder: clocklab walkthrough FILE.toml [DIR]",
            file.display(),
            if file.is_dir() {
                "a folder"
            } else {
                "followed by a file"
            }
        ))
        .into());
    }
    // `latest` may point to another run before this one ends.
    let folder = fs::canonicalize(&arguments.folder).map_err(|error| {
        Usage(format!(
            "{}: {error}; name the folder of a run",
            arguments.folder.display()
        ))
    })?;
    let controllers = Controllers::of_run(&folder, secret);
    let controllers = controllers.map_err(|error| Usage(error.to_string()))?;
    let walkthrough = read(&arguments.file, controllers.machines())?;
    if let Some(ended) = ended(&folder, controllers.machines()) {
        anyhow::bail!(
            "run {} ended at {ended}: a walkthrough plays on one that goes on",
            controllers.name()
        );
    }
    print(nobody(&walkthrough))?;
    Player::new(walkthrough, controllers, &folder).play(&mut Terminal)?;
    Ok(Exit::Valid)
}

/// Reads a file for a run of so many machines.
///
/// # Errors
/// [`Usage`] inside it: what is wrong with the file.
pub(super) fn read(file: &Path, machines: u16) -> anyhow::Result<Walkthrough> {
    let name = file.display().to_string();
    let text = fs::read_to_string(file).map_err(|error| Usage(format!("{name}: {error}")))?;
    Walkthrough::parse(&name, &text, machines).map_err(|error| Usage(error.to_string()).into())
}

/// Reads a file for a run that is about to begin, and that lasts so long.
///
/// # Errors
/// As [`read`]; also if the file waits longer than the run lasts.
pub(super) fn read_for_run(file: &Path, machines: u16, duration: Duration) -> anyhow::Result<Walkthrough> {
    let walkthrough = read(file, machines)?;
    let least = walkthrough.least();
    if least >= duration {
        let (least, duration) = (
            humantime::format_duration(least),
            humantime::format_duration(duration),
        );
        return Err(Usage(format!(
            "{}: its waits alone take {least}, and the run lasts {duration}: give it longer with --duration",
            file.display()
        ))
        .into());
    }
    Ok(walkthrough)
}

/// Said where a file asks for Enter and nobody is there to press it.
pub(super) fn nobody(walkthrough: &Walkthrough) -> &'static str {
    if walkthrough.asks() && !io::stdin().is_terminal() {
        "standard input is no terminal: nobody can be asked for Enter, so the walkthrough goes on without\n"
    } else {
        ""
    }
}

/// Widest lines of captions: longer ones are hard to read.
const COLUMNS_MAX: usize = 100;

/// Columns of standard output.
fn columns() -> usize {
    if !io::stdout().is_terminal() {
        return COLUMNS;
    }
    terminal::size().map_or(COLUMNS, |(columns, _)| usize::from(columns).min(COLUMNS_MAX))
}

/// What is said to whoever is to press Enter.
const PRESS: &str = "     press Enter to go on";

/// Waits for Enter, if somebody is there to press it, who is told so.
fn enter(say: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let input = io::stdin();
    if input.is_terminal() {
        say()?;
        input.read_line(&mut String::new())?;
    }
    Ok(())
}

/// Captions as lines on standard output.
struct Terminal;

impl Scene for Terminal {
    fn show(&mut self, text: &str) -> io::Result<()> {
        print(&format!("{text}\n")).map_err(io::Error::other)
    }

    fn columns(&self) -> usize {
        columns()
    }

    fn ask(&mut self) -> io::Result<()> {
        enter(|| self.show(PRESS))
    }

    fn is_over(&self) -> bool {
        false
    }
}

/// A walkthrough that plays beside the launcher, on a thread of its own.
#[derive(Debug)]
pub(super) struct Playing {
    heard: Receiver<Heard>,
    over: Arc<AtomicBool>,
    /// How it ended, once it has.
    ended: Option<Result<(), PlayError>>,
}

#[derive(Debug)]
enum Heard {
    Caption(String),
    End(Result<(), PlayError>),
}

impl Playing {
    /// Starts to play on the run in `folder`, whose machines may still be starting.
    pub(super) fn start(walkthrough: Walkthrough, folder: &Path) -> anyhow::Result<Self> {
        let controllers = Controllers::of_run(folder, None)?;
        let mut player = Player::new(walkthrough, controllers, folder);
        let (tell, heard) = mpsc::channel();
        let over = Arc::new(AtomicBool::new(false));
        let mut beside = Beside {
            tell,
            over: Arc::clone(&over),
        };
        thread::Builder::new()
            .name("walkthrough".to_owned())
            .spawn(move || {
                let end = player.play(&mut beside);
                // A launcher that has gone wants to hear nothing.
                let _ = beside.tell.send(Heard::End(end));
            })
            .context("cannot start the walkthrough's thread")?;
        Ok(Self {
            heard,
            over,
            ended: None,
        })
    }

    /// The captions since the last time, as lines.
    pub(super) fn captions(&mut self) -> String {
        let mut text = String::new();
        while let Ok(heard) = self.heard.try_recv() {
            match heard {
                Heard::Caption(caption) => text += &format!("{caption}\n"),
                Heard::End(end) => self.ended = Some(end),
            }
        }
        text
    }

    /// Whether it has come to its end, or failed.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// The last captions, and why it did not come to its end; the run has ended.
    pub(super) fn conclude(mut self) -> (String, Option<String>) {
        self.over.store(true, Ordering::SeqCst);
        let mut captions = self.captions();
        // It sees the end in the logs, or this wish; one that waits for Enter does neither.
        while self.ended.is_none() {
            match self.heard.recv_timeout(Duration::from_secs(1)) {
                Ok(Heard::Caption(caption)) => captions += &format!("{caption}\n"),
                Ok(Heard::End(end)) => self.ended = Some(end),
                Err(_) => break,
            }
        }
        let failure = match self.ended {
            Some(Ok(())) => None,
            Some(Err(error)) => Some(error.to_string()),
            None => Some("the run ended before the walkthrough was done".to_owned()),
        };
        (captions, failure)
    }
}

/// What a walkthrough beside the launcher sees of the world.
struct Beside {
    tell: Sender<Heard>,
    over: Arc<AtomicBool>,
}

impl Scene for Beside {
    fn show(&mut self, text: &str) -> io::Result<()> {
        let told = self.tell.send(Heard::Caption(text.to_owned()));
        told.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn columns(&self) -> usize {
        columns()
    }

    fn ask(&mut self) -> io::Result<()> {
        enter(|| self.show(PRESS))
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
}
