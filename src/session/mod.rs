//! A controller that is kept warm in the background, and whoever asks it, by sockets of one user (docs/PROTOCOL.md,
//! "Sessions"). What a client asks for ends with the client; what is open stays, for as long as it was wanted.

pub mod caller;
mod client;
pub mod crossing;
mod held;
mod job;
mod lending;
mod rule;
pub mod standin;
mod tree;

use crate::controller::operation::Report;
use crate::controller::{Controller, STARTS_AT_ONCE, Settings, Weight};
use crate::mux::{Event, Mux};
use crate::proto::ids::ContextId;
use crate::proto::message::session::{FromSession, Rule};
use crate::sys::poll::Interest;
use crate::sys::rendezvous;
use crate::sys::signals::Signal;
use crate::sys::{clock, limits};
pub use client::ROOM;
use client::{Client, ClientId};
use crossing::Crossings;
use held::Ways;
use job::Jobs;
use lending::Lendings;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The user's session, in the folder of [`rendezvous::folder`].
const SOCKET: &str = "session";
const LOCK: &str = "session.lock";
/// Nobody needs more of them at once.
const MAX_CLIENTS: usize = 4096;
/// A client, and what runs for it.
const FDS_OF_CLIENT: usize = 5;
/// How long a session that was started waits for whoever has done that.
const FIRST_WAIT: Duration = Duration::from_secs(10);
const READABLE: Interest = Interest { readable: true, writable: false };

/// Where the user's session listens.
///
/// # Errors
///
/// Where there is no folder for sockets.
pub fn socket() -> io::Result<PathBuf> {
    Ok(rendezvous::folder()?.join(SOCKET))
}

/// The same, where there has been one.
///
/// # Errors
///
/// Where the folder for sockets is not this user's alone.
pub fn known_socket() -> io::Result<Option<PathBuf>> {
    Ok(rendezvous::known_folder()?.map(|folder| folder.join(SOCKET)))
}

/// What a session is for.
#[derive(Debug)]
pub enum Purpose {
    /// Whoever of this user comes, until nothing is to be kept.
    Everybody { listener: UnixListener, path: PathBuf },
    /// One client, until that has gone.
    One(UnixStream),
}

/// What is watched beside links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watched {
    Listener(usize),
    Client(ClientId),
    /// A descriptor of something that runs.
    Job,
}

/// A socket's file.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    /// Another's there would have another.
    number: u64,
}

#[derive(Debug)]
struct Listening {
    socket: UnixListener,
    /// `None`: everything may be asked.
    rule: Option<Rule>,
    /// With whom it ends.
    owner: Option<ClientId>,
}

/// The numbers under which the mux watches what is ours.
#[derive(Debug, Default)]
struct Numbers {
    next: usize,
    watched: HashMap<usize, Watched>,
}

impl Numbers {
    fn take(&mut self, watched: Watched) -> usize {
        self.next += 1;
        self.watched.insert(self.next, watched);
        self.next
    }
}

/// A question that a client shows.
#[derive(Clone, Copy, Debug)]
struct Asking {
    context: ContextId,
    client: ClientId,
    number: u32,
}

#[derive(Debug)]
struct Session {
    mux: Mux,
    controller: Controller,
    /// What holds where a client says nothing else.
    base: Settings,
    /// The socket's file, where it has one.
    place: Option<Place>,
    /// How many may be here at once.
    max_clients: usize,
    listeners: BTreeMap<usize, Listening>,
    clients: BTreeMap<ClientId, Client>,
    numbers: Numbers,
    next: usize,
    ways: Ways,
    jobs: Jobs,
    lendings: Lendings,
    crossings: Crossings,
    /// The question that is shown.
    asking: Option<Asking>,
    /// How many have been.
    asked: u32,
    started: Instant,
    /// A client has been here.
    visited: bool,
    starts: usize,
    /// When it ends, whatever still runs.
    ending: Option<Instant>,
}

/// Serves clients until nothing is left to do for them.
///
/// # Errors
///
/// When this machine fails us: no poller, no random numbers.
pub fn serve(purpose: Purpose, settings: Settings, mux: Mux) -> io::Result<()> {
    let now = clock::now();
    let mut session = Session {
        mux,
        base: settings.clone(),
        controller: Controller::new(Settings { lends: true, ..settings }),
        place: None,
        max_clients: (limits::open_files() / FDS_OF_CLIENT).min(MAX_CLIENTS),
        listeners: BTreeMap::new(),
        clients: BTreeMap::new(),
        numbers: Numbers::default(),
        next: 0,
        ways: Ways::default(),
        jobs: Jobs::default(),
        lendings: Lendings::default(),
        crossings: Crossings::default(),
        asking: None,
        asked: 0,
        started: now,
        visited: false,
        starts: STARTS_AT_ONCE,
        ending: None,
    };
    let mut last = None;
    match purpose {
        Purpose::Everybody { listener, path } => {
            session.place = Some(Place { number: rendezvous::number(&path)?, path });
            session.listen(listener, None, None)?;
        }
        Purpose::One(stream) => {
            // It waits until this process has gone.
            last = Some(stream.try_clone()?);
            session.welcome(stream, None, None)?;
        }
    }
    let served = session.run();
    session.leave_place();
    drop(session);
    drop(last);
    served
}

impl Session {
    fn run(&mut self) -> io::Result<()> {
        loop {
            // 1. Do what the controller wants, and tell what it has to tell.
            self.starts = STARTS_AT_ONCE;
            while self.controller.execute_some(&mut self.mux, &mut self.starts) | self.tell()? {}
            // 2. Copy what can be copied.
            self.ask();
            self.copy();
            while self.controller.execute_some(&mut self.mux, &mut self.starts) | self.tell()? {}
            self.flush()?;
            self.let_idle_go(clock::now());
            if self.ending.is_none() && self.is_done() {
                self.end();
            }
            if self.ending.is_some_and(|at| self.is_over() || clock::now() >= at) {
                return Ok(());
            }
            // 3. Wait for what happens next, and handle all of it.
            let more = self.jobs.more || self.controller.has_command() || self.controller.has_report();
            let more = more.then(clock::now);
            let first = (!self.visited).then(|| self.started + FIRST_WAIT);
            let left = self.jobs.poll_timeout();
            let own =
                [self.controller.poll_timeout(), self.ending, self.ways.poll_timeout(), left, more, first];
            let event = self.mux.next_event(own.into_iter().flatten().min())?;
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
            Event::Own(number) => match self.numbers.watched.get(&number).copied() {
                Some(Watched::Listener(at)) => self.accept(at)?,
                Some(Watched::Client(client)) => self.hear(client)?,
                // All jobs are looked at in each turn.
                Some(Watched::Job) | None => {}
            },
            Event::Signal(Signal::Interrupt | Signal::Terminate | Signal::Hangup) => self.end(),
            Event::Signal(Signal::Child | Signal::Continue)
            | Event::Writable(_)
            | Event::Input
            | Event::Errand(_)
            | Event::Above(_) => {}
        }
        Ok(())
    }

    fn listen(
        &mut self,
        socket: UnixListener,
        rule: Option<Rule>,
        owner: Option<ClientId>,
    ) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        self.next += 1;
        let number = self.numbers.take(Watched::Listener(self.next));
        self.mux.heed(&socket, number, READABLE)?;
        self.listeners.insert(self.next, Listening { socket, rule, owner });
        Ok(())
    }

    fn accept(&mut self, at: usize) -> io::Result<()> {
        let Some(listening) = self.listeners.get(&at) else { return Ok(()) };
        // Whoever has gone again, or may not come, is no failure of ours.
        let Ok((stream, _)) = listening.socket.accept() else { return Ok(()) };
        if rendezvous::check(&stream).is_err() || self.ending.is_some() {
            return Ok(());
        }
        let (rule, owner) = (listening.rule.clone(), listening.owner);
        if self.clients.len() >= self.max_clients {
            // Who does not even greet makes room for who may.
            let mute = self.clients.iter().find(|(_, client)| !client.has_greeted()).map(|(id, _)| *id);
            let Some(mute) = mute else { return Ok(()) };
            self.part_with(mute);
        }
        // Where it cannot be watched, it is gone again.
        self.welcome(stream, rule, owner).ok();
        Ok(())
    }

    fn welcome(&mut self, stream: UnixStream, rule: Option<Rule>, owner: Option<ClientId>) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        self.next += 1;
        let id = ClientId(self.next);
        let number = self.numbers.take(Watched::Client(id));
        self.mux.heed(&stream, number, READABLE)?;
        self.clients.insert(id, Client::new(stream, rule, owner, number));
        Ok(())
    }

    /// Tells clients what there is to tell; returns whether that was anything.
    fn tell(&mut self) -> io::Result<bool> {
        let mut worked = false;
        while let Some(report) = self.controller.poll_report() {
            worked = true;
            self.report(report);
        }
        while let Some((key, order)) = self.controller.poll_join() {
            worked = true;
            self.join(key, &order)?;
        }
        while let Some(key) = self.controller.poll_unjoin() {
            worked = true;
            self.unjoin(key);
        }
        // What no client has asked for is read all the same.
        while let Some((source, _)) = self.controller.poll_aside() {
            worked = true;
            self.controller.consumed(source, clock::now());
        }
        for note in self.controller.take_notes() {
            let warning = note.weight == Weight::Warning;
            let told = FromSession::Note { target: note.target, text: note.text, warning };
            self.clients.values_mut().filter(|client| client.waits()).for_each(|client| client.tell(&told));
        }
        Ok(worked)
    }

    fn report(&mut self, report: Report) {
        let Some(report) = self.job_has(report) else { return };
        if !self.lending_has(&report) {
            self.way_has(report);
        }
    }

    /// Whether there is nobody, and nothing to keep.
    fn is_done(&self) -> bool {
        let late = clock::now() >= self.started + FIRST_WAIT;
        let alone = if self.place.is_none() {
            self.clients.is_empty()
        } else {
            self.ways.is_empty() && !self.clients.values().any(Client::has_greeted)
        };
        alone && !self.jobs.are_left() && (self.visited || late)
    }

    fn is_over(&self) -> bool {
        self.mux.is_empty() && self.jobs.is_empty() && self.clients.values().all(Client::has_told)
    }

    fn end(&mut self) {
        if self.ending.is_some() {
            return;
        }
        // Nobody finds it any more.
        self.leave_place();
        for (_, listening) in std::mem::take(&mut self.listeners) {
            self.mux.ignore(&listening.socket);
        }
        self.cancel_all();
        self.ending = Some(self.controller.wind_up(clock::now()));
    }

    /// Takes the socket's file away, if it is still ours.
    fn leave_place(&mut self) {
        let Some(place) = self.place.take() else { return };
        if rendezvous::number(&place.path).is_ok_and(|number| number == place.number) {
            std::fs::remove_file(place.path).ok();
        }
    }
}

/// Makes the user's session's socket, where no session listens. Whoever else wants to waits meanwhile.
///
/// # Errors
///
/// As bind(2), and where there is no folder for it.
pub fn found(path: &Path) -> io::Result<Founding> {
    let lock = rendezvous::lock(&path.with_file_name(LOCK))?;
    match rendezvous::connect(path) {
        Ok(stream) => return Ok(Founding::There(stream)),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = rendezvous::listen(path)?;
    drop(lock);
    Ok(Founding::New(listener))
}

/// What [`found`] finds.
#[derive(Debug)]
pub enum Founding {
    /// One that listens already.
    There(UnixStream),
    New(UnixListener),
}
