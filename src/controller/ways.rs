//! From a hop to a command line, and from how that has ended to what it means.

use super::Settings;
use crate::error::{HostError, HostErrorKind};
use crate::hosts::target::{
    Afterwards, Become, Container, Engine, Hop, Image, Inside, Method, Surroundings, Target, Way,
};
use crate::payload::{self, Interpreter};
use crate::sys::child::Exit;
use crate::transport::diagnosis::{self, Diagnosis, Speaker};
use crate::transport::{Asking, OWN_LANGUAGE, Plan, doas, exec, inside, local, ssh, su, sudo};

/// What it means that a hop's process has ended before an agent ran.
pub fn start_failure(
    hop: &Hop,
    exit: Option<Exit>,
    stderr: &[String],
    settings: &Settings,
    runtime: Runtime,
) -> HostErrorKind {
    let status = match exit {
        Some(Exit::Status(status)) => Some(status),
        Some(Exit::Signal(_)) | None => None,
    };
    match diagnosis::diagnose(speaker(&hop.way), status, stderr) {
        Diagnosis::RemoteCommand => HostErrorKind::RemoteCommand,
        Diagnosis::UnknownHost => HostErrorKind::UnknownHost,
        Diagnosis::Refused => HostErrorKind::Refused,
        Diagnosis::Unreachable => HostErrorKind::Unreachable,
        Diagnosis::TurnedAway => HostErrorKind::TurnedAway,
        Diagnosis::AuthenticationFailed => HostErrorKind::AuthenticationFailed,
        Diagnosis::HostKeyUnknown => HostErrorKind::HostKeyUnknown,
        Diagnosis::HostKeyChanged => HostErrorKind::HostKeyChanged,
        Diagnosis::WrongPassword => HostErrorKind::WrongPassword,
        Diagnosis::Expired => HostErrorKind::PasswordExpired,
        Diagnosis::UnknownUser => HostErrorKind::UnknownUser,
        Diagnosis::NotAllowed => HostErrorKind::NotAllowed { by: hop.way.transport() },
        Diagnosis::NoTerminal => HostErrorKind::NoTerminal,
        Diagnosis::NoContainer => HostErrorKind::NoContainer,
        Diagnosis::NoImage => HostErrorKind::NoImage,
        Diagnosis::EngineUnreachable => HostErrorKind::EngineUnreachable { by: hop.way.transport() },
        Diagnosis::NoEngine => HostErrorKind::SpawnFailed {
            program: hop.way.transport().to_owned(),
            error: "No such file or directory".to_owned(),
        },
        Diagnosis::NoShell => HostErrorKind::NoShell,
        Diagnosis::NoPython if runtime == Runtime::Native => HostErrorKind::NoNative,
        Diagnosis::NoPython => {
            HostErrorKind::NoPython { tried: interpreter(hop, settings).tried().to_owned() }
        }
        Diagnosis::Ended => HostErrorKind::StartFailed { exit },
    }
}

/// Whose words a hop's program ends with.
fn speaker(way: &Way) -> Speaker {
    match way {
        Way::Local { .. } | Way::Exec { .. } => Speaker::Other,
        Way::Ssh(_) => Speaker::Ssh,
        Way::Become(other) => match other.method {
            Method::Sudo(_) => Speaker::Sudo,
            Method::Su { .. } => Speaker::Su,
            Method::Doas => Speaker::Doas,
        },
        Way::Inside(room) => match room.engine {
            Engine::Docker(_) | Engine::Podman(_) => Speaker::Docker,
            Engine::Kubectl(_) => Speaker::Kubectl,
            Engine::Lxc | Engine::Lxd | Engine::Incus => Speaker::Lxc,
            Engine::Nsenter => Speaker::Nsenter,
            Engine::Machinectl => Speaker::Systemd,
            Engine::Jail => Speaker::Jail,
        },
    }
}

/// What is to run at the end of a hop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Runtime {
    #[default]
    Python,
    /// This binary where it is installed, else Python.
    Either,
    /// This binary, sent where it is not installed; where it cannot run, Python.
    Sent,
    /// This binary where it is installed.
    Native,
}

/// Which interpreter a hop is to start.
pub fn interpreter(hop: &Hop, settings: &Settings) -> Interpreter {
    hop.python.clone().map_or_else(|| settings.interpreter.clone(), Interpreter::Named)
}

/// What is to run at the end of a way, in the words of the shell that it leads to.
#[derive(Clone, Debug)]
pub struct Wording {
    /// For whatever login shell there is.
    pub command: String,
    /// For a POSIX shell; in one line, without `'`.
    pub script: String,
}

impl Wording {
    pub fn by_sh(script: String) -> Self {
        Self { command: payload::through_sh(&script), script }
    }
}

/// How an agent is started at a target's last hop, by whoever is at the one before.
///
/// # Errors
///
/// When the interpreter cannot be quoted, or the inventory does not know
/// the command line: both have been checked before by whoever reads the command line, so this is
/// the last resort.
pub fn plan(
    target: &Target,
    settings: &Settings,
    asking: &Asking<'_>,
    runtime: Runtime,
) -> Result<Plan, HostError> {
    let no_hop = || HostError { hop: None, kind: HostErrorKind::Unreachable, said: Vec::new() };
    let hop = target.hops.last().ok_or_else(no_hop)?;
    plan_with(hop, settings, asking, agent(hop, settings, runtime)?)
}

/// What starts an agent, or whatever is to serve, at the end of a hop.
pub(super) fn agent(hop: &Hop, settings: &Settings, runtime: Runtime) -> Result<Wording, HostError> {
    let odd = |odd: char| cannot_run(hop, format!("{odd:?} in the interpreter's path"));
    let interpreter = interpreter(hop, settings);
    let script = match runtime {
        Runtime::Python => payload::shell_script(&interpreter).map_err(odd)?,
        Runtime::Either => payload::relay_script(&interpreter).map_err(odd)?,
        // An agent there will make room for this binary.
        Runtime::Sent => payload::relay_script(&interpreter).map_err(odd)?,
        Runtime::Native => payload::native_script(),
    };
    Ok(Wording::by_sh(script))
}

/// How something else is run over the same way.
///
/// # Errors
///
/// When the inventory does not know the command line.
pub fn plan_with(
    hop: &Hop,
    settings: &Settings,
    asking: &Asking<'_>,
    wording: Wording,
) -> Result<Plan, HostError> {
    let Wording { command, script } = wording;
    Ok(match &hop.way {
        Way::Local { .. } => local::plan(script),
        Way::Exec { name } => {
            let words =
                settings.inventory.exec(name).map_err(|error| cannot_run(hop, format!("{error:?}")))?;
            exec::plan(words, command)
        }
        Way::Ssh(ssh) => {
            let destination = ssh::Destination {
                host: &ssh.host,
                user: ssh.user.as_deref(),
                port: ssh.port,
                config: ssh.config.as_deref(),
                options: &ssh.options,
            };
            ssh::plan(&destination, asking, command)
        }
        Way::Become(other) => becoming(other, asking, script),
        Way::Inside(room) => within(room, asking, &script),
    })
}

fn becoming(other: &Become, asking: &Asking<'_>, script: String) -> Plan {
    let user = &other.user;
    let script = format!("{OWN_LANGUAGE}{script}");
    match other.method {
        Method::Sudo(surroundings) => {
            let environment = match surroundings {
                Surroundings::Login => sudo::Environment::Login,
                Surroundings::Given { home, keep } => sudo::Environment::Given { home, keep },
            };
            sudo::plan(&sudo::Sudo { user, environment }, asking.token, script)
        }
        Method::Su { login } => su::plan(&su::Su { user, login }, payload::through_sh(&su::script(&script))),
        Method::Doas => doas::plan(user, script),
    }
}

fn within(room: &Inside, asking: &Asking<'_>, script: &str) -> Plan {
    let name = ("name", Some(room.name.as_str()).filter(|name| !name.is_empty()));
    let alone = |line| inside::plan(line, &[name], script);
    let container = |container: &Container, exec, run, kept| {
        let user = ("user", container.user.as_deref());
        let Some(Image { name: image, afterwards }) = &container.image else {
            return inside::plan(exec, &[name, user], script);
        };
        let line = match afterwards {
            Afterwards::Removed => run,
            Afterwards::Kept => kept,
        };
        let (guard, token) = (("guard", Some(payload::THROWAWAY)), ("token", Some(asking.token)));
        inside::plan(line, &[name, user, guard, token, ("image", Some(image))], script)
    };
    match &room.engine {
        Engine::Docker(one) => container(one, inside::DOCKER, inside::DOCKER_RUN, inside::DOCKER_KEPT),
        Engine::Podman(one) => container(one, inside::PODMAN, inside::PODMAN_RUN, inside::PODMAN_KEPT),
        Engine::Kubectl(pod) => {
            let context = ("context", pod.context.as_deref());
            let namespace = ("namespace", pod.namespace.as_deref());
            let container = ("container", pod.container.as_deref());
            inside::plan(inside::KUBECTL, &[name, context, namespace, container], script)
        }
        Engine::Lxc => alone(inside::LXC),
        Engine::Lxd => alone(inside::LXD),
        Engine::Incus => alone(inside::INCUS),
        Engine::Nsenter => alone(inside::NSENTER),
        Engine::Machinectl => alone(inside::MACHINECTL),
        Engine::Jail => alone(inside::JAIL),
    }
}

fn cannot_run(hop: &Hop, error: String) -> HostError {
    let kind = HostErrorKind::SpawnFailed { program: hop.to_string(), error };
    HostError { hop: Some(hop.to_string()), kind, said: Vec::new() }
}
