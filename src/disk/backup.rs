//! A copy of a folder's rows in one file, and back.
//!
//! ```text
//!   "clocklab-backup 2\n"
//!   head     length u32, JSON: cluster, machine, incarnation
//!   tokens   length + 2 u32 (1: none, 0: not known), tokens.json
//!   rows     table u8, key length u16, value length u32, key, value      ascending
//!   end      0xFF, how many rows u64
//!   digest   SHA-256 of everything before it: 32 bytes
//! ```
//!
//! It is made of a stopped replica, whose folder it locks meanwhile, or of rows that a running one gives. It is streamed, so
//! its size is no matter of memory. It grows beside its place, and gets its name when it is whole and was read back. What
//! is restored is a further life, numbered above all that began since the copy was made (see `incarnation`): no write's
//! name is given twice. What the copy lacks the replica takes from the others. It lets in whom the old one let in: an
//! access token that was needed is needed again. Version 1 said nothing of tokens, and is read.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    ahead::RowView,
    error::DiskError,
    folder::{
        FORMAT, Life, Lock, Owner, io_error, make_folder, parent_of, read_life, refuse_occupied, rows_of,
        sync_folder, write_life,
    },
    rows::{ROW_KEY_BYTES_MAX, Rows},
    sync::Sync,
    tokens::{TOKENS_BYTES_MAX, Tokens},
};
use crate::{
    service::{Row, TABLES_MAX},
    units::MachineId,
};

/// The first line of a backup.
pub const BACKUP_FORMAT: &[u8] = b"clocklab-backup 2\n";

const BACKUP_VERSION: u64 = 2;

/// The first line of one without tokens.
const BACKUP_WITHOUT_TOKENS: &[u8] = b"clocklab-backup 1\n";

/// Begins the line of any version.
const BACKUP_ANY: &[u8] = b"clocklab-backup ";

/// Longest head, in bytes.
const HEAD_BYTES_MAX: u32 = 4096;

/// Stands where a row's table would; no table has this number, since they are below [`TABLES_MAX`].
const END: u8 = 0xFF;

const DIGEST_BYTES: usize = 32;

const MEND_BACKUP: &str = "Use another backup";

/// What was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Whose data it is.
    pub owner: Owner,
    /// The last life that is in it.
    pub incarnation: u32,
    /// The access tokens that it carries.
    pub tokens: Tokens,
    /// How many rows.
    pub rows: u64,
    /// The backup's length.
    pub bytes: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    cluster: String,
    machine: u16,
    incarnation: u32,
}

/// Writes a copy of the folder `data` into the new file `into`.
///
/// # Errors
/// [`DiskError`]: the folder is in use, empty or damaged, the file is there already, or the system refuses something.
/// Then there is no file.
pub fn back_up(data: &Path, into: &Path) -> Result<Copied, DiskError> {
    let empty = || DiskError::Empty {
        path: data.to_owned(),
    };
    let has_written = read_life(data)?.is_some_and(|life| life.sync().is_some());
    if !has_written && !rows_of(data).is_dir() {
        return Err(empty());
    }
    let _lock = Lock::acquire(data)?;
    let life = read_life(data)?.ok_or_else(empty)?;
    let rows = Rows::open(&rows_of(data), life.sync())?;
    let mut backup = BackupWriter::create(into, &owner_of(&life), life.incarnation, &Tokens::read(data)?)?;
    let mut bytes = Vec::new();
    rows.each(|row| {
        bytes.clear();
        row.lay_out(&mut bytes);
        backup.put(&bytes, 1)
    })?;
    backup.finish()
}

/// A backup that is being written, of rows that come from anywhere.
#[derive(Debug)]
pub struct BackupWriter {
    output: Hashed,
    into: PathBuf,
    beside: Beside,
    rows: u64,
}

/// A file beside its place, taken away with this.
#[derive(Debug)]
struct Beside(PathBuf);

impl BackupWriter {
    /// Begins the backup `into` of what `owner` had in the life `incarnation`, and of its access tokens. The file is there
    /// when it is whole.
    ///
    /// # Errors
    /// [`DiskError`]: the file is there already, or the system refuses something.
    pub fn create(into: &Path, owner: &Owner, incarnation: u32, tokens: &Tokens) -> Result<Self, DiskError> {
        if fs::symlink_metadata(into).is_ok() {
            return Err(io_error(into, io::ErrorKind::AlreadyExists.into()));
        }
        let mut name = into.as_os_str().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let beside = PathBuf::from(name);
        let failed = |error| io_error(&beside, error);
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&beside);
        let file = file.map_err(failed)?;
        let guard = Beside(beside.clone());
        let mut output = Hashed::new(BufWriter::with_capacity(1 << 20, file));
        let head = Head {
            cluster: owner.cluster.clone(),
            machine: owner.machine.0,
            incarnation,
        };
        let head = serde_json::to_vec(&head).map_err(|error| failed(error.into()))?;
        let length = u32::try_from(head.len()).unwrap_or(u32::MAX);
        let of_tokens = tokens.length().to_be_bytes();
        let parts = [
            BACKUP_FORMAT,
            &length.to_be_bytes(),
            &head,
            &of_tokens,
            tokens.bytes(),
        ];
        output.put(&parts).map_err(failed)?;
        Ok(Self {
            output,
            into: into.to_owned(),
            beside: guard,
            rows: 0,
        })
    }

    /// Appends bytes of rows ([`Row::lay_out`]), and how many rows begin in them. All rows together ascend by table, then key.
    ///
    /// # Errors
    /// [`DiskError`]: the system refuses it.
    pub fn put(&mut self, bytes: &[u8], rows: u64) -> Result<(), DiskError> {
        self.rows += rows;
        self.output
            .put(&[bytes])
            .map_err(|error| io_error(&self.beside.0, error))
    }

    /// Ends the file, reads it back, and moves it to its place.
    ///
    /// # Errors
    /// [`DiskError`]: what was given is no rows in order, or the system refuses something. Then there is no file.
    pub fn finish(mut self) -> Result<Copied, DiskError> {
        let beside = &self.beside.0;
        let failed = |error| io_error(beside, error);
        self.output
            .put(&[&[END], &self.rows.to_be_bytes()])
            .map_err(failed)?;
        self.output.finish().map_err(failed)?;
        let (_, copied) = read_backup(beside, |_| Ok(()))?;
        // Unlike a rename, this replaces nothing.
        fs::hard_link(beside, &self.into).map_err(|error| io_error(&self.into, error))?;
        sync_folder(parent_of(&self.into)).map_err(|error| io_error(&self.into, error))?;
        Ok(copied)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn owner_of(life: &Life) -> Owner {
    Owner {
        machine: MachineId(life.machine),
        cluster: life.cluster.clone(),
    }
}

/// Makes the folder `data` of the backup `from`: nothing is written before all of it has been read and its digest
/// compared.
///
/// # Errors
/// [`DiskError`]: the backup is damaged or none, the folder is not empty, or the system refuses something.
pub fn restore(from: &Path, data: &Path) -> Result<Copied, DiskError> {
    read_backup(from, |_| Ok(()))?;
    make_folder(data)?;
    refuse_occupied(data, None)?;
    let lock = Lock::acquire(data)?;
    // Somebody may have been faster.
    refuse_occupied(data, Some(&lock))?;
    let rows = Rows::open(&rows_of(data), None)?;
    let (life, copied) = rows.take_sorted(0, |take| {
        read_backup(from, |row| {
            take(RowView {
                table: row.table,
                key: &row.key,
                value: row.value.as_deref(),
            })
        })
    })?;
    copied.tokens.write(data)?;
    // Last: without it the folder is no replica's, and what was begun is found to be so.
    write_life(data, &life)?;
    Ok(copied)
}

/// Reads a backup to its end, gives its rows and compares its digest. Says whose it is, and what it has.
fn read_backup(
    from: &Path,
    mut give: impl FnMut(Row) -> Result<(), DiskError>,
) -> Result<(Life, Copied), DiskError> {
    let file = File::open(from).map_err(|error| io_error(from, error))?;
    let mut input = Checked {
        path: from.to_owned(),
        input: BufReader::with_capacity(1 << 20, file),
        digest: Sha256::new(),
        bytes: 0,
    };
    let (life, tokens) = input.head()?;
    let mut count = 0;
    let mut last: Option<(u8, Box<[u8]>)> = None;
    loop {
        let [table] = input.array()?;
        if table == END {
            break;
        }
        if table >= TABLES_MAX {
            return Err(input.damaged(format!("it has a table {table}")));
        }
        let key_bytes = usize::from(u16::from_be_bytes(input.array()?));
        let value_bytes = u64::from(u32::from_be_bytes(input.array()?));
        if !(1..=ROW_KEY_BYTES_MAX).contains(&key_bytes) {
            return Err(input.damaged(format!("it has a key of {key_bytes} bytes")));
        }
        let key = input.bytes(key_bytes as u64)?;
        let is_behind = last.is_none_or(|(before, last)| (before, &*last) < (table, &*key));
        if !is_behind {
            return Err(input.damaged("its rows are not in order"));
        }
        last = Some((table, key.clone()));
        let value = Some(input.bytes(value_bytes)?);
        give(Row { table, key, value })?;
        count += 1;
    }
    let said = u64::from_be_bytes(input.array()?);
    if said != count {
        return Err(input.damaged(format!("it says that it has {said} rows, and has {count}")));
    }
    let copied = Copied {
        owner: owner_of(&life),
        incarnation: life.incarnation,
        tokens,
        rows: count,
        bytes: input.finish()?,
    };
    Ok((life, copied))
}

/// Writes, and keeps a digest of what was written.
#[derive(Debug)]
struct Hashed {
    output: BufWriter<File>,
    digest: Sha256,
}

impl Hashed {
    fn new(output: BufWriter<File>) -> Self {
        let digest = Sha256::new();
        Self { output, digest }
    }

    fn put(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        for part in parts {
            self.digest.update(part);
            self.output.write_all(part)?;
        }
        Ok(())
    }

    /// Appends the digest and syncs.
    fn finish(&mut self) -> io::Result<()> {
        let digest = std::mem::take(&mut self.digest).finalize();
        self.output.write_all(&digest)?;
        self.output.flush()?;
        self.output.get_ref().sync_all()
    }
}

/// Reads, and keeps a digest of what was read.
struct Checked {
    path: PathBuf,
    input: BufReader<File>,
    digest: Sha256,
    bytes: u64,
}

impl Checked {
    fn damaged(&self, what: impl Into<String>) -> DiskError {
        DiskError::Damaged {
            path: self.path.clone(),
            what: what.into(),
            mend: MEND_BACKUP,
        }
    }

    fn failed(&self, error: io::Error) -> DiskError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged("it ends in the middle"),
            _ => io_error(&self.path, error),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DiskError> {
        let mut bytes = [0; N];
        self.input
            .read_exact(&mut bytes)
            .map_err(|error| self.failed(error))?;
        self.digest.update(bytes);
        self.bytes += N as u64;
        Ok(bytes)
    }

    /// So many bytes; memory grows only with bytes that are there.
    fn bytes(&mut self, count: u64) -> Result<Box<[u8]>, DiskError> {
        let mut bytes = Vec::new();
        let mut part = Read::by_ref(&mut self.input).take(count);
        let read = part
            .read_to_end(&mut bytes)
            .map_err(|error| io_error(&self.path, error))?;
        if read as u64 != count {
            return Err(self.failed(io::ErrorKind::UnexpectedEof.into()));
        }
        self.digest.update(&bytes);
        self.bytes += count;
        Ok(bytes.into())
    }

    fn head(&mut self) -> Result<(Life, Tokens), DiskError> {
        let no_backup = || DiskError::NoBackup {
            path: self.path.clone(),
        };
        let mut line = [0; BACKUP_FORMAT.len()];
        let read = self.input.read_exact(&mut line);
        if read.is_err() || !line.starts_with(BACKUP_ANY) {
            return Err(no_backup());
        }
        if line != *BACKUP_FORMAT && line != *BACKUP_WITHOUT_TOKENS {
            let digits = line.get(BACKUP_ANY.len()..).unwrap_or_default();
            let found = String::from_utf8_lossy(digits).trim().parse().unwrap_or(u64::MAX);
            return Err(DiskError::Newer {
                path: self.path.clone(),
                found,
                known: BACKUP_VERSION,
            });
        }
        self.digest.update(line);
        self.bytes += line.len() as u64;
        let length = u32::from_be_bytes(self.array()?);
        if length > HEAD_BYTES_MAX {
            return Err(self.damaged(format!("its head would have {length} bytes")));
        }
        let head = self.bytes(u64::from(length))?;
        let head: Head = serde_json::from_slice(&head).map_err(|error| self.damaged(error.to_string()))?;
        let life = Life {
            format: FORMAT,
            cluster: head.cluster,
            machine: head.machine,
            incarnation: head.incarnation,
            // It has rows, and the last of them are on the disk.
            sync: Some(Sync::Always.to_string()),
        };
        match line == *BACKUP_FORMAT {
            true => Ok((life, self.tokens()?)),
            false => Ok((life, Tokens::NotKnown)),
        }
    }

    fn tokens(&mut self) -> Result<Tokens, DiskError> {
        let length = u32::from_be_bytes(self.array()?);
        let bytes = match length {
            0 => return Ok(Tokens::NotKnown),
            1 => return Ok(Tokens::None),
            _ => u64::from(length - 2),
        };
        if bytes > TOKENS_BYTES_MAX as u64 {
            return Err(self.damaged(format!("its tokens would have {bytes} bytes")));
        }
        self.bytes(bytes).map(Tokens::File)
    }

    /// Compares the digest, which is the end of the file.
    fn finish(mut self) -> Result<u64, DiskError> {
        let digest = std::mem::take(&mut self.digest).finalize();
        let said: [u8; DIGEST_BYTES] = self.array()?;
        if said.as_slice() != digest.as_slice() {
            return Err(self.damaged("its digest is not that of its content"));
        }
        match self.input.read(&mut [0]) {
            Ok(0) => Ok(self.bytes),
            Ok(_) => Err(self.damaged("something follows its end")),
            Err(error) => Err(io_error(&self.path, error)),
        }
    }
}
