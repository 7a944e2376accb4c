//! What went wrong, for the user: all wording, all exit codes.
//!
//! [`HostError`] is about one host and never ends the run for others; [`UsageError`] is about what
//! was typed and comes before anything is started.

use crate::hosts::nodeset::NodesetError;
use crate::hosts::target::TargetError;
use crate::proto::value::Value;
use crate::sys::child::Exit;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// The longest text for `--name`.
pub const MAX_NAME_BYTES: usize = 1000;

/// The exit status of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    Success,
    /// One host: what the remote command said.
    Remote(i32),
    /// One host: the call raised.
    Failed,
    Usage,
    SomeTimedOut,
    SomeUnreachable,
    SomeFailed,
    TimedOut,
    Interrupted,
    Terminated,
    HungUp,
    /// One host: no connection.
    Unreachable,
}

impl ExitCode {
    pub fn status(self) -> i32 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::SomeTimedOut => 3,
            Self::SomeUnreachable => 4,
            Self::SomeFailed => 5,
            Self::TimedOut => 124,
            Self::HungUp => 129,
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::Unreachable => 255,
            Self::Remote(status) => status,
        }
    }

    /// One host: as ssh. Many: by the gravest class.
    pub fn of(outcomes: &[Outcome]) -> Self {
        if let [outcome] = outcomes {
            return match outcome {
                Outcome::Done(0) => Self::Success,
                Outcome::Done(status) => Self::Remote(*status),
                Outcome::Failed => Self::Failed,
                Outcome::TimedOut => Self::TimedOut,
                Outcome::Unreachable => Self::Unreachable,
            };
        }
        let any = |class: fn(&Outcome) -> bool| outcomes.iter().any(class);
        if any(|outcome| *outcome == Outcome::Unreachable) {
            Self::SomeUnreachable
        } else if any(|outcome| *outcome == Outcome::TimedOut) {
            Self::SomeTimedOut
        } else if any(|outcome| !matches!(outcome, Outcome::Done(0))) {
            Self::SomeFailed
        } else {
            Self::Success
        }
    }
}

/// How it went on one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With the command's status; a call that returned has 0.
    Done(i32),
    Failed,
    TimedOut,
    Unreachable,
}

/// What is wrong with what was typed.
#[derive(Debug)]
pub enum UsageError {
    Nodeset(NodesetError),
    Target(TargetError),
    NoHosts,
    /// `MODULE:FUNCTION` does not look so.
    Function {
        typed: String,
    },
    ScriptMissing {
        path: PathBuf,
    },
    Script {
        path: PathBuf,
        error: io::Error,
    },
    ModuleName {
        path: PathBuf,
    },
    Keyword {
        typed: String,
    },
    /// What ps shows has to fit where the arguments stood.
    Name {
        typed: String,
    },
    /// Standard input is a folder.
    InputFolder,
    Interpreter {
        path: String,
        odd: char,
    },
    Root {
        path: PathBuf,
        error: io::Error,
    },
    Inventory {
        path: PathBuf,
        message: String,
    },
    NoInventory {
        name: String,
    },
    ExecUnknown {
        name: String,
        known: Vec<String>,
        path: PathBuf,
    },
    ExecWords {
        name: String,
        line: String,
    },
    TooDeep {
        argument: String,
    },
    CommandNul,
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nodeset(error) => write!(f, "-w {error}"),
            Self::Target(error) => error.fmt(f),
            Self::NoHosts => write!(f, "-w names no host: an empty list is never all hosts"),
            Self::Function { typed } => {
                write!(f, "{typed:?} is not MODULE:FUNCTION, such as os:getpid or ./tasks.py:main")
            }
            Self::ScriptMissing { path } => write!(f, "{}: no such file", path.display()),
            Self::Script { path, error } => write!(f, "{}: {error}", path.display()),
            Self::ModuleName { path } => {
                write!(f, "{}: a file whose name cannot be a module's", path.display())
            }
            Self::Keyword { typed } => write!(f, "--kw {typed:?} is not NAME=VALUE"),
            Self::Name { typed } => {
                let start: String = typed.chars().take(30).collect();
                write!(f, "--name {start:?}: more than {MAX_NAME_BYTES} bytes, or not printable")
            }
            Self::InputFolder => f.write_str("standard input is a folder; -n does not read it"),
            Self::Interpreter { path, odd } => {
                write!(
                    f,
                    "--python {path:?}: {odd:?} cannot be quoted for every login shell; use a link without it"
                )
            }
            Self::Root { path, error } => write!(f, "--path {}: {error}", path.display()),
            Self::Inventory { path, message } => write!(f, "{}: {}", path.display(), message.trim_end()),
            Self::NoInventory { name } => {
                write!(
                    f,
                    "exec:{name} needs an inventory: no hopvine.toml here, above, or in the configuration folder (-i FILE names one)"
                )
            }
            Self::ExecUnknown { name, known, path } => {
                write!(f, "exec:{name}: {} has no such name under [exec]", path.display())?;
                if known.is_empty() { Ok(()) } else { write!(f, "; it has {}", known.join(", ")) }
            }
            Self::ExecWords { name, line } => write!(f, "exec:{name}: {line:?} cannot be split into words"),
            Self::TooDeep { argument } => write!(f, "argument {argument:?} is nested too deep"),
            Self::CommandNul => write!(f, "a command cannot hold a NUL character"),
        }
    }
}

/// What went wrong on one host.
#[derive(Clone, Debug)]
pub struct HostError {
    /// The hop that failed, where the target's name does not tell.
    pub hop: Option<String>,
    pub kind: HostErrorKind,
    /// What it said last: standard error first, then other output.
    pub said: Vec<String>,
}

#[derive(Clone, Debug)]
pub enum HostErrorKind {
    UnknownHost,
    Refused,
    Unreachable,
    AuthenticationFailed,
    HostKeyUnknown,
    HostKeyChanged,
    NoPython {
        tried: String,
    },
    /// It ended before the agent ran.
    StartFailed {
        exit: Option<Exit>,
    },
    Noise,
    ConnectTimeout {
        after: Duration,
    },
    SpawnFailed {
        program: String,
        error: String,
    },
    LinkLost {
        why: Loss,
    },
    TimedOut {
        after: Duration,
    },
    Exception(Box<RemoteException>),
    /// What the context sent cannot be understood.
    BadValue {
        what: String,
    },
    Interrupted,
}

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

/// An exception that remote code raised.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteException {
    /// With its module, unless built in.
    pub class: String,
    pub message: String,
    pub traceback: String,
    /// All that was told of it: a dict, among others of `args`, `attributes`, `cause`.
    pub details: Value,
}

impl HostError {
    /// A word for programs.
    pub fn word(&self) -> &'static str {
        match &self.kind {
            HostErrorKind::UnknownHost => "unknown_host",
            HostErrorKind::Refused => "refused",
            HostErrorKind::Unreachable => "unreachable",
            HostErrorKind::AuthenticationFailed => "auth_failed",
            HostErrorKind::HostKeyUnknown => "host_key_unknown",
            HostErrorKind::HostKeyChanged => "host_key_changed",
            HostErrorKind::NoPython { .. } => "no_python",
            HostErrorKind::StartFailed { .. } => "start_failed",
            HostErrorKind::Noise => "noise",
            HostErrorKind::ConnectTimeout { .. } => "connect_timeout",
            HostErrorKind::SpawnFailed { .. } => "spawn_failed",
            HostErrorKind::LinkLost { .. } => "link_lost",
            HostErrorKind::TimedOut { .. } => "timed_out",
            HostErrorKind::Exception(_) => "exception",
            HostErrorKind::BadValue { .. } => "bad_value",
            HostErrorKind::Interrupted => "interrupted",
        }
    }

    pub fn outcome(&self) -> Outcome {
        match &self.kind {
            HostErrorKind::TimedOut { .. } => Outcome::TimedOut,
            HostErrorKind::Exception(_) | HostErrorKind::BadValue { .. } => Outcome::Failed,
            HostErrorKind::UnknownHost
            | HostErrorKind::Refused
            | HostErrorKind::Unreachable
            | HostErrorKind::AuthenticationFailed
            | HostErrorKind::HostKeyUnknown
            | HostErrorKind::HostKeyChanged
            | HostErrorKind::NoPython { .. }
            | HostErrorKind::StartFailed { .. }
            | HostErrorKind::Noise
            | HostErrorKind::ConnectTimeout { .. }
            | HostErrorKind::SpawnFailed { .. }
            | HostErrorKind::LinkLost { .. }
            | HostErrorKind::Interrupted => Outcome::Unreachable,
        }
    }

    /// What it says about the way there, where the short words do not.
    pub fn meaning(&self) -> Option<&'static str> {
        Some(match &self.kind {
            HostErrorKind::UnknownHost => "no resolver of this machine knows the name",
            HostErrorKind::Refused => {
                "the machine is there, and nothing listens at this port (or a firewall says so)"
            }
            HostErrorKind::Unreachable => {
                "no way leads there, or it closes the connection before anybody can log in"
            }
            HostErrorKind::AuthenticationFailed => {
                "the server is there, and takes nothing of what ssh can show it"
            }
            HostErrorKind::HostKeyUnknown => "known_hosts has no key for this server, and ssh may not ask",
            HostErrorKind::HostKeyChanged => {
                "the server shows another key than known_hosts has: it was set up anew, or it is another machine"
            }
            HostErrorKind::NoPython { .. } => "the login works, and no interpreter is where we look",
            HostErrorKind::StartFailed { .. } => {
                "the way in ends by itself: a command of its own, a shell that lets nobody in, a start file that exits"
            }
            HostErrorKind::Noise => "what runs there is no shell, or a start file that never ends printing",
            HostErrorKind::ConnectTimeout { .. } => "nothing came, not even an error",
            HostErrorKind::SpawnFailed { .. } => "the program is not on this machine, or not in PATH",
            HostErrorKind::LinkLost { .. }
            | HostErrorKind::TimedOut { .. }
            | HostErrorKind::Exception(_)
            | HostErrorKind::BadValue { .. }
            | HostErrorKind::Interrupted => return None,
        })
    }

    /// What to try, where we know.
    pub fn advice(&self) -> Option<&'static str> {
        Some(match &self.kind {
            HostErrorKind::UnknownHost => "check the name and the DNS; for an alias, see `ssh -G HOST`",
            HostErrorKind::Refused => "is sshd running there, and on this port? (?port=N)",
            HostErrorKind::Unreachable => "is the host up, and does `ssh HOST true` reach it?",
            HostErrorKind::AuthenticationFailed => {
                "`ssh HOST true` must log in without a question, by a key or an agent"
            }
            HostErrorKind::HostKeyUnknown => {
                "compare and accept the key once with `ssh HOST`, or add it to known_hosts"
            }
            HostErrorKind::HostKeyChanged => {
                "find out why; then remove the old key with `ssh-keygen -R HOST`"
            }
            HostErrorKind::NoPython { .. } => "name an interpreter with --python PATH or ?python=PATH",
            HostErrorKind::StartFailed { .. } => {
                "run the same by hand: `hopvine bootstrap show --command` prints the start command"
            }
            HostErrorKind::Noise => "this does not look like a shell that runs our command",
            HostErrorKind::ConnectTimeout { .. } => {
                "a slow host needs --connect-timeout; a start file that waits for input never ends"
            }
            HostErrorKind::Exception(exception) if exception.message.starts_with("No module named") => {
                "modules of yours are sent from --path DIR; others must be installed on the host"
            }
            HostErrorKind::LinkLost { why: Loss::Ended { exit: Some(Exit::Signal(9)) } } => {
                "was it out of memory? `dmesg` on the host tells; or somebody killed it"
            }
            HostErrorKind::LinkLost { why: Loss::Corrupt } => {
                "does a background job of a login script write to standard output?"
            }
            HostErrorKind::LinkLost { .. }
            | HostErrorKind::SpawnFailed { .. }
            | HostErrorKind::TimedOut { .. }
            | HostErrorKind::Exception(_)
            | HostErrorKind::BadValue { .. }
            | HostErrorKind::Interrupted => return None,
        })
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(hop) = &self.hop {
            write!(f, "{hop}: ")?;
        }
        match &self.kind {
            HostErrorKind::UnknownHost => f.write_str("unknown host"),
            HostErrorKind::Refused => write!(f, "connection refused"),
            HostErrorKind::Unreachable => write!(f, "unreachable"),
            HostErrorKind::AuthenticationFailed => write!(f, "authentication failed"),
            HostErrorKind::HostKeyUnknown => write!(f, "host key is not known"),
            HostErrorKind::HostKeyChanged => write!(f, "HOST KEY HAS CHANGED"),
            HostErrorKind::NoPython { tried } => write!(f, "no Python found; tried {tried}"),
            HostErrorKind::StartFailed { exit } => {
                write!(f, "{} before the agent started", ended(*exit))
            }
            HostErrorKind::Noise => write!(f, "answers with something that is not ours"),
            HostErrorKind::ConnectTimeout { after } => {
                write!(f, "no answer within {}", humantime::format_duration(*after))
            }
            HostErrorKind::SpawnFailed { program, error } => {
                write!(f, "cannot run {program}: {error}")
            }
            HostErrorKind::LinkLost { why } => write!(f, "connection lost: {why}"),
            HostErrorKind::TimedOut { after } => {
                write!(f, "timed out after {}", humantime::format_duration(*after))
            }
            HostErrorKind::Exception(exception) if exception.message.is_empty() => {
                f.write_str(&exception.class)
            }
            HostErrorKind::Exception(exception) => write!(f, "{}: {}", exception.class, exception.message),
            HostErrorKind::BadValue { what } => write!(f, "sent {what}"),
            HostErrorKind::Interrupted => write!(f, "interrupted"),
        }
    }
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

fn ended(exit: Option<Exit>) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_ends_as_ssh_does() {
        let status = |outcome| ExitCode::of(&[outcome]).status();
        assert_eq!(status(Outcome::Done(7)), 7);
        assert_eq!(status(Outcome::Failed), 1);
        assert_eq!(status(Outcome::TimedOut), 124);
        assert_eq!(status(Outcome::Unreachable), 255);
    }

    #[test]
    fn many_hosts_end_with_the_gravest_class() {
        let status = |outcomes: &[Outcome]| ExitCode::of(outcomes).status();
        assert_eq!(status(&[Outcome::Done(0), Outcome::Done(0)]), 0);
        assert_eq!(status(&[Outcome::Done(0), Outcome::Done(3)]), 5);
        assert_eq!(status(&[Outcome::Failed, Outcome::TimedOut]), 3);
        assert_eq!(status(&[Outcome::TimedOut, Outcome::Unreachable, Outcome::Failed]), 4);
    }
}
