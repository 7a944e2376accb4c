//! Drives one request over a fleet: the controller's commands to the mux, the mux's events to the
//! controller, news to the report, standard input to the commands, signals to a quick end.

use super::desk::Desk;
use super::files::{Settled, Transfers};
use super::prepare::Prepared;
use crate::cli;
use crate::controller::feed::Feed;
use crate::controller::fleet::{Begun, Fleet, News};
use crate::controller::operation::{Report, Source as OutputSource};
use crate::controller::{Controller, Note, Weight};
use crate::error::{ExitCode, HostError, HostErrorKind, UsageError};
use crate::hosts::target::Target;
use crate::mux::{Event, Mux};
use crate::proto::ids::ContextId;
use crate::report::{Color, Colors, Layout, Reporter, ResultKind};
use crate::sys::fd::Read;
use crate::sys::signals::Signal;
use crate::sys::stdio::{self, Stream};
use crate::sys::{clock, random};
use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

/// How much of standard input may be on its way to a command.
const MAX_UNREAD_BYTES: usize = 128 * 1024;
/// After an interrupt, this is all the time that an orderly end gets.
const LAST_WAIT: Duration = Duration::from_millis(900);
/// Children started between two looks at signals and links: each takes some milliseconds.
const STARTS_AT_ONCE: usize = 16;
/// Of those that may share what they are sent.
const SHARED_AT_ONCE: usize = 1024;
const MAX_NAMES_SHOWN: usize = 10;

/// Runs what has been prepared, or says what is wrong with the command line.
pub(super) fn with(prepared: Result<Prepared, UsageError>, typed: &cli::Fleet) -> io::Result<ExitCode> {
    match prepared {
        Ok(prepared) => Drive::new(prepared, typed)?.run(),
        Err(error) => {
            crate::report::usage(&error);
            Ok(ExitCode::Usage)
        }
    }
}

struct Drive {
    mux: Mux,
    controller: Controller,
    fleet: Fleet,
    reporter: Reporter,
    verbose: bool,
    input: Option<Input>,
    transfers: Transfers,
    /// Whether files have only made way for everybody else.
    more_to_send: bool,
    desk: Desk,
    /// Where output came from that has been queued but not yet written.
    unwritten: Vec<OutputSource>,
    watched_outputs: BTreeSet<Stream>,
    ending: Ending,
}

/// Standard input on its way to commands.
struct Input {
    feed: Feed,
    source: Source,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Watched,
    /// Nobody has room for more.
    Paused,
    /// A file: always ready, cannot be watched.
    Ready,
    Ended,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// When all is done.
    Natural,
    /// The user has been told who still runs.
    AskedOnce,
    At {
        deadline: Instant,
        code: ExitCode,
    },
}

impl Drive {
    fn new(prepared: Prepared, typed: &cli::Fleet) -> io::Result<Self> {
        let reporter = reporter(&typed.reach, prepared.result, &prepared.targets);
        let input = prepared.request.reads_input();
        let fanout = usize::try_from(typed.fanout).unwrap_or(usize::MAX);
        let mut mux = Mux::new(ContextId::CONTROLLER)?;
        let transfers = Transfers::new(prepared.files);
        // Some may have to be given again what they have missed.
        let spooled = prepared.targets.len() > fanout || (transfers.share() && prepared.targets.len() > 1);
        let input = if input { Some(Input::open(&mut mux, spooled)?) } else { None };
        let fleet = Fleet::new(prepared.targets, prepared.request, fanout, transfers.origin());
        Ok(Self {
            mux,
            controller: Controller::new(prepared.settings),
            fleet,
            reporter,
            verbose: typed.reach.verbose,
            input,
            transfers,
            more_to_send: false,
            desk: Desk::default(),
            unwritten: Vec::new(),
            watched_outputs: BTreeSet::new(),
            ending: Ending::Natural,
        })
    }

    fn run(mut self) -> io::Result<ExitCode> {
        loop {
            // 1. Start some of what there is room for; do what the controller wants and tell what it has
            //    to tell, until it is content.
            self.start_targets()?;
            while self.execute() | self.tell() {}
            // 2. Ask the user; feed what can read.
            if !matches!(self.ending, Ending::At { .. }) {
                self.desk.ask(&mut self.controller, &mut self.mux);
            }
            self.feed_commands()?;
            while self.execute() | self.tell() {}
            // 3. Write; let sources go on as far as that went.
            self.write();
            if let Some(code) = self.over() {
                return Ok(code);
            }
            // 4. Wait for what happens next, and handle all of it before anything more is started.
            let event = self.mux.next_event(self.deadline())?;
            self.handle(event)?;
            while let Some(event) = self.mux.queued_event() {
                self.handle(event)?;
            }
        }
    }

    fn start_targets(&mut self) -> io::Result<()> {
        // What shares its way is started together.
        let at_once = if self.transfers.share() { SHARED_AT_ONCE } else { STARTS_AT_ONCE };
        let (count, hops) = self.fleet.to_start(at_once);
        if count == 0 {
            return Ok(());
        }
        let random = (0..hops).map(|_| random::bytes()).collect::<io::Result<Vec<_>>>()?;
        let started = self.fleet.start(count, &mut self.controller, &random, clock::now());
        self.begin(&started.begun);
        started.news.into_iter().for_each(|news| self.show(news));
        Ok(())
    }

    fn begin(&mut self, begun: &[Begun]) {
        for begun in begun {
            self.transfers.start(*begun);
            if let Some(input) = &mut self.input {
                input.feed.add_reader(begun.feeder);
            }
        }
    }

    fn feed_commands(&mut self) -> io::Result<()> {
        self.more_to_send = false;
        if self.input.is_none() && !self.transfers.send() {
            return Ok(());
        }
        if let Some(input) = self.input.as_mut().filter(|input| input.is_ready()) {
            input.read()?;
        }
        if self.transfers.send() {
            if let Some(input) = &mut self.input {
                input.feed.retain_readers(|feeder| self.transfers.feeds(feeder));
            }
            for feeder in self.transfers.feeders() {
                let feed = self.input.as_mut().map(|input| &mut input.feed);
                self.more_to_send |= self.transfers.feed(feeder, &mut self.controller, feed)?;
            }
        } else if let Some(input) = &mut self.input {
            for operation in self.fleet.operations() {
                while self.controller.unread(operation) < MAX_UNREAD_BYTES {
                    let Some((chunk, last)) = input.feed.next_chunk(operation)? else { break };
                    self.controller.input(operation, chunk, last);
                }
            }
        }
        self.input.as_mut().map_or(Ok(()), |input| input.balance(&mut self.mux))
    }

    fn execute(&mut self) -> bool {
        self.controller.execute(&mut self.mux)
    }

    fn tell(&mut self) -> bool {
        let mut worked = false;
        while let Some(report) = self.controller.poll_report() {
            worked = true;
            if let (Some(input), Report::Done { operation, .. }) = (&mut self.input, &report) {
                input.feed.remove_reader(*operation);
            }
            for Settled { report, remarks } in self.transfers.settle(report, &mut self.controller) {
                self.remark(&report, remarks);
                if let Some(news) = self.fleet.handle_report(&mut self.controller, report, clock::now()) {
                    self.show(news);
                }
            }
        }
        for note in self.controller.take_notes() {
            if self.verbose || note.weight == Weight::Warning {
                self.reporter.note(&note);
            }
        }
        worked
    }

    fn remark(&mut self, report: &Report, remarks: Vec<String>) {
        let Report::Done { operation, .. } = report else { return };
        let Some(place) = self.fleet.place_of(*operation) else { return };
        for text in remarks {
            let target = self.fleet.targets()[place].name.clone();
            self.reporter.note(&Note { weight: Weight::Warning, target, text });
        }
    }

    fn show(&mut self, news: News) {
        match news {
            News::Output { place, source, stream, bytes } => {
                self.unwritten.push(source);
                self.reporter.output(place, stream, &bytes);
            }
            News::Item { place, source, value } => {
                self.unwritten.push(source);
                self.reporter.item(place, &value);
            }
            News::Record { place, source, record } => {
                self.unwritten.push(source);
                self.reporter.record(place, record);
            }
            News::Piece { operation, source, piece } => {
                self.unwritten.push(source);
                let bytes = self.transfers.take(operation, piece, &mut self.controller);
                if !bytes.is_empty() {
                    self.reporter.contents(&bytes);
                }
            }
            News::LeftBehind { operation } => {
                self.transfers.forget(operation, &mut self.controller);
                let begun = self.fleet.again(operation, &mut self.controller, clock::now());
                self.begin(&begun);
            }
            // Nobody reads any more, so nobody is told that the rest was stopped.
            News::Done { .. } if matches!(self.ending, Ending::At { code: ExitCode::Success, .. }) => {}
            News::Done { place, outcome, took } => self.reporter.done(place, &outcome, took),
        }
    }

    fn write(&mut self) {
        let pressure = self.reporter.flush();
        for stream in pressure.full {
            if !self.watched_outputs.contains(&stream) && self.mux.watch_output(stream).is_ok() {
                self.watched_outputs.insert(stream);
            }
        }
        if let Some(errno) = pressure.failed {
            self.reporter.say(&format!("standard output cannot be written: {errno}"));
            self.stop(ExitCode::Failed);
        } else if pressure.closed {
            self.stop(ExitCode::Success);
        }
        if !pressure.high {
            for source in std::mem::take(&mut self.unwritten) {
                self.controller.consumed(source);
            }
            self.execute();
        }
    }

    fn over(&mut self) -> Option<ExitCode> {
        let written = self.watched_outputs.is_empty();
        match self.ending {
            Ending::At { deadline, code } => {
                let gone = self.mux.is_empty() && self.fleet.is_done();
                ((gone && (written || code != ExitCode::Success)) || clock::now() >= deadline).then_some(code)
            }
            Ending::Natural | Ending::AskedOnce => {
                let done = self.fleet.is_done() && self.mux.is_empty() && written;
                done.then(|| ExitCode::of(self.reporter.outcomes()))
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let ending = match self.ending {
            Ending::At { deadline, .. } => Some(deadline),
            Ending::Natural | Ending::AskedOnce => None,
        };
        let ready = self.input.as_ref().is_some_and(Input::is_ready);
        let hurry = (ready || self.more_to_send || self.fleet.wants_to_start()).then(clock::now);
        [self.controller.poll_timeout(), ending, hurry].into_iter().flatten().min()
    }

    fn handle(&mut self, event: Event) -> io::Result<()> {
        match event {
            Event::Link(link, event) => self.controller.handle_link(link, event, clock::now()),
            Event::Timeout => self.controller.handle_timeout(clock::now()),
            Event::Writable(stream) => drop(self.watched_outputs.remove(&stream)),
            Event::Input => {
                if let Some(input) = &mut self.input {
                    input.read()?;
                    input.balance(&mut self.mux)?;
                }
            }
            Event::Own(_) => self.desk.listen(&mut self.controller, &mut self.mux),
            Event::Signal(Signal::Child) | Event::Errand(_) | Event::Above(_) => {}
            Event::Signal(Signal::Interrupt) => self.interrupt(),
            Event::Signal(Signal::Terminate) => self.stop(ExitCode::Terminated),
            Event::Signal(Signal::Hangup) => self.stop(ExitCode::HungUp),
        }
        Ok(())
    }

    /// Many hosts on a terminal: first tells who still runs.
    fn interrupt(&mut self) {
        let watched = stdio::is_terminal(Stream::Err) && self.fleet.targets().len() > 1;
        if watched && self.ending == Ending::Natural {
            let running = self.fleet.running();
            let names =
                running.iter().take(MAX_NAMES_SHOWN).map(|place| self.fleet.targets()[*place].name.as_str());
            let names = names.collect::<Vec<_>>().join(", ");
            let more = if running.len() > MAX_NAMES_SHOWN { ", ..." } else { "" };
            self.reporter.say(&format!(
                "{} running: {names}{more}; {} to start; interrupt again to stop",
                running.len(),
                self.fleet.waiting()
            ));
            self.ending = Ending::AskedOnce;
        } else {
            self.stop(ExitCode::Interrupted);
        }
    }

    fn stop(&mut self, code: ExitCode) {
        if !matches!(self.ending, Ending::At { .. }) {
            self.ending = Ending::At { deadline: clock::now() + LAST_WAIT, code };
            for place in self.fleet.stop(&mut self.controller, clock::now()) {
                let never = HostError { hop: None, kind: HostErrorKind::Interrupted, said: Vec::new() };
                self.show(News::Done { place, outcome: Err(Box::new(never)), took: Duration::ZERO });
            }
        }
    }
}

impl Input {
    fn open(mux: &mut Mux, spooled: bool) -> io::Result<Self> {
        let feed = if spooled { Feed::spooled()? } else { Feed::shared() };
        let source = match mux.watch_input() {
            Ok(()) => Source::Watched,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Source::Ready,
            Err(error) => return Err(error),
        };
        Ok(Self { feed, source })
    }

    /// Whether there is something to read, and room for it, without waiting.
    fn is_ready(&self) -> bool {
        self.source == Source::Ready && self.feed.wants_more()
    }

    fn read(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        match stdio::read_input(&mut buffer) {
            Read::Data(count) => self.feed.push(&buffer[..count])?,
            Read::WouldBlock => {}
            Read::Eof => self.feed.end(),
            Read::Failed(errno) => return Err(errno.into()),
        }
        Ok(())
    }

    /// Stops or starts watching the source, by whether anybody has room for more.
    fn balance(&mut self, mux: &mut Mux) -> io::Result<()> {
        let (next, wants_more) = (self.feed.has_ended(), self.feed.wants_more());
        self.source = match (self.source, next, wants_more) {
            (Source::Watched, true, _) => {
                mux.forget_input()?;
                Source::Ended
            }
            (Source::Watched, false, false) => {
                mux.forget_input()?;
                Source::Paused
            }
            (Source::Paused, false, true) => {
                mux.watch_input()?;
                Source::Watched
            }
            (Source::Ready, true, _) => Source::Ended,
            (same, _, _) => same,
        };
        Ok(())
    }
}

pub(super) fn reporter(typed: &cli::Reach, result: ResultKind, targets: &[Target]) -> Reporter {
    let layout = match (typed.json, targets.len() > 1) {
        (true, _) => Layout::Json,
        (false, true) => Layout::Prefixed,
        (false, false) => Layout::Plain,
    };
    let names = targets.iter().map(|target| target.name.clone()).collect();
    Reporter::new(layout, result, colors(typed.color), names)
}

fn colors(when: cli::Color) -> Colors {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let color = |stream| match when {
        cli::Color::Always => Color::Always,
        cli::Color::Auto if stdio::is_terminal(stream) && !plain => Color::Always,
        cli::Color::Auto | cli::Color::Never => Color::Never,
    };
    Colors { out: color(Stream::Out), err: color(Stream::Err) }
}
