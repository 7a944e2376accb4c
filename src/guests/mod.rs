//! A controller for a program that has tunnels of its own: a script's interpreter at the other end of a socket
//! (docs/PROTOCOL.md, "Guests"). It ends when its guest has gone, with all that it has started.

mod asked;
mod grants;
mod moving;
mod telling;
mod tunnels;

use crate::controller::operation::{OperationId, Report, Source};
use crate::controller::secrets::Secrets;
use crate::controller::{Controller, STARTS_AT_ONCE, Settings};
use crate::link::guest::{Guest, GuestEvent};
use crate::mux::{Event, Mux};
use crate::payload::{self, Interpreter};
use crate::proto::frame::Priority;
use crate::proto::ids::ContextId;
use crate::proto::message::{MessageError, NONCE_BYTES, ToController, ToGuest, greeting};
use crate::proto::stream::{StreamEvent, StreamKey, Streams};
use crate::proto::value::{Node, Value};
use crate::session::crossing::{Crossings, News};
use crate::sys::clock;
use crate::sys::poll::Interest;
use crate::sys::random;
use crate::sys::signals::Signal;
use asked::Asked;
use moving::Moving;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tunnels::Tunnels;

/// The guest's number on its link, and ours for its socket among what is watched.
const GUEST: ContextId = ContextId(1);
const GUEST_KEY: usize = 0;
/// What waits for the guest's credit is not added to beyond this.
const MAX_UNSENT_BYTES: usize = 64 * 1024;

/// What the streams of a guest are about.
#[derive(Debug, Default)]
struct Desk {
    tunnels: Tunnels,
    asked: HashMap<OperationId, Asked>,
    by_stream: HashMap<StreamKey, OperationId>,
    /// Of what is asked: whose output, or input, waits for credit.
    in_debt: BTreeSet<OperationId>,
    moving: Vec<Moving>,
    /// By a context and a token: which tunnel what runs there has been given.
    grants: HashMap<(ContextId, u32), u32>,
    /// What the guest's interpreter has been asked for, and for whom.
    wants: HashMap<StreamKey, (StreamKey, String)>,
    /// Where what belongs to no call is told, and what of it the guest has not taken.
    asides: Option<StreamKey>,
    aside: Vec<Source>,
    /// Whether details are told too.
    verbose: bool,
}

/// What holds for a tunnel that says nothing else.
#[derive(Clone, Debug)]
struct Base {
    secrets: Secrets,
    connect_timeout: Duration,
}

#[derive(Debug)]
struct Session {
    mux: Mux,
    controller: Controller,
    /// What holds where a tunnel has nothing of its own.
    base: Base,
    guest: Guest,
    streams: Streams,
    watched: Interest,
    desk: Desk,
    crossings: Crossings,
    starts: usize,
    /// When it ends, whatever still runs.
    ending: Option<Instant>,
}

/// Serves the guest at the other end of `socket` until it has gone.
///
/// # Errors
///
/// When this machine fails us: no poller, no random numbers.
pub fn serve(socket: OwnedFd, settings: Settings, mut mux: Mux, verbose: bool) -> io::Result<()> {
    let nonce: [u8; NONCE_BYTES] = random::bytes()?;
    let hello =
        greeting(GUEST, &[ContextId::CONTROLLER], nonce, u32::MAX, settings.log_level, payload::build());
    let guest = Guest::new(socket, ContextId::CONTROLLER, &hello, clock::now());
    let watched = guest.interest();
    mux.heed(guest.socket(), GUEST_KEY, watched)?;
    let session = Session {
        mux,
        base: Base { secrets: settings.secrets.clone(), connect_timeout: settings.connect_timeout },
        controller: Controller::new(Settings { script: true, ..settings }),
        guest,
        streams: Streams::new(ContextId::CONTROLLER),
        watched,
        desk: Desk { verbose, ..Desk::default() },
        crossings: Crossings::default(),
        starts: STARTS_AT_ONCE,
        ending: None,
    };
    session.run()
}

impl Session {
    fn run(mut self) -> io::Result<()> {
        loop {
            // 1. Do what the controller wants, and tell what it has to tell.
            self.starts = STARTS_AT_ONCE;
            while self.controller.execute_some(&mut self.mux, &mut self.starts) | self.tell() {}
            // 2. Feed what can read, and write.
            let more = self.feed();
            while self.controller.execute_some(&mut self.mux, &mut self.starts) | self.tell() {}
            self.flush()?;
            if self.ending.is_some_and(|at| self.mux.is_empty() || clock::now() >= at) {
                return Ok(());
            }
            // 3. Wait for what happens next, and handle all of it.
            let more =
                (more || self.controller.has_command() || self.controller.has_report()).then(clock::now);
            let due = [self.controller.poll_timeout(), self.ending, more].into_iter().flatten().min();
            let event = self.mux.next_event(due)?;
            self.handle(event)?;
            while let Some(event) = self.mux.queued_event() {
                self.handle(event)?;
            }
        }
    }

    fn handle(&mut self, event: Event) -> io::Result<()> {
        match event {
            Event::Link(link, event) => self.controller.handle_link(link, event, clock::now()),
            Event::Timeout => self.controller.handle_timeout(clock::now()),
            Event::Own(_) => {
                self.guest.handle_readable(clock::now());
                self.listen()?;
            }
            Event::Signal(Signal::Interrupt | Signal::Terminate | Signal::Hangup) => self.end(),
            Event::Signal(Signal::Child | Signal::Continue)
            | Event::Writable(_)
            | Event::Input
            | Event::Errand(_)
            | Event::Above(_) => {}
        }
        Ok(())
    }

    /// Agents run on the guest's own major version where nothing else is said.
    fn prefer(&mut self, python: u32) {
        let settings = self.controller.settings_mut();
        if settings.interpreter == Interpreter::Probe && python >> 24 == 2 {
            settings.interpreter = Interpreter::Older;
        }
    }

    /// Takes what the guest has said.
    fn listen(&mut self) -> io::Result<()> {
        while let Some(event) = self.guest.poll_event() {
            match event {
                GuestEvent::Ready(hello) => self.prefer(hello.python),
                GuestEvent::Frame(frame) if frame.from == GUEST => {
                    self.streams.handle_frame(frame, clock::now());
                }
                GuestEvent::Frame(_) | GuestEvent::Ended => self.end(),
            }
        }
        while let Some(event) = self.streams.poll_event() {
            match event {
                StreamEvent::Message { key, message, opens: true, end, .. } => {
                    if let Err(error) = self.begin(key, &message, end)? {
                        self.refuse(key, &error.to_string());
                    }
                }
                StreamEvent::Message { key, message, end, owed_bytes, .. } => {
                    self.go_on(key, &message, end, owed_bytes);
                }
                StreamEvent::Reset { key, .. } => self.cancelled(key),
                StreamEvent::Settled { .. } => {}
            }
        }
        Ok(())
    }

    /// The first message of a stream.
    fn begin(&mut self, key: StreamKey, message: &[u8], end: bool) -> io::Result<Result<(), MessageError>> {
        let message = match ToController::decode(message) {
            Ok(message) => message,
            Err(error) => return Ok(Err(error)),
        };
        match message {
            ToController::Setup(setup) => {
                self.set_up(&setup);
                self.streams.answer_nothing(key);
            }
            ToController::Tunnel(asked) => self.open(key, &asked)?,
            ToController::Ask { tunnel, timeout_ms, imports, message } => {
                return Ok(self.ask(key, tunnel, timeout_ms, imports, &message, end));
            }
            ToController::Put(order) => self.put(key, &order),
            ToController::Fetch(order) => self.fetch(key, &order),
            ToController::Grant(order) => {
                self.grant(&order);
                self.streams.answer_nothing(key);
            }
            ToController::Found(_) => return Ok(Err(MessageError::BadRecord)),
        }
        Ok(Ok(()))
    }

    /// One that is not the first.
    fn go_on(&mut self, key: StreamKey, message: &[u8], end: bool, owed_bytes: usize) {
        if let Some(operation) = self.desk.by_stream.get(&key).copied() {
            self.pass_down(operation, message, end, owed_bytes);
        } else if let Some((asker, name)) = self.desk.wants.remove(&key) {
            if let Ok(ToController::Found(found)) = ToController::decode(message) {
                self.controller.provide(asker, &name, &found);
            }
            self.streams.send(key, Vec::new(), true);
        } else if end {
            self.close(key);
        }
    }

    /// The guest wants nothing more of a stream.
    fn cancelled(&mut self, key: StreamKey) {
        if let Some(operation) = self.desk.by_stream.get(&key).copied() {
            self.cancel(key, operation);
        } else if !self.stop_moving(key) {
            self.close(key);
        }
    }

    /// Whose modules travel.
    fn set_up(&mut self, setup: &Value) {
        let Some(Node::List(roots)) = setup.get("roots").map(|id| setup.node(id)) else { return };
        for path in roots.clone().into_iter().filter_map(|root| setup.bytes(root)) {
            let path = PathBuf::from(std::ffi::OsString::from_vec(path));
            if let Err(error) = self.controller.add_root(&path) {
                self.note("detail", "", &format!("{} is no root of modules: {error}", path.display()));
            }
        }
    }

    /// Tells the guest what there is to tell; returns whether that was anything.
    fn tell(&mut self) -> bool {
        let mut worked = false;
        while !self.is_paused()
            && let Some(report) = self.controller.poll_report()
        {
            worked = true;
            self.report(report);
        }
        while let Some((asker, name)) = self.controller.poll_want() {
            worked = true;
            let key =
                self.streams.open(GUEST, Priority::Interactive, ToGuest::Need(name.clone()).encode(), false);
            self.desk.wants.insert(key, (asker, name));
        }
        while let Some((source, said)) = self.controller.poll_aside() {
            worked = true;
            self.tell_aside(source, said);
        }
        while let Some((asker, order)) = self.controller.poll_join() {
            worked = true;
            self.join(asker, &order);
        }
        while let Some(asker) = self.controller.poll_unjoin() {
            worked = true;
            self.crossings.cancel(&mut self.controller, asker);
        }
        for note in self.controller.take_notes() {
            self.tell_note(&note);
        }
        worked
    }

    fn report(&mut self, report: Report) {
        if self.crossings.handle(&mut self.controller, &report) != News::Another {
            return;
        }
        let operation = report.operation();
        if self.desk.asked.contains_key(&operation) {
            self.pass_up(operation, report);
        } else if !self.has_moved(&report) {
            self.tunnel_has(operation, report);
        }
    }

    /// Sends what others wait for; returns whether there is more to send at once.
    fn feed(&mut self) -> bool {
        self.give_credit();
        self.feed_moving()
    }

    fn flush(&mut self) -> io::Result<()> {
        while let Some(frame) = self.streams.poll_frame() {
            self.guest.send(frame);
        }
        self.guest.flush();
        while let Some(event) = self.guest.poll_event() {
            if matches!(event, GuestEvent::Ended) {
                self.end();
            }
        }
        let wanted = self.guest.interest();
        if wanted != self.watched {
            self.mux.ignore(self.guest.socket());
            self.mux.heed(self.guest.socket(), GUEST_KEY, wanted)?;
            self.watched = wanted;
        }
        Ok(())
    }

    /// Nobody asks any more.
    fn end(&mut self) {
        if self.ending.is_none() {
            let operations: Vec<_> = self.desk.asked.keys().copied().collect();
            operations.into_iter().for_each(|operation| self.controller.cancel(operation, clock::now()));
            self.desk.moving.iter_mut().for_each(|moving| moving.stop(&mut self.controller));
            self.ending = Some(self.controller.wind_up(clock::now()));
        }
    }
}
