//! The file of a session: what it has seen, as one line of text.
//!
//! ```text
//!   clocklab-session 1
//!   AQEDCQZO0Esr
//! ```
//!
//! A command holds the file from before its request to after the answer: a session is a chain. It is replaced whole, so
//! one that is cut off was cut by somebody else, and is refused: going on without it would forget what was seen.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process,
};

use anyhow::Context;

use crate::{
    cli::Usage,
    kv::{TOKEN_TEXT_BYTES_MAX, Token, parse_token, token_text},
};

const HEAD: &str = "clocklab-session 1";

/// Longest file, in bytes.
const FILE_BYTES_MAX: u64 = (HEAD.len() + TOKEN_TEXT_BYTES_MAX + 2) as u64;

/// A session's file, held.
#[derive(Debug)]
pub(super) struct Session {
    path: PathBuf,
    token: Token,
    /// The file that was locked; the lock ends with it.
    _held: File,
}

impl Session {
    /// Waits until no other command has the file, and reads it; makes one that has seen nothing if there is none.
    ///
    /// # Errors
    /// It cannot be opened; [`Usage`] if it is no session.
    pub(super) fn hold(path: &Path) -> anyhow::Result<Self> {
        let cannot = || format!("cannot use the session's file {}", path.display());
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty())
            && !folder.is_dir()
        {
            let (path, folder) = (path.display(), folder.display());
            let text =
                format!("--session {path}: there is no folder {folder}: make it first, `mkdir -p {folder}`");
            return Err(Usage(text).into());
        }
        make(path).with_context(cannot)?;
        let mut held = lock(path).with_context(cannot)?;
        let mut bytes = Vec::new();
        let read = Read::by_ref(&mut held)
            .take(FILE_BYTES_MAX + 1)
            .read_to_end(&mut bytes);
        read.with_context(cannot)?;
        let token = parse(&bytes).map_err(|what| {
            Usage(format!(
                "--session: {} is no session's file ({what}); name another, or delete it to begin a session that has seen \
                 nothing",
                path.display()
            ))
        })?;
        Ok(Self {
            path: path.to_owned(),
            token,
            _held: held,
        })
    }

    /// Its file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What it has seen.
    pub(super) fn token(&self) -> &Token {
        &self.token
    }

    /// Writes down what it has seen now.
    ///
    /// # Errors
    /// The file cannot be replaced: what was asked is done all the same.
    pub(super) fn keep(&mut self, token: &Token) -> anyhow::Result<()> {
        if *token == self.token {
            return Ok(());
        }
        let text = format!("{HEAD}\n{}\n", token_text(token));
        self.replace(&text).with_context(|| {
            format!(
                "it was done, but the session's file {} cannot be written",
                self.path.display()
            )
        })?;
        self.token = token.clone();
        Ok(())
    }

    fn replace(&mut self, text: &str) -> io::Result<()> {
        let (new, mut file) = beside(&self.path, ".new")?;
        // Those who find the new file have to wait for it, too.
        file.lock()?;
        file.write_all(text.as_bytes())?;
        fs::rename(&new, &self.path)?;
        self._held = file;
        Ok(())
    }
}

/// Makes the file of a session that has seen nothing, unless there is one. It is there whole or not at all.
fn make(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let (new, mut file) = beside(path, &format!(".{}.new", process::id()))?;
    file.write_all(format!("{HEAD}\n\n").as_bytes())?;
    // Another command's may have come meanwhile, and stays.
    let made = fs::hard_link(&new, path);
    match (made, fs::remove_file(&new)) {
        (Err(error), _) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        (_, removed) => removed,
    }
}

/// An empty file beside a session's, which is to take its place.
fn beside(path: &Path, ending: &str) -> io::Result<(PathBuf, File)> {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    let new = PathBuf::from(name);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let file = options.open(&new)?;
    Ok((new, file))
}

/// Opens and locks the file; again if it was replaced while it was waited for.
fn lock(path: &Path) -> io::Result<File> {
    loop {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        let file = options.open(path)?;
        file.lock()?;
        let held = file.metadata()?;
        match fs::metadata(path) {
            Ok(named) if (named.dev(), named.ino()) == (held.dev(), held.ino()) => return Ok(file),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
}

/// What a file says.
fn parse(bytes: &[u8]) -> Result<Token, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no text".to_owned())?;
    if text.is_empty() {
        return Err("it is empty: it was cut off, or made by hand".to_owned());
    }
    match text.split_once('\n') {
        Some((HEAD, rest)) if rest.ends_with('\n') => parse_token(rest).map_err(|error| error.to_string()),
        Some((HEAD, _)) => Err("it was cut off".to_owned()),
        _ => Err(format!("it does not begin with `{HEAD}`")),
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread, time::Duration};

    use tempfile::tempdir;

    use super::*;

    fn token(number: u64) -> Token {
        [(format!("3.9.{number}").parse::<crate::clock::Dot>().unwrap())]
            .into_iter()
            .map(|dot| (dot.origin, dot.number))
            .collect()
    }

    #[test]
    fn a_session_goes_on_in_its_file() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("me.session");
        for number in 1..4 {
            let mut session = Session::hold(&path).unwrap();
            assert_eq!(
                session.token().iter().map(|(_, number)| number).sum::<u64>(),
                number - 1
            );
            session.keep(&token(number)).unwrap();
        }
        let names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["me.session"]);
    }

    #[test]
    fn commands_of_one_session_take_turns() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("me.session");
        let mut first = Session::hold(&path).unwrap();
        let (sender, receiver) = mpsc::channel();
        let second = thread::Builder::new()
            .spawn({
                let path = path.clone();
                move || {
                    let session = Session::hold(&path).unwrap();
                    sender.send(session.token().clone()).unwrap();
                }
            })
            .unwrap();
        assert!(receiver.recv_timeout(Duration::from_millis(50)).is_err());
        // Held over the replacement, too.
        first.keep(&token(1)).unwrap();
        assert!(receiver.recv_timeout(Duration::from_millis(50)).is_err());
        first.keep(&token(2)).unwrap();
        drop(first);
        assert_eq!(receiver.recv_timeout(Duration::from_secs(20)), Ok(token(2)));
        second.join().unwrap();
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let folder = tempdir().unwrap();
        let error = Session::hold(&folder.path().join("none/me.session")).unwrap_err();
        assert!(error.downcast_ref::<Usage>().is_some(), "{error}");
        assert!(error.to_string().contains("mkdir -p"), "{error}");
    }

    #[test]
    fn a_new_session_is_whole_from_the_first_command_on() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("me.session");
        // A command that fails leaves one that has seen nothing.
        drop(Session::hold(&path).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{HEAD}\n\n"));
        assert!(Session::hold(&path).unwrap().token().is_empty());
    }

    #[test]
    fn a_broken_file_is_refused_and_left_alone() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("me.session");
        let text = format!("{HEAD}\n{}\n", token_text(&token(5)));
        fs::write(&path, &text).unwrap();
        assert_eq!(Session::hold(&path).unwrap().token(), &token(5));
        for cut in 0..text.len() {
            fs::write(&path, &text[..cut]).unwrap();
            let error = Session::hold(&path).unwrap_err();
            assert!(error.downcast_ref::<Usage>().is_some(), "{cut}: {error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text[..cut]);
        }
        fs::write(&path, [0xFF, 0xFE]).unwrap();
        assert!(
            Session::hold(&path)
                .unwrap_err()
                .to_string()
                .contains("--session")
        );
    }
}
