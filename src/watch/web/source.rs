//! Where the batches of a stream come from.

use std::{io, path::PathBuf, sync::MutexGuard};

use super::known::Known;

/// The logs of a run, as one server follows them for all of its browsers.
pub(super) trait Source: Send + Sync {
    /// What is known of the run.
    fn known(&self) -> MutexGuard<'_, Known>;

    /// A browser listens from now on.
    fn come(&self);

    /// A browser listens no more.
    fn go(&self);

    /// Reads on, unless somebody else does. May block for as long as a disk does.
    ///
    /// # Errors
    /// What the system says.
    fn look(&self) -> io::Result<()>;

    /// Where the logs are, if browsers may know.
    fn place(&self) -> Option<PathBuf>;

    /// Why no command can be given to the machines; `None` if one can.
    fn why_no_control(&self) -> Option<String>;
}
