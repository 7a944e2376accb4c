//! One open context and the loop that drives it, for programs that use the library as a controller.

use hopvine::controller::operation::{OperationId, Report, Request};
use hopvine::controller::{Controller, Settings};
use hopvine::error::HostError;
use hopvine::hosts::target::{Target, TargetError};
use hopvine::modules::Library;
use hopvine::mux::{Event, Mux};
use hopvine::payload::Interpreter;
use hopvine::proto::ids::ContextId;
use hopvine::sys::signals::Signal;
use hopvine::sys::{clock, random};
use std::fmt;
use std::io;

pub(crate) struct Tunnel {
    pub(crate) controller: Controller,
    mux: Mux,
    context: ContextId,
}

impl Tunnel {
    pub(crate) fn open(target: &str, python: String, library: Library) -> Result<Self, Failure> {
        let target = Target::parse(target)?;
        let mut controller = Controller::new(Settings {
            title: "hopvine:tunnel".to_owned(),
            interpreter: Interpreter::Named(python),
            library,
            ..Settings::default()
        });
        let random = target.hops.iter().map(|_| random::bytes()).collect::<io::Result<Vec<_>>>()?;
        let context = controller.connect(&target, &random, clock::now())?;
        Ok(Self { mux: Mux::new(ContextId::CONTROLLER)?, controller, context })
    }

    pub(crate) fn submit(&mut self, request: &Request) -> OperationId {
        self.controller.submit(self.context, request, clock::now())
    }

    /// What is told next, however long it takes.
    pub(crate) fn next_report(&mut self) -> Result<Report, Failure> {
        loop {
            while self.controller.execute(&mut self.mux) {}
            if let Some(report) = self.controller.poll_report() {
                match &report {
                    Report::Said { source, .. } => self.controller.consumed(*source, clock::now()),
                    Report::Done { .. } | Report::LeftBehind { .. } => {}
                }
                return Ok(report);
            }
            self.turn()?;
        }
    }

    /// Ends the context, and returns when its process has gone.
    pub(crate) fn close(mut self) -> Result<(), Failure> {
        self.controller.close(self.context);
        self.controller.close_all();
        loop {
            while self.controller.execute(&mut self.mux) {}
            if self.mux.is_empty() {
                return Ok(());
            }
            self.turn()?;
        }
    }

    fn turn(&mut self) -> Result<(), Failure> {
        match self.mux.next_event(self.controller.poll_timeout())? {
            Event::Link(link, event) => self.controller.handle_link(link, event, clock::now()),
            Event::Timeout => self.controller.handle_timeout(clock::now()),
            Event::Signal(Signal::Child | Signal::Continue)
            | Event::Writable(_)
            | Event::Input
            | Event::Errand(_)
            | Event::Above(_)
            | Event::Own(_) => {}
            Event::Signal(Signal::Interrupt | Signal::Terminate | Signal::Hangup) => {
                return Err(Failure::Stopped);
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
pub(crate) enum Failure {
    Target(TargetError),
    Host(Box<HostError>),
    System(io::Error),
    Stopped,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(error) => error.fmt(f),
            Self::Host(error) => error.fmt(f),
            Self::System(error) => error.fmt(f),
            Self::Stopped => write!(f, "stopped"),
        }
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        Self::Target(error)
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        Self::Host(Box::new(error))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}
