//! Drives one request over a fleet: the controller's commands to the mux, the mux's events to the
//! controller, news to the report, standard input to the commands, signals to a quick end.

use super::ending::{self, Ending, LAST_WAIT};
use super::history;
use super::input::Input;
use super::outputs::Stopped;
use super::prepare::Prepared;
use super::turns::{self, Turns, Work};
use super::{output, rehearsal};
use crate::cli;
use crate::controller::fleet::{Begun, Fleet, News, Place, Rules, Share};
use crate::controller::operation::{Answer, OperationId, Report, Request, Said};
use crate::controller::{Note, STARTS_AT_ONCE, Weight};
use crate::error::{ExitCode, HostError, HostErrorKind, UsageError};
use crate::proto::dialog::Tail;
use crate::report::{Folder, Page, Reporter, View};
use crate::sys::guardian::Guardian;
use crate::sys::stdio::Stream;
use crate::sys::{clock, random};
use crate::transfers::{Settled, Transfers};
use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

/// How much of standard input may be on its way to a command.
const MAX_UNREAD_BYTES: usize = 128 * 1024;
/// Of those that may share what they are sent.
const SHARED_AT_ONCE: usize = 1024;

/// Runs what has been prepared, or says what is wrong with the command line.
pub(super) fn with(
    guardian: Guardian,
    prepared: Result<Prepared, UsageError>,
    typed: &cli::Fleet,
) -> io::Result<ExitCode> {
    match prepared {
        Ok(prepared) if typed.work.dry_run || typed.list_hosts => {
            match output::file_names(typed, &prepared.targets) {
                Ok(_) => rehearsal::tell(&prepared, typed),
                Err(error) => Ok(refused(&error)),
            }
        }
        Ok(prepared) => match output::folder(typed, &prepared.targets) {
            Ok(folder) => turns::run(&mut Drive::new(prepared, typed, folder, guardian)?),
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
    turns: Turns,
    fleet: Fleet,
    reporter: Reporter,
    /// Whether the exit status is the largest of all.
    largest: bool,
    /// What remembers who failed, where others may want to know.
    remembering: Option<&'static str>,
    /// Whether the end has been told.
    concluded: bool,
    input: Option<Input>,
    transfers: Transfers,
    /// What those have said that explain themselves where they fail.
    excuses: Option<HashMap<Place, Tail>>,
    /// Whether several may be sent the same at once.
    shares: bool,
    /// Whether files have only made way for everybody else.
    more_to_send: bool,
}

/// What has failed, by its own words: the last line tells why.
fn explained(outcome: Result<Answer, Box<HostError>>, said: Option<Tail>) -> Result<Answer, Box<HostError>> {
    let failed = matches!(outcome, Ok(Answer::Exit(1..)));
    let Some(said) = said.filter(|_| failed) else { return outcome };
    let mut said = said.into_lines();
    let what = said.pop().unwrap_or_default();
    Err(Box::new(HostError { hop: None, kind: HostErrorKind::File { what }, said }))
}

impl Drive {
    fn new(
        prepared: Prepared,
        typed: &cli::Fleet,
        folder: Option<Folder>,
        guardian: Guardian,
    ) -> io::Result<Self> {
        let reporter = output::reporter(&typed.reach, Some(&typed.shown), prepared.result, &prepared.targets)
            .typed_as(prepared.typed);
        let reads = prepared.request.reads_input();
        let explains = matches!(&prepared.request, Request::Run(run) if run.explains);
        // Who looks at one host has not done anything over again.
        let remembers = prepared.targets.len() > 1 || typed.rerun.is_some();
        let transfers = Transfers::new(prepared.files);
        let fleet = Fleet::new(prepared.targets, prepared.request, rules(typed), transfers.origin());
        let mut reporter = reporter.into_folder(folder);
        if !output::is_dumb() {
            reporter.show_progress(transfers.passing(), clock::now());
        }
        let mut mux = Turns::mux(guardian)?;
        let shares = transfers.share(fleet.targets());
        let input = if reads { Some(Input::open(&mut mux)?) } else { None };
        Ok(Self {
            turns: Turns::new(prepared.settings, mux, typed.reach.way.verbose),
            fleet,
            reporter,
            largest: typed.shown.largest_status,
            remembering: remembers.then_some(prepared.verb),
            concluded: false,
            input,
            transfers,
            excuses: explains.then(HashMap::new),
            shares,
            more_to_send: false,
        })
    }

    /// What shares its way is started together, and the next when that is done.
    fn may_start(&self, now: Instant) -> bool {
        self.fleet.wants_to_start(now) && !(self.shares && self.fleet.is_busy())
    }

    fn begin(&mut self, begun: &[Begun]) {
        for begun in begun {
            self.transfers.start(*begun, || self.turns.mux.unfinished());
            if let Some(input) = &mut self.input {
                input.feed.add_reader(begun.feeder);
            }
        }
    }

    fn remark(&mut self, report: &Report, remarks: Vec<String>, of_source: Vec<String>) {
        let Report::Done { operation, .. } = report else { return };
        let targets = self.fleet.targets();
        let Some(place) = self.fleet.place_of(*operation) else { return };
        let target = Some(targets[place].name.as_str());
        let source = self.transfers.source_name(targets);
        let named = remarks.into_iter().map(|text| (target, text));
        let page = self.reporter.page_mut();
        for (target, text) in named.chain(of_source.into_iter().map(|text| (source, text))) {
            match target.map(str::to_owned) {
                Some(target) => page.note(&Note { weight: Weight::Warning, target, text }),
                None => page.say(&text),
            }
        }
    }

    fn show(&mut self, news: News) {
        match news {
            News::Said { place, operation, source, said } => {
                self.turns.outputs.owe(source);
                self.said(place, operation, said);
            }
            News::Again { place, error, after } => {
                let after = humantime::format_duration(Duration::from_secs(after.as_secs().max(1)));
                let name = &self.fleet.targets()[place].name;
                self.reporter.page_mut().say(&format!("{name}: {error}; trying again in {after}"));
            }
            News::LeftBehind { operation, deadline } => {
                self.transfers.forget(operation, &mut self.turns.controller);
                let begun = self.fleet.alone(operation, deadline, &mut self.turns.controller, clock::now());
                self.begin(&begun);
            }
            // Nobody reads any more, so nobody is told that the rest was stopped.
            News::Done { .. } if self.turns.ending.is_unread() => {}
            News::Done { place, outcome, took } => {
                let said = self.excuses.as_mut().and_then(|excuses| excuses.remove(&place));
                self.reporter.done(place, &explained(outcome, said), took);
            }
        }
    }

    fn said(&mut self, place: Place, operation: OperationId, said: Said) {
        match said {
            Said::Output(Stream::Err, bytes) if self.excuses.is_some() => {
                self.excuses.iter_mut().for_each(|excuses| excuses.entry(place).or_default().push(&bytes));
            }
            Said::Output(stream, bytes) => self.reporter.output(place, stream, &bytes),
            Said::Item(value) => self.reporter.item(place, &value),
            Said::Record(record) => self.reporter.record(place, record),
            // Its items tell.
            Said::Yields => {}
            Said::Piece(piece) => {
                let bytes = self.transfers.take(operation, piece, &mut self.turns.controller);
                if !bytes.is_empty() {
                    self.reporter.contents(&bytes);
                }
            }
        }
    }

    /// Tells the end, once; nothing where nobody reads any more.
    fn conclude(&mut self) {
        if std::mem::replace(&mut self.concluded, true) {
            return;
        }
        let wanted = !self.turns.ending.is_unread();
        if wanted && let Some(verb) = self.remembering {
            let named = self.fleet.targets().iter().map(|target| target.name.as_str()).collect();
            if let Err(error) = history::remember(verb, &named, self.reporter.failed()) {
                self.reporter.page_mut().say(&format!(
                    "what failed cannot be remembered: {error}; --rerun failed would take an older run"
                ));
            }
        }
        self.reporter.conclude(wanted);
    }
}

impl Work for Drive {
    fn common(&mut self) -> (&mut Turns, &mut Page) {
        (&mut self.turns, self.reporter.page_mut())
    }

    fn start(&mut self) -> io::Result<()> {
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
        let started = self.fleet.start(&places, &mut self.turns.controller, &random, now);
        self.begin(&started.begun);
        started.news.into_iter().for_each(|news| self.show(news));
        Ok(())
    }

    fn tell(&mut self) -> io::Result<bool> {
        let mut worked = false;
        while !self.transfers.pause()
            && let Some(report) = self.turns.controller.poll_report()
        {
            worked = true;
            if let (Some(input), Report::Done { operation, .. }) = (&mut self.input, &report) {
                input.feed.remove_reader(*operation);
            }
            let settled = self.transfers.settle(report, &mut self.turns.controller);
            for Settled { report, remarks, of_source } in settled {
                self.remark(&report, remarks, of_source);
                let jitter = match &report {
                    Report::Done { .. } => u64::from_ne_bytes(random::bytes()?),
                    _ => 0,
                };
                let now = clock::now();
                if let Some(news) = self.fleet.handle_report(&mut self.turns.controller, report, jitter, now)
                {
                    self.show(news);
                }
            }
        }
        while let Some(never) = self.fleet.poll_never() {
            self.show(never);
        }
        self.turns.tell_notes(self.reporter.page_mut());
        Ok(worked)
    }

    fn feed(&mut self) -> io::Result<()> {
        self.more_to_send = false;
        if self.input.is_none() && !self.transfers.send() {
            return Ok(());
        }
        // Of those that share some may have to be given again what they have missed.
        if let Some(input) = self.input.as_mut().filter(|_| !self.shares && self.fleet.have_all_begun()) {
            input.feed.close();
        }
        if let Some(input) = self.input.as_mut().filter(|input| input.is_ready()) {
            input.read();
        }
        if self.transfers.send() {
            if let Some(input) = &mut self.input {
                input.feed.retain_readers(|feeder| self.transfers.feeds(feeder));
            }
            for feeder in self.transfers.feeders() {
                let feed = self.input.as_mut().map(|input| &mut input.feed);
                self.more_to_send |= self.transfers.feed(feeder, &mut self.turns.controller, feed);
            }
        } else if let Some(input) = &mut self.input {
            for operation in input.feed.hungry() {
                while self.turns.controller.unread(operation) < MAX_UNREAD_BYTES {
                    let Some((chunk, last)) = input.feed.next_chunk(operation) else { break };
                    self.turns.controller.input(operation, &chunk, last);
                }
            }
        }
        self.input.as_mut().map_or(Ok(()), |input| input.balance(&mut self.turns.mux))
    }

    fn show_progress(&mut self) {
        let now = clock::now();
        if self.turns.is_asking() || !self.reporter.page().wants_progress(now) {
            return;
        }
        let moved = self.fleet.operations().filter_map(|operation| {
            Some((self.fleet.place_of(operation)?, self.transfers.moved(operation, &self.turns.controller)?))
        });
        let (running, again) = (self.fleet.running(), self.fleet.to_try_again());
        let waiting = self.fleet.waiting() - again;
        let view = View { running, waiting, again, moved: moved.collect() };
        self.reporter.page_mut().progress(&view, now);
    }

    fn write(&mut self) {
        if self.fleet.is_done() {
            self.conclude();
        }
        let pressure = self.reporter.flush(clock::now());
        self.transfers.next_turn(pressure.high && !self.turns.ending.is_near());
        let stopped = self.turns.settle(&pressure);
        let lost = self.input.as_mut().and_then(|input| input.feed.take_trouble());
        let trouble = self.reporter.take_trouble().or(lost.map(|lost| lost.to_string()));
        let troubled = trouble.map(|trouble| Stopped { code: ExitCode::Failed, why: Some(trouble) });
        for Stopped { code, why } in troubled.into_iter().chain(stopped) {
            why.iter().for_each(|why| self.reporter.page_mut().say(why));
            self.stop(code);
        }
    }

    fn over(&mut self) -> Option<ExitCode> {
        let written = self.turns.outputs.are_written();
        let told = !self.reporter.has_more();
        match self.turns.ending {
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
                let gone = self.turns.mux.is_empty() && self.fleet.is_done();
                let enough = told && (written || code != ExitCode::Success);
                ((gone && enough) || clock::now() >= deadline).then_some(code)
            }
            Ending::Natural | Ending::AskedOnce => {
                let done = self.fleet.is_done() && self.turns.mux.is_empty() && written && told;
                let code = if self.largest { ExitCode::largest } else { ExitCode::of };
                done.then(|| code(self.reporter.outcomes()))
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let ready = self.input.as_ref().is_some_and(Input::is_ready);
        let now = clock::now();
        let begins = self.may_start(now);
        let hurry = (ready || self.more_to_send || begins || self.reporter.can_tell_more()).then_some(now);
        let paused = self.transfers.pause();
        self.turns.deadline(self.reporter.page(), paused, [hurry, self.fleet.poll_timeout()])
    }

    fn read(&mut self) -> io::Result<()> {
        let Some(input) = &mut self.input else { return Ok(()) };
        input.read();
        input.balance(&mut self.turns.mux)
    }

    fn left(&self) -> Option<String> {
        if self.fleet.targets().len() < 2 || self.fleet.is_done() {
            return None;
        }
        let running = self.fleet.running();
        let names = running.iter().map(|(place, _)| self.fleet.targets()[*place].name.as_str());
        let again = self.fleet.to_try_again();
        Some(ending::left(names, self.fleet.waiting() - again, again))
    }

    fn stop(&mut self, code: ExitCode) {
        if self.turns.ending.stop(code, clock::now()) {
            self.fleet.stop(&mut self.turns.controller, clock::now());
            self.turns.hurry();
            while let Some(never) = self.fleet.poll_never() {
                self.show(never);
            }
        }
    }
}

fn rules(typed: &cli::Fleet) -> Rules {
    let number = |typed: u32| usize::try_from(typed).unwrap_or(usize::MAX);
    let share = |typed: cli::Share| match typed {
        cli::Share::Count(count) => Share::Count(count),
        cli::Share::Percent(percent) => Share::Percent(percent),
    };
    Rules {
        fanout: number(typed.work.fanout),
        serial: typed.serial.map(share),
        max_failures: typed.max_failures.map(share),
        fail_fast: typed.work.fail_fast,
        retries: typed.work.retries,
    }
}
