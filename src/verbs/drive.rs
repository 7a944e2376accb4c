//! Drives one request over a fleet: the controller's commands to the mux, the mux's events to the
//! controller, news to the report, standard input to the commands, signals to a quick end.

use super::desk::Desk;
use super::files::{Settled, Transfers};
use super::history;
use super::input::Input;
use super::prepare::Prepared;
use super::{output, rehearsal};
use crate::cli;
use crate::controller::fleet::{Begun, Fleet, News, Rules, Share};
use crate::controller::operation::{Report, Source as OutputSource};
use crate::controller::{Controller, Note, Weight};
use crate::error::{ExitCode, UsageError};
use crate::hosts::nodeset;
use crate::mux::{Event, Mux};
use crate::proto::ids::ContextId;
use crate::report::{Folder, Reporter, View};
use crate::sys::signals::Signal;
use crate::sys::stdio::{self, Stream};
use crate::sys::{clock, random};
use std::collections::{BTreeSet, HashSet};
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
const MAX_NAMES_CHARS: usize = 300;

/// Runs what has been prepared, or says what is wrong with the command line.
pub(super) fn with(prepared: Result<Prepared, UsageError>, typed: &cli::Fleet) -> io::Result<ExitCode> {
    match prepared {
        Ok(prepared) if typed.dry_run || typed.list_hosts => {
            match output::file_names(typed, &prepared.targets) {
                Ok(_) => rehearsal::tell(&prepared, typed),
                Err(error) => Ok(refused(&error)),
            }
        }
        Ok(prepared) => match output::folder(typed, &prepared.targets) {
            Ok(folder) => Drive::new(prepared, typed, folder)?.run(),
            Err(error) => Ok(refused(&error)),
        },
        Err(error) => Ok(refused(&error)),
    }
}

fn refused(error: &UsageError) -> ExitCode {
    crate::report::usage(error);
    ExitCode::Usage
}

struct Drive {
    mux: Mux,
    controller: Controller,
    fleet: Fleet,
    reporter: Reporter,
    verbose: bool,
    /// Whether the exit status is the largest of all.
    largest: bool,
    /// Where others may want to know who failed.
    remembering: Option<Remembering>,
    /// Whether the end has been told.
    concluded: bool,
    input: Option<Input>,
    transfers: Transfers,
    /// Whether several may be sent the same at once.
    shares: bool,
    /// Whether files have only made way for everybody else.
    more_to_send: bool,
    desk: Desk,
    /// Where output came from that has been queued but not yet written.
    unwritten: Vec<OutputSource>,
    watched_outputs: BTreeSet<Stream>,
    ending: Ending,
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

/// Who is remembered beside those that have failed now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Remembering {
    /// Nobody: it is another run.
    Run,
    /// Those of the same run that had no part in this one.
    Rest,
}

impl Drive {
    fn new(prepared: Prepared, typed: &cli::Fleet, folder: Option<Folder>) -> io::Result<Self> {
        let reporter = output::reporter(&typed.reach, Some(&typed.shown), prepared.result, &prepared.targets)
            .typed_as(prepared.typed);
        let reads = prepared.request.reads_input();
        let several = prepared.targets.len() > 1;
        let remembering = match typed.rerun {
            Some(cli::Rerun::Failed) => Some(Remembering::Rest),
            None => several.then_some(Remembering::Run),
        };
        let transfers = Transfers::new(prepared.files);
        let fleet = Fleet::new(prepared.targets, prepared.request, rules(typed), transfers.origin());
        let mut reporter = reporter.into_folder(folder);
        if !output::is_dumb() {
            reporter.show_progress(transfers.bytes_for_each(), transfers.tree(), clock::now());
        }
        let mut mux = Mux::new(ContextId::CONTROLLER)?;
        // Some may have to be given again what they have missed.
        let shares = transfers.share(fleet.targets());
        let spooled = !fleet.is_one_go() || shares;
        let input = if reads { Some(Input::open(&mut mux, spooled)?) } else { None };
        Ok(Self {
            mux,
            controller: Controller::new(prepared.settings),
            fleet,
            reporter,
            verbose: typed.reach.verbose,
            largest: typed.shown.largest_status,
            remembering,
            concluded: false,
            input,
            transfers,
            shares,
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
            while self.execute() | self.tell()? {}
            // 2. Ask the user; feed what can read.
            if !matches!(self.ending, Ending::At { .. }) {
                if self.controller.open_question().is_some() {
                    self.reporter.hide_progress(clock::now());
                }
                self.desk.ask(&mut self.controller, &mut self.mux);
            }
            self.feed_commands()?;
            while self.execute() | self.tell()? {}
            // 3. Write; let sources go on as far as that went.
            self.show_progress();
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
        let now = clock::now();
        if !self.may_start(now) {
            return Ok(());
        }
        let at_once = if self.shares { SHARED_AT_ONCE } else { STARTS_AT_ONCE };
        let places = self.fleet.take_turns(at_once, now);
        if places.is_empty() {
            return Ok(());
        }
        let hops = self.fleet.hops(&places);
        let random = (0..hops).map(|_| random::bytes()).collect::<io::Result<Vec<_>>>()?;
        let started = self.fleet.start(&places, &mut self.controller, &random, now);
        self.begin(&started.begun);
        started.news.into_iter().for_each(|news| self.show(news));
        Ok(())
    }

    /// What shares its way is started together, and the next when that is done.
    fn may_start(&self, now: Instant) -> bool {
        self.fleet.wants_to_start(now) && !(self.shares && self.fleet.is_busy())
    }

    fn begin(&mut self, begun: &[Begun]) {
        for begun in begun {
            self.transfers.start(*begun);
            if let Some(input) = &mut self.input {
                input.feed.add_reader(begun.feeder);
            }
        }
    }

    fn show_progress(&mut self) {
        let now = clock::now();
        if self.desk.is_asking() || !self.reporter.wants_progress(now) {
            return;
        }
        let moved = self.fleet.operations().filter_map(|operation| {
            Some((self.fleet.place_of(operation)?, self.transfers.moved(operation, &self.controller)?))
        });
        let view =
            View { running: self.fleet.running(), waiting: self.fleet.waiting(), moved: moved.collect() };
        self.reporter.progress(&view, now);
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

    fn tell(&mut self) -> io::Result<bool> {
        let mut worked = false;
        while let Some(report) = self.controller.poll_report() {
            worked = true;
            if let (Some(input), Report::Done { operation, .. }) = (&mut self.input, &report) {
                input.feed.remove_reader(*operation);
            }
            for Settled { report, remarks } in self.transfers.settle(report, &mut self.controller) {
                self.remark(&report, remarks);
                let jitter = match &report {
                    Report::Done { .. } => u64::from_ne_bytes(random::bytes()?),
                    _ => 0,
                };
                let now = clock::now();
                if let Some(news) = self.fleet.handle_report(&mut self.controller, report, jitter, now) {
                    self.show(news);
                }
            }
        }
        while let Some(never) = self.fleet.poll_never() {
            self.show(never);
        }
        for note in self.controller.take_notes() {
            if self.verbose || note.weight == Weight::Warning {
                self.reporter.note(&note);
            }
        }
        Ok(worked)
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
            News::Again { place, error, after } => {
                let after = humantime::format_duration(Duration::from_secs(after.as_secs().max(1)));
                let name = &self.fleet.targets()[place].name;
                self.reporter.say(&format!("{name}: {error}; trying again in {after}"));
            }
            News::LeftBehind { operation } => {
                self.transfers.forget(operation, &mut self.controller);
                let begun = self.fleet.alone(operation, &mut self.controller, clock::now());
                self.begin(&begun);
            }
            // Nobody reads any more, so nobody is told that the rest was stopped.
            News::Done { .. } if matches!(self.ending, Ending::At { code: ExitCode::Success, .. }) => {}
            News::Done { place, outcome, took } => self.reporter.done(place, &outcome, took),
        }
    }

    fn write(&mut self) {
        if self.fleet.is_done() {
            self.conclude();
        }
        let pressure = self.reporter.flush(clock::now());
        for stream in pressure.full {
            if !self.watched_outputs.contains(&stream) && self.mux.watch_output(stream).is_ok() {
                self.watched_outputs.insert(stream);
            }
        }
        if let Some(trouble) = self.reporter.take_trouble() {
            self.reporter.say(&trouble);
            self.stop(ExitCode::Failed);
        }
        if let Some(errno) = pressure.failed {
            self.reporter.say(&format!("standard output cannot be written: {errno}"));
            self.stop(ExitCode::Failed);
        } else if pressure.closed {
            self.stop(ExitCode::Success);
        }
        if !pressure.high {
            for source in std::mem::take(&mut self.unwritten) {
                self.controller.consumed(source, clock::now());
            }
            self.execute();
        }
    }

    /// Tells the end, once; nothing where nobody reads any more.
    fn conclude(&mut self) {
        if std::mem::replace(&mut self.concluded, true) {
            return;
        }
        let wanted = !matches!(self.ending, Ending::At { code: ExitCode::Success, .. });
        if wanted && let Some(remembering) = self.remembering {
            let ran: HashSet<_> = self.fleet.targets().iter().map(|target| target.name.as_str()).collect();
            let stays = |name: &str| remembering == Remembering::Rest && !ran.contains(name);
            if let Err(error) = history::remember(self.reporter.failed(), stays) {
                self.reporter.say(&format!(
                    "what failed cannot be remembered: {error}; --rerun failed would take an older run"
                ));
            }
        }
        self.reporter.conclude(wanted);
    }

    fn over(&mut self) -> Option<ExitCode> {
        let written = self.watched_outputs.is_empty();
        let told = !self.reporter.has_more();
        match self.ending {
            Ending::At { deadline, .. } if !self.concluded && clock::now() >= deadline => {
                // Those that do not end are not waited for; what others have said is not lost.
                self.conclude();
                self.reporter.flush(clock::now());
                while self.reporter.can_tell_more() && clock::now() < deadline + LAST_WAIT {
                    self.reporter.flush(clock::now());
                }
                self.over()
            }
            Ending::At { deadline, code } => {
                let gone = self.mux.is_empty() && self.fleet.is_done();
                let enough = told && (written || code != ExitCode::Success);
                ((gone && enough) || clock::now() >= deadline).then_some(code)
            }
            Ending::Natural | Ending::AskedOnce => {
                let done = self.fleet.is_done() && self.mux.is_empty() && written && told;
                let code = if self.largest { ExitCode::largest } else { ExitCode::of };
                done.then(|| code(self.reporter.outcomes()))
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let ending = match self.ending {
            Ending::At { deadline, .. } => Some(deadline),
            Ending::Natural | Ending::AskedOnce => None,
        };
        let ready = self.input.as_ref().is_some_and(Input::is_ready);
        let now = clock::now();
        let begins = self.may_start(now);
        let hurry = (ready || self.more_to_send || begins || self.reporter.can_tell_more()).then_some(now);
        let picture = if self.desk.is_asking() { None } else { self.reporter.poll_timeout() };
        let again = self.fleet.poll_timeout();
        [self.controller.poll_timeout(), ending, hurry, picture, again].into_iter().flatten().min()
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
            Event::Signal(Signal::Continue) => self.reporter.leave_drawn(),
            Event::Signal(Signal::Terminate) => self.stop(ExitCode::Terminated),
            Event::Signal(Signal::Hangup) => self.stop(ExitCode::HungUp),
        }
        Ok(())
    }

    /// Many hosts on a terminal: first tells who still runs.
    fn interrupt(&mut self) {
        let watched = stdio::is_terminal(Stream::Err) && self.fleet.targets().len() > 1;
        if watched && self.ending == Ending::Natural && !self.fleet.is_done() {
            let running = self.fleet.running();
            let names = running.iter().map(|(place, _)| self.fleet.targets()[*place].name.as_str());
            let mut names = nodeset::fold(names);
            if let Some((end, _)) = names.char_indices().nth(MAX_NAMES_CHARS) {
                names.truncate(end);
                names += "...";
            }
            let again = self.fleet.to_try_again();
            let counts = [
                (running.len(), format!("running: {names}")),
                (self.fleet.waiting() - again, "to start".to_owned()),
                (again, "to try again".to_owned()),
            ];
            let told = counts.into_iter().filter(|(count, _)| *count > 0);
            let told: String = told.map(|(count, what)| format!("{count} {what}; ")).collect();
            self.reporter.say(&format!("{told}interrupt again to stop"));
            self.ending = Ending::AskedOnce;
        } else {
            self.stop(ExitCode::Interrupted);
        }
    }

    fn stop(&mut self, code: ExitCode) {
        if !matches!(self.ending, Ending::At { .. }) {
            self.ending = Ending::At { deadline: clock::now() + LAST_WAIT, code };
            self.fleet.stop(&mut self.controller, clock::now());
            while let Some(never) = self.fleet.poll_never() {
                self.show(never);
            }
        }
    }
}

fn rules(typed: &cli::Fleet) -> Rules {
    let number = |typed: u32| usize::try_from(typed).unwrap_or(usize::MAX);
    Rules {
        fanout: number(typed.fanout),
        serial: typed.serial.map(number),
        max_failures: typed.max_failures.map(|share| match share {
            cli::Share::Count(count) => Share::Count(count),
            cli::Share::Percent(percent) => Share::Percent(percent),
        }),
        fail_fast: typed.fail_fast,
        retries: typed.retries,
    }
}
