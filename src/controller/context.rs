//! One context as its controller sees it: how it is started, and what its end means.

use super::secrets::{Heard, Secrets};
use super::tree::follower;
use super::ways::{Runtime, start_failure};
use super::{RANDOM_BYTES, Settings};
use crate::error::{HostErrorKind, Loss, nth_hop};
use crate::hosts::target::{Hop, Method, Target, Way};
use crate::link::{Cause, End};
use crate::proto::ids::{ContextId, StreamId};
use crate::proto::session::Closed;
use crate::proto::stream::StreamKey;
use crate::route::LinkId;
use crate::sys::child::Exit;
use crate::transport::sudo::is_of_our_terminal;
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
    /// How often code has led to it: 1 for what the user has asked for.
    pub(super) level: u32,
    /// For the start of an agent beside it.
    pub(super) next_random: [u8; RANDOM_BYTES],
    /// Who has asked for it and is not done.
    pub(super) users: usize,
    pub(super) heard: Heard,
    pub(super) secrets: Secrets,
    /// How long it may take to be connected.
    pub(super) patience: Duration,
    /// What it runs on, as its hello told: `sys.hexversion`.
    pub(super) python: u32,
    /// When its relay is not waited for any more.
    pub(super) gone_at: Option<Instant>,
    /// It is to end when it has no children any more, and what was cancelled there has ended.
    pub(super) goes_last: bool,
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
        settings: &Settings,
    ) -> Self {
        Self {
            target,
            runtime,
            program: argv.first().cloned().unwrap_or_default(),
            place,
            level: 1,
            next_random: [0; RANDOM_BYTES],
            users: 0,
            heard: Heard::default(),
            secrets: settings.secrets.clone(),
            patience: settings.connect_timeout,
            python: 0,
            gone_at: None,
            goes_last: false,
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

    /// Random bytes, each time others.
    pub(super) fn take_random(&mut self) -> [u8; RANDOM_BYTES] {
        let next = follower(&self.next_random);
        std::mem::replace(&mut self.next_random, next)
    }

    /// The hop to name in an error, unless the target's name says the same.
    pub(super) fn failing_hop(&self) -> Option<String> {
        let last = self.target.hops.last()?;
        if self.target.hops.len() == 1 && !matches!(last.way, Way::Ssh(_)) {
            return None;
        }
        let hop = self.named_in(&self.target.hops)?;
        let short = hop.strip_prefix("ssh:").unwrap_or(&hop).trim_end_matches(':');
        (short != self.target.name).then_some(hop)
    }

    /// The last hop as one of a path that leads through here, or ends here.
    pub(super) fn named_in(&self, path: &[Hop]) -> Option<String> {
        let hop = self.target.hops.last()?.to_string();
        let several = path.iter().filter(|other| other.to_string() == hop).nth(1).is_some();
        let place = several.then_some((self.target.hops.len(), path.len()));
        Some(place.map_or(hop.clone(), |(nth, of)| nth_hop(&hop, nth, of)))
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
            Cause::TooSlow => HostErrorKind::ConnectTimeout { after: self.patience },
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

    /// What of its last lines is worth to be shown: nothing that holds our token, or that the end of our terminal brings about.
    pub(super) fn said(&self, end: &End) -> Vec<String> {
        // What login files printed explains a failed start, and nothing later.
        let noise = end.noise.iter().filter(|_| !end.started);
        let is_ours = |line: &str| !self.token.is_empty() && line.contains(&self.token);
        let said = end.stderr.iter().chain(noise).filter(|line| !is_ours(line) && !is_of_our_terminal(line));
        said.cloned().collect()
    }

    fn start_failure(&self, end: &End, settings: &Settings) -> HostErrorKind {
        match self.start_failure_of_hop(end.exit, end, settings) {
            HostErrorKind::AuthenticationFailed if self.heard.knows_password() => {
                HostErrorKind::WrongPassword
            }
            // In whatever language it says so.
            HostErrorKind::StartFailed { exit: Some(Exit::Status(1)) }
                if self.heard.knows_password() && self.asks_once() =>
            {
                HostErrorKind::WrongPassword
            }
            // su and doas say so too where nothing was typed.
            HostErrorKind::WrongPassword if !self.heard.knows_password() => {
                HostErrorKind::PasswordNeeded { program: self.program.clone() }
            }
            kind => kind,
        }
    }

    /// Whether its program gives up after one wrong password.
    fn asks_once(&self) -> bool {
        let method = |hop: &Hop| match &hop.way {
            Way::Become(other) => matches!(other.method, Method::Su { .. } | Method::Doas),
            Way::Local { .. } | Way::Ssh(_) | Way::Exec { .. } | Way::Inside(_) => false,
        };
        self.target.hops.last().is_some_and(method)
    }

    fn start_failure_of_hop(&self, exit: Option<Exit>, end: &End, settings: &Settings) -> HostErrorKind {
        self.target.hops.last().map_or(HostErrorKind::StartFailed { exit }, |hop| {
            // docker says its failures on standard output.
            let noise = end.noise.iter().filter(|_| matches!(hop.way, Way::Inside(_)));
            let said: Vec<String> = end.stderr.iter().chain(noise).cloned().collect();
            start_failure(hop, exit, &said, settings, self.runtime)
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
