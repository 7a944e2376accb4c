//! How a hop leads from a context to its child, as it was typed.

use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// A child process of whoever is asked; names tell them apart.
    Local {
        name: String,
    },
    Ssh(Ssh),
    /// A command line of the inventory.
    Exec {
        name: String,
    },
    /// Another user of the same machine.
    Become(Become),
    /// A container, or whatever else has its own room on the same machine.
    Inside(Inside),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ssh {
    pub host: String,
    pub user: Option<String>,
    pub port: Option<u16>,
    /// The configuration that `ssh -F` names.
    pub config: Option<String>,
    /// Values for `ssh -o`.
    pub options: Vec<String>,
}

/// What of ssh's options leads elsewhere; all others say how, which whoever has opened a connection has said.
const LEADING: [&str; 9] = [
    "hostname",
    "user",
    "port",
    "proxyjump",
    "proxycommand",
    "hostkeyalias",
    "controlpath",
    "canonicalizehostname",
    "canonicaldomains",
];

impl Way {
    /// The word before the colon.
    pub fn transport(&self) -> &'static str {
        match self {
            Self::Local { .. } => "local",
            Self::Ssh(_) => "ssh",
            Self::Exec { .. } => "exec",
            Self::Become(other) => other.method.transport(),
            Self::Inside(room) => room.engine.transport(),
        }
    }

    /// Whether both lead to the same account, if not in the same manner: what is open for one serves the other.
    pub fn leads_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ssh(one), Self::Ssh(other)) => one.leading() == other.leading(),
            _ => self == other,
        }
    }
}

impl Ssh {
    /// As somebody else, by another port and so on: what is given here wins.
    pub(in crate::hosts) fn enter(
        &mut self,
        user: Option<&str>,
        port: Option<u16>,
        config: Option<&str>,
        options: &[String],
    ) {
        self.user = user.map(str::to_owned).or(self.user.take());
        self.port = port.or(self.port);
        self.config = config.map(str::to_owned).or(self.config.take());
        // ssh takes the first value that it sees.
        self.options.splice(0..0, options.iter().cloned());
    }

    fn leading(&self) -> (&str, Option<&str>, Option<u16>, Option<&str>, Vec<&str>) {
        let leads = |option: &&str| {
            let keyword = option.split(['=', ' ', '\t', '"']).next().unwrap_or(option);
            LEADING.iter().any(|leading| keyword.eq_ignore_ascii_case(leading))
        };
        let options = self.options.iter().map(String::as_str).filter(leads).collect();
        (&self.host, self.user.as_deref(), self.port, self.config.as_deref(), options)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Become {
    pub user: String,
    pub method: Method,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    Sudo(Surroundings),
    Su { login: bool },
    Doas,
}

/// What of the old user's environment sudo leaves to the new one. A login and what is kept exclude
/// each other, in sudo's own eyes too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Surroundings {
    Login,
    Given { home: bool, keep: bool },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Inside {
    /// Empty only for a throwaway that the engine is to name.
    pub name: String,
    pub engine: Engine,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    Docker(Container),
    Podman(Container),
    Kubectl(Pod),
    Lxc,
    Lxd,
    Incus,
    /// All namespaces of a process.
    Nsenter,
    Machinectl,
    Jail,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Container {
    pub user: Option<String>,
    /// Makes it one of our own, which lives as long as its agent.
    pub image: Option<Image>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Image {
    pub name: String,
    pub afterwards: Afterwards,
}

/// What becomes of a container of ours that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Afterwards {
    Removed,
    /// It stays, stopped, to be looked at.
    Kept,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pod {
    pub namespace: Option<String>,
    pub container: Option<String>,
    pub context: Option<String>,
}

impl Engine {
    /// The word before the colon.
    pub fn transport(&self) -> &'static str {
        match self {
            Self::Docker(_) => "docker",
            Self::Podman(_) => "podman",
            Self::Kubectl(_) => "kubectl",
            Self::Lxc => "lxc",
            Self::Lxd => "lxd",
            Self::Incus => "incus",
            Self::Nsenter => "nsenter",
            Self::Machinectl => "machinectl",
            Self::Jail => "jail",
        }
    }
}

impl Method {
    /// The word before the colon, which is the program's name too.
    pub fn transport(&self) -> &'static str {
        match self {
            Self::Sudo(_) => "sudo",
            Self::Su { .. } => "su",
            Self::Doas => "doas",
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { name } => write!(f, "local:{name}"),
            Self::Exec { name } => write!(f, "exec:{name}"),
            Self::Ssh(ssh) => {
                f.write_str("ssh:")?;
                if let Some(user) = &ssh.user {
                    write!(f, "{user}@")?;
                }
                f.write_str(&ssh.host)?;
                ssh.port.map_or(Ok(()), |port| write!(f, " port {port}"))
            }
            Self::Become(other) => write!(f, "{}:{}", other.method.transport(), other.user),
            Self::Inside(Inside { name, engine }) => {
                write!(f, "{}:{name}", engine.transport())?;
                let (Engine::Docker(container) | Engine::Podman(container)) = engine else { return Ok(()) };
                container.image.as_ref().map_or(Ok(()), |image| write!(f, " from {}", image.name))
            }
        }
    }
}
