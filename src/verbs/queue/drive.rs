//! The loop: lines to operations, the controller's commands to the mux, the mux's events to the controller, results
//! to the ledger as they come.

use super::lines::{Lines, Numbered};
use super::picture::Picture;
use super::place;
use crate::cli;
use crate::controller::fleet::Begun;
use crate::controller::operation::{Answer, OperationId, Report, Said};
use crate::controller::queue::{HostId, Job, Progress, Queue, Rules, Span, TaskId};
use crate::controller::{Note, STARTS_AT_ONCE, Settings, Weight};
use crate::error::{ExitCode, HostError, HostErrorKind, Outcome};
use crate::mux::Mux;
use crate::report::{self, Bar, Ledger, Line, Page, View};
use crate::sys::{clock, random};
use crate::transfers::{Plan, Settled, Transfers};
use crate::verbs::ending::{self, Ending};
use crate::verbs::output;
use crate::verbs::outputs::Stopped;
use crate::verbs::prepare::{Operation, Operations, Refused};
use crate::verbs::turns::{Turns, Work};
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// While what has been taken from a pipe and has not ended takes about this much memory, no line is taken.
const MAX_TAKEN_BYTES: usize = 16 * 1024 * 1024;
/// What a line takes beside its text, and each of its jobs.
const LINE_BYTES: usize = 1024;
const JOB_BYTES: usize = 32;

/// A line whose jobs have not all ended.
struct Described {
    id: Option<String>,
    label: String,
    files: Plan,
    hosts: Rc<[HostId]>,
    /// What it comes after, as that was called.
    after: Vec<(TaskId, String)>,
    left: usize,
    bytes: usize,
}

pub(super) struct Drive<'a> {
    typed: &'a cli::Queue,
    turns: Turns,
    queue: Queue,
    ledger: Ledger,
    lines: Lines,
    operations: Operations,
    described: HashMap<TaskId, Described>,
    transfers: HashMap<OperationId, Transfers>,
    /// Whether files have only made way for everybody else.
    more_to_send: bool,
    taken_bytes: usize,
    /// Whether a line was no operation.
    wrong: bool,
    /// Whether results wait for who reads them.
    full: bool,
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
            turns: Turns::new(settings, mux, typed.reach.way.verbose),
            queue: Queue::new(rules),
            ledger: Ledger::new(!output::is_dumb(), clock::now()),
            lines,
            operations,
            described: HashMap::new(),
            transfers: HashMap::new(),
            more_to_send: false,
            taken_bytes: 0,
            wrong: false,
            full: false,
            ended: false,
            picture,
        }
    }

    /// Whether what comes has to wait for the next turn.
    fn is_paused(&self) -> bool {
        self.transfers.values().any(Transfers::pause)
    }

    fn has_room(&self) -> bool {
        self.taken_bytes < MAX_TAKEN_BYTES && !self.turns.ending.is_near()
    }

    fn take_lines(&mut self) -> io::Result<()> {
        while self.has_room()
            && let Some(line) = self.lines.next()
        {
            self.take(line)?;
        }
        let room = self.has_room();
        self.lines.balance(&mut self.turns.mux, room)?;
        if self.queue.is_stopped() {
            self.lines.stop(&mut self.turns.mux)?;
        }
        if !self.ended && self.lines.have_ended() {
            self.ended = true;
            self.queue.end(&mut self.turns.controller);
        }
        Ok(())
    }

    /// A line from a pipe: what is wrong with it is its result.
    fn take(&mut self, (number, line): Numbered) -> io::Result<()> {
        let parsed = line.map_err(|error| Refused { id: None, error }).and_then(|line| {
            let operation = self.operations.parse(number, &line, &self.typed.reach)?;
            Ok((operation, line.len()))
        });
        match parsed {
            Ok((operation, bytes)) => self.accept(number, operation, bytes),
            Err(Refused { id, error }) => {
                self.wrong = true;
                let message = format!("{}: {error}", place(self.typed, number));
                self.ledger.wrong(Line { number, id: id.as_deref() }, &message);
                if self.typed.work.fail_fast {
                    self.queue.stop(&mut self.turns.controller, clock::now());
                }
                Ok(())
            }
        }
    }

    pub(super) fn accept(&mut self, number: TaskId, operation: Operation, bytes: usize) -> io::Result<()> {
        if let Some(root) = &operation.root {
            self.turns.controller.add_root(root)?;
        }
        for target in &self.operations.targets()[self.queue.hosts()..] {
            self.ledger.add_host(&target.name);
            self.queue.add_host(target.clone());
        }
        let Operation { id, label, files, after, hosts, task, forgotten, .. } = operation;
        let left = hosts.len();
        self.ledger.expect(left);
        let before = after.iter().map(|(task, _)| *task).collect();
        self.queue.push(number, &hosts, task, before, id.is_some());
        forgotten.into_iter().for_each(|task| self.queue.forget(task));
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
            match self.queue.start(&mut self.turns.controller, random, clock::now())? {
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
        let begun = Begun { operation, feeder: operation, place: 0 };
        transfers.start(begun, || self.turns.mux.unfinished());
        self.transfers.insert(operation, transfers);
    }

    fn remark(&mut self, operation: OperationId, remarks: Vec<String>) {
        let Some(job) = self.queue.job_of(operation) else { return };
        let target = &self.queue.target(job.host).name;
        for text in remarks {
            self.ledger.page_mut().note(&Note { weight: Weight::Warning, target: target.clone(), text });
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
            Progress::Again { job, error, after, span } => {
                self.draw(job, span, error.outcome());
                let after = humantime::format_duration(Duration::from_secs(after.as_secs().max(1)));
                let name = &self.queue.target(job.host).name;
                self.ledger.page_mut().say(&format!("{name}: {error}; trying again in {after}"));
            }
            Progress::Done { job, outcome, span } => {
                self.draw(job, span, report::ended(&outcome));
                self.told(job, &outcome, span.until.duration_since(span.since));
            }
            Progress::Said { job, operation, source, said } => {
                self.turns.outputs.owe(source);
                self.said(job, operation, said);
            }
        }
    }

    fn said(&mut self, job: Job, operation: OperationId, said: Said) {
        match said {
            Said::Output(stream, bytes) => self.ledger.output(job, stream, &bytes),
            Said::Record(record) => self.ledger.record(job, record),
            // Its items tell.
            Said::Yields => {}
            Said::Item(value) => {
                let id = self.described.get(&job.task).and_then(|described| described.id.as_deref());
                let target = &self.queue.target(job.host).name;
                self.ledger.item(job, Line { number: job.task, id }, target, &value);
            }
            Said::Piece(piece) => {
                if let Some(transfers) = self.transfers.get_mut(&operation) {
                    transfers.take(operation, piece, &mut self.turns.controller);
                }
            }
        }
    }

    fn not_started(&mut self, job: Job, kind: HostErrorKind) {
        let error = Box::new(HostError { hop: None, kind, said: Vec::new() });
        self.draw(job, Span::at(clock::now()), error.outcome());
        self.told(job, &Err(error), Duration::ZERO);
    }

    fn draw(&mut self, job: Job, span: Span, outcome: Outcome) {
        let (Some(picture), Some(described)) = (&mut self.picture, self.described.get(&job.task)) else {
            return;
        };
        let bar = Bar { host: job.host, label: described.label.clone(), span, outcome };
        picture.push(&self.queue.target(job.host).name, bar);
    }

    fn told(&mut self, job: Job, outcome: &Result<Answer, Box<HostError>>, took: Duration) {
        let Some(described) = self.described.get_mut(&job.task) else { return };
        // Nobody reads any more, so nobody is told that the rest was stopped.
        if !self.turns.ending.is_unread() {
            let line = Line { number: job.task, id: described.id.as_deref() };
            self.ledger.done(job, line, &self.queue.target(job.host).name, outcome, took);
        }
        described.left -= 1;
        if described.left == 0 {
            self.taken_bytes -= described.bytes;
            self.described.remove(&job.task);
        }
    }

    /// The picture is of what was done, however that ended.
    pub(super) fn finish(&mut self, code: ExitCode) -> ExitCode {
        match self.picture.take().map(Picture::end) {
            Some(Err(wrong)) => {
                self.ledger.page_mut().say(&wrong);
                self.ledger.page_mut().flush(clock::now());
                if code == ExitCode::Success { ExitCode::SomeFailed } else { code }
            }
            Some(Ok(())) | None => code,
        }
    }
}

impl Work for Drive<'_> {
    fn common(&mut self) -> (&mut Turns, &mut Page) {
        (&mut self.turns, self.ledger.page_mut())
    }

    fn start(&mut self) -> io::Result<()> {
        self.take_lines()?;
        self.start_jobs()
    }

    fn tell(&mut self) -> io::Result<bool> {
        let mut worked = false;
        while !self.is_paused()
            && let Some(report) = self.turns.controller.poll_report()
        {
            worked = true;
            let operation = report.operation();
            let over = matches!(report, Report::Done { .. });
            let settled = match self.transfers.get_mut(&operation) {
                Some(transfers) => transfers.settle(report, &mut self.turns.controller),
                None => vec![Settled::of(report)],
            };
            for Settled { report, remarks, of_source } in settled {
                self.remark(operation, [remarks, of_source].concat());
                let jitter = if over { u64::from_ne_bytes(random::bytes()?) } else { 0 };
                let now = clock::now();
                if let Some(progress) =
                    self.queue.handle_report(&mut self.turns.controller, report, jitter, now)
                {
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
        self.turns.tell_notes(self.ledger.page_mut());
        Ok(worked)
    }

    fn feed(&mut self) -> io::Result<()> {
        self.more_to_send = false;
        for (operation, transfers) in self.transfers.iter_mut().filter(|(_, transfers)| transfers.send()) {
            self.more_to_send |= transfers.feed(*operation, &mut self.turns.controller, None);
        }
        Ok(())
    }

    fn show_progress(&mut self) {
        let now = clock::now();
        if !self.turns.is_asking() && self.ledger.page().wants_progress(now) {
            let (running, again) = (self.queue.running(), self.queue.to_try_again());
            let waiting = self.queue.waiting() - again;
            self.ledger.page_mut().progress(&View { running, waiting, again, ..View::default() }, now);
        }
    }

    fn write(&mut self) {
        if self.queue.is_done() {
            self.ledger.page_mut().end_live();
        }
        let pressure = self.ledger.page_mut().flush(clock::now());
        self.full = pressure.high;
        self.transfers.values_mut().for_each(|transfers| transfers.next_turn(false));
        if let Some(Stopped { code, why }) = self.turns.settle(&pressure) {
            why.iter().for_each(|why| self.ledger.page_mut().say(why));
            self.stop(code);
        }
    }

    fn over(&mut self) -> Option<ExitCode> {
        let gone = self.turns.mux.is_empty() && self.queue.is_done();
        match self.turns.ending {
            Ending::At { deadline, code } => {
                let enough = self.turns.outputs.are_written() || code != ExitCode::Success;
                ((gone && enough) || clock::now() >= deadline).then_some(code)
            }
            Ending::Natural | Ending::AskedOnce => {
                let wrong = self.wrong.then_some(ExitCode::Usage);
                let code = wrong.unwrap_or_else(|| ExitCode::of_many(self.ledger.outcomes()));
                (gone && self.turns.outputs.are_written()).then_some(code)
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let now = clock::now();
        let begins = self.queue.wants_to_start(now) && !self.full;
        let hurry = (self.more_to_send || begins).then_some(now);
        self.turns.deadline(self.ledger.page(), self.is_paused(), [hurry, self.queue.poll_timeout()])
    }

    fn read(&mut self) -> io::Result<()> {
        self.lines.read(&mut self.turns.mux)
    }

    fn left(&self) -> Option<String> {
        let running = self.queue.running();
        if self.queue.hosts() < 2 || running.is_empty() {
            return None;
        }
        let names = running.iter().map(|(host, _)| self.queue.target(*host).name.as_str());
        let again = self.queue.to_try_again();
        Some(ending::left(names, self.queue.waiting() - again, again))
    }

    fn stop(&mut self, code: ExitCode) {
        if self.turns.ending.stop(code, clock::now()) {
            self.ended = true;
            self.queue.stop(&mut self.turns.controller, clock::now());
            self.turns.hurry();
            if let Err(error) = self.lines.stop(&mut self.turns.mux) {
                self.ledger.page_mut().say(&format!("standard input: {error}"));
            }
        }
    }
}
