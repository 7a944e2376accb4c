//! What this program as an ssh cannot do.

use std::fmt;
use std::path::PathBuf;

/// Told on standard error, with ssh's own status for its failures.
#[derive(Debug)]
pub enum SshError {
    /// A file of `-i`, which is left out, and why.
    NoIdentity(String, String),
    /// The file of `-E`, and why not.
    Log(PathBuf, String),
    /// Only a real ssh could tell that of itself.
    NoSsh(String),
    /// The ssh that was found does not start.
    Start(PathBuf, String),
    /// Called by a name that means something below `hopvine fakessh` alone.
    NotBelowFakessh(String),
    /// No other program of that name is in PATH.
    NoTool(String),
    /// The socket of `hopvine fakessh`.
    FakesshGone(PathBuf),
    /// A subsystem other than sftp.
    Subsystem(String),
}

impl fmt::Display for SshError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoIdentity(file, why) => write!(f, "Warning: Identity file {file} not accessible: {why}."),
            Self::Log(path, why) => write!(f, "Couldn't open logfile {}: {why}", path.display()),
            Self::NoSsh(query) => {
                write!(f, "Unsupported query \"{query}\": no ssh but this one is in PATH, and it has none")
            }
            Self::Start(program, why) => write!(f, "{} cannot be started: {why}", program.display()),
            Self::NotBelowFakessh(name) => {
                write!(f, "called as {name}, which means something below `hopvine fakessh` alone")
            }
            Self::NoTool(name) => write!(f, "no {name} is in PATH: install it (openssh-client)"),
            Self::FakesshGone(socket) => {
                write!(
                    f,
                    "nobody listens at {}: the hopvine fakessh that started this has ended",
                    socket.display()
                )
            }
            Self::Subsystem(name) => {
                write!(f, "subsystem request failed on channel 0: there is no {name:?} here, only sftp")
            }
        }
    }
}
