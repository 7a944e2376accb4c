//! What a failure of one host means, and what to try.

use super::HostErrorKind as Kind;
use super::{HostError, Loss};
use crate::sys::child::Exit;

impl HostError {
    /// What it says about the way there, where the short words do not.
    pub fn meaning(&self) -> Option<&'static str> {
        self.told()?.meaning
    }

    /// What to try, where we know.
    pub fn advice(&self) -> Option<&str> {
        match &self.kind {
            Kind::Told { advice, .. } => advice.as_deref(),
            _ => self.told()?.advice,
        }
    }

    fn told(&self) -> Option<Told> {
        let kind = &self.kind;
        match kind {
            Kind::RemoteCommand
            | Kind::UnknownHost
            | Kind::Refused
            | Kind::Unreachable
            | Kind::TurnedAway
            | Kind::ConnectTimeout { .. }
            | Kind::HostKeyUnknown
            | Kind::HostKeyChanged => on_the_way(kind),
            Kind::AuthenticationFailed
            | Kind::WrongPassword
            | Kind::PasswordNeeded { .. }
            | Kind::PasswordExpired
            | Kind::OtherQuestion { .. }
            | Kind::UnknownUser
            | Kind::NotAllowed { .. }
            | Kind::NoTerminal => at_the_door(kind),
            Kind::NoContainer | Kind::NoImage | Kind::EngineUnreachable { .. } | Kind::NoShell => {
                of_containers(kind)
            }
            Kind::TooManyHops { .. }
            | Kind::TooManyContexts { .. }
            | Kind::NoNative
            | Kind::NoPython { .. }
            | Kind::StartFailed { .. }
            | Kind::Noise
            | Kind::SpawnFailed { .. } => at_the_start(kind),
            Kind::LinkLost { .. }
            | Kind::TimedOut { .. }
            | Kind::Exception(_)
            | Kind::File { .. }
            | Kind::BadValue { .. }
            | Kind::Told { .. }
            | Kind::Interrupted
            | Kind::NotStarted
            | Kind::Skipped { .. } => at_work(kind),
        }
    }
}

struct Told {
    meaning: Option<&'static str>,
    advice: Option<&'static str>,
}

fn told(meaning: &'static str, advice: &'static str) -> Told {
    Told { meaning: Some(meaning), advice: Some(advice) }
}

fn on_the_way(kind: &Kind) -> Option<Told> {
    Some(match kind {
        Kind::RemoteCommand => told(
            "ssh refuses to run another command than that one",
            "give the host a second name there without it (Host NAME, HostName ...), or another configuration: ssh:HOST?config=FILE",
        ),
        Kind::UnknownHost => told(
            "no resolver of the machine that goes there knows the name",
            "check the name and the DNS; for an alias, see `ssh -G HOST`",
        ),
        Kind::Refused => told(
            "the machine is there, and nothing listens at this port (or a firewall says so)",
            "is sshd running there, and on this port? (?port=N)",
        ),
        Kind::Unreachable => told(
            "no way leads there, or the connection is lost before anybody can log in",
            "is the host up, and does `ssh HOST true` reach it?",
        ),
        Kind::TurnedAway => told(
            "somebody listens there and lets nobody begin; with a ProxyCommand or a ProxyJump, that may have ended",
            "too many at once for sshd's MaxStartups, or this address has PerSourcePenalties? fewer at a time (-f N), and again a little later (--retries N)",
        ),
        Kind::ConnectTimeout { .. } => told(
            "nothing came, not even an error",
            "a slow host needs --connect-timeout; a start file that waits for input never ends",
        ),
        Kind::HostKeyUnknown => told(
            "known_hosts has no key for this server, and ssh may not ask",
            "compare and accept the key once with `ssh HOST`, or add it to known_hosts",
        ),
        Kind::HostKeyChanged => told(
            "the server shows another key than known_hosts has: it was set up anew, or it is another machine",
            "find out why; then remove the old key with `ssh-keygen -R HOST`",
        ),
        _ => return None,
    })
}

fn at_the_door(kind: &Kind) -> Option<Told> {
    Some(match kind {
        Kind::AuthenticationFailed => told(
            "the server is there, and takes nothing of what ssh can show it",
            "`ssh HOST true` must log in without a question, by a key or an agent",
        ),
        Kind::WrongPassword => told(
            "the account is there, and this is not its password",
            "sudo and doas want the password of the account that asks, su that of the one to become",
        ),
        Kind::PasswordNeeded { .. } => told(
            "the account is not one that gets in without a password",
            "-k asks once for ssh's, -K for that of sudo, su and doas; or --secret-file, --secret-command, --secret-env",
        ),
        Kind::PasswordExpired => told(
            "the password was right, and the account has to be put in order before it is of use",
            "log in there by hand and set a new password, or have the account renewed",
        ),
        Kind::OtherQuestion { .. } => told(
            "a one-time code, a new password, a yes: what nobody has told us, and we do not guess",
            "what ssh asks you are asked with -k at a terminal; else log in by hand once, or use an account that is not asked",
        ),
        Kind::UnknownUser => told(
            "the machine, or the container, has no account of that name",
            "check the name: `getent passwd USER` there",
        ),
        Kind::NotAllowed { by } => told(
            "we got as far as the question, and the rules there do not let this account go on",
            match *by {
                "sudo" => "`sudo -l` there tells what it may",
                "su" => "see the wheel group there, and what /etc/pam.d/su asks for",
                "doas" => "see /etc/doas.conf there: a rule has to permit this account",
                "kubectl" => "`kubectl auth can-i create pods/exec` there tells whether it may",
                "lxd" | "incus" => "see the groups of this account there, or go through sudo: HOST/sudo:/...",
                _ => "go through sudo: HOST/sudo:/...",
            },
        ),
        Kind::NoTerminal => told(
            "it asks only on a terminal, and had none where it was started",
            "let it in without a password (NOPASSWD, no requiretty)",
        ),
        _ => return None,
    })
}

fn of_containers(kind: &Kind) -> Option<Told> {
    Some(match kind {
        Kind::NoContainer => told(
            "the engine answers, and has nothing of that name that runs",
            "list what runs: `docker ps`, `kubectl get pods`, `machinectl`",
        ),
        Kind::NoImage => told(
            "it is not on that machine, and no registry gives it",
            "check the name and the tag, or fetch it there before",
        ),
        Kind::EngineUnreachable { by } => told(
            "the program is there, and what it talks to does not run, or does not talk to this account",
            match *by {
                "kubectl" => {
                    "does `kubectl get pods` answer there? see its kubeconfig, and the context (?context=NAME)"
                }
                "machinectl" => {
                    "does systemd run there, and in the machine? go through sudo: HOST/sudo:/machinectl:NAME"
                }
                "podman" => "does `podman ps` answer there? as another user: HOST/sudo:USER/podman:NAME",
                "lxd" => {
                    "is the daemon up, and may this account use its socket? go through sudo: HOST/sudo:/lxd:NAME"
                }
                "incus" => {
                    "is the daemon up, and may this account use its socket? go through sudo: HOST/sudo:/incus:NAME"
                }
                _ => {
                    "is the daemon up, and may this account use its socket? go through sudo: HOST/sudo:/docker:NAME"
                }
            },
        ),
        Kind::NoShell => told(
            "it is there, and holds no shell that could start anything",
            "use an image that has a shell and Python, or enter by nsenter:PID",
        ),
        _ => return None,
    })
}

fn at_the_start(kind: &Kind) -> Option<Told> {
    Some(match kind {
        Kind::TooManyHops { .. } => {
            told("nothing was started behind the last hop that is allowed", "a shorter way, or --max-hops N")
        }
        Kind::TooManyContexts { .. } => told(
            "what runs goes on, and nothing more is started",
            "close what is not needed, or go through fewer at a time (-f)",
        ),
        Kind::NoNative => told(
            "--agent native needs this program there, in PATH or ~/.local/bin",
            "`hopvine relay install -w HOST` puts it there",
        ),
        Kind::NoPython { .. } => told(
            "the login works, and no interpreter is where we look",
            "name an interpreter with --python PATH or ?python=PATH",
        ),
        Kind::StartFailed { .. } => told(
            "the way in ends by itself: a command of its own, a shell that lets nobody in, a start file that exits",
            "run the same by hand: `hopvine bootstrap show --command` prints the start command",
        ),
        Kind::Noise => told(
            "what runs there is no shell, or a start file that never ends printing",
            "this does not look like a shell that runs our command",
        ),
        Kind::SpawnFailed { .. } => Told {
            meaning: Some("the program is not on the machine that the hop starts from, or not in PATH there"),
            advice: None,
        },
        _ => return None,
    })
}

/// The way there is known to be good.
fn at_work(kind: &Kind) -> Option<Told> {
    let advice = match kind {
        Kind::Exception(exception) if exception.message.starts_with("No module named") => {
            "modules of yours are sent from --path DIR; others must be installed on the host"
        }
        Kind::LinkLost { why: Loss::Ended { exit: Some(Exit::Signal(9)) } } => {
            "was it out of memory? `dmesg` on the host tells; or somebody killed it"
        }
        Kind::LinkLost { why: Loss::Corrupt } => {
            "does a background job of a login script write to standard output?"
        }
        Kind::File { what } => of_files(what)?,
        _ => return None,
    };
    Some(Told { meaning: None, advice: Some(advice) })
}

/// By the words of the system, which are all that comes from afar. Once they are read the path may say anything.
fn of_files(what: &str) -> Option<&'static str> {
    let (path, words) = what.rsplit_once(": ")?;
    Some(match words {
        "No space left on device" => {
            "free some of that disk, or of its inodes (`df -h`, `df -i`), or name another place"
        }
        "Disk quota exceeded" => {
            "remove some of what the account has on that disk (`quota -s`), or have its limit raised"
        }
        "File too large" => "a limit of the account (`ulimit -f`) or of that file system: name another place",
        "Read-only file system" => {
            "name a place on another file system, or have that one mounted for writing"
        }
        "No such file or directory" | "Not a directory" => {
            "check the path: what it leads through must be there, and folders"
        }
        "the copy does not run there" => {
            "is that another architecture, or a file system that runs no programs (noexec)? name another place, or take a build for that machine"
        }
        // What is here is this account's own affair.
        "Permission denied" | "Operation not permitted" if !path.ends_with(" here") => {
            "name a place that this account may use, or become one that may: --become sudo:"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_try_is_of_the_program_that_failed() {
        let advice = |kind: Kind| {
            let error = HostError { hop: None, kind, said: Vec::new() };
            (error.meaning().unwrap_or_default(), error.advice().map(str::to_owned).unwrap_or_default())
        };
        for by in ["docker", "podman", "kubectl", "lxd", "incus", "machinectl"] {
            let (_, engine) = advice(Kind::EngineUnreachable { by });
            assert!(engine.contains(by), "{by}: {engine}");
            assert_eq!(engine.contains("docker"), by == "docker", "{engine}");
        }
        for by in ["sudo", "su", "doas", "kubectl", "lxc", "nsenter", "jail"] {
            let (_, rules) = advice(Kind::NotAllowed { by });
            assert_eq!(rules.contains("sudo -l"), by == "sudo", "{by}: {rules}");
            assert_eq!(rules.contains("doas.conf"), by == "doas", "{by}: {rules}");
        }
        // The machine may be any on the way.
        let error = String::new();
        for kind in [Kind::UnknownHost, Kind::SpawnFailed { program: "ssh".to_owned(), error }] {
            let (meaning, _) = advice(kind);
            assert!(!meaning.contains("this machine") && meaning.contains("the machine that"), "{meaning}");
        }
    }

    #[test]
    fn a_disk_that_takes_no_more_is_told_with_what_to_do() {
        let advice = |what: &str| {
            let kind = Kind::File { what: what.to_owned() };
            HostError { hop: None, kind, said: Vec::new() }.advice().map(str::to_owned)
        };
        assert!(advice("/a: b: Disk quota exceeded").is_some_and(|said| said.contains("quota -s")));
        assert!(advice("/a here: No space left on device").is_some_and(|said| said.contains("df -i")));
        assert!(advice("/a: Permission denied").is_some_and(|said| said.contains("--become")));
        assert_eq!(advice("/a here: Permission denied"), None);
        assert_eq!(advice("/Permission denied is a folder"), None);
        assert_eq!(advice(""), None);
    }
}
