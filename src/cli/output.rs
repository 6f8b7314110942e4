//! Files that a command was told to write: never over another, and whole or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
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
    if is_device(file) {
        return Ok(());
    }
    if existing == Existing::Keep && fs::symlink_metadata(file).is_ok() {
        return Err(exists(file));
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

/// Refuses a folder for files of these names, before work is done for it. It need not be there.
pub(super) fn check_folder(folder: &Path, names: &[&str], existing: Existing) -> anyhow::Result<()> {
    if folder.exists() && !folder.is_dir() {
        return refuse(format!("{} is a file: name a folder", folder.display()));
    }
    if folder.is_dir() {
        for name in names {
            check(&folder.join(name), existing)?;
        }
    }
    Ok(())
}

/// Makes a folder for several files, unless it is there.
pub(super) fn make_folder(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))
}

/// Writes a text as [`write_with`] does.
pub(super) fn write(file: &Path, text: &str, existing: Existing) -> anyhow::Result<()> {
    write_with(file, existing, |output| {
        output
            .write_all(text.as_bytes())
            .map_err(|error| failed(file, error))
    })
}

/// Writes a text that nobody but its owner may read, as [`write_with`] does.
pub(super) fn write_private(file: &Path, text: &str, existing: Existing) -> anyhow::Result<()> {
    write_mode(file, existing, 0o600, |output| {
        output
            .write_all(text.as_bytes())
            .map_err(|error| failed(file, error))
    })
}

/// Writes a file beside its place and then moves it there. A link stays one, and what it leads to is replaced; a
/// device or a pipe is written to as it is.
pub(super) fn write_with<T>(
    file: &Path,
    existing: Existing,
    content: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    // What the system takes away from by the umask, as for every file.
    write_mode(file, existing, 0o666, content)
}

fn write_mode<T>(
    file: &Path,
    existing: Existing,
    mode: u32,
    content: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    check(file, existing)?;
    let fill = |open: File| {
        let mut output = BufWriter::new(open);
        let said = content(&mut output)?;
        output.flush().map_err(|error| failed(file, error))?;
        Ok(said)
    };
    if is_device(file) {
        let open = OpenOptions::new().write(true).open(file);
        return fill(open.map_err(|error| failed(file, error))?);
    }
    let place = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let end = place.file_name().unwrap_or_default().to_string_lossy();
    let fresh = folder_of(&place).join(format!(".{end}.{}", process::id()));
    let open = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&fresh);
    let written = fill(open.map_err(|error| failed(file, error))?)
        .and_then(|said| settle(&fresh, &place, existing).map(|()| said));
    if written.is_err() {
        // Half a file helps nobody; if it cannot even be removed, the first error is the one to tell.
        let _ = fs::remove_file(&fresh);
    }
    written
}

/// Gives a whole file its name, unless another has taken that name in the meantime.
fn settle(fresh: &Path, place: &Path, existing: Existing) -> anyhow::Result<()> {
    let moved = || fs::rename(fresh, place).map_err(|error| failed(place, error));
    match existing {
        Existing::Replace => moved(),
        Existing::Keep => match fs::hard_link(fresh, place) {
            Ok(()) => fs::remove_file(fresh).map_err(|error| failed(fresh, error)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(exists(place)),
            // A file system without links.
            Err(_) => moved(),
        },
    }
}

/// What is there and neither file nor folder, such as `/dev/null`: nothing of it can be lost.
fn is_device(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|there| !there.is_file() && !there.is_dir())
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

fn exists(file: &Path) -> anyhow::Error {
    Usage(format!(
        "{} exists: name another file, or replace it with --force",
        file.display()
    ))
    .into()
}

fn refuse(text: String) -> anyhow::Result<()> {
    Err(Usage(text).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(file: &Path) -> String {
        fs::read_to_string(file).unwrap()
    }

    #[test]
    fn a_file_that_came_in_the_meantime_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.txt");
        let written = write_with(&file, Existing::Keep, |output| {
            fs::write(&file, "another's")?;
            Ok(output.write_all(b"ours")?)
        });
        assert!(written.unwrap_err().to_string().contains("exists"));
        assert_eq!(text(&file), "another's");
        write(&file, "ours", Existing::Replace).unwrap();
        assert_eq!(text(&file), "ours");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing beside it");
    }

    #[test]
    fn what_fails_half_way_leaves_nothing_and_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.txt");
        for existing in [Existing::Keep, Existing::Replace] {
            let written = write_with(&file, existing, |output| {
                output.write_all(b"half")?;
                Err::<(), _>(anyhow::anyhow!("no more"))
            });
            assert_eq!(written.unwrap_err().to_string(), "no more");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_and_devices_are_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("a.txt"), dir.path().join("link.txt"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(write(&link, "new", Existing::Keep).is_err());
        write(&link, "new", Existing::Replace).unwrap();
        assert_eq!(text(&file), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        // Through a link, so that a mistake here costs the link and not the device.
        let null = dir.path().join("null");
        std::os::unix::fs::symlink("/dev/null", &null).unwrap();
        for existing in [Existing::Keep, Existing::Replace] {
            write(&null, "gone", existing).unwrap();
        }
        assert!(is_device(&null) && fs::symlink_metadata(&null).unwrap().is_symlink());
    }
}
