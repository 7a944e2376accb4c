//! Both outputs of the program, and the lines that come and go on the terminal below them.

use super::live::{Live, View};
use super::outlet::{Outlet, Pressure};
use super::terminal::{self, Characters};
use crate::controller::Note;
use crate::sys::stdio::{self, Stream};
use std::time::Instant;

#[derive(Debug)]
pub struct Page {
    out: Outlet,
    err: Outlet,
    /// Both are the same terminal, and all goes there in the order in which it comes.
    one: bool,
    /// What others wrote, on its way to a terminal: pieces end anywhere.
    begun: [Characters; 2],
    pub(super) live: Option<Live>,
}

impl Page {
    pub(super) fn new() -> Self {
        let one = stdio::is_one_terminal();
        let (out, err) = (Outlet::new(Stream::Out), Outlet::new(Stream::Err));
        Self { out, err, one, begun: Default::default(), live: None }
    }

    pub(super) fn is_terminal(&self, stream: Stream) -> bool {
        match stream {
            Stream::Out => self.out.is_terminal(),
            Stream::Err => self.err.is_terminal(),
        }
    }

    /// Whether it is time to tell how it goes, by [`Self::progress`].
    pub fn wants_progress(&self, now: Instant) -> bool {
        self.live.as_ref().is_some_and(|live| live.is_due(now))
    }

    pub fn progress(&mut self, view: &View, now: Instant) {
        if let Some(live) = &mut self.live {
            live.update(view, stdio::drawing_area(Stream::Err), now);
        }
    }

    /// Takes the progress off the terminal, because somebody else writes there.
    pub fn hide_progress(&mut self, now: Instant) {
        self.hide();
        self.live.iter_mut().for_each(Live::pause);
        self.flush(now);
    }

    /// What is drawn stays where it is: others have written behind it.
    pub fn leave_drawn(&mut self) {
        self.live.iter_mut().for_each(Live::leave);
    }

    /// A line of our own.
    pub fn say(&mut self, text: &str) {
        self.push(Stream::Err, format!("hopvine: {}\n", terminal::harmless_text(text)).as_bytes());
    }

    /// What a user who asked for more is told.
    pub fn note(&mut self, note: &Note) {
        self.say(&format!("{}: {}", note.target, note.text));
    }

    /// Queues text of ours.
    pub(super) fn push(&mut self, stream: Stream, bytes: &[u8]) {
        self.end_remote(stream);
        self.make_way(stream).push(bytes);
    }

    /// Queues what others wrote; on a terminal whole characters only.
    pub(super) fn push_remote(&mut self, stream: Stream, bytes: &[u8]) {
        if self.is_terminal(stream) {
            let whole = self.characters(stream).push(bytes);
            self.push_harmless(stream, &whole);
        } else {
            self.make_way(stream).push(bytes);
        }
    }

    /// Nothing more follows what others wrote.
    pub(super) fn end_remote(&mut self, stream: Stream) {
        let rest = self.characters(stream).end();
        self.push_harmless(stream, &rest);
    }

    fn push_harmless(&mut self, stream: Stream, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.make_way(stream).push(&terminal::harmless(bytes));
        }
    }

    fn characters(&mut self, stream: Stream) -> &mut Characters {
        let [out, err] = &mut self.begun;
        match stream {
            Stream::Out => out,
            Stream::Err => err,
        }
    }

    /// Takes the lines away for good.
    pub fn end_live(&mut self) {
        self.hide();
        self.live = None;
    }

    /// Whether all is written.
    pub(super) fn is_written(&self, stream: Stream) -> bool {
        let outlet = if self.one || stream == Stream::Out { &self.out } else { &self.err };
        !outlet.waits()
    }

    /// A stream takes more, or nobody reads it any more.
    pub fn is_ready(&mut self, stream: Stream) {
        self.outlet(stream).look();
    }

    /// Writes what goes without waiting, and then the lines below.
    pub fn flush(&mut self, now: Instant) -> Pressure {
        let err = self.err.flush();
        let pressure = self.out.flush().and(err);
        if !self.is_written(Stream::Err) {
            return pressure;
        }
        let Some(text) = self.live.as_mut().and_then(|live| live.frame(now)) else { return pressure };
        self.outlet(Stream::Err).push(text.as_bytes());
        let drawn = self.outlet(Stream::Err).flush();
        pressure.and(drawn)
    }

    /// When there is something to draw. A terminal that has not taken the last picture gets no other.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.live.as_ref().filter(|_| self.is_written(Stream::Err)).map(Live::poll_timeout)
    }

    /// Where something else can come now, with no lines in its way.
    fn make_way(&mut self, stream: Stream) -> &mut Outlet {
        if self.one || stream == Stream::Err {
            self.hide();
        }
        self.outlet(stream)
    }

    fn hide(&mut self) {
        if let Some(text) = self.live.as_mut().and_then(Live::erase) {
            self.outlet(Stream::Err).push(text.as_bytes());
        }
    }

    fn outlet(&mut self, stream: Stream) -> &mut Outlet {
        match stream {
            Stream::Err if !self.one => &mut self.err,
            Stream::Out | Stream::Err => &mut self.out,
        }
    }
}
