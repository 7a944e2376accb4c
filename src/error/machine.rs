//! What fails on this machine.

use std::fmt;
use std::io;
use std::process::ExitStatus;

/// Why what a command line of the user's prints cannot be had.
#[derive(Debug)]
pub enum CommandError {
    Machine(io::Error),
    Status(ExitStatus),
    /// It prints more bytes than this, and has been ended.
    Long {
        limit: usize,
    },
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine(error) => error.fmt(f),
            Self::Status(status) => status.fmt(f),
            Self::Long { limit } if *limit < 1 << 20 => write!(f, "it prints more than {limit} bytes"),
            Self::Long { limit } => write!(f, "it prints more than {} MiB, and was ended", limit >> 20),
        }
    }
}

/// Standard output cannot be written.
#[derive(Debug)]
pub struct Unwritten(pub io::Error);

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "standard output cannot be written: {}", self.0)
    }
}

impl std::error::Error for Unwritten {}

/// What is said where the program cannot go on.
pub fn machine_fails(error: &io::Error) -> String {
    match error.get_ref() {
        Some(told) if told.is::<Unwritten>() => told.to_string(),
        _ => format!("this machine fails: {error}"),
    }
}
