//! What went wrong on one host.

use super::Outcome;
use super::loss::{Loss, ended};
use crate::proto::value::Value;
use crate::sys::child::Exit;
use std::fmt;
use std::time::Duration;

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
    /// ssh's configuration has one of its own for this host.
    RemoteCommand,
    UnknownHost,
    Refused,
    Unreachable,
    /// Before a word of the login.
    TurnedAway,
    AuthenticationFailed,
    HostKeyUnknown,
    HostKeyChanged,
    /// A password was sent, and refused.
    WrongPassword,
    /// It asks for a password, and we have none.
    PasswordNeeded {
        program: String,
    },
    /// The password or the account.
    PasswordExpired,
    /// It asks for something else than a password; sudo may do so in our own words only, which are left out.
    OtherQuestion {
        text: String,
    },
    UnknownUser,
    /// Whoever we come as may not do this.
    NotAllowed {
        /// The transport of the hop that failed.
        by: &'static str,
    },
    NoTerminal,
    NoContainer,
    NoImage,
    EngineUnreachable {
        /// As of `NotAllowed`.
        by: &'static str,
    },
    NoShell,
    /// Each hop of the path, with the one that is too much.
    TooManyHops {
        path: Vec<String>,
        limit: usize,
    },
    TooManyContexts {
        limit: usize,
    },
    /// This binary is not installed there.
    NoNative,
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
    /// A file is not moved, there or here.
    File {
        what: String,
    },
    /// What the context sent cannot be understood.
    BadValue {
        what: String,
    },
    /// A session has tried to get there, and has told how that failed.
    Told {
        word: String,
        text: String,
        advice: Option<String>,
    },
    Interrupted,
    /// All was stopped before its turn: by the user, or because others have failed.
    NotStarted,
    /// It comes after something that failed.
    Skipped {
        after: String,
    },
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

impl std::error::Error for HostError {}

/// A hop whose name is not the only one of its kind in its path.
pub fn nth_hop(hop: &str, nth: usize, of: usize) -> String {
    format!("{hop} (hop {nth} of {of})")
}

impl HostError {
    /// A word for programs.
    pub fn word(&self) -> &str {
        match &self.kind {
            HostErrorKind::Told { word, .. } => word,
            HostErrorKind::RemoteCommand => "remote_command",
            HostErrorKind::UnknownHost => "unknown_host",
            HostErrorKind::Refused => "refused",
            HostErrorKind::Unreachable => "unreachable",
            HostErrorKind::TurnedAway => "turned_away",
            HostErrorKind::AuthenticationFailed => "auth_failed",
            HostErrorKind::HostKeyUnknown => "host_key_unknown",
            HostErrorKind::HostKeyChanged => "host_key_changed",
            HostErrorKind::WrongPassword => "wrong_password",
            HostErrorKind::PasswordNeeded { .. } => "password_needed",
            HostErrorKind::PasswordExpired => "password_expired",
            HostErrorKind::OtherQuestion { .. } => "other_question",
            HostErrorKind::UnknownUser => "unknown_user",
            HostErrorKind::NotAllowed { .. } => "not_allowed",
            HostErrorKind::NoTerminal => "no_tty",
            HostErrorKind::NoContainer => "no_container",
            HostErrorKind::NoImage => "no_image",
            HostErrorKind::EngineUnreachable { .. } => "engine_unreachable",
            HostErrorKind::NoShell => "no_shell",
            HostErrorKind::TooManyHops { .. } => "too_many_hops",
            HostErrorKind::TooManyContexts { .. } => "too_many_contexts",
            HostErrorKind::NoNative => "no_native",
            HostErrorKind::NoPython { .. } => "no_python",
            HostErrorKind::StartFailed { .. } => "start_failed",
            HostErrorKind::Noise => "noise",
            HostErrorKind::ConnectTimeout { .. } => "connect_timeout",
            HostErrorKind::SpawnFailed { .. } => "spawn_failed",
            HostErrorKind::LinkLost { .. } => "link_lost",
            HostErrorKind::TimedOut { .. } => "timed_out",
            HostErrorKind::Exception(_) => "exception",
            HostErrorKind::File { .. } => "file",
            HostErrorKind::BadValue { .. } => "bad_value",
            HostErrorKind::Interrupted => "interrupted",
            HostErrorKind::NotStarted | HostErrorKind::Skipped { .. } => "not_started",
        }
    }

    /// Whether nothing can have been begun there, so that trying again does nothing twice.
    pub fn is_before_all(&self) -> bool {
        matches!(self.word(), "unknown_host" | "refused" | "unreachable" | "turned_away")
    }

    /// Whether it may come from a host that is there again in a while: nobody answered, or not to the end.
    pub fn is_no_answer(&self) -> bool {
        matches!(self.word(), "connect_timeout" | "link_lost")
    }

    pub fn outcome(&self) -> Outcome {
        match &self.kind {
            HostErrorKind::TimedOut { .. } => Outcome::TimedOut,
            HostErrorKind::Exception(_) | HostErrorKind::File { .. } | HostErrorKind::BadValue { .. } => {
                Outcome::Failed
            }
            HostErrorKind::RemoteCommand
            | HostErrorKind::UnknownHost
            | HostErrorKind::Refused
            | HostErrorKind::Unreachable
            | HostErrorKind::TurnedAway
            | HostErrorKind::AuthenticationFailed
            | HostErrorKind::HostKeyUnknown
            | HostErrorKind::HostKeyChanged
            | HostErrorKind::WrongPassword
            | HostErrorKind::PasswordNeeded { .. }
            | HostErrorKind::PasswordExpired
            | HostErrorKind::OtherQuestion { .. }
            | HostErrorKind::UnknownUser
            | HostErrorKind::NotAllowed { .. }
            | HostErrorKind::NoTerminal
            | HostErrorKind::NoContainer
            | HostErrorKind::NoImage
            | HostErrorKind::EngineUnreachable { .. }
            | HostErrorKind::NoShell
            | HostErrorKind::TooManyHops { .. }
            | HostErrorKind::TooManyContexts { .. }
            | HostErrorKind::NoNative
            | HostErrorKind::NoPython { .. }
            | HostErrorKind::StartFailed { .. }
            | HostErrorKind::Noise
            | HostErrorKind::ConnectTimeout { .. }
            | HostErrorKind::SpawnFailed { .. }
            | HostErrorKind::Told { .. }
            | HostErrorKind::LinkLost { .. } => Outcome::Unreachable,
            HostErrorKind::Interrupted | HostErrorKind::NotStarted | HostErrorKind::Skipped { .. } => {
                Outcome::Stopped
            }
        }
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(hop) = &self.hop {
            write!(f, "{hop}: ")?;
        }
        match &self.kind {
            HostErrorKind::RemoteCommand => f.write_str("ssh's configuration has a RemoteCommand for it"),
            HostErrorKind::UnknownHost => f.write_str("unknown host"),
            HostErrorKind::Refused => write!(f, "connection refused"),
            HostErrorKind::Unreachable => write!(f, "unreachable"),
            HostErrorKind::TurnedAway => write!(f, "closes the connection before the login"),
            HostErrorKind::AuthenticationFailed => write!(f, "authentication failed"),
            HostErrorKind::HostKeyUnknown => write!(f, "host key is not known"),
            HostErrorKind::HostKeyChanged => write!(f, "HOST KEY HAS CHANGED"),
            HostErrorKind::WrongPassword => write!(f, "wrong password"),
            HostErrorKind::PasswordNeeded { program } => write!(f, "{program} asks for a password"),
            HostErrorKind::PasswordExpired => write!(f, "the password or the account has expired"),
            HostErrorKind::OtherQuestion { text } if text.is_empty() => {
                write!(f, "asks a second question, perhaps for a one-time code")
            }
            HostErrorKind::OtherQuestion { text } => write!(f, "asks for something else: {text}"),
            HostErrorKind::UnknownUser => write!(f, "unknown user"),
            HostErrorKind::NotAllowed { .. } => write!(f, "not allowed"),
            HostErrorKind::NoTerminal => write!(f, "needs a terminal"),
            HostErrorKind::NoContainer => write!(f, "nothing of that name runs"),
            HostErrorKind::NoImage => write!(f, "no such image"),
            HostErrorKind::EngineUnreachable { .. } => write!(f, "the engine cannot be reached"),
            HostErrorKind::NoShell => write!(f, "no sh found"),
            HostErrorKind::TooManyHops { path, limit } => {
                write!(f, "{} hops, and the limit is {limit}: {}", path.len(), path.join(" -> "))
            }
            HostErrorKind::TooManyContexts { limit } => write!(f, "more than {limit} contexts"),
            HostErrorKind::NoNative => write!(f, "no hopvine of this build found"),
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
            HostErrorKind::File { what } => f.write_str(what),
            HostErrorKind::BadValue { what } => write!(f, "sent {what}"),
            HostErrorKind::Told { text, .. } => f.write_str(text),
            HostErrorKind::Interrupted => write!(f, "interrupted"),
            HostErrorKind::NotStarted => write!(f, "not started: all was stopped before its turn"),
            HostErrorKind::Skipped { after } => {
                write!(f, "not started: it comes after {after}, which failed")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: HostErrorKind) -> HostError {
        HostError { hop: Some("sudo:root".into()), kind, said: Vec::new() }
    }

    #[test]
    fn what_only_the_tree_knows_is_said_with_what_to_do() {
        let path = ["ssh:a", "ssh:b", "sudo:root"].map(str::to_owned).into();
        let rows = [
            (
                HostErrorKind::PasswordNeeded { program: "sudo".into() },
                "password_needed",
                "sudo:root: sudo asks for a password",
                "-K",
            ),
            (
                HostErrorKind::OtherQuestion { text: "Code:".into() },
                "other_question",
                "sudo:root: asks for something else: Code:",
                "by hand",
            ),
            (
                HostErrorKind::OtherQuestion { text: String::new() },
                "other_question",
                "sudo:root: asks a second question, perhaps for a one-time code",
                "by hand",
            ),
            (
                HostErrorKind::TurnedAway,
                "turned_away",
                "sudo:root: closes the connection before the login",
                "MaxStartups",
            ),
            (
                HostErrorKind::TooManyHops { path, limit: 2 },
                "too_many_hops",
                "sudo:root: 3 hops, and the limit is 2: ssh:a -> ssh:b -> sudo:root",
                "--max-hops",
            ),
            (
                HostErrorKind::TooManyContexts { limit: 9 },
                "too_many_contexts",
                "sudo:root: more than 9 contexts",
                "-f",
            ),
        ];
        for (kind, word, text, advice) in rows {
            let error = error(kind);
            assert_eq!((error.word(), error.to_string().as_str()), (word, text));
            assert!(error.advice().is_some_and(|said| said.contains(advice)), "{text}");
            assert_eq!(error.outcome(), Outcome::Unreachable);
        }
    }
}
