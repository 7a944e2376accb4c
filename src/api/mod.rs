//! For programs in Rust: tunnels to hosts, and what is asked of them, one blocking call each.
//!
//! [`Hopvine`] has the loop and all tunnels. What is asked of several tunnels at once comes back as a [`Group`]. Who wants
//! to have more under way, or to see output as it comes, says [`Hopvine::submit`] and takes [`Hopvine::next_report`].

mod arguments;
mod files;
mod group;

pub use arguments::Arguments;
pub use group::Group;

use crate::controller::operation::{Answer, OperationId, Report, Request, Run, Said};
use crate::controller::{Controller, Note, Settings, Weight};
use crate::error::{Failure, HostError, HostErrorKind};
use crate::hosts::inventory::Said as Typed;
use crate::mux::{Event, Mux};
use crate::proto::ids::ContextId;
use crate::proto::value::{Builder, Node, Value};
use crate::sys::signals::Signal;
use crate::sys::stdio::Stream;
use crate::sys::{clock, random};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::time::Instant;

/// A controller with its loop. All that is remote ends with it: [`Hopvine::close_all`] in order, a drop at once.
///
/// While there is one, SIGINT, SIGTERM and SIGHUP do not end the process: the call that waits, or the next one, fails with
/// [`Failure::Stopped`], and what it has asked for goes on.
#[derive(Debug)]
pub struct Hopvine {
    controller: Controller,
    mux: Mux,
    tunnels: Vec<Option<Open>>,
    /// What is told of operations that nobody waits for now.
    kept: VecDeque<Report>,
    warnings: Vec<Note>,
}

/// Leads to a host, for the [`Hopvine`] that has opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tunnel(usize);

#[derive(Debug)]
struct Open {
    context: ContextId,
    name: String,
}

/// How a command has ended, and all that it has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// 0 to 255, or 128 and the signal.
    pub status: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// What an operation has brought.
#[derive(Debug, Default)]
struct Gathered {
    items: Vec<Value>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Hopvine {
    /// What holds for all tunnels: `Settings { library, timeout, .. }` has the roots of modules that remote code may
    /// import, the time for each operation, the inventory that names are looked up in, passwords.
    ///
    /// # Errors
    ///
    /// When the system refuses a poller or signal handlers.
    pub fn new(settings: Settings) -> io::Result<Self> {
        Ok(Self {
            controller: Controller::new(settings),
            mux: Mux::new(ContextId::CONTROLLER)?,
            tunnels: Vec::new(),
            kept: VecDeque::new(),
            warnings: Vec::new(),
        })
    }

    /// A tunnel to a target as the command line has it: `web1`, `local:`, `ssh:me@gate/sudo:root`. It returns at once; how
    /// the connection fares is told by what is asked first, which travels with the start of the agent.
    ///
    /// # Errors
    ///
    /// [`Failure::Name`], or [`Failure::Host`] for a way that cannot be gone.
    pub fn open(&mut self, target: &str) -> Result<Tunnel, Failure> {
        let target = self.controller.settings_mut().inventory.target(target, Typed::default())?;
        let random = target.hops.iter().map(|_| random::bytes()).collect::<io::Result<Vec<_>>>()?;
        let context = self.controller.connect(&target, &random, clock::now())?;
        self.tunnels.push(Some(Open { context, name: target.name }));
        Ok(Tunnel(self.tunnels.len() - 1))
    }

    /// What a tunnel's host is called; `None` when it is closed.
    pub fn name(&self, tunnel: Tunnel) -> Option<&str> {
        self.tunnels.get(tunnel.0)?.as_ref().map(|open| open.name.as_str())
    }

    /// Calls `module:function` in the agent there, and returns what it returns; of a generator a list of all that it yields.
    /// What it prints is dropped.
    ///
    /// # Errors
    ///
    /// [`Failure::Host`] with what it raised, or with what has become of the connection; [`Failure::Closed`],
    /// [`Failure::TooDeep`], [`Failure::Stopped`], [`Failure::System`].
    pub fn call(&mut self, tunnel: Tunnel, function: &str, arguments: &Arguments) -> Result<Value, Failure> {
        Self::only(self.call_all(&[tunnel], function, arguments)?)
    }

    /// The same on several tunnels at once. A failure of one host is its result, and no other's.
    ///
    /// # Errors
    ///
    /// Those of [`Hopvine::call`] but what hosts answer.
    pub fn call_all(
        &mut self,
        tunnels: &[Tunnel],
        function: &str,
        arguments: &Arguments,
    ) -> Result<Group<Value>, Failure> {
        let request = Request::call(function, arguments.value()?);
        self.ask_all(tunnels, &request, |answer, gathered| match answer {
            Answer::Value(value) => Ok(value),
            Answer::Exhausted => Ok(list(&gathered.items)),
            Answer::Exit(_) | Answer::Killed(_) => Err("a status in the place of a value"),
        })
    }

    /// Runs a command line by the user's shell there, with nothing to read; all that it writes is kept in memory.
    /// A status that is not 0 is no failure.
    ///
    /// # Errors
    ///
    /// As [`Hopvine::call`].
    pub fn run(&mut self, tunnel: Tunnel, command: &str) -> Result<Ran, Failure> {
        let words = vec![command.as_bytes().to_vec()];
        let request = Request::Run(Run { words, ..Run::default() });
        Self::only(self.ask_all(&[tunnel], &request, |answer, gathered| match answer.status() {
            Some(status) => Ok(Ran { status, stdout: gathered.stdout, stderr: gathered.stderr }),
            None => Err("a value in the place of a status"),
        })?)
    }

    /// Asks anything of a tunnel, and waits for nothing.
    ///
    /// # Errors
    ///
    /// [`Failure::Closed`].
    pub fn submit(&mut self, tunnel: Tunnel, request: &Request) -> Result<OperationId, Failure> {
        let context = self.context(tunnel)?;
        Ok(self.controller.submit(context, request, clock::now()))
    }

    /// What is told next of what was submitted, however long it takes; its source may then send more.
    ///
    /// # Errors
    ///
    /// [`Failure::Stopped`], [`Failure::System`].
    pub fn next_report(&mut self) -> Result<Report, Failure> {
        let report = match self.kept.pop_front() {
            Some(report) => report,
            None => self.fresh_report()?,
        };
        if let Report::Said { source, .. } = &report {
            self.controller.consumed(*source, clock::now());
        }
        Ok(report)
    }

    /// What this drives: to cancel an operation, or to give it input.
    pub fn controller_mut(&mut self) -> &mut Controller {
        &mut self.controller
    }

    /// What users should know that is no result: an agent whose state is lost, a file that changed while it was read.
    pub fn take_warnings(&mut self) -> Vec<Note> {
        self.take_notes();
        std::mem::take(&mut self.warnings)
    }

    /// Lets a host go; what still runs there ends. It is not waited for.
    pub fn close(&mut self, tunnel: Tunnel) {
        if let Some(open) = self.tunnels.get_mut(tunnel.0).and_then(Option::take) {
            self.controller.close(open.context);
            self.execute();
        }
    }

    /// Lets all hosts go, and returns when their processes here have ended.
    ///
    /// # Errors
    ///
    /// [`Failure::Stopped`], [`Failure::System`].
    pub fn close_all(mut self) -> Result<(), Failure> {
        self.controller.close_all();
        loop {
            self.execute();
            if self.mux.is_empty() {
                return Ok(());
            }
            self.turn(None)?;
        }
    }

    /// Asks the same of several tunnels and waits for all; `made` makes a result of an answer, or says what is wrong with it.
    fn ask_all<T>(
        &mut self,
        tunnels: &[Tunnel],
        request: &Request,
        made: impl Fn(Answer, Gathered) -> Result<T, &'static str>,
    ) -> Result<Group<T>, Failure> {
        let names = tunnels.iter().map(|tunnel| self.name(*tunnel).map(str::to_owned));
        let names = names.collect::<Option<Vec<_>>>().ok_or(Failure::Closed)?;
        let mut asked = HashMap::new();
        for (place, tunnel) in tunnels.iter().enumerate() {
            asked.insert(self.submit(*tunnel, request)?, (place, Gathered::default()));
        }
        let mut results: Vec<Option<Result<T, HostError>>> = tunnels.iter().map(|_| None).collect();
        while !asked.is_empty() {
            let report = self.fresh_report()?;
            let Some((place, mut gathered)) = asked.remove(&report.operation()) else {
                self.kept.push_back(report);
                continue;
            };
            match report {
                Report::Said { operation, source, said } => {
                    gathered.take(said);
                    self.controller.consumed(source, clock::now());
                    asked.insert(operation, (place, gathered));
                }
                // Only of a put, of which this asks none.
                Report::LeftBehind { operation, .. } => drop(asked.insert(operation, (place, gathered))),
                Report::Done { outcome, .. } => {
                    let wrong = |what: &str| HostError {
                        hop: None,
                        kind: HostErrorKind::BadValue { what: what.to_owned() },
                        said: Vec::new(),
                    };
                    results[place] = Some(outcome.and_then(|answer| made(answer, gathered).map_err(wrong)));
                }
            }
        }
        let results = names.into_iter().zip(results);
        Ok(Group::new(results.filter_map(|(name, result)| Some((name, result?))).collect()))
    }

    /// The result of a group of one.
    fn only<T>(group: Group<T>) -> Result<T, Failure> {
        let (_, result) = group.into_iter().next().ok_or(Failure::Closed)?;
        Ok(result?)
    }

    fn context(&self, tunnel: Tunnel) -> Result<ContextId, Failure> {
        let open = self.tunnels.get(tunnel.0).and_then(Option::as_ref);
        open.map(|open| open.context).ok_or(Failure::Closed)
    }

    fn fresh_report(&mut self) -> Result<Report, Failure> {
        loop {
            self.execute();
            if let Some(report) = self.controller.poll_report() {
                return Ok(report);
            }
            self.turn(None)?;
        }
    }

    fn execute(&mut self) {
        while self.controller.execute(&mut self.mux) {}
    }

    /// Waits for what happens next, or until then.
    fn turn(&mut self, until: Option<Instant>) -> Result<(), Failure> {
        let deadline = self.controller.poll_timeout().into_iter().chain(until).min();
        match self.mux.next_event(deadline)? {
            Event::Link(link, event) => self.controller.handle_link(link, event, clock::now()),
            Event::Timeout => self.controller.handle_timeout(clock::now()),
            Event::Signal(Signal::Interrupt | Signal::Terminate | Signal::Hangup) => {
                return Err(Failure::Stopped);
            }
            Event::Signal(Signal::Child | Signal::Continue)
            | Event::Writable(_)
            | Event::Input
            | Event::Errand(_)
            | Event::Above(_)
            | Event::Own(_) => {}
        }
        self.take_notes();
        Ok(())
    }

    /// Details are for a command line that asks for them.
    fn take_notes(&mut self) {
        let notes = self.controller.take_notes();
        self.warnings.extend(notes.into_iter().filter(|note| note.weight == Weight::Warning));
    }
}

impl Gathered {
    fn take(&mut self, said: Said) {
        match said {
            Said::Output(Stream::Out, bytes) => self.stdout.extend(bytes),
            Said::Output(Stream::Err, bytes) => self.stderr.extend(bytes),
            Said::Item(value) => self.items.push(value),
            Said::Yields | Said::Record(_) | Said::Piece(_) => {}
        }
    }
}

fn list(items: &[Value]) -> Value {
    let mut builder = Builder::default();
    let items = items.iter().map(|item| builder.copy(item)).collect();
    let root = builder.add(Node::List(items));
    builder.finish(root)
}
