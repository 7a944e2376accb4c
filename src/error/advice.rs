//! What a failure of one host means, and what to try.

use super::{HostError, HostErrorKind, Loss};
use crate::sys::child::Exit;

impl HostError {
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
