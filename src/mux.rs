//! THE loop: one poller for all links, signals, children, timers and the standard streams.
//!
//! Owners pull [`Mux::next_event`]; nothing below calls up. A turn reads each ready link at most
//! once, so that none starves the others.

mod above;
mod watching;

use crate::link::uplink::{Uplink, UplinkEvent};
use crate::link::{Cause, Link, LinkEvent, Start};
use crate::proto::frame::{Frame, Kind};
use crate::proto::ids::ContextId;
use crate::proto::message::ResetReason;
use crate::route::{LinkId, Route};
use crate::sys::askpass;
use crate::sys::child::{self, Process};
use crate::sys::clock;
use crate::sys::environment;
use crate::sys::guardian::Guardian;
use crate::sys::poll::{Interest, Poller, Ready};
use crate::sys::signals::{Signal, Signals};
use crate::sys::stdio::Stream;
use crate::sys::tty::Role;
use crate::sys::unfinished::Unfinished;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

/// Keys of the poller below this one are not links: signals, then the standard streams.
const FIRST_LINK_KEY: usize = 16;
/// A link's own, its standard error's, its terminal's.
const LINK_KEYS: usize = 4;
const INPUT_KEY: usize = 8;
const OUTPUT_KEYS: [(Stream, usize); 2] = [(Stream::Out, 9), (Stream::Err, 10)];
const ERRAND_KEYS: [(Stream, usize); 2] = [(Stream::Out, 11), (Stream::Err, 12)];
/// The parent's end of an uplink, in and out.
const UPLINK_KEYS: [usize; 2] = [13, 14];
/// Keys from here on are what the owner watches.
const FIRST_OWN_KEY: usize = usize::MAX / 2;
/// More such frames, and the link is ended.
const MAX_REFUSED: u32 = 100;
const READABLE: Interest = Interest { readable: true, writable: false };

#[derive(Debug)]
pub enum Event {
    Link(LinkId, LinkEvent),
    /// The parent says who we are, sends something to us, or has gone.
    Above(UplinkEvent),
    Signal(Signal),
    /// Standard input can be read.
    Input,
    /// A standard stream takes more, or has no reader any more.
    Writable(Stream),
    /// What the owner watches beside links is ready.
    Errand(Stream),
    /// What the owner watches by number is ready.
    Own(usize),
    /// The owner's deadline has come.
    Timeout,
}

#[derive(Debug)]
pub struct Mux {
    me: ContextId,
    poller: Poller,
    signals: Signals,
    links: BTreeMap<LinkId, Watched>,
    /// When links have something to do by themselves.
    deadlines: BTreeSet<(Instant, LinkId)>,
    by_process: HashMap<Process, LinkId>,
    uplink: Option<Uplink>,
    /// Of what has no watchdog above it.
    guardian: Option<Guardian>,
    /// Whom frames from below may be addressed to beside us.
    ancestors: Vec<ContextId>,
    route: Route,
    started: usize,
    /// Links with something to flush or to tell.
    stirred: BTreeSet<LinkId>,
    events: VecDeque<Event>,
    ready: Vec<Ready>,
    /// When the poller was last asked.
    polled: Instant,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Watched {
    link: Link,
    /// `None` once the poller has been told to forget the link.
    interest: Option<Interest>,
    /// As in [`Mux::deadlines`].
    due: Option<Instant>,
    /// How often it has addressed whom it may not.
    refused: u32,
}

/// Kills all children at once; each is then reaped as its link is dropped.
impl Drop for Mux {
    fn drop(&mut self) {
        self.links.values_mut().for_each(|watched| watched.link.kill());
    }
}

impl Mux {
    /// # Errors
    ///
    /// When the system refuses the poller or the signal handlers.
    pub fn new(me: ContextId) -> io::Result<Self> {
        let (poller, signals) = (Poller::new()?, Signals::install()?);
        for (key, source) in signals.sources().enumerate() {
            poller.add(source, key, READABLE)?;
        }
        Ok(Self {
            me,
            poller,
            signals,
            links: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            by_process: HashMap::new(),
            uplink: None,
            guardian: None,
            ancestors: Vec::new(),
            route: Route::default(),
            started: 0,
            stirred: BTreeSet::new(),
            events: VecDeque::new(),
            ready: Vec::new(),
            polled: clock::now(),
            buffer: Vec::new(),
        })
    }

    /// Starts a child and sends it everything at once.
    ///
    /// # Errors
    ///
    /// When the program cannot be started; nothing is left of it.
    pub fn start(&mut self, mut start: Start) -> io::Result<LinkId> {
        let more = match start.argv.first() {
            _ if start.terminal == Role::None => Vec::new(),
            Some(ssh) if !start.helper.is_empty() => askpass::environment(ssh, &start.helper),
            // What sudo, su and doas say of a failure is known by their own words.
            Some(_) | None => environment::untranslated(),
        };
        if !more.is_empty() && !start.helper.is_empty() {
            start.token = start.helper.clone().into_bytes();
        }
        let spawned = child::spawn(&start.argv, start.terminal, more, self.guardian.as_ref())?;
        self.guardian.as_mut().into_iter().for_each(Guardian::started);
        let context = ContextId(start.hello.context);
        let link = Link::new(spawned, start, self.me, clock::now());
        let id = LinkId(self.started);
        self.started += 1;
        let key = Self::key(id);
        self.poller.add(link.fd().as_fd(), key, READABLE)?;
        if let Some(stderr) = link.stderr() {
            self.poller.add(stderr.as_fd(), key + 1, READABLE)?;
        }
        if let Some(terminal) = link.terminal() {
            self.poller.add(terminal.as_fd(), key + 2, READABLE)?;
        }
        self.route.add(context, id);
        self.by_process.insert(link.process(), id);
        self.links.insert(id, Watched { link, interest: Some(READABLE), due: None, refused: 0 });
        self.stirred.insert(id);
        Ok(id)
    }

    /// Who is told of all that is started from now on.
    pub fn be_guarded(&mut self, guardian: Guardian) {
        self.guardian = Some(guardian);
    }

    /// Who remembers what is not whole, should this process be killed.
    pub fn unfinished(&mut self) -> Option<Unfinished> {
        self.guardian.as_mut().and_then(Guardian::unfinished)
    }

    /// The process of a child, while its link has not ended.
    pub fn pid(&self, id: LinkId) -> Option<i32> {
        self.links.get(&id).map(|watched| watched.link.pid())
    }

    /// From now on frames to and from `context` go the way of `relay`.
    pub fn expect(&mut self, context: ContextId, relay: ContextId) {
        if let Some(link) = self.route.link_to(relay) {
            self.route.add(context, link);
        }
    }

    /// Whether a context is above this one, or behind a link that has not ended.
    pub fn knows(&self, context: ContextId) -> bool {
        self.ancestors.contains(&context) || self.route.link_to(context).is_some()
    }

    /// Sends a frame towards its destination; what has gone meanwhile gets nothing.
    pub fn send(&mut self, frame: Frame) {
        if self.ancestors.contains(&frame.to) {
            if let Some(uplink) = &mut self.uplink {
                uplink.send(frame);
            }
            return;
        }
        let Some(id) = self.route.link_to(frame.to) else { return };
        if let Some(watched) = self.links.get_mut(&id) {
            watched.link.send(frame);
            self.stirred.insert(id);
        }
    }

    /// Types a password on a child's terminal.
    pub fn reply(&mut self, id: LinkId, password: &[u8]) {
        self.with_link(id, |link| link.reply(password));
    }

    /// Lets a child go, orderly.
    pub fn close(&mut self, id: LinkId) {
        self.with_link(id, |link| link.close(clock::now()));
    }

    /// Ends a child that must not go on.
    pub fn abort(&mut self, id: LinkId, cause: Cause) {
        self.with_link(id, |link| link.abort(cause, clock::now()));
    }

    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Returns what the last look at the poller has brought beside the event that was returned.
    pub fn queued_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Waits for the next event, at the latest until `deadline`.
    ///
    /// # Errors
    ///
    /// When the poller fails; a single link never makes this fail.
    pub fn next_event(&mut self, deadline: Option<Instant>) -> io::Result<Event> {
        loop {
            // 1. Tell what links have to say, write what they have to send.
            self.settle_above();
            self.settle();
            self.flush_above();
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            if self.polled_after(deadline) {
                return Ok(Event::Timeout);
            }
            // 2. Sleep until something is ready or due; look at least once.
            let now = clock::now();
            let above = self.uplink.as_ref().and_then(Uplink::poll_timeout);
            let links = self.deadlines.first().map(|(due, _)| *due);
            let due = links.into_iter().chain(deadline).chain(above).min();
            self.ready.clear();
            self.poller.wait(due.map(|due| due.saturating_duration_since(now)), &mut self.ready)?;
            // 3. Read what is ready: signals first, then links, each once.
            self.polled = clock::now();
            for ready in std::mem::take(&mut self.ready) {
                self.handle_ready(ready, self.polled);
            }
            // 4. What is due.
            self.handle_timeouts(self.polled);
        }
    }

    /// Whether the poller has been asked since the deadline, which therefore cannot starve the links.
    fn polled_after(&self, deadline: Option<Instant>) -> bool {
        deadline.is_some_and(|deadline| deadline <= self.polled)
    }

    fn settle(&mut self) {
        while let Some(id) = self.stirred.pop_first() {
            let Some(watched) = self.links.get_mut(&id) else { continue };
            watched.link.flush();
            let mut ended = false;
            while let Some(event) = watched.link.poll_event() {
                let event = match event {
                    LinkEvent::Frame(frame) if !self.route.is_behind(frame.from, id) => {
                        watched.link.abort(Cause::Forged { source: frame.from }, clock::now());
                        continue;
                    }
                    LinkEvent::Frame(frame) if self.ancestors.contains(&frame.to) => {
                        self.uplink.as_mut().into_iter().for_each(|uplink| uplink.send(frame.clone()));
                        continue;
                    }
                    LinkEvent::Frame(frame) if frame.to != self.me && watched.refused == MAX_REFUSED => {
                        watched.link.abort(Cause::Forged { source: frame.from }, clock::now());
                        continue;
                    }
                    LinkEvent::Frame(frame) if frame.to != self.me => {
                        watched.refused += 1;
                        let reason = ResetReason::UnknownMessage.encode();
                        let (from, to) = (frame.from, frame.to);
                        watched.link.send(Frame::control(Kind::Reset, self.me, from, frame.stream, reason));
                        LinkEvent::Refused(format!("{from} addressed {to}, which it may not"))
                    }
                    event => event,
                };
                match (&event, &mut self.guardian) {
                    (LinkEvent::Ready(_), Some(guardian)) => guardian.has_watchdog(watched.link.pid()),
                    (LinkEvent::Ended(_), Some(guardian)) => guardian.ended(watched.link.pid()),
                    _ => {}
                }
                ended |= matches!(event, LinkEvent::Ended(_));
                self.events.push_back(Event::Link(id, event));
            }
            if ended {
                self.remove(id);
            } else {
                self.watch(id);
            }
        }
    }

    /// Brings the poller and the deadlines in line with what the link waits for; a link is never watched again.
    fn watch(&mut self, id: LinkId) {
        let Some(watched) = self.links.get_mut(&id) else { return };
        let due = watched.link.poll_timeout();
        if watched.due != due {
            watched.due.map(|before| self.deadlines.remove(&(before, id)));
            self.deadlines.extend(due.map(|due| (due, id)));
            watched.due = due;
        }
        if watched.link.hangs_up()
            && let Some(terminal) = watched.link.take_terminal()
        {
            self.poller.remove(terminal.fd()).ok();
        }
        let (wanted, fd) = (watched.link.interest(), watched.link.fd());
        match (watched.interest, wanted) {
            (Some(current), Some(wanted)) if current != wanted => {
                self.poller.modify(fd.as_fd(), Self::key(id), wanted).ok();
            }
            (Some(_), None) => {
                self.poller.remove(fd).ok();
            }
            (Some(_), Some(_)) | (None, _) => {}
        }
        watched.interest = watched.interest.and(wanted);
    }

    fn remove(&mut self, id: LinkId) {
        self.route.remove_link(id);
        if let Some(mut watched) = self.links.remove(&id) {
            watched.due.map(|due| self.deadlines.remove(&(due, id)));
            self.by_process.remove(&watched.link.process());
            // What `start` added and nobody has removed since can be removed.
            if watched.interest.is_some() {
                self.poller.remove(watched.link.fd()).ok();
            }
            if let Some(stderr) = watched.link.take_stderr() {
                self.poller.remove(&stderr).ok();
            }
            if let Some(terminal) = watched.link.take_terminal() {
                self.poller.remove(terminal.fd()).ok();
            }
        }
    }

    fn handle_ready(&mut self, ready: Ready, now: Instant) {
        match ready.key {
            INPUT_KEY => self.events.push_back(Event::Input),
            key if UPLINK_KEYS.contains(&key) => {
                if let Some(uplink) = self.uplink.as_mut().filter(|_| ready.readable) {
                    uplink.handle_readable(&mut self.buffer, now);
                }
            }
            key if key >= FIRST_OWN_KEY => self.events.push_back(Event::Own(key - FIRST_OWN_KEY)),
            key if key >= FIRST_LINK_KEY => self.handle_link(ready, now),
            key => match (Self::stream_of(key, &OUTPUT_KEYS), Self::stream_of(key, &ERRAND_KEYS)) {
                (Some(stream), _) => {
                    // Told once: whoever wants more asks again.
                    self.forget_output(stream);
                    self.events.push_back(Event::Writable(stream));
                }
                (None, Some(output)) => self.events.push_back(Event::Errand(output)),
                (None, None) => self.handle_signals(now),
            },
        }
    }

    fn handle_signals(&mut self, now: Instant) {
        for signal in self.signals.take() {
            if signal == Signal::Child {
                self.handle_children(now);
            }
            self.events.push_back(Event::Signal(signal));
        }
    }

    /// Reaps those of our children that have ended.
    fn handle_children(&mut self, now: Instant) {
        while let Some(process) = child::next_ended() {
            let Some(id) = self.by_process.remove(&process) else {
                // It is somebody else's to reap, and hides all others.
                for (id, watched) in &mut self.links {
                    watched.link.handle_child(now);
                    self.stirred.insert(*id);
                }
                return;
            };
            if let Some(watched) = self.links.get_mut(&id) {
                watched.link.handle_child(now);
                self.stirred.insert(id);
            }
        }
    }

    fn handle_link(&mut self, ready: Ready, now: Instant) {
        let (id, which) = (LinkId((ready.key - FIRST_LINK_KEY) / LINK_KEYS), ready.key % LINK_KEYS);
        let Some(watched) = self.links.get_mut(&id) else { return };
        self.stirred.insert(id);
        if which == 1 {
            if !watched.link.handle_stderr(&mut self.buffer, now)
                && let Some(stderr) = watched.link.take_stderr()
            {
                self.poller.remove(&stderr).ok();
            }
            return;
        }
        if which == 2 {
            if !watched.link.handle_terminal(&mut self.buffer, now)
                && let Some(terminal) = watched.link.take_terminal()
            {
                self.poller.remove(terminal.fd()).ok();
            }
            return;
        }
        if ready.readable {
            watched.link.handle_readable(&mut self.buffer, now);
        }
    }

    fn handle_timeouts(&mut self, now: Instant) {
        if let Some(uplink) = &mut self.uplink {
            uplink.handle_timeout(now);
        }
        let due: Vec<_> = self.deadlines.iter().take_while(|(due, _)| *due <= now).collect();
        for (_, id) in due {
            if let Some(watched) = self.links.get_mut(id) {
                watched.link.handle_timeout(now);
                self.stirred.insert(*id);
            }
        }
    }

    fn with_link(&mut self, id: LinkId, action: impl FnOnce(&mut Link)) {
        if let Some(watched) = self.links.get_mut(&id) {
            action(&mut watched.link);
            self.stirred.insert(id);
        }
    }

    fn key(id: LinkId) -> usize {
        FIRST_LINK_KEY + LINK_KEYS * id.0
    }

    fn key_of(stream: Stream, keys: &[(Stream, usize); 2]) -> usize {
        keys.iter().find(|(known, _)| *known == stream).map_or(keys[0].1, |(_, key)| *key)
    }

    fn stream_of(key: usize, keys: &[(Stream, usize); 2]) -> Option<Stream> {
        keys.iter().find(|(_, known)| *known == key).map(|(stream, _)| *stream)
    }
}
