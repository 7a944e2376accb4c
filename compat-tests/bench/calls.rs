//! What a call costs on a context that is open: one after the other, and many at once.
//!
//! `calls [PYTHON] [--ssh HOST]` prints one JSON object, in microseconds per call.

use hopvine::controller::operation::{Report, Request};
use hopvine::controller::{Controller, Settings};
use hopvine::error::HostError;
use hopvine::hosts::inventory::Inventory;
use hopvine::hosts::target::{Target, TargetError};
use hopvine::modules::Library;
use hopvine::mux::{Event, Mux};
use hopvine::payload::Interpreter;
use hopvine::proto::ids::ContextId;
use hopvine::proto::value::{Builder, Node};
use hopvine::report;
use hopvine::sys::signals::Signal;
use hopvine::sys::{clock, random};
use serde::Serialize;
use std::fmt;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

const CALLS: u32 = 2000;
/// The first ones import, connect, and fill caches.
const WARM_UP_CALLS: u32 = 50;

fn main() -> ExitCode {
    match Typed::parse(std::env::args().skip(1)).and_then(measure) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report::complain(&failure.to_string());
            ExitCode::FAILURE
        }
    }
}

fn measure(typed: Typed) -> Result<(), Failure> {
    let mut tunnel = Tunnel::open(typed)?;
    tunnel.call_in_turn(WARM_UP_CALLS)?;
    let began = clock::now();
    tunnel.call_in_turn(CALLS)?;
    let turned = clock::now();
    tunnel.call_at_once(CALLS)?;
    let ended = clock::now();
    tunnel.close()?;
    let each = |took: Duration| took.as_secs_f64() * 1e6 / f64::from(CALLS);
    let figures = Figures { sequential_us: each(turned - began), pipelined_us: each(ended - turned) };
    let line = serde_json::to_string(&figures).map_err(io::Error::from)?;
    Ok(report::bytes(format!("{line}\n").as_bytes())?)
}

#[derive(Serialize)]
struct Figures {
    sequential_us: f64,
    pipelined_us: f64,
}

struct Typed {
    python: String,
    target: String,
}

impl Typed {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut typed = Self { python: "python3".to_owned(), target: "local:".to_owned() };
        while let Some(word) = words.next() {
            match word.as_str() {
                // What `cargo bench` says to every benchmark.
                "--bench" => {}
                "--ssh" => typed.target = words.next().ok_or(Failure::Usage)?,
                option if option.starts_with('-') => return Err(Failure::Usage),
                _ => typed.python = word,
            }
        }
        Ok(typed)
    }
}

/// One context, and the loop that drives it.
struct Tunnel {
    mux: Mux,
    controller: Controller,
    context: ContextId,
    request: Request,
}

impl Tunnel {
    fn open(typed: Typed) -> Result<Self, Failure> {
        let target = Target::parse(&typed.target)?;
        let mut controller = Controller::new(Settings {
            title: "hopvine:bench".to_owned(),
            interpreter: Interpreter::Named(typed.python),
            keepalive: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(30),
            timeout: None,
            library: Library::default(),
            inventory: Inventory::default(),
        });
        let context = controller.connect(&target, random::bytes()?, clock::now())?;
        let mut builder = Builder::default();
        let pair = vec![builder.add(Node::Tuple(Vec::new())), builder.add(Node::Dict(Vec::new()))];
        let root = builder.add(Node::Tuple(pair));
        let request = Request::Call { function: "os:getpid".to_owned(), arguments: builder.finish(root) };
        Ok(Self { mux: Mux::new(ContextId::CONTROLLER)?, controller, context, request })
    }

    fn call_in_turn(&mut self, calls: u32) -> Result<(), Failure> {
        (0..calls).try_for_each(|_| self.call_at_once(1))
    }

    fn call_at_once(&mut self, calls: u32) -> Result<(), Failure> {
        for _ in 0..calls {
            self.controller.submit(self.context, &self.request, clock::now());
        }
        let mut awaited = calls;
        loop {
            self.execute();
            while let Some(report) = self.controller.poll_report() {
                match report {
                    Report::Output { source, .. } => self.controller.consumed(source),
                    Report::Done { outcome, .. } => {
                        outcome?;
                        awaited -= 1;
                    }
                }
            }
            if awaited == 0 {
                return Ok(());
            }
            self.turn()?;
        }
    }

    fn close(mut self) -> Result<(), Failure> {
        self.controller.close(self.context);
        loop {
            self.execute();
            if self.mux.is_empty() {
                return Ok(());
            }
            self.turn()?;
        }
    }

    fn execute(&mut self) {
        self.controller.execute(&mut self.mux);
    }

    fn turn(&mut self) -> Result<(), Failure> {
        match self.mux.next_event(self.controller.poll_timeout())? {
            Event::Link(link, event) => self.controller.handle_link(link, event, clock::now()),
            Event::Timeout => self.controller.handle_timeout(clock::now()),
            Event::Signal(Signal::Child) | Event::Writable(_) | Event::Input => {}
            Event::Signal(Signal::Interrupt | Signal::Terminate | Signal::Hangup) => {
                return Err(Failure::Stopped);
            }
        }
        Ok(())
    }
}

enum Failure {
    Usage,
    Target(TargetError),
    Host(Box<HostError>),
    System(io::Error),
    Stopped,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage => write!(f, "usage: calls [PYTHON] [--ssh HOST]"),
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
