//! How processes and links end.

use crate::sys::child::Exit;
use std::fmt;
use std::time::Duration;

/// Why a link that worked does not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    Ended {
        exit: Option<Exit>,
    },
    Silent {
        quiet: Duration,
    },
    Corrupt,
    Version {
        theirs: u16,
    },
    Rules,
    Forged,
    /// It did not stop what it was told to stop, and was ended.
    Stuck,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended { exit } => f.write_str(&ended(*exit)),
            Self::Silent { quiet } => {
                let rounded = Duration::from_millis(u64::try_from(quiet.as_millis()).unwrap_or(u64::MAX));
                write!(f, "silent for {}", humantime::format_duration(rounded))
            }
            Self::Corrupt => write!(f, "other bytes came within ours"),
            Self::Version { theirs } => {
                write!(f, "speaks protocol {theirs}, this is {}", crate::proto::VERSION)
            }
            Self::Rules => write!(f, "broke the protocol"),
            Self::Stuck => {
                f.write_str("what was cancelled went on; the agent was ended and its state is lost")
            }
            Self::Forged => write!(f, "sent a frame in the name of a context that is not behind it"),
        }
    }
}

/// In words, as what follows a name.
pub(super) fn ended(exit: Option<Exit>) -> String {
    match exit {
        Some(Exit::Status(status)) => format!("ended with status {status}"),
        Some(Exit::Signal(signal)) => match signal_name(signal) {
            Some(name) => format!("was killed by signal {signal} ({name})"),
            None => format!("was killed by signal {signal}"),
        },
        None => "ended".to_owned(),
    }
}

/// Of the signals that end programs, with the numbers that Linux has on nearly all its machines.
fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return None,
    })
}
