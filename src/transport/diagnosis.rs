//! What it means when a hop ends before its agent has started, from what it left on stderr.

/// The exit status with which ssh tells its own failures from the remote command's.
const SSH_FAILED: i32 = 255;
/// A shell's status for a command that is not there.
const NOT_FOUND: i32 = 127;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diagnosis {
    UnknownHost,
    Refused,
    /// No route, a time-out, a connection closed before login.
    Unreachable,
    AuthenticationFailed,
    HostKeyUnknown,
    HostKeyChanged,
    NoPython,
    /// It ended for a reason of its own.
    Ended,
}

/// Which transport the lines come from: only ssh's own words count as ssh's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    Ssh,
    Other,
}

/// Reads the exit status and the last lines of stderr.
pub fn diagnose(speaker: Speaker, status: Option<i32>, stderr: &[String]) -> Diagnosis {
    match (speaker, status) {
        (Speaker::Ssh, Some(SSH_FAILED)) => diagnose_ssh(stderr),
        (_, Some(NOT_FOUND)) => Diagnosis::NoPython,
        _ => Diagnosis::Ended,
    }
}

/// In the order in which one failure makes ssh print the words of another.
fn diagnose_ssh(stderr: &[String]) -> Diagnosis {
    let says = |words: &[&str]| stderr.iter().any(|line| words.iter().any(|word| line.contains(word)));
    if says(&["Could not resolve hostname"]) {
        Diagnosis::UnknownHost
    } else if says(&[
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "host key has just been changed",
        "Host key for",
    ]) {
        Diagnosis::HostKeyChanged
    } else if says(&["Host key verification failed", "host key is known for"]) {
        Diagnosis::HostKeyUnknown
    } else if stderr.iter().any(|line| is_denial(line)) {
        Diagnosis::AuthenticationFailed
    } else if says(&["Connection refused"]) {
        Diagnosis::Refused
    } else if says(&[
        "Connection timed out",
        "Operation timed out",
        "No route to host",
        "Network is unreachable",
        "Connection closed by",
        "Connection reset by",
        "kex_exchange_identification",
        "banner exchange",
        "UNKNOWN port 65535",
    ]) {
        Diagnosis::Unreachable
    } else {
        Diagnosis::Ended
    }
}

/// `user@host: Permission denied (publickey,password).`, also without the first part as before 7.5;
/// a profile that says "permission denied" does not look like it.
fn is_denial(line: &str) -> bool {
    let line = line.trim_end();
    line.contains("Permission denied (") && line.ends_with(").")
        || line.contains("Too many authentication failures")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssh(stderr: &str) -> Diagnosis {
        let lines: Vec<String> = stderr.lines().map(str::to_owned).collect();
        diagnose(Speaker::Ssh, Some(SSH_FAILED), &lines)
    }

    #[test]
    fn ssh_s_own_words_are_told_apart() {
        let cases = [
            ("ssh: Could not resolve hostname nope: Name or service not known", Diagnosis::UnknownHost),
            ("ssh: connect to host h port 1: Connection refused", Diagnosis::Refused),
            ("ssh: connect to host h port 1: Connection timed out", Diagnosis::Unreachable),
            ("me@h: Permission denied (publickey).", Diagnosis::AuthenticationFailed),
            ("Permission denied (publickey,password).", Diagnosis::AuthenticationFailed),
            (
                "No ED25519 host key is known for h and you have requested strict checking.\nHost key verification failed.",
                Diagnosis::HostKeyUnknown,
            ),
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
                Diagnosis::HostKeyChanged,
            ),
            ("kex_exchange_identification: Connection closed by remote host", Diagnosis::Unreachable),
            ("bash: /root/.profile: Permission denied", Diagnosis::Ended),
        ];
        for (stderr, diagnosis) in cases {
            assert_eq!(ssh(stderr), diagnosis, "{stderr}");
        }
    }

    #[test]
    fn only_ssh_speaks_for_ssh() {
        let lines = ["me@h: Permission denied (publickey).".to_owned()];
        assert_eq!(diagnose(Speaker::Other, Some(255), &lines), Diagnosis::Ended);
        assert_eq!(diagnose(Speaker::Ssh, Some(1), &lines), Diagnosis::Ended);
        assert_eq!(diagnose(Speaker::Other, Some(127), &[]), Diagnosis::NoPython);
    }
}
