//! One context as its controller sees it: how it is started, and what its end means.

use super::{RANDOM_BYTES, Settings};
use crate::error::{HostError, HostErrorKind, Loss};
use crate::hosts::target::{
    Afterwards, Become, Container, Engine, Hop, Image, Inside, Method, Surroundings, Target, Way,
};
use crate::link::{Cause, End};
use crate::payload::{self, Interpreter};
use crate::proto::ids::{ContextId, StreamId};
use crate::proto::session::Closed;
use crate::proto::stream::StreamKey;
use crate::route::LinkId;
use crate::sys::child::Exit;
use crate::transport::diagnosis::{self, Diagnosis, Speaker};
use crate::transport::{Asking, Plan, doas, exec, inside, local, ssh, su, sudo};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Context {
    pub(super) target: Target,
    /// What may have been started there.
    pub(super) runtime: Runtime,
    /// What its hop runs.
    pub(super) program: String,
    pub(super) place: Place,
    pub(super) state: State,
    /// For the start of an agent beside it.
    pub(super) next_random: [u8; RANDOM_BYTES],
    /// Who has asked for it and is not done.
    pub(super) users: usize,
    /// Its program has been told the password.
    pub(super) answered: bool,
    /// What was asked, and not answered.
    pub(super) refusal: Option<HostErrorKind>,
    /// What its program asks for a password with.
    pub(super) token: String,
    /// Why it was told to end.
    pub(super) ending: Option<Cause>,
    /// What it has been sent: parts of the agent, modules, the names in the user's roots.
    pub(super) parts: HashSet<&'static str>,
    pub(super) modules: HashSet<String>,
    pub(super) knows_roots: bool,
    /// How often the user has been told of what it should not have asked for.
    pub(super) warned: u32,
    /// What has been cancelled and may still be running.
    pub(super) stopping: HashMap<StreamId, Instant>,
    /// Messages that it keeps for its children, and their size.
    pub(super) kept: HashSet<u32>,
    pub(super) kept_bytes: usize,
}

/// Where in the tree a context is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A child of ours; its link, once it has one.
    Here(Option<LinkId>),
    /// A child of a relay, which tells of it on a stream.
    Behind { parent: ContextId, stream: StreamKey },
}

impl Place {
    pub(super) fn parent(self) -> ContextId {
        match self {
            Self::Here(_) => ContextId::CONTROLLER,
            Self::Behind { parent, .. } => parent,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Its time begins when its parent runs.
    Connecting {
        until: Option<Instant>,
    },
    Open,
    Closing,
}

impl Context {
    pub(super) fn new(
        target: Target,
        runtime: Runtime,
        argv: &[String],
        place: Place,
        until: Option<Instant>,
    ) -> Self {
        Self {
            target,
            runtime,
            program: argv.first().cloned().unwrap_or_default(),
            place,
            next_random: [0; RANDOM_BYTES],
            users: 0,
            answered: false,
            refusal: None,
            token: String::new(),
            ending: None,
            state: State::Connecting { until },
            parts: HashSet::new(),
            modules: HashSet::new(),
            knows_roots: false,
            warned: 0,
            stopping: HashMap::new(),
            kept: HashSet::new(),
            kept_bytes: 0,
        }
    }

    /// The hop to name in an error, unless the target's name says the same.
    pub(super) fn failing_hop(&self) -> Option<String> {
        let last = self.target.hops.last()?;
        if self.target.hops.len() == 1 && !matches!(last.way, Way::Ssh(_)) {
            return None;
        }
        let hop = last.to_string();
        let short = hop.strip_prefix("ssh:").unwrap_or(&hop).trim_end_matches(':');
        (short != self.target.name).then_some(hop)
    }

    /// When an operation that is asked for at `now` has taken too long; a connection's own time does not count.
    pub(super) fn deadline(&self, timeout: Option<Duration>, now: Instant) -> Option<Instant> {
        timeout.filter(|_| self.state == State::Open).and_then(|timeout| now.checked_add(timeout))
    }

    /// What the end of its link means for what it was asked.
    pub(super) fn failure(&self, end: &End, settings: &Settings) -> HostErrorKind {
        if let Some(refusal) = &self.refusal {
            // It was ended by us, as its own end after such a line would have been.
            let itself = Some(Exit::Status(1));
            return match self.start_failure_of_hop(itself, end, settings) {
                HostErrorKind::PasswordExpired => HostErrorKind::PasswordExpired,
                _ => refusal.clone(),
            };
        }
        match end.cause {
            Cause::TooSlow => HostErrorKind::ConnectTimeout { after: settings.connect_timeout },
            Cause::TooNoisy => HostErrorKind::Noise,
            Cause::Asked | Cause::Question => HostErrorKind::Interrupted,
            _ if !end.started => self.start_failure(end, settings),
            Cause::Stuck => HostErrorKind::LinkLost { why: Loss::Stuck },
            Cause::Forged { .. } => HostErrorKind::LinkLost { why: Loss::Forged },
            Cause::Session(Closed::Silent { quiet }) => {
                HostErrorKind::LinkLost { why: Loss::Silent { quiet } }
            }
            Cause::Session(Closed::Version { theirs }) => {
                HostErrorKind::LinkLost { why: Loss::Version { theirs } }
            }
            Cause::Session(Closed::BadFrame(_)) => HostErrorKind::LinkLost { why: Loss::Corrupt },
            Cause::Session(Closed::OutOfOrder(_) | Closed::BadHello) => {
                HostErrorKind::LinkLost { why: Loss::Rules }
            }
            Cause::Eof | Cause::Failed | Cause::Session(Closed::Bye) => {
                HostErrorKind::LinkLost { why: Loss::Ended { exit: end.exit.map(as_a_shell_reads_it) } }
            }
        }
    }

    fn start_failure(&self, end: &End, settings: &Settings) -> HostErrorKind {
        match self.start_failure_of_hop(end.exit, end, settings) {
            HostErrorKind::AuthenticationFailed if self.answered => HostErrorKind::WrongPassword,
            // su and doas say so too where nothing was typed.
            HostErrorKind::WrongPassword if !self.answered => {
                HostErrorKind::PasswordNeeded { program: self.program.clone() }
            }
            kind => kind,
        }
    }

    fn start_failure_of_hop(&self, exit: Option<Exit>, end: &End, settings: &Settings) -> HostErrorKind {
        self.target.hops.last().map_or(HostErrorKind::StartFailed { exit }, |hop| {
            // docker says its failures on standard output.
            let noise = end.noise.iter().filter(|_| matches!(hop.way, Way::Inside(_)));
            let said: Vec<String> = end.stderr.iter().chain(noise).cloned().collect();
            start_failure(hop, exit, &said, settings)
        })
    }
}

/// A watchdog, a shell, sudo and ssh all pass on a signal as 128 and its number.
fn as_a_shell_reads_it(exit: Exit) -> Exit {
    match exit {
        Exit::Status(status @ 129..=192) => Exit::Signal(status - 128),
        other => other,
    }
}

/// What it means that a hop's process has ended before an agent ran.
pub fn start_failure(hop: &Hop, exit: Option<Exit>, stderr: &[String], settings: &Settings) -> HostErrorKind {
    let status = match exit {
        Some(Exit::Status(status)) => Some(status),
        Some(Exit::Signal(_)) | None => None,
    };
    match diagnosis::diagnose(speaker(&hop.way), status, stderr) {
        Diagnosis::UnknownHost => HostErrorKind::UnknownHost,
        Diagnosis::Refused => HostErrorKind::Refused,
        Diagnosis::Unreachable => HostErrorKind::Unreachable,
        Diagnosis::AuthenticationFailed => HostErrorKind::AuthenticationFailed,
        Diagnosis::HostKeyUnknown => HostErrorKind::HostKeyUnknown,
        Diagnosis::HostKeyChanged => HostErrorKind::HostKeyChanged,
        Diagnosis::WrongPassword => HostErrorKind::WrongPassword,
        Diagnosis::Expired => HostErrorKind::PasswordExpired,
        Diagnosis::UnknownUser => HostErrorKind::UnknownUser,
        Diagnosis::NotAllowed => HostErrorKind::NotAllowed,
        Diagnosis::NoTerminal => HostErrorKind::NoTerminal,
        Diagnosis::NoContainer => HostErrorKind::NoContainer,
        Diagnosis::NoImage => HostErrorKind::NoImage,
        Diagnosis::EngineUnreachable => HostErrorKind::EngineUnreachable,
        Diagnosis::NoShell => HostErrorKind::NoShell,
        Diagnosis::NoPython if settings.agent == Runtime::Native => HostErrorKind::NoNative,
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
    /// This binary.
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

/// The hop of a target that has no other.
///
/// # Errors
///
/// When it has more.
pub fn only_hop(target: &Target) -> Result<&Hop, HostError> {
    let [hop] = target.hops.as_slice() else {
        let path = target.hops.iter().map(ToString::to_string).collect();
        let kind = HostErrorKind::TooManyHops { path, limit: 1 };
        return Err(HostError { hop: None, kind, said: Vec::new() });
    };
    Ok(hop)
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
    let odd = |odd: char| cannot_run(hop, format!("{odd:?} in the interpreter's path"));
    let interpreter = interpreter(hop, settings);
    let script = match runtime {
        Runtime::Python => payload::shell_script(&interpreter).map_err(odd)?,
        Runtime::Either => payload::relay_script(&interpreter).map_err(odd)?,
        Runtime::Native => payload::native_script(),
    };
    plan_with(hop, settings, asking, Wording::by_sh(script))
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
                options: &ssh.options,
            };
            ssh::plan(&destination, asking.ssh, command)
        }
        Way::Become(other) => becoming(other, asking, script),
        Way::Inside(room) => within(room, &script),
    })
}

fn becoming(other: &Become, asking: &Asking<'_>, script: String) -> Plan {
    let user = &other.user;
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

fn within(room: &Inside, script: &str) -> Plan {
    let name = ("name", Some(room.name.as_str()).filter(|name| !name.is_empty()));
    let alone = |line| inside::plan(line, &[name], script);
    let container = |container: &Container, exec, run| {
        let user = ("user", container.user.as_deref());
        let Some(Image { name: image, afterwards }) = &container.image else {
            return inside::plan(exec, &[name, user], script);
        };
        let rm = match afterwards {
            Afterwards::Removed => Some("--rm"),
            Afterwards::Kept => None,
        };
        inside::plan(run, &[name, user, ("rm", rm), ("image", Some(image))], script)
    };
    match &room.engine {
        Engine::Docker(one) => container(one, inside::DOCKER, inside::DOCKER_RUN),
        Engine::Podman(one) => container(one, inside::PODMAN, inside::PODMAN_RUN),
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
