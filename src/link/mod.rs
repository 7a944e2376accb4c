//! A link: the descriptors of one child process meet the protocol that is spoken over them.
//!
//! Its life: starting (noise until the marker), open (frames), ending (nothing more is read; the
//! process is given time, then killed), over. It always ends with the process reaped.

pub mod guest;
mod outbound;
pub mod uplink;

use crate::proto::dialog::{Dialog, Progress, Tail};
use crate::proto::frame::Frame;
use crate::proto::ids::ContextId;
use crate::proto::message::{ChildHello, ParentHello};
use crate::proto::prompt::{Place, Prompt, Question};
use crate::proto::session::{Closed, Event as SessionEvent, Session};
use crate::sys::child::{Child, Exit, Process, Spawned};
use crate::sys::fd::{self, Read};
use crate::sys::poll::Interest;
use crate::sys::tty::{Role, Terminal};
use outbound::{Flushed, Outbound};
use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// Time for a child to end by itself once its link has ended or it was told to.
const GRACE: Duration = Duration::from_millis(500);
/// Time between SIGTERM and SIGKILL.
const PATIENCE: Duration = Duration::from_millis(200);
/// The same for one with a watchdog, which has processes to find and to end before it goes.
const WATCHDOG_PATIENCE: Duration = Duration::from_secs(4);
const READ_BYTES: usize = 64 * 1024;
/// How often a process that has ended is still read: another may hold its descriptors and write on.
const LAST_READS: usize = 16;

/// A child to start: what to run, what to send it first, who it will be.
#[derive(Debug)]
pub struct Start {
    pub argv: Vec<String>,
    pub payload: Vec<u8>,
    pub hello: ParentHello,
    /// Where it may ask for a password, and what only that question holds; empty: any.
    pub terminal: Role,
    pub token: Vec<u8>,
    /// Not empty: it is an ssh, which asks through this program where it can, and that with these words.
    pub helper: String,
}

#[derive(Debug)]
pub enum LinkEvent {
    Ready(ChildHello),
    Frame(Frame),
    /// Something that is not ours came between two frames.
    Noise(Vec<u8>),
    /// The program asks on its terminal.
    Asked(Question),
    /// Something that it may not was asked for, and refused.
    Refused(String),
    /// The process is gone; the last event of a link.
    Ended(End),
}

/// How a link came to its end.
#[derive(Clone, Debug)]
pub struct End {
    pub cause: Cause,
    pub started: bool,
    pub exit: Option<Exit>,
    /// The last lines of the process's standard error, and of what else it said before it started.
    pub stderr: Vec<String>,
    pub noise: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// We closed it.
    Asked,
    Eof,
    Session(Closed),
    TooNoisy,
    /// A frame whose source is not behind this link.
    Forged {
        source: ContextId,
    },
    /// Nothing answered within the time to connect.
    TooSlow,
    /// It asked what it is not told.
    Question,
    /// What it was told to stop went on.
    Stuck,
    Failed,
}

#[derive(Debug)]
enum Life {
    Starting(Dialog),
    Open,
    Ending { cause: Cause, next: Instant, step: Step },
    Over,
}

/// What happens to a process that does not end by itself.
#[derive(Clone, Copy, Debug)]
enum Step {
    Terminate,
    Kill { watchdog: bool },
}

#[derive(Debug)]
pub struct Link {
    child: Child,
    fd: OwnedFd,
    stderr: Option<OwnedFd>,
    terminal: Option<Terminal>,
    role: Role,
    prompt: Prompt,
    life: Life,
    started: bool,
    /// Where it was told to end before it had answered, and whether it has answered since.
    unanswered: Option<Dialog>,
    late: bool,
    session: Session,
    out: Outbound,
    stderr_tail: Tail,
    terminal_tail: Tail,
    noise: Vec<String>,
    events: VecDeque<LinkEvent>,
}

impl Link {
    /// The payload goes out first, then what the session says.
    pub fn new(spawned: Spawned, start: Start, me: ContextId, now: Instant) -> Self {
        let Start { payload, hello, terminal: role, token, .. } = start;
        let mut out = Outbound::default();
        out.push(payload);
        Self {
            child: spawned.child,
            fd: spawned.link,
            stderr: Some(spawned.stderr),
            terminal: spawned.terminal,
            role,
            prompt: Prompt::new(token),
            life: Life::Starting(Dialog::new(hello.nonce)),
            started: false,
            unanswered: None,
            late: false,
            session: Session::parent(me, &hello, now),
            out,
            stderr_tail: Tail::default(),
            terminal_tail: Tail::default(),
            noise: Vec::new(),
            events: VecDeque::new(),
        }
    }

    pub fn process(&self) -> Process {
        self.child.process()
    }

    pub fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// The process that was started.
    pub fn pid(&self) -> i32 {
        self.child.pid()
    }

    pub fn stderr(&self) -> Option<&OwnedFd> {
        self.stderr.as_ref()
    }

    pub fn terminal(&self) -> Option<&OwnedFd> {
        self.terminal.as_ref().map(Terminal::fd)
    }

    /// What the link's main descriptor is to be watched for. A link that ends waits for its
    /// process, not for the descriptor, which would report the hang-up again and again.
    pub fn interest(&self) -> Option<Interest> {
        let writable = !self.out.is_empty() || self.session.has_output();
        match self.life {
            // A child that asks and does not read the answers is not listened to either.
            Life::Starting(_) | Life::Open => {
                Some(Interest { readable: !self.session.is_backlogged(), writable })
            }
            Life::Ending { cause: Cause::Asked, .. } if writable => {
                Some(Interest { readable: false, writable })
            }
            Life::Ending { .. } | Life::Over => None,
        }
    }

    pub fn send(&mut self, frame: Frame) {
        self.events.extend(self.session.send(frame).map(LinkEvent::Frame));
    }

    pub fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.life {
            Life::Ending { next, .. } => Some(*next),
            Life::Open => self.session.poll_timeout(),
            Life::Starting(_) => self.prompt.poll_timeout(),
            Life::Over => None,
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.life {
            Life::Open => {
                self.session.handle_timeout(now);
                self.drain_session(now);
            }
            Life::Ending { next, .. } if *next <= now => {
                self.press(now);
                self.handle_child(now);
            }
            Life::Starting(_) => {
                let hidden = self.terminal.as_ref().is_some_and(Terminal::is_hidden);
                let question = self.prompt.handle_timeout(hidden, now);
                self.events.extend(question.map(LinkEvent::Asked));
            }
            Life::Ending { .. } | Life::Over => {}
        }
    }

    /// Goes on with the end of a process that has not ended by itself.
    fn press(&mut self, now: Instant) {
        let watchdog = self.has_watchdog();
        let Life::Ending { next, step, .. } = &mut self.life else { return };
        match *step {
            Step::Terminate => self.child.terminate(),
            // What it has to end it has only just begun.
            Step::Kill { watchdog: before } if before != watchdog => {}
            Step::Kill { .. } => self.child.kill(),
        }
        *step = Step::Kill { watchdog };
        *next = now + if watchdog { WATCHDOG_PATIENCE } else { PATIENCE };
    }

    /// What the program shows on its terminal; nobody asks there once the agent runs.
    pub fn handle_terminal(&mut self, buffer: &mut Vec<u8>, now: Instant) -> bool {
        let Some(terminal) = &self.terminal else { return false };
        buffer.resize(READ_BYTES, 0);
        match terminal.read(buffer) {
            Read::Data(count) if !self.started => {
                self.terminal_tail.push(&buffer[..count]);
                self.prompt.handle_output(Place::Terminal, &buffer[..count], now);
            }
            Read::Data(_) | Read::WouldBlock => {}
            Read::Eof | Read::Failed(_) => return false,
        }
        true
    }

    /// Types a password on the program's terminal.
    pub fn reply(&mut self, password: &[u8]) {
        if let Some(terminal) = &self.terminal {
            terminal.type_line(password);
        }
    }

    /// Whether the terminal is to be closed, which ends what waits there for an answer, also where it
    /// runs as somebody whom we may not signal.
    pub fn hangs_up(&self) -> bool {
        let by_itself = |cause| matches!(cause, Cause::Eof | Cause::Failed);
        !self.started && matches!(self.life, Life::Ending { cause, .. } if !by_itself(cause))
    }

    /// Gives up the terminal, which the caller has stopped watching.
    pub fn take_terminal(&mut self) -> Option<Terminal> {
        self.terminal.take()
    }

    /// Asks the child to go; what is queued is sent before.
    pub fn close(&mut self, now: Instant) {
        if matches!(self.life, Life::Open) {
            self.session.close();
            self.end(Cause::Asked, now);
            self.flush();
        } else if matches!(self.life, Life::Starting(_)) {
            // Nobody listens yet: the end of its input ends whatever has been started.
            self.end(Cause::Asked, now);
            self.out = Outbound::default();
            fd::shut_write(&self.fd).ok();
        }
    }

    /// Ends the link at once: the other end cannot be trusted or does not answer.
    pub fn abort(&mut self, cause: Cause, now: Instant) {
        self.end(cause, now);
    }

    /// Ends the process without a word. A watchdog has still to end what it watches; all else is
    /// reaped as the link is dropped.
    pub fn kill(&mut self) {
        if self.has_watchdog() { self.child.dismiss() } else { self.child.kill() }
    }

    /// Whether the agent runs, which may have come about since it was told to end.
    fn has_watchdog(&mut self) -> bool {
        let mut buffer = vec![0; READ_BYTES];
        while let Some(dialog) = &mut self.unanswered {
            let Read::Data(count) = fd::read(self.fd.as_fd(), &mut buffer) else { break };
            match dialog.handle_input(&buffer[..count]) {
                Progress::Waiting => {}
                Progress::TooNoisy => self.unanswered = None,
                Progress::Started { .. } => (self.unanswered, self.late) = (None, true),
            }
        }
        self.started || self.late
    }

    /// Reads once, if there is anything.
    pub fn handle_readable(&mut self, buffer: &mut Vec<u8>, now: Instant) -> Read {
        buffer.resize(READ_BYTES, 0);
        let read = fd::read(self.fd.as_fd(), buffer);
        match (&read, &mut self.life) {
            (_, Life::Ending { .. } | Life::Over) | (Read::WouldBlock, _) => {}
            (Read::Eof, _) => self.end(Cause::Eof, now),
            (Read::Failed(_), _) => self.end(Cause::Failed, now),
            (Read::Data(count), Life::Open) => {
                self.session.handle_input(&buffer[..*count], now);
                self.drain_session(now);
            }
            (Read::Data(count), Life::Starting(dialog)) => match dialog.handle_input(&buffer[..*count]) {
                Progress::Waiting => {}
                Progress::TooNoisy => self.end(Cause::TooNoisy, now),
                Progress::Started { rest } => {
                    self.started = true;
                    self.enter(Life::Open);
                    self.session.handle_input(&rest, now);
                    self.drain_session(now);
                }
            },
        }
        read
    }

    /// Reads once from standard error; returns `false` when it has ended.
    pub fn handle_stderr(&mut self, buffer: &mut Vec<u8>, now: Instant) -> bool {
        let Some(stderr) = &self.stderr else { return false };
        buffer.resize(READ_BYTES, 0);
        match fd::read(stderr.as_fd(), buffer) {
            Read::Data(count) => {
                self.stderr_tail.push(&buffer[..count]);
                // su asks there, and hears the answer on the terminal.
                if self.role == Role::Input && !self.started {
                    self.prompt.handle_output(Place::Errors, &buffer[..count], now);
                }
            }
            Read::WouldBlock => {}
            Read::Eof | Read::Failed(_) => return false,
        }
        true
    }

    /// Gives up standard error, which the caller has stopped watching.
    pub fn take_stderr(&mut self) -> Option<OwnedFd> {
        self.stderr.take()
    }

    /// Some child has ended; if it was ours, so has the link.
    pub fn handle_child(&mut self, now: Instant) {
        if matches!(self.life, Life::Over) {
            return;
        }
        let Some(exit) = self.child.poll_exit() else { return };
        let mut buffer = Vec::new();
        for _ in 0..LAST_READS {
            let reads = matches!(self.life, Life::Starting(_) | Life::Open);
            if !reads || !matches!(self.handle_readable(&mut buffer, now), Read::Data(_)) {
                break;
            }
        }
        self.end(Cause::Eof, now);
        // A background process may hold the other end open for ever: what is there now is all.
        let mut reads = 0..LAST_READS;
        while reads.next().is_some() && self.stderr_has_more(&mut buffer) {}
        buffer.resize(READ_BYTES, 0);
        if let Some(terminal) = &self.terminal
            && let Read::Data(count) = terminal.read(&mut buffer)
        {
            self.terminal_tail.push(&buffer[..count]);
        }
        if let Life::Ending { cause, .. } = self.enter(Life::Over) {
            let mut stderr = std::mem::take(&mut self.stderr_tail).into_lines();
            stderr.extend(std::mem::take(&mut self.terminal_tail).into_lines());
            let noise = std::mem::take(&mut self.noise);
            self.events.push_back(LinkEvent::Ended(End {
                cause,
                started: self.started,
                exit: Some(exit),
                stderr,
                noise,
            }));
        }
    }

    /// Writes as much as goes.
    pub fn flush(&mut self) {
        match self.out.flush(&mut self.session, self.fd.as_fd()) {
            Flushed::Waiting => {}
            // What a child that reads no more has still to say may be read, and tells why.
            Flushed::Gone | Flushed::Lost => {
                if matches!(self.life, Life::Ending { cause: Cause::Asked, .. }) {
                    fd::shut_write(&self.fd).ok();
                }
            }
        }
    }

    fn stderr_has_more(&mut self, buffer: &mut Vec<u8>) -> bool {
        let Some(stderr) = &self.stderr else { return false };
        buffer.resize(READ_BYTES, 0);
        let Read::Data(count) = fd::read(stderr.as_fd(), buffer) else { return false };
        self.stderr_tail.push(&buffer[..count]);
        true
    }

    fn drain_session(&mut self, now: Instant) {
        while let Some(event) = self.session.poll_event() {
            match event {
                SessionEvent::Ready(hello) => self.events.push_back(LinkEvent::Ready(hello)),
                SessionEvent::Frame(frame) => self.events.push_back(LinkEvent::Frame(frame)),
                SessionEvent::Noise(noise) => self.events.push_back(LinkEvent::Noise(noise)),
                SessionEvent::Closed(reason) => self.end(Cause::Session(reason), now),
                SessionEvent::Greeted(_) | SessionEvent::Pinged => {}
            }
        }
    }

    fn end(&mut self, cause: Cause, now: Instant) {
        let next = match cause {
            Cause::Asked | Cause::Eof | Cause::Failed | Cause::Session(Closed::Bye) => now + GRACE,
            Cause::Session(_)
            | Cause::TooNoisy
            | Cause::Forged { .. }
            | Cause::TooSlow
            | Cause::Question
            | Cause::Stuck => now,
        };
        if matches!(self.life, Life::Starting(_) | Life::Open) {
            self.enter(Life::Ending { cause, next, step: Step::Terminate });
        }
    }

    /// The one place where a link's life changes; returns what it was.
    fn enter(&mut self, life: Life) -> Life {
        let before = std::mem::replace(&mut self.life, life);
        match before {
            Life::Starting(dialog) => {
                self.noise = dialog.clone().into_noise();
                self.unanswered = (!self.started).then_some(dialog);
                Life::Open
            }
            before => before,
        }
    }
}
