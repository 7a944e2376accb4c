//! What programs say when they fail: untranslated, as real ones were heard or as their sources have
//! it. In a table the first row counts that fits any line; `*` stands for anything.

use super::Diagnosis::{self, *};

type Table = &'static [(Diagnosis, &'static [&'static str])];

/// In the order in which one failure makes ssh print the words of another.
pub(super) const SSH: Table = &[
    (RemoteCommand, &["Cannot execute command-line and remote command"]),
    (UnknownHost, &["Could not resolve hostname"]),
    (
        HostKeyChanged,
        &["REMOTE HOST IDENTIFICATION HAS CHANGED", "host key has just been changed", "Host key for"],
    ),
    (HostKeyUnknown, &["Host key verification failed", "host key is known for"]),
    // `user@host: Permission denied (publickey,password).`, without the first part before 7.5; a
    // profile that says "permission denied" does not look like it.
    (AuthenticationFailed, &["Permission denied (*).$", "Too many authentication failures"]),
    (Refused, &["Connection refused"]),
    // What has ended is a program that leads there (ProxyCommand), and perhaps no server.
    (Unreachable, &["UNKNOWN port 65535"]),
    // What the server says instead ("Exceeded MaxStartups", "Not allowed at this time") ssh keeps to itself.
    (
        TurnedAway,
        &[
            "_exchange_identification: Connection closed by remote host",
            "_exchange_identification: read: Connection reset by peer",
            "Connection closed by remote host$",
        ],
    ),
    (
        Unreachable,
        &[
            "Connection timed out",
            "Operation timed out",
            "No route to host",
            "Network is unreachable",
            "Connection closed by",
            "Connection reset by",
            "kex_exchange_identification",
            "banner exchange",
        ],
    ),
];

/// Of the server, in the place of what was to be run.
pub(super) const SSHD: Table = &[(Expired, &["Password change required but no TTY available"])];

/// Of sudo and sudo-rs. All that fails is followed by "a password is required", which tells nothing.
pub(super) const SUDO: Table = &[
    (
        NotAllowed,
        &[
            "is not in the sudoers file",
            "Sorry, user * is not allowed to execute",
            "Sorry, user * may not run",
            "I'm sorry *. I'm afraid I can't do that",
        ],
    ),
    (
        Expired,
        &[
            "Account or password is expired",
            "unable to change expired password",
            "Password expired, contact your system administrator",
            "Account expired",
            "account validation failure",
        ],
    ),
    (
        WrongPassword,
        &[
            "incorrect password attempt",
            "incorrect authentication attempt",
            "Sorry, try again",
            "Authentication failed, try again",
        ],
    ),
    (UnknownUser, &["sudo: unknown user", "user '*' not found"]),
    (
        NoTerminal,
        &[
            "you must have a tty to run sudo",
            "a terminal is required to read the password",
            "no tty present and no askpass program",
            "interactive authentication is required",
        ],
    ),
];

/// Of util-linux, shadow, busybox, older coreutils and the BSDs; what PAM's modules add comes first.
pub(super) const SU: Table = &[
    (
        UnknownUser,
        &["su: user * does not exist", "No passwd entry for user", "su: unknown user", "su: unknown login"],
    ),
    (
        Expired,
        &[
            "account has expired",
            "password has expired",
            "required to change your password immediately",
            "su: Authentication token manipulation error",
            "su: Authentication token is no longer valid",
        ],
    ),
    (
        NotAllowed,
        &[
            "su: Permission denied",
            "not authorized to su",
            "not in the correct group",
            "Access to su to that account DENIED",
        ],
    ),
    (WrongPassword, &["su: Authentication failure", "su: incorrect password", "su: Sorry"]),
    (NoTerminal, &["must be run from a terminal"]),
];

pub(super) const DOAS: Table = &[
    (NotAllowed, &["doas: Operation not permitted", "doas: doas is not enabled"]),
    (UnknownUser, &["doas: unknown user"]),
    (Expired, &["account has expired", "password has expired", "required to change your password"]),
    (NoTerminal, &["doas: a tty is required"]),
    (WrongPassword, &["doas: Authentication failed", "doas: Authorization failed"]),
];

/// "Unable to find image 'x' locally" is no failure: docker says it before it fetches one.
pub(super) const DOCKER: Table = &[
    // Of the script that guards a throwaway.
    (NoEngine, &["hopvine: * is not in PATH$"]),
    (
        EngineUnreachable,
        &[
            "Cannot connect to the Docker daemon",
            "ermission denied while trying to connect to the",
            "error during connect:",
            "Cannot connect to Podman",
            "unable to connect to Podman",
        ],
    ),
    (
        NoImage,
        &[
            "pull access denied for",
            "manifest unknown",
            "manifest for * not found",
            "No such image",
            "invalid reference format",
            "Error response from daemon: Get \"http*/v2/",
            "short-name * did not resolve",
            "initializing source docker://",
        ],
    ),
    (
        NoContainer,
        &[
            "No such container",
            "no such container",
            "ontainer * is not running",
            "ontainer * is paused",
            "ontainer * is restarting",
            "container state improper",
        ],
    ),
    (UnknownUser, &["unable to find user", "unable to find group", "no matching entries in passwd file"]),
    (
        NoShell,
        &[
            "exec sh failed: No such file",
            "\"sh\": executable file not found",
            "executable file `sh` not found",
        ],
    ),
];

pub(super) const KUBECTL: Table = &[
    (
        EngineUnreachable,
        &[
            "The connection to the server * was refused",
            "Unable to connect to the server",
            "You must be logged in to the server",
            "couldn't get current server API group list",
            "error: context \"*\" does not exist",
            "context was not found for specified context",
        ],
    ),
    (NotAllowed, &["Error from server (Forbidden)"]),
    (
        NoContainer,
        &[
            "(NotFound): * not found",
            "container not found",
            "container * is not valid for pod",
            "cannot exec into a container in a completed pod",
            "cannot exec in a stopped",
        ],
    ),
    (NoShell, &["\"sh\": executable file not found", "executable file `sh` not found"]),
];

pub(super) const LXC: Table = &[
    (
        EngineUnreachable,
        &[
            "doesn't appear to be started",
            "don't have the needed permissions",
            "dial unix *: connect:",
            "Unable to connect to",
        ],
    ),
    (NotAllowed, &["lxc-attach: *privileges", "Error: *ot authorized"]),
    (
        NoContainer,
        &[
            "Failed to get init pid",
            "Container is not defined",
            "Instance not found",
            "nstance is not running",
            "Error: not found",
        ],
    ),
    (NoShell, &["Failed to exec \"sh\"", "Error: Command not found"]),
];

pub(super) const NSENTER: Table = &[
    (
        NotAllowed,
        &[
            "nsenter: * /proc/*: Permission denied",
            "nsenter: reassociate to namespace* failed: Operation not permitted",
        ],
    ),
    (NoContainer, &["nsenter: * /proc/*: No such file or directory", "nsenter: *: No such process"]),
    (NoShell, &["nsenter: failed to execute sh: No such file"]),
];

pub(super) const SYSTEMD: Table = &[
    (NoContainer, &["No machine '*' known", "Failed to connect to bus: Host is down"]),
    (
        NotAllowed,
        &[
            "Failed to *: Access denied",
            "Failed to *nteractive authentication required",
            "Failed to *: Permission denied",
        ],
    ),
    (EngineUnreachable, &["Failed to connect to bus", "Failed to create bus connection"]),
    (NoShell, &["Failed to find executable sh"]),
];

pub(super) const JAIL: Table = &[
    (NoContainer, &["jexec: jail * not found", "jexec: jail_attach(*): Invalid argument"]),
    (NotAllowed, &["jexec: jail_attach(*): Operation not permitted"]),
    (NoShell, &["jexec: execvp: sh: No such file", "jexec: execvp(sh): No such file"]),
];
