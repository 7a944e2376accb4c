//! What is wrong with a session.

use std::fmt;
use std::io;

/// What is wrong with a session.
#[derive(Debug)]
pub enum SessionError {
    /// None runs.
    None,
    /// One of another build runs, as this process.
    Version {
        build: String,
        pid: u32,
    },
    /// It has ended, or does not answer.
    Gone,
    Failed(io::Error),
    /// What comes of something that it runs has no room here.
    Unwritten(io::Error),
}

impl From<io::Error> for SessionError {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("no session runs; hopvine up -w HOSTS starts one"),
            Self::Version { build, pid } => write!(
                f,
                "a session of another version ({build}) runs as process {pid}, and is not used: hopvine down ends it"
            ),
            Self::Gone => f.write_str("the session has ended"),
            Self::Failed(error) => write!(f, "the session cannot be asked: {error}"),
            Self::Unwritten(error) => {
                write!(f, "its output cannot be written here, and what is left of it is lost: {error}")
            }
        }
    }
}
