//! What goes wrong for a program that uses the library.

use super::HostError;
use crate::hosts::inventory::ResolveError;
use std::fmt;
use std::io;

/// Why a call of the library does not return what it was asked for.
#[derive(Debug)]
pub enum Failure {
    /// A target that is written wrong, or that the inventory does not resolve.
    Name(ResolveError),
    /// What one host answers, or why it does not.
    Host(Box<HostError>),
    /// This machine fails us: no poller, no random numbers.
    System(io::Error),
    /// Arguments that are nested too deep to be sent.
    TooDeep,
    /// A remote path that no system has.
    RemoteName,
    /// The tunnel has been closed, or is another program's.
    Closed,
    /// SIGINT, SIGTERM or SIGHUP came while a call waited.
    Stopped,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(f),
            Self::Host(error) => error.fmt(f),
            Self::System(error) => error.fmt(f),
            Self::TooDeep => f.write_str("arguments are nested more than 100 deep"),
            Self::RemoteName => f.write_str("a remote path cannot be empty, nor hold a NUL character"),
            Self::Closed => f.write_str("the tunnel is closed"),
            Self::Stopped => f.write_str("stopped by a signal"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<ResolveError> for Failure {
    fn from(error: ResolveError) -> Self {
        Self::Name(error)
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        Self::Host(Box::new(error))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}
