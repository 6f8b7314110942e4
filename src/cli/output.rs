//! Files that a command was told to write: never over another, and whole or not at all.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    process,
};

use super::Usage;

/// What may happen to a file that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    /// It stays, and the command is refused.
    Keep,
    /// It is replaced: `--force`.
    Replace,
}

impl Existing {
    /// What `--force` asks for.
    pub(super) fn from_force(force: bool) -> Self {
        if force { Self::Replace } else { Self::Keep }
    }
}

/// Refuses a place where [`write`] could not write, before work is done for it.
pub(super) fn check(file: &Path, existing: Existing) -> anyhow::Result<()> {
    let name = file.display();
    if file.is_dir() {
        return refuse(format!("{name} is a folder: name a file in it"));
    }
    if existing == Existing::Keep && fs::symlink_metadata(file).is_ok() {
        return refuse(format!(
            "{name} exists: name another file, or replace it with --force"
        ));
    }
    let folder = folder_of(file);
    if !folder.is_dir() {
        return refuse(format!(
            "{name}: there is no folder {}: make it, or name a file elsewhere",
            folder.display()
        ));
    }
    Ok(())
}

/// Writes a file beside its place and then moves it there.
pub(super) fn write(file: &Path, text: &str, existing: Existing) -> anyhow::Result<()> {
    check(file, existing)?;
    let end = file.file_name().unwrap_or_default().to_string_lossy();
    let fresh = folder_of(file).join(format!(".{end}.{}", process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&fresh)
        .and_then(|mut open| open.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&fresh, file));
    written.map_err(|error| {
        let _ = fs::remove_file(&fresh);
        failed(file, error)
    })
}

/// Makes a folder for several files, unless it is there.
pub(super) fn make_folder(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() && !folder.is_dir() {
        return refuse(format!("{} is a file: name a folder", folder.display()));
    }
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))
}

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// A place that may not be written to is a slip of the person who named it; a full disk is not.
fn failed(place: &Path, error: io::Error) -> anyhow::Error {
    let text = format!("cannot write {}", place.display());
    match error.kind() {
        io::ErrorKind::PermissionDenied
        | io::ErrorKind::ReadOnlyFilesystem
        | io::ErrorKind::NotADirectory => {
            Usage(format!("{text}: {error}; name a place that you may write to")).into()
        }
        _ => anyhow::Error::from(error).context(text),
    }
}

fn refuse(text: String) -> anyhow::Result<()> {
    Err(Usage(text).into())
}
