//! `hopvine relay`: this binary as a context of the tree. It forwards by the header alone, starts
//! children for whoever is above, keeps what it hands out to them, and serves commands and files itself.

mod children;

use crate::link::LinkEvent;
use crate::link::uplink::{Uplink, UplinkEvent};
use crate::mux::{Event, Mux};
use crate::payload;
use crate::proto::frame::{Frame, Kind, Priority};
use crate::proto::ids::{ContextId, StreamId};
use crate::proto::message::{FromAgent, ParentHello, ResetReason, ToAgent};
use crate::proto::splice::{SpliceEvent, Splices};
use crate::proto::stream::{FIRST_JOINED, StreamEvent, StreamKey, Streams};
use crate::proto::value::Builder;
use crate::route::LinkId;
use crate::serve::{self, Commands, Transfers};
use crate::sys::clock;
use crate::sys::fd;
use crate::sys::signals::Signal;
use crate::sys::watchdog::{self, Inheritance, Watched};
use children::Children;
use std::io;
use std::time::Duration;

/// Serves the parent that is at standard input and output until it has gone. Returns in a child of
/// the process that was started, which stays behind as the watchdog.
///
/// # Errors
///
/// When this machine fails us.
pub fn run() -> io::Result<()> {
    let [input, output] = fd::take_standard_streams()?;
    let watched = watchdog::start([&input, &output])?;
    let skip = payload::second_stage().len() + payload::CORE.len();
    let mut mux = Mux::new(ContextId::CONTROLLER)?;
    mux.attach(Uplink::new(input, output, skip, clock::now()))?;
    Relay::new(mux, watched, None).run()
}

/// The same in the place of an agent (`bootstrap/parts/native.py`): its watchdog stays, the parent has
/// been greeted, and is told on the agent's stream that this program runs.
///
/// # Errors
///
/// As [`run`].
pub fn resume(stream: u32) -> io::Result<()> {
    let Inheritance { link: [input, output], ahead, watched } = watchdog::inherit()?;
    let mut mux = Mux::new(ContextId::CONTROLLER)?;
    let mut uplink = Uplink::new(input, output, 0, clock::now());
    uplink.handle_input(&ahead, clock::now());
    mux.attach(uplink)?;
    Relay::new(mux, watched, Some(StreamId(stream))).run()
}

struct Relay {
    mux: Mux,
    watched: Watched,
    /// From the parent's hello on.
    me: Option<Me>,
    commands: Commands,
    transfers: Transfers,
    children: Children,
    /// Of the agent whose place this is: who is greeted has been answered.
    resumed: Option<StreamId>,
}

struct Me {
    streams: Streams,
    splices: Splices,
    keepalive: Duration,
}

impl Me {
    /// A child has something for us: what goes on to others, else nothing that it may.
    fn handle_link(
        &mut self,
        link: LinkId,
        event: LinkEvent,
        children: &mut Children,
        mux: &Mux,
        watched: &mut Watched,
    ) {
        let now = clock::now();
        match event {
            LinkEvent::Frame(frame) => {
                // Of a splice that is over, answers may still be on their way.
                let late = |frame: &Frame| frame.stream >= FIRST_JOINED && frame.kind != Kind::Open;
                if let Some(frame) = self.splices.handle_frame(frame, now).filter(|frame| !late(frame)) {
                    children.handle_link(link, LinkEvent::Frame(frame), &mut self.streams, watched);
                }
            }
            event => {
                let ended = matches!(event, LinkEvent::Ended(_));
                children.handle_link(link, event, &mut self.streams, watched);
                if ended {
                    self.splices.lose(|context| !mux.knows(context));
                }
            }
        }
    }

    /// Sends what there is to send.
    fn flush(&mut self, mux: &mut Mux) {
        while let Some(event) = self.splices.poll_event() {
            match event {
                SpliceEvent::Dropped { owner, member } => {
                    self.streams.send(owner, FromAgent::Dropped(member).encode(), false);
                }
                SpliceEvent::Over { owner } => {
                    self.streams.send(owner, FromAgent::Result(Builder::default().none()).encode(), true);
                }
            }
        }
        while let Some(frame) = self.streams.poll_frame().or_else(|| self.splices.poll_frame()) {
            mux.send(frame);
        }
    }
}

impl Relay {
    fn new(mux: Mux, watched: Watched, resumed: Option<StreamId>) -> Self {
        let (commands, children) = (Commands::default(), Children::default());
        Self { mux, watched, me: None, commands, transfers: Transfers::default(), children, resumed }
    }

    fn run(mut self) -> io::Result<()> {
        // Files are moved bit by bit, and what has come meanwhile goes first.
        let mut busy = false;
        loop {
            let due = self.me.as_ref().and_then(|me| me.splices.poll_timeout());
            let due = due.into_iter().chain(busy.then(clock::now)).min();
            let event = self.mux.next_event(due)?;
            match event {
                Event::Above(UplinkEvent::Greeted(hello)) => self.greeted(&hello),
                Event::Above(UplinkEvent::Frame(frame)) => self.handle_frame(frame),
                Event::Above(UplinkEvent::Pinged) => self.beat(),
                // What is not whole is removed; the watchdog ends all that is left, and us last.
                Event::Above(UplinkEvent::Ended(_))
                | Event::Signal(Signal::Terminate | Signal::Hangup | Signal::Interrupt) => {
                    self.transfers = Transfers::default();
                    self.watched.end(self.children.processes());
                    return Ok(());
                }
                Event::Link(link, event) => {
                    if let Some(me) = &mut self.me {
                        me.handle_link(link, event, &mut self.children, &self.mux, &mut self.watched);
                    }
                }
                Event::Timeout => {
                    self.me.iter_mut().for_each(|me| me.splices.handle_timeout(clock::now()));
                }
                Event::Signal(Signal::Child | Signal::Continue) | Event::Own(_) => {}
                Event::Input | Event::Writable(_) | Event::Errand(_) => {}
            }
            if let Some(me) = &mut self.me {
                self.commands.turn(&mut self.mux, &mut me.streams, &mut self.watched);
                busy = self.transfers.turn(&mut me.streams);
                me.flush(&mut self.mux);
            }
        }
    }

    fn greeted(&mut self, hello: &ParentHello) {
        let keepalive = Duration::from_millis(hello.keepalive_ms.into());
        self.watched.beat(keepalive);
        self.mux.settle_in(hello);
        match self.resumed {
            None => self.mux.answer(hello),
            Some(stream) => self.mux.send(Frame {
                kind: Kind::Data,
                priority: Priority::Interactive,
                more: false,
                end: true,
                to: ContextId::CONTROLLER,
                from: ContextId(hello.context),
                stream,
                body: FromAgent::Result(Builder::default().none()).encode().into(),
            }),
        }
        let context = ContextId(hello.context);
        self.me = Some(Me { streams: Streams::new(context), splices: Splices::new(context), keepalive });
    }

    /// A parent that is alive pings once in each interval, whatever else it sends.
    fn beat(&mut self) {
        if let Some(me) = &self.me {
            self.watched.beat(me.keepalive);
        }
    }

    fn handle_frame(&mut self, frame: Frame) {
        let (Some(me), now) = (&mut self.me, clock::now()) else { return };
        let Some(frame) = me.splices.handle_frame(frame, now) else { return };
        me.streams.handle_frame(frame, now);
        while let Some(event) = me.streams.poll_event() {
            match event {
                StreamEvent::Message { key, message, opens, end, .. } if opens => {
                    let asked = Asked { key, message, end };
                    asked.handle(
                        &mut self.mux,
                        &mut self.watched,
                        &mut self.commands,
                        &mut self.transfers,
                        &mut self.children,
                        me,
                    );
                }
                StreamEvent::Message { key, message, end, owed_bytes, .. } => {
                    let of_files = self.transfers.take(key, &message, owed_bytes, end, &mut me.streams);
                    if !of_files && !self.children.told(key, &message, &mut self.mux) {
                        self.commands.input(key, &message, owed_bytes, end, &mut me.streams);
                    }
                }
                StreamEvent::Reset { key, .. } => {
                    if !self.commands.cancel(key) && !self.transfers.cancel(key, &mut me.streams) {
                        self.children.cancel(key, &mut self.mux);
                    }
                }
                StreamEvent::Settled { .. } => {}
            }
        }
    }
}

/// The first message of a stream from above.
struct Asked {
    key: StreamKey,
    message: Vec<u8>,
    end: bool,
}

impl Asked {
    fn handle(
        self,
        mux: &mut Mux,
        watched: &mut Watched,
        commands: &mut Commands,
        transfers: &mut Transfers,
        children: &mut Children,
        me: &mut Me,
    ) {
        let streams = &mut me.streams;
        match ToAgent::decode(&self.message) {
            Ok(ToAgent::Run(order)) => commands.start(self.key, &order, self.end, streams, watched),
            Ok(ToAgent::Unheard(id)) => {
                commands.unheard(StreamKey { id, ..self.key }, mux);
                streams.answer_nothing(self.key);
            }
            Ok(ToAgent::Dial(order)) => commands.dial(self.key, &order, self.end, streams),
            Ok(ToAgent::Call { function, .. }) => match serve::answer(&function) {
                Some(value) => streams.send(self.key, FromAgent::Result(value).encode(), true),
                None => streams.reset(self.key, ResetReason::UnknownMessage),
            },
            Ok(ToAgent::Put(order)) => transfers.put(self.key, &order, streams, watched),
            Ok(ToAgent::Fetch(order)) => transfers.fetch(self.key, &order, streams),
            Ok(ToAgent::Spawn(order)) => children.start(self.key, &order, mux, streams, watched),
            Ok(ToAgent::Keep { key, message }) => {
                children.keep(key, message);
                streams.answer_nothing(self.key);
            }
            Ok(ToAgent::Give { to, keep, keys }) => {
                children.give(to, keep, &keys, streams);
                streams.answer_nothing(self.key);
            }
            Ok(ToAgent::Behind { context, child }) => {
                mux.expect(context, child);
                streams.answer_nothing(self.key);
            }
            Ok(ToAgent::Splice { patience_ms, source, members }) => {
                let patience = Duration::from_millis(patience_ms.into());
                me.splices.add(self.key, source, &members, patience);
                // Of those that could not even be started nobody will hear.
                me.splices.lose(|context| !mux.knows(context));
            }
            // For the Python that might have been here instead.
            Ok(ToAgent::Part(_) | ToAgent::Modules(_)) => streams.answer_nothing(self.key),
            Ok(_) | Err(_) => streams.reset(self.key, ResetReason::UnknownMessage),
        }
    }
}
