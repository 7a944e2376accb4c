use super::*;

fn of(speaker: Speaker, status: i32, said: &str) -> Diagnosis {
    diagnose(speaker, Some(status), &said.lines().map(str::to_owned).collect::<Vec<_>>())
}

#[test]
fn ssh_s_own_words_are_told_apart() {
    let rows = [
        ("Cannot execute command-line and remote command.", Diagnosis::RemoteCommand),
        ("ssh: Could not resolve hostname nope: Name or service not known", Diagnosis::UnknownHost),
        ("ssh: connect to host h port 1: Connection refused", Diagnosis::Refused),
        ("ssh: connect to host h port 1: Connection timed out", Diagnosis::Unreachable),
        ("me@h: Permission denied (publickey).", Diagnosis::AuthenticationFailed),
        ("Permission denied (publickey,password).\r", Diagnosis::AuthenticationFailed),
        (
            "No ED25519 host key is known for h and you have requested strict checking.\nHost key verification failed.",
            Diagnosis::HostKeyUnknown,
        ),
        (
            "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
            Diagnosis::HostKeyChanged,
        ),
        (
            "kex_exchange_identification: Connection closed by remote host\nConnection closed by 192.0.2.1 port 22",
            Diagnosis::TurnedAway,
        ),
        (
            "kex_exchange_identification: read: Connection reset by peer\r\nConnection reset by 192.0.2.1 port 22",
            Diagnosis::TurnedAway,
        ),
        ("ssh_exchange_identification: Connection closed by remote host", Diagnosis::TurnedAway),
        (
            "kex_exchange_identification: Connection closed by remote host\nConnection closed by UNKNOWN port 65535",
            Diagnosis::Unreachable,
        ),
        ("Connection closed by 192.0.2.1 port 22", Diagnosis::Unreachable),
        ("kex_exchange_identification: read: Connection timed out", Diagnosis::Unreachable),
        ("bash: /root/.profile: Permission denied", Diagnosis::Ended),
    ];
    for (said, diagnosis) in rows {
        assert_eq!(of(Speaker::Ssh, SSH_FAILED, said), diagnosis, "{said}");
    }
}

#[test]
fn each_speaks_for_itself_only() {
    let denied = "me@h: Permission denied (publickey).";
    assert_eq!(of(Speaker::Other, 255, denied), Diagnosis::Ended);
    assert_eq!(of(Speaker::Ssh, 1, denied), Diagnosis::Ended);
    assert_eq!(of(Speaker::Sudo, 1, "su: Authentication failure"), Diagnosis::Ended);
    assert_eq!(of(Speaker::Other, 127, ""), Diagnosis::NoPython);
    assert_eq!(of(Speaker::Sudo, 127, "sudo: unknown user me"), Diagnosis::NoPython);
}

/// As heard from sudo 1.9.13, util-linux 2.38 and opendoas 6.8; the others as their sources have it.
#[test]
fn becoming_another_user_fails_in_ways_of_its_own() {
    use Diagnosis::{Ended, Expired, NoTerminal, NotAllowed, UnknownUser, WrongPassword};
    let rows = [
        (Speaker::Sudo, "sudo: 1 incorrect password attempt", WrongPassword),
        (Speaker::Sudo, "Sorry, try again.\r\nsudo: no password was provided", WrongPassword),
        (Speaker::Sudo, "sudo: Maximum 3 incorrect authentication attempts", WrongPassword),
        (Speaker::Sudo, "sudo: unknown user nosuch\nsudo: error initializing audit plugin", UnknownUser),
        (Speaker::Sudo, "sudo: user 'nosuch' not found", UnknownUser),
        (Speaker::Sudo, "me is not in the sudoers file.", NotAllowed),
        (
            Speaker::Sudo,
            "Sorry, user me is not allowed to execute '/usr/bin/sh -c id' as root on vm.",
            NotAllowed,
        ),
        (Speaker::Sudo, "Sorry, user me may not run sudo on vm.", NotAllowed),
        (Speaker::Sudo, "sudo: I'm sorry me. I'm afraid I can't do that", NotAllowed),
        (
            Speaker::Sudo,
            "sudo: Account or password is expired, reset your password and try again\nsudo: a password is required",
            Expired,
        ),
        (Speaker::Sudo, "sudo: account validation failure, is your account locked?", Expired),
        (Speaker::Sudo, "sudo: sorry, you must have a tty to run sudo", NoTerminal),
        (
            Speaker::Sudo,
            "sudo: a terminal is required to read the password; either use the -S option\nsudo: a password is required",
            NoTerminal,
        ),
        (Speaker::Sudo, "sudo: a password is required", Ended),
        (Speaker::Su, "Password: \nsu: Authentication failure", WrongPassword),
        (Speaker::Su, "su: incorrect password", WrongPassword),
        (
            Speaker::Su,
            "su: user nosuch does not exist or the user entry does not contain all the required fields",
            UnknownUser,
        ),
        (Speaker::Su, "su: unknown user nosuch", UnknownUser),
        (Speaker::Su, "su: Permission denied", NotAllowed),
        (
            Speaker::Su,
            "Your account has expired; please contact your system administrator.\nsu: Authentication failure",
            Expired,
        ),
        (
            Speaker::Su,
            "You are required to change your password immediately (administrator enforced).\nCurrent password: ",
            Expired,
        ),
        (Speaker::Su, "su: must be run from a terminal", NoTerminal),
        (Speaker::Su, "This account is currently not available.", Ended),
        (Speaker::Doas, "doas: Authentication failed", WrongPassword),
        (Speaker::Doas, "doas: unknown user", UnknownUser),
        (Speaker::Doas, "doas: Operation not permitted", NotAllowed),
        (Speaker::Doas, "doas: doas is not enabled, /etc/doas.conf: No such file or directory", NotAllowed),
        (Speaker::Doas, "doas: a tty is required", NoTerminal),
    ];
    for (speaker, said, diagnosis) in rows {
        assert_eq!(of(speaker, 1, said), diagnosis, "{speaker:?}: {said}");
    }
}

#[test]
fn containers_fail_in_ways_of_their_own() {
    use Diagnosis::{EngineUnreachable, NoContainer, NoImage, NoPython, NoShell, NotAllowed, UnknownUser};
    let rows = [
        (
            Speaker::Docker,
            1,
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
            EngineUnreachable,
        ),
        (
            Speaker::Docker,
            1,
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
            EngineUnreachable,
        ),
        (Speaker::Docker, 1, "Error response from daemon: No such container: app", NoContainer),
        (Speaker::Docker, 1, "Error response from daemon: container 4f00d is not running", NoContainer),
        (
            Speaker::Docker,
            125,
            "Error: no container with name or ID \"app\" found: no such container",
            NoContainer,
        ),
        (
            Speaker::Docker,
            125,
            "Unable to find image 'nosuch:1' locally\ndocker: Error response from daemon: pull access denied for nosuch",
            NoImage,
        ),
        (Speaker::Docker, 126, "unable to find user me: no matching entries in passwd file", UnknownUser),
        (
            Speaker::Docker,
            127,
            "OCI runtime exec failed: exec failed: exec: \"sh\": executable file not found in $PATH: unknown",
            NoShell,
        ),
        (
            Speaker::Docker,
            127,
            "Unable to find image 'busybox:1' locally\nsh: exec: python: not found",
            NoPython,
        ),
        (Speaker::Kubectl, 1, "Error from server (NotFound): pods \"app\" not found", NoContainer),
        (
            Speaker::Kubectl,
            1,
            "The connection to the server localhost:8080 was refused - did you specify the right host or port?",
            EngineUnreachable,
        ),
        (Speaker::Kubectl, 1, "error: context \"eu\" does not exist", EngineUnreachable),
        (Speaker::Kubectl, 1, "Error from server (Forbidden): pods \"app\" is forbidden", NotAllowed),
        (Speaker::Kubectl, 127, "command terminated with exit code 127", NoPython),
        (
            Speaker::Lxc,
            1,
            "lxc-attach: app: attach.c: 406 Connection refused - Failed to get init pid",
            NoContainer,
        ),
        (Speaker::Lxc, 1, "Error: Instance not found", NoContainer),
        (Speaker::Lxc, 1, "Error: The incus daemon doesn't appear to be started", EngineUnreachable),
        (
            Speaker::Nsenter,
            1,
            "nsenter: stat of /proc/4711/ns/user failed: No such file or directory",
            NoContainer,
        ),
        (Speaker::Nsenter, 1, "nsenter: stat of /proc/1/ns/user failed: Permission denied", NotAllowed),
        (Speaker::Systemd, 1, "Failed to start transient service unit: Access denied", NotAllowed),
        (Speaker::Systemd, 1, "Failed to connect to bus: Host is down", NoContainer),
        (Speaker::Systemd, 1, "Failed to connect to bus: No such file or directory", EngineUnreachable),
        (Speaker::Jail, 1, "jexec: jail \"app\" not found", NoContainer),
    ];
    for (speaker, status, said, diagnosis) in rows {
        assert_eq!(of(speaker, status, said), diagnosis, "{speaker:?}: {said}");
    }
}

#[test]
fn patterns_match_their_pieces_in_order() {
    assert!(matches("user 'x' not found", "user '*' not found"));
    assert!(!matches("not found user 'x'", "user '*' not found"));
    assert!(matches("Permission denied (a).", "denied (*).$"));
    assert!(!matches("Permission denied (a). Really", "denied (*).$"));
}
