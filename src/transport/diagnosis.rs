//! What it means when a hop ends before its agent has started, from what its program said last.

mod words;

/// The exit status with which ssh tells its own failures from the remote command's.
const SSH_FAILED: i32 = 255;
/// The status of sudo, su and doas when they have not run the command.
const NOT_BECOME: i32 = 1;
/// A shell's status for a command that is not there.
const NOT_FOUND: i32 = 127;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diagnosis {
    RemoteCommand,
    UnknownHost,
    Refused,
    /// No route, a time-out, a connection that is lost before the login.
    Unreachable,
    /// Whoever listens closes the connection before a word of the login: as sshd does that has too many at once.
    TurnedAway,
    AuthenticationFailed,
    HostKeyUnknown,
    HostKeyChanged,
    WrongPassword,
    /// The password or the account has expired, or is locked.
    Expired,
    UnknownUser,
    /// Whoever asks is known, and may not do this.
    NotAllowed,
    /// It wants to ask, and had no terminal to ask on.
    NoTerminal,
    /// There is none of that name that runs.
    NoContainer,
    NoImage,
    EngineUnreachable,
    /// The engine's own program is missing.
    NoEngine,
    /// The container has no `sh`.
    NoShell,
    NoPython,
    /// It ended for a reason of its own.
    Ended,
}

/// Which program the lines come from: only ssh's own words count as ssh's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    Ssh,
    Sudo,
    Su,
    Doas,
    /// docker, and podman, which says much the same.
    Docker,
    Kubectl,
    /// lxc-attach, and the clients of LXD and Incus.
    Lxc,
    Nsenter,
    /// systemd-run.
    Systemd,
    Jail,
    /// A shell, or a command line of the user's.
    Other,
}

/// Reads the exit status and the last lines: standard error, and what came on its terminal.
pub fn diagnose(speaker: Speaker, status: Option<i32>, said: &[String]) -> Diagnosis {
    let table = match speaker {
        Speaker::Ssh if status == Some(SSH_FAILED) => Some(words::SSH),
        Speaker::Ssh => Some(words::SSHD),
        Speaker::Sudo => (status == Some(NOT_BECOME)).then_some(words::SUDO),
        Speaker::Su => (status == Some(NOT_BECOME)).then_some(words::SU),
        Speaker::Doas => (status == Some(NOT_BECOME)).then_some(words::DOAS),
        Speaker::Docker => Some(words::DOCKER),
        Speaker::Kubectl => Some(words::KUBECTL),
        Speaker::Lxc => Some(words::LXC),
        Speaker::Nsenter => Some(words::NSENTER),
        Speaker::Systemd => Some(words::SYSTEMD),
        Speaker::Jail => Some(words::JAIL),
        Speaker::Other => None,
    };
    let rows = table.unwrap_or_default().iter();
    let says = |pattern: &&str| said.iter().any(|line| matches(line.trim_end(), pattern));
    match rows.into_iter().find(|(_, patterns)| patterns.iter().any(says)) {
        Some((diagnosis, _)) => *diagnosis,
        None if status == Some(NOT_FOUND) => Diagnosis::NoPython,
        None => Diagnosis::Ended,
    }
}

/// Whether a line holds the pieces of `pattern` between its `*`, in that order; `$` at the end of
/// the pattern is the line's end.
fn matches(line: &str, pattern: &str) -> bool {
    let (pattern, to_the_end) = pattern.strip_suffix('$').map_or((pattern, false), |pattern| (pattern, true));
    let mut rest = Some(line);
    for piece in pattern.split('*') {
        rest = rest.and_then(|rest| rest.split_once(piece)).map(|(_, after)| after);
    }
    rest.is_some_and(|rest| !to_the_end || rest.is_empty())
}

#[cfg(test)]
mod tests;
