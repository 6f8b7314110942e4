//! `clocklab watch`: a run as it happens.

use std::{os::unix::net::UnixStream, path::PathBuf};

use anyhow::Context;
use clap::Args;
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    low_level::pipe,
};

use super::{Exit, Usage, print};
use crate::{
    lab::SecretFile,
    watch::web::{Server, WebError},
};

#[derive(Args, Debug)]
pub(super) struct WatchArguments {
    /// Folder of the run; it need not be there yet
    #[arg(value_name = "DIR", default_value = "logs/latest")]
    folder: PathBuf,
    #[command(flatten)]
    web: WebArguments,
    /// The run's secret, to give commands to its machines [default: the file that run.json names]
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

/// What concerns the view in a browser.
#[derive(Args, Debug)]
struct WebArguments {
    /// Serve a page on 127.0.0.1 instead, for browsers on this computer
    #[arg(long)]
    web: bool,
    /// The page's port; 0 is any that is free [default: the first free of 17000 to 17049]
    #[arg(long, value_name = "PORT", requires = "web")]
    port: Option<u16>,
}

pub(super) fn run(arguments: &WatchArguments) -> anyhow::Result<Exit> {
    web(arguments)
}

/// Serves the live page until it is interrupted.
fn web(arguments: &WatchArguments) -> anyhow::Result<Exit> {
    let secret = arguments.secret_file.as_deref().map(SecretFile::read);
    let secret = secret.transpose().map_err(|error| Usage(error.to_string()))?;
    let server = Server::bind(
        &arguments.folder,
        arguments.web.port,
        secret.map(|file| file.secret),
    );
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
        "open http://{}/ to watch {}; Ctrl-C ends\n",
        server.address(),
        arguments.folder.display()
    ))?;
    server.serve(stopped)?;
    Ok(Exit::Valid)
}
