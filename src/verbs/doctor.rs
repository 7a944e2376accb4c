//! `hopvine doctor`: why a host does not connect. One step after the other, until one fails that
//! the next ones need; each tells what was run, what came back, what it means and what to try.

mod agent;
mod configuration;
mod errand;
mod login;
mod network;

use super::{output, prepare};
use crate::cli;
use crate::controller::secrets::{Secrets, User};
use crate::controller::{Asking, Controller, Plan, Questions, Settings, Weight, Wording, plan_with};
use crate::error::{ExitCode, HostError, HostErrorKind, Outcome};
use crate::hosts::target::{Hop, Target, Way};
use crate::mux::{Event, Mux};
use crate::proto::ids::ContextId;
use crate::report::{Finding, Reporter, ResultKind, Verdict, usage};
use crate::sys::clock;
use crate::sys::guardian::Guardian;
use crate::sys::signals::Signal;
use std::io;
use std::time::{Duration, Instant};

/// Nothing waits so long: steps have their own deadlines.
const FAR: Duration = Duration::from_secs(86_400);

pub(super) fn run(typed: &cli::Reach) -> io::Result<ExitCode> {
    let guardian = Guardian::start()?;
    let (targets, settings) = match prepare::reach(&typed.targets, &typed.way) {
        Ok(prepared) => prepared,
        Err(error) => {
            usage(&error);
            return Ok(ExitCode::Usage);
        }
    };
    // Nobody is asked while steps are timed.
    let secrets = Secrets { user: User::Away, ..settings.secrets };
    let settings = Settings { timeout: Some(settings.connect_timeout), secrets, ..settings };
    let mut mux = Mux::new(ContextId::CONTROLLER)?;
    mux.be_guarded(guardian);
    let doctor = Doctor {
        mux,
        controller: Controller::new(settings.clone()),
        reporter: output::reporter(typed, None, ResultKind::Output, &targets),
        settings,
        token: login::mark()?,
        place: 0,
        host: None,
        relays: Vec::new(),
        verbose: typed.way.verbose,
    };
    doctor.see(&targets)
}

struct Doctor {
    mux: Mux,
    controller: Controller,
    reporter: Reporter,
    settings: Settings,
    /// What sudo is to ask with.
    token: String,
    /// Which of the targets is examined.
    place: usize,
    /// What ssh calls it.
    host: Option<String>,
    /// What has been started on the way to where we are.
    relays: Vec<ContextId>,
    verbose: bool,
}

/// Why an examination ends before its last step.
enum Stop {
    /// A step has failed that the next ones need.
    Failed,
    /// A signal, or nobody reads what we find: all examinations end.
    Ended(ExitCode),
    Machine(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Machine(error)
    }
}

type Step<T = ()> = Result<T, Stop>;

impl Doctor {
    /// One target after the other.
    fn see(mut self, targets: &[Target]) -> io::Result<ExitCode> {
        let mut outcomes = Vec::new();
        for (place, target) in targets.iter().enumerate() {
            self.place = place;
            outcomes.push(match self.visit(target) {
                Ok(()) => Outcome::Done(0),
                Err(Stop::Failed) => Outcome::Unreachable,
                Err(Stop::Ended(code)) => return Ok(code),
                Err(Stop::Machine(error)) => return Err(error),
            });
        }
        Ok(ExitCode::of(&outcomes))
    }

    /// One hop after the other; what runs on the way goes before the next target's turn.
    fn visit(&mut self, target: &Target) -> Step {
        let (hops, limit) = (&target.hops, self.settings.max_hops);
        if hops.len() > limit {
            let path = hops.iter().map(ToString::to_string).collect();
            let kind = HostErrorKind::TooManyHops { path, limit };
            return self.fail(failure("target", &HostError { hop: None, kind, said: Vec::new() }));
        }
        let mut examined = Ok(());
        for depth in 1..=hops.len() {
            let end = if depth == hops.len() { target.clone() } else { Target::of(&hops[..depth]) };
            examined = self.examine(&end, depth == hops.len());
            if examined.is_err() {
                break;
            }
        }
        if let Ok(()) | Err(Stop::Failed) = examined {
            self.leave()?;
        }
        examined
    }

    /// The last hop of a way, from where the one before it leads to.
    fn examine(&mut self, target: &Target, is_last: bool) -> Step {
        let Some(hop) = target.hops.last() else { return Ok(()) };
        self.host = if let Way::Ssh(ssh) = &hop.way { Some(ssh.host.clone()) } else { None };
        self.tell(Finding::new("target", Verdict::Ok, self.in_words(hop)))?;
        let is_first = self.relays.is_empty();
        let mut configuration = None;
        if let (Way::Ssh(_), true) = (&hop.way, is_first) {
            self.examine_program()?;
            configuration = self.examine_configuration(hop)?;
            if let Some(configuration) = configuration.as_ref().filter(|found| found.goes_straight()) {
                let addresses = self.examine_name(configuration)?;
                self.examine_port(configuration, &addresses)?;
            }
        }
        // What asks is answered by the real start only, once.
        let asks = match &hop.way {
            Way::Become(_) => true,
            Way::Ssh(_) => self.settings.secrets.login.is_some(),
            Way::Local { .. } | Way::Exec { .. } | Way::Inside(_) => false,
        };
        if !asks {
            self.examine_login(hop, configuration.as_ref())?;
            self.examine_shell(hop)?;
        }
        if is_last { self.examine_agent(target, hop) } else { self.examine_relay(target) }
    }

    /// What was typed, in words.
    fn in_words(&self, hop: &Hop) -> String {
        let (this, as_here) = if self.relays.is_empty() {
            ("this machine", "ssh is configured")
        } else {
            ("that machine", "its ssh is configured there")
        };
        let mut text = match &hop.way {
            Way::Local { .. } => format!("a child process of {this}"),
            Way::Exec { name } => {
                let words = self.settings.inventory.exec(name).unwrap_or_default();
                let line = shlex::try_join(words.iter().map(String::as_str)).unwrap_or_default();
                format!("the inventory's command line {line}")
            }
            Way::Ssh(ssh) => {
                let mut text = format!("ssh to {}", ssh.host);
                if let Some(user) = &ssh.user {
                    text += &format!(", user {user}");
                }
                if let Some(port) = ssh.port {
                    text += &format!(", port {port}");
                }
                ssh.options.iter().for_each(|option| text += &format!(", {option}"));
                text + ", the rest as " + as_here
            }
            Way::Become(other) => format!("{} to {} on {this}", other.method.transport(), other.user),
            Way::Inside(_) => format!("{hop} on {this}"),
        };
        if let Some(python) = &hop.python {
            text += &format!("; interpreter {python}");
        }
        text
    }

    fn asking(&self) -> Asking<'_> {
        Asking { token: &self.token, ssh: Questions::Refused }
    }

    fn plan(&self, hop: &Hop, wording: Wording) -> Result<Plan, HostError> {
        plan_with(hop, &self.settings, &self.asking(), wording)
    }

    /// Reports a step, and waits until that is written.
    fn tell(&mut self, mut finding: Finding) -> Step {
        if let (Some(advice), Some(host)) = (&mut finding.advice, &self.host) {
            *advice = advice.replace("HOST", host);
        }
        self.reporter.finding(self.place, &finding, self.verbose);
        loop {
            let pressure = self.reporter.flush(clock::now());
            if let Some(errno) = pressure.failed {
                return Err(Stop::Machine(errno.into()));
            }
            if pressure.closed {
                return Err(Stop::Ended(ExitCode::Success));
            }
            // What is already watched counts as watched.
            let watched = |mux: &mut Mux, stream| {
                let tried = mux.watch_output(stream, true);
                !tried.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
            };
            if !pressure.full.into_iter().any(|stream| watched(&mut self.mux, stream)) {
                return Ok(());
            }
            while !matches!(self.turn(clock::now() + FAR)?, Some(Event::Writable(_))) {}
        }
    }

    /// Reports a step without which the next ones make no sense.
    fn fail<T>(&mut self, finding: Finding) -> Step<T> {
        self.tell(finding)?;
        Err(Stop::Failed)
    }

    /// One event, at the latest at `deadline`; those of links go to the controller.
    fn turn(&mut self, deadline: Instant) -> Step<Option<Event>> {
        while self.controller.execute(&mut self.mux) {}
        for note in self.controller.take_notes() {
            if self.verbose || note.weight == Weight::Warning {
                self.reporter.page_mut().note(&note);
            }
        }
        let due = self.controller.poll_timeout().map_or(deadline, |due| due.min(deadline));
        let event = self.mux.next_event(Some(due))?;
        let now = clock::now();
        match event {
            Event::Link(link, event) => self.controller.handle_link(link, event, now),
            Event::Timeout => self.controller.handle_timeout(now),
            Event::Signal(Signal::Interrupt) => return Err(Stop::Ended(ExitCode::Interrupted)),
            Event::Signal(Signal::Terminate) => return Err(Stop::Ended(ExitCode::Terminated)),
            Event::Signal(Signal::Hangup) => return Err(Stop::Ended(ExitCode::HungUp)),
            event => return Ok(Some(event)),
        }
        Ok(None)
    }

    fn deadline(&self) -> Instant {
        clock::now() + self.settings.connect_timeout
    }
}

/// A failure in the words that all verbs have for it.
fn failure(step: &'static str, error: &HostError) -> Finding {
    let mut finding = Finding::new(step, Verdict::Fail, error.to_string());
    finding.kind = Some(error.word().to_owned());
    finding.means = error.meaning().map(str::to_owned);
    finding.advice = error.advice().map(str::to_owned);
    finding.got(error.said.iter().cloned())
}
