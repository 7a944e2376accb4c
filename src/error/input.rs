//! Why standard input does not come to the hosts.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why standard input does not come to the hosts.
#[derive(Debug)]
pub enum InputError {
    Unread(io::Error),
    /// It cannot be kept, or read again, for those who have not had it.
    Unkept {
        folder: PathBuf,
        error: io::Error,
    },
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread(error) => write!(f, "standard input cannot be read: {error}"),
            Self::Unkept { folder, error } => write!(
                f,
                "standard input cannot be kept in {} for the hosts that have not read it yet: {error}; set TMPDIR to a folder with room for all of it",
                folder.display()
            ),
        }
    }
}
