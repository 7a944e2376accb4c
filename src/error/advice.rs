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
            HostErrorKind::WrongPassword => "the account is there, and this is not its password",
            HostErrorKind::PasswordNeeded { .. } => "the account is not one that gets in without a password",
            HostErrorKind::PasswordExpired => {
                "the password was right, and the account has to be put in order before it is of use"
            }
            HostErrorKind::OtherQuestion { .. } => {
                "a one-time code, a new password, a yes: what nobody has told us, and we do not guess"
            }
            HostErrorKind::UnknownUser => "the machine, or the container, has no account of that name",
            HostErrorKind::NotAllowed => {
                "we got as far as the question, and the rules there do not let this account go on"
            }
            HostErrorKind::NoTerminal => "it asks only on a terminal, and had none where it was started",
            HostErrorKind::NoContainer => "the engine answers, and has nothing of that name that runs",
            HostErrorKind::NoImage => "it is not on that machine, and no registry gives it",
            HostErrorKind::EngineUnreachable => {
                "the program is there, and what it talks to does not run, or does not talk to this account"
            }
            HostErrorKind::NoShell => "it is there, and holds no shell that could start anything",
            HostErrorKind::TooManyHops { .. } => "nothing was started behind the last hop that is allowed",
            HostErrorKind::TooManyContexts { .. } => "what runs goes on, and nothing more is started",
            HostErrorKind::NoNative => "--agent native needs this program there, in PATH or ~/.local/bin",
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
            HostErrorKind::WrongPassword => {
                "sudo and doas want the password of the account that asks, su that of the one to become"
            }
            HostErrorKind::PasswordNeeded { .. } => {
                "-k asks once for ssh's, -K for that of sudo, su and doas; or --secret-file, --secret-command, --secret-env"
            }
            HostErrorKind::PasswordExpired => {
                "log in there by hand and set a new password, or have the account renewed"
            }
            HostErrorKind::OtherQuestion { .. } => {
                "what ssh asks you are asked with -k at a terminal; else log in by hand once, or use an account that is not asked"
            }
            HostErrorKind::UnknownUser => "check the name: `getent passwd USER` there",
            HostErrorKind::NotAllowed => {
                "`sudo -l` there tells what it may; else see doas.conf, the wheel group, the engine's own rules"
            }
            HostErrorKind::NoTerminal => "let it in without a password (NOPASSWD, no requiretty)",
            HostErrorKind::NoContainer => "list what runs: `docker ps`, `kubectl get pods`, `machinectl`",
            HostErrorKind::NoImage => "check the name and the tag, or fetch it there before",
            HostErrorKind::EngineUnreachable => {
                "is the daemon up, and may this account use its socket? go through sudo: HOST/sudo:/docker:NAME"
            }
            HostErrorKind::NoShell => "use an image that has a shell and Python, or enter by nsenter:PID",
            HostErrorKind::TooManyHops { .. } => "a shorter way, or --max-hops N",
            HostErrorKind::TooManyContexts { .. } => {
                "close what is not needed, or go through fewer at a time (-f)"
            }
            HostErrorKind::NoNative => "`hopvine relay install -w HOST` puts it there",
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
