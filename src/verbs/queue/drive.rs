//! The loop: lines to operations, the controller's commands to the mux, the mux's events to the controller, results
//! to the ledger as they come.

use super::lines::{Lines, Numbered};
use super::picture::Picture;
use super::place;
use crate::cli;
use crate::controller::fleet::Begun;
use crate::controller::operation::{Answer, OperationId, Report};
use crate::controller::queue::{HostId, Job, News, Progress, Queue, Rules, Span, TaskId};
use crate::controller::{Controller, Note, Settings, Weight};
use crate::error::{ExitCode, HostError, HostErrorKind, OperationError};
use crate::mux::{Event, Mux};
use crate::report::{Bar, Ledger, Line, View};
use crate::sys::signals::Signal;
use crate::sys::stdio::{self, Stream};
use crate::sys::{clock, random};
use crate::verbs::desk::Desk;
use crate::verbs::ending::{self, Ending};
use crate::verbs::files::{Plan, Settled, Transfers};
use crate::verbs::output;
use crate::verbs::outputs::{Outputs, Stopped};
use crate::verbs::prepare::{Operation, Operations};
use std::collections::{HashMap, HashSet};
use std::io;
use std::time::{Duration, Instant};

/// While what has been taken from a pipe and has not ended takes about this much memory, no line is taken.
const MAX_TAKEN_BYTES: usize = 16 * 1024 * 1024;
/// What a line takes beside its text, and each of its jobs.
const LINE_BYTES: usize = 1024;
const JOB_BYTES: usize = 32;
/// Jobs started between two looks at signals and links: each may be a child process.
const STARTS_AT_ONCE: usize = 16;
/// A line whose jobs have not all ended.
struct Described {
    id: Option<String>,
    label: String,
    files: Plan,
    hosts: Vec<HostId>,
    /// What it comes after, as that was called.
    after: Vec<(TaskId, String)>,
    left: usize,
    bytes: usize,
}

pub(super) struct Drive<'a> {
    typed: &'a cli::Queue,
    mux: Mux,
    controller: Controller,
    queue: Queue,
    ledger: Ledger,
    lines: Lines,
    operations: Operations,
    described: HashMap<TaskId, Described>,
    /// What hosts are called.
    names: HashSet<String>,
    transfers: HashMap<OperationId, Transfers>,
    /// Whether files have only made way for everybody else.
    more_to_send: bool,
    taken_bytes: usize,
    /// Whether a line was no operation.
    wrong: bool,
    /// Whether results wait for who reads them.
    full: bool,
    desk: Desk,
    outputs: Outputs,
    ending: Ending,
    /// Whether nothing more will come.
    ended: bool,
    picture: Option<Picture>,
}

impl<'a> Drive<'a> {
    pub(super) fn new(
        typed: &'a cli::Queue,
        mux: Mux,
        lines: Lines,
        operations: Operations,
        settings: Settings,
        picture: Option<Picture>,
    ) -> Self {
        let rules = Rules {
            fanout: usize::try_from(typed.work.fanout).unwrap_or(usize::MAX),
            retries: typed.work.retries,
            fail_fast: typed.work.fail_fast,
        };
        Self {
            typed,
            mux,
            controller: Controller::new(settings),
            queue: Queue::new(rules),
            ledger: Ledger::new(!output::is_dumb(), clock::now()),
            lines,
            operations,
            described: HashMap::new(),
            names: HashSet::new(),
            transfers: HashMap::new(),
            more_to_send: false,
            taken_bytes: 0,
            wrong: false,
            full: false,
            desk: Desk::default(),
            outputs: Outputs::default(),
            ending: Ending::Natural,
            ended: false,
            picture,
        }
    }

    pub(super) fn run(&mut self) -> io::Result<ExitCode> {
        loop {
            // 1. Take lines as far as there is room, give turns, do what the controller wants and tell what it has.
            self.take_lines()?;
            self.start_jobs()?;
            while self.execute() | self.tell()? {}
            // 2. Ask the user; send files.
            if !self.ending.is_near() {
                if self.controller.open_question().is_some() {
                    self.ledger.hide_progress(clock::now());
                }
                self.desk.ask(&mut self.controller, &mut self.mux);
            }
            self.send_files()?;
            while self.execute() | self.tell()? {}
            // 3. Write; let sources go on as far as that went.
            self.show_progress();
            self.write();
            if let Some(code) = self.over() {
                return Ok(self.finish(code));
            }
            // 4. Wait for what happens next, and handle all of it before anything more is started.
            let event = self.mux.next_event(self.deadline())?;
            self.handle(event)?;
            while let Some(event) = self.mux.queued_event() {
                self.handle(event)?;
            }
        }
    }

    fn has_room(&self) -> bool {
        self.taken_bytes < MAX_TAKEN_BYTES && !self.ending.is_near()
    }

    fn take_lines(&mut self) -> io::Result<()> {
        while self.has_room()
            && let Some(line) = self.lines.next()
        {
            self.take(line)?;
        }
        let room = self.has_room();
        self.lines.balance(&mut self.mux, room)?;
        if !self.ended && self.lines.have_ended() {
            self.ended = true;
            self.queue.end(&mut self.controller);
        }
        Ok(())
    }

    /// A line from a pipe: what is wrong with it is its result.
    fn take(&mut self, (number, line): Numbered) -> io::Result<()> {
        let parsed = line.and_then(|line| {
            let operation = self.operations.parse(number, &line, self.typed)?;
            Ok((operation, line.len()))
        });
        match parsed {
            Ok((operation, bytes)) => self.accept(number, operation, bytes),
            Err(error) => {
                self.wrong = true;
                self.refuse(number, &error);
                Ok(())
            }
        }
    }

    fn refuse(&mut self, number: u64, error: &OperationError) {
        let message = format!("{}: {error}", place(self.typed, number));
        self.ledger.wrong(Line { number, id: None }, &message);
    }

    pub(super) fn accept(&mut self, number: TaskId, operation: Operation, bytes: usize) -> io::Result<()> {
        if let Some(root) = &operation.root {
            self.controller.add_root(root)?;
        }
        let mut hosts = Vec::new();
        for (mut target, typed) in operation.targets {
            let known = self.queue.hosts();
            // Another one may be shown so already.
            if !self.queue.knows(&target) && self.names.contains(&target.name) {
                target.name = typed;
            }
            let host = self.queue.host(&target);
            if host == known {
                self.ledger.add_host(&target.name);
                self.names.insert(target.name);
            }
            hosts.push(host);
        }
        self.ledger.expect(hosts.len());
        let after = operation.after.iter().map(|(task, _)| *task).collect();
        self.queue.push(number, hosts.clone(), operation.task, after, operation.id.is_some());
        operation.forgotten.into_iter().for_each(|task| self.queue.forget(task));
        let Operation { id, label, files, after, .. } = operation;
        let left = hosts.len();
        if left > 0 {
            let bytes = bytes + LINE_BYTES + left * JOB_BYTES;
            self.taken_bytes += bytes;
            self.described.insert(number, Described { id, label, files, hosts, after, left, bytes });
        }
        Ok(())
    }

    fn start_jobs(&mut self) -> io::Result<()> {
        for _ in 0..STARTS_AT_ONCE {
            if self.full {
                break;
            }
            let random = |hops| (0..hops).map(|_| random::bytes()).collect();
            match self.queue.start(&mut self.controller, random, clock::now())? {
                Some(progress) => self.show(progress),
                None => break,
            }
        }
        Ok(())
    }

    fn begun(&mut self, job: Job, operation: OperationId) {
        let Some(described) = self.described.get(&job.task) else { return };
        let plan = match &described.files {
            Plan::None => return,
            Plan::Fetch(roots, how) => {
                let at = described.hosts.iter().position(|host| *host == job.host);
                Plan::Fetch(vec![at.and_then(|at| roots.get(at).cloned()).flatten()], *how)
            }
            other => other.clone(),
        };
        let mut transfers = Transfers::new(plan);
        transfers.start(Begun { operation, feeder: operation, place: 0 });
        self.transfers.insert(operation, transfers);
    }

    fn send_files(&mut self) -> io::Result<()> {
        self.more_to_send = false;
        for (operation, transfers) in self.transfers.iter_mut().filter(|(_, transfers)| transfers.send()) {
            self.more_to_send |= transfers.feed(*operation, &mut self.controller, None)?;
        }
        Ok(())
    }

    fn execute(&mut self) -> bool {
        self.controller.execute(&mut self.mux)
    }

    fn tell(&mut self) -> io::Result<bool> {
        let mut worked = false;
        while let Some(report) = self.controller.poll_report() {
            worked = true;
            let operation = report.operation();
            let over = matches!(report, Report::Done { .. });
            let settled = match self.transfers.get_mut(&operation) {
                Some(transfers) => transfers.settle(report, &mut self.controller),
                None => vec![Settled::of(report)],
            };
            for Settled { report, remarks } in settled {
                self.remark(operation, remarks);
                let jitter = if over { u64::from_ne_bytes(random::bytes()?) } else { 0 };
                let now = clock::now();
                if let Some(progress) = self.queue.handle_report(&mut self.controller, report, jitter, now) {
                    self.show(progress);
                }
            }
            if over {
                self.transfers.remove(&operation);
            }
        }
        while let Some(job) = self.queue.poll_never() {
            self.not_started(job, HostErrorKind::NotStarted);
        }
        for note in self.controller.take_notes() {
            if self.typed.reach.verbose || note.weight == Weight::Warning {
                self.ledger.note(&note);
            }
        }
        Ok(worked)
    }

    fn remark(&mut self, operation: OperationId, remarks: Vec<String>) {
        let Some(job) = self.queue.job_of(operation) else { return };
        let target = &self.queue.target(job.host).name;
        for text in remarks {
            self.ledger.note(&Note { weight: Weight::Warning, target: target.clone(), text });
        }
    }

    fn show(&mut self, progress: Progress) {
        match progress {
            Progress::Begun { job, operation } => self.begun(job, operation),
            Progress::Skipped { job, because } => {
                let after = self.described.get(&job.task).map(|described| described.after.as_slice());
                let after = after.into_iter().flatten().find(|(task, _)| *task == because);
                let after = after.map(|(_, id)| id.clone()).unwrap_or_default();
                self.not_started(job, HostErrorKind::Skipped { after });
            }
            Progress::Done { job, outcome, span } => self.done(job, &outcome, span),
            Progress::News(news) => self.show_news(news),
        }
    }

    fn show_news(&mut self, news: News<Job>) {
        match news {
            News::Output { place, source, stream, bytes } => {
                self.outputs.owe(source);
                self.ledger.output(place, stream, &bytes);
            }
            News::Item { place, source, value } => {
                self.outputs.owe(source);
                let id = self.described.get(&place.task).and_then(|described| described.id.as_deref());
                let target = &self.queue.target(place.host).name;
                self.ledger.item(place, Line { number: place.task, id }, target, &value);
            }
            News::Record { place, source, record } => {
                self.outputs.owe(source);
                self.ledger.record(place, record);
            }
            News::Piece { operation, source, piece } => {
                self.outputs.owe(source);
                if let Some(transfers) = self.transfers.get_mut(&operation) {
                    transfers.take(operation, piece, &mut self.controller);
                }
            }
            News::Again { place, error, after } => {
                let after = humantime::format_duration(Duration::from_secs(after.as_secs().max(1)));
                let name = &self.queue.target(place.host).name;
                self.ledger.say(&format!("{name}: {error}; trying again in {after}"));
            }
            // Nothing is shared here, and ends come as progress.
            News::LeftBehind { .. } | News::Done { .. } => {}
        }
    }

    fn not_started(&mut self, job: Job, kind: HostErrorKind) {
        let error = Box::new(HostError { hop: None, kind, said: Vec::new() });
        self.told(job, &Err(error), Duration::ZERO);
    }

    fn done(&mut self, job: Job, outcome: &Result<Answer, Box<HostError>>, span: Span) {
        if let (Some(picture), Some(described)) = (&mut self.picture, self.described.get(&job.task)) {
            let well = matches!(outcome, Ok(Answer::Value(_) | Answer::Exhausted | Answer::Exit(0)));
            let Span { since, reached, until } = span;
            let label = described.label.clone();
            let bar = Bar { host: job.host, label, since, reached, until, well };
            picture.push(&self.queue.target(job.host).name, bar);
        }
        self.told(job, outcome, span.until.duration_since(span.since));
    }

    fn told(&mut self, job: Job, outcome: &Result<Answer, Box<HostError>>, took: Duration) {
        let Some(described) = self.described.get_mut(&job.task) else { return };
        // Nobody reads any more, so nobody is told that the rest was stopped.
        if !self.ending.is_unread() {
            let line = Line { number: job.task, id: described.id.as_deref() };
            self.ledger.done(job, line, &self.queue.target(job.host).name, outcome, took);
        }
        described.left -= 1;
        if described.left == 0 {
            self.taken_bytes -= described.bytes;
            self.described.remove(&job.task);
        }
    }

    fn show_progress(&mut self) {
        let now = clock::now();
        if !self.desk.is_asking() && self.ledger.wants_progress(now) {
            let (running, again) = (self.queue.running(), self.queue.to_try_again());
            let waiting = self.queue.waiting() - again;
            self.ledger.progress(&View { running, waiting, again, ..View::default() }, now);
        }
    }

    fn write(&mut self) {
        if self.queue.is_done() {
            self.ledger.end_progress();
        }
        let pressure = self.ledger.flush(clock::now());
        self.full = pressure.high;
        if let Some(Stopped { code, why }) =
            self.outputs.settle(&pressure, &mut self.mux, &mut self.controller)
        {
            why.iter().for_each(|why| self.ledger.say(why));
            self.stop(code);
        }
    }

    fn over(&self) -> Option<ExitCode> {
        let gone = self.mux.is_empty() && self.queue.is_done();
        match self.ending {
            Ending::At { deadline, code } => {
                let enough = self.outputs.are_written() || code != ExitCode::Success;
                ((gone && enough) || clock::now() >= deadline).then_some(code)
            }
            Ending::Natural | Ending::AskedOnce => {
                let wrong = self.wrong.then_some(ExitCode::Usage);
                let code = wrong.unwrap_or_else(|| ExitCode::of_many(self.ledger.outcomes()));
                (gone && self.outputs.are_written()).then_some(code)
            }
        }
    }

    /// The picture is of what was done, however that ended.
    fn finish(&mut self, code: ExitCode) -> ExitCode {
        match self.picture.take().map(Picture::end) {
            Some(Err(wrong)) => {
                self.ledger.say(&wrong);
                self.ledger.flush(clock::now());
                if code == ExitCode::Success { ExitCode::SomeFailed } else { code }
            }
            Some(Ok(())) | None => code,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let now = clock::now();
        let begins = self.queue.wants_to_start(now) && !self.full;
        let hurry = (self.more_to_send || begins).then_some(now);
        let picture = if self.desk.is_asking() { None } else { self.ledger.poll_timeout() };
        let timeouts = [self.controller.poll_timeout(), self.ending.deadline(), self.queue.poll_timeout()];
        timeouts.into_iter().chain([hurry, picture]).flatten().min()
    }

    fn handle(&mut self, event: Event) -> io::Result<()> {
        match event {
            Event::Link(link, event) => self.controller.handle_link(link, event, clock::now()),
            Event::Timeout => self.controller.handle_timeout(clock::now()),
            Event::Writable(stream) => self.outputs.is_writable(stream),
            Event::Input => self.lines.read(&mut self.mux)?,
            Event::Own(_) => self.desk.listen(&mut self.controller, &mut self.mux),
            Event::Signal(Signal::Child) | Event::Errand(_) | Event::Above(_) => {}
            Event::Signal(Signal::Interrupt) => self.interrupt(),
            Event::Signal(Signal::Continue) => self.ledger.leave_drawn(),
            Event::Signal(Signal::Terminate) => self.stop(ExitCode::Terminated),
            Event::Signal(Signal::Hangup) => self.stop(ExitCode::HungUp),
        }
        Ok(())
    }

    /// Many hosts on a terminal: first tells who still runs.
    fn interrupt(&mut self) {
        let watched = stdio::is_terminal(Stream::Err) && self.queue.hosts() > 1;
        if watched && self.ending == Ending::Natural && !self.queue.is_done() {
            let running = self.queue.running();
            let names = running.iter().map(|(host, _)| self.queue.target(*host).name.as_str());
            let again = self.queue.to_try_again();
            self.ledger.say(&ending::left(names, self.queue.waiting() - again, again));
            self.ending = Ending::AskedOnce;
        } else {
            self.stop(ExitCode::Interrupted);
        }
    }

    fn stop(&mut self, code: ExitCode) {
        if self.ending.stop(code, clock::now()) {
            self.ended = true;
            self.queue.stop(&mut self.controller, clock::now());
            if let Err(error) = self.lines.stop(&mut self.mux) {
                self.ledger.say(&format!("standard input: {error}"));
            }
        }
    }
}
