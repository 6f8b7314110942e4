//! `clocklab secret`: makes a run's secret; and how every command reads one.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::{
    Exit, Usage,
    output::{self, Existing},
    print,
};
use crate::{
    lab::{SecretFile, new_secret},
    wire::Secret,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  clocklab secret                                 make clocklab.secret
  scp -p clocklab.secret host2:                   give it to the other hosts
  clocklab machine --id 0 --hosts hosts.txt --secret-file clocklab.secret

The file holds 64 hexadecimal digits (32 random bytes of the operating system) and only you may read it.
Whoever knows it may join the run and command its machines. It encrypts nothing: protocol.md, section 2, says \
what it protects.";

/// Where a secret is written unless told otherwise.
const OUTPUT: &str = "clocklab.secret";

#[derive(Args, Debug)]
pub(super) struct SecretArguments {
    /// File to write
    #[arg(long, value_name = "FILE", default_value = OUTPUT)]
    output: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

/// The secret of a run that is already there, for the commands that talk to its machines.
#[derive(Args, Debug)]
pub(super) struct SecretOption {
    /// File with the run's secret [default: the one that the run was started with, if it is on this computer]
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

impl SecretOption {
    /// No file is named.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self { secret_file: None }
    }

    /// The secret, if a file is named.
    pub(super) fn read(&self) -> anyhow::Result<Option<Secret>> {
        Ok(read(self.secret_file.as_deref())?.map(|file| file.secret))
    }
}

/// Reads the secret of a file, if one is named.
pub(super) fn read(file: Option<&Path>) -> anyhow::Result<Option<SecretFile>> {
    let read = file.map(SecretFile::read).transpose();
    read.map_err(|error| Usage(format!("--secret-file: {error}")).into())
}

pub(super) fn run(arguments: &SecretArguments) -> anyhow::Result<Exit> {
    let existing = Existing::from_force(arguments.force);
    let text = new_secret().context("the system gives no random numbers")? + "\n";
    output::write_private(&arguments.output, &text, existing)?;
    let file = arguments.output.display();
    print(&format!(
        "{file}: a new secret that only you may read (mode 600)\n\
         copy it to every host of the run: scp -p {file} HOST:\n\
         give it to every machine:         clocklab machine --secret-file {file} …\n\
         and do not commit it\n"
    ))?;
    Ok(Exit::Valid)
}
