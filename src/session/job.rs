//! What runs for a client: between its standard streams, which it has handed over, and a stream of the controller.

use super::client::ClientId;
use super::held::{Use, fault};
use super::{Session, Watched, rule};
use crate::controller::operation::{
    Answer, Dial, Feed, OperationId, Report, Request, Run, Said, Source, Terminal, Words,
};
use crate::error::HostErrorKind;
use crate::mux::Mux;
use crate::proto::ids::ContextId;
use crate::proto::message::session::{Exec, Fault, FromSession, Path, Terms, What};
use crate::proto::message::{INPUT_BYTES, ToAgent};
use crate::sys::clock;
use crate::sys::fd::{Errno, Read, Write};
use crate::sys::handed::Handed;
use crate::sys::poll::Interest;
use crate::sys::stdio::Stream;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// What a command there has not read yet is not added to beyond this.
const MAX_UNREAD_BYTES: usize = 256 * 1024;
/// What holds so much may have as much room as a frame takes.
const ROOMY_BYTES: usize = 24 * 1024;
/// How much is read of what is always ready before others have their turn.
const READS_AT_ONCE: usize = 4;
/// How long what runs may go on when its client has gone: it learns that by the end of its input, and may have something
/// to put in order, as rsync what it has of a file.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How a program ends that nobody reads from.
const BROKEN_PIPE: u32 = 13;

/// One of three.
#[derive(Debug)]
struct Pipe {
    handed: Handed,
    number: usize,
    watched: bool,
    /// A file, which cannot be watched.
    always: bool,
}

impl Pipe {
    fn watch(&mut self, mux: &mut Mux, wanted: bool, interest: Interest) {
        if self.always || wanted == self.watched {
            return;
        }
        if wanted {
            self.watched = mux.heed(&self.handed, self.number, interest).is_ok();
            self.always = !self.watched;
        } else {
            mux.ignore(&self.handed);
            self.watched = false;
        }
    }
}

#[derive(Debug)]
struct Output {
    pipe: Option<Pipe>,
    /// What has not been written, how much of it has, and the credit that is owed for it.
    waiting: VecDeque<(Vec<u8>, usize, Source)>,
}

/// By what it learns that nobody is there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// By its pipes.
    Command,
    /// It is hung up, when its client goes; until then what it writes goes nowhere.
    Terminal,
    /// It is ended.
    Connection,
}

#[derive(Debug)]
pub(super) struct Job {
    client: ClientId,
    pub(super) context: ContextId,
    pub(super) label: String,
    pub(super) since: Instant,
    input: Option<Pipe>,
    outputs: [Output; 2],
    /// How it has ended, which is told when all has been written.
    ended: Option<FromSession>,
    kind: Kind,
    /// The client has gone: until when it may run, and by which way.
    left: Option<(Instant, Option<Use>)>,
}

/// All that runs.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    by_operation: BTreeMap<OperationId, Job>,
    /// There is more to copy at once.
    pub(super) more: bool,
}

impl Jobs {
    pub(super) fn is_empty(&self) -> bool {
        self.by_operation.is_empty()
    }

    /// Whether any runs without its client.
    pub(super) fn are_left(&self) -> bool {
        self.by_operation.values().any(|job| job.left.is_some())
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.by_operation.values().filter_map(|job| job.left.as_ref().map(|(until, _)| *until)).min()
    }

    pub(super) fn of(&self, context: ContextId) -> impl Iterator<Item = &Job> {
        self.by_operation.values().filter(move |job| job.context == context)
    }
}

impl Session {
    /// Runs something for a client, between the descriptors that came with it.
    pub(super) fn exec(&mut self, id: ClientId, exec: Exec) -> io::Result<()> {
        let Some(client) = self.clients.get_mut(&id) else { return Ok(()) };
        let fds = [client.take_fd(), client.take_fd(), client.take_fd()];
        let [Some(input), Some(output), Some(errors)] = fds else {
            let text = "standard streams did not come along".to_owned();
            client.tell(&FromSession::Failed(Fault::new("", text)));
            return Ok(());
        };
        if client.uses.is_some() {
            client.give_up();
            return Ok(());
        }
        client.asks = exec.terms.asks;
        let (path, terms) = match rule::way(client.rule.as_ref(), &exec.place, &exec.terms) {
            Ok(way) => way,
            Err(text) => {
                let fault = Fault::new("", text);
                client.tell(&FromSession::Failed(fault));
                return Ok(());
            }
        };
        let path = self.ways.serving(path, &terms, &self.controller);
        let context = match self.way_for(&path, &terms, exec.opens)? {
            Ok(context) => context,
            Err(fault) => {
                self.tell_client(id, &FromSession::Failed(fault));
                return Ok(());
            }
        };
        if let Some((used, runs)) = self.use_way(&path.hops)
            && let Some(client) = self.clients.get_mut(&id)
        {
            client.uses = Some(used.clone());
            client.starts(runs);
            if let Some(owner) = client.owner {
                self.keep_for(owner, &used);
            }
        }
        let Some(request) = request(&exec) else { return Ok(()) };
        self.start(id, context, &request, exec.label, exec.reads, [input, output, errors]);
        Ok(())
    }

    /// Asks something of a context for a client, between three descriptors of it.
    pub(super) fn start(
        &mut self,
        id: ClientId,
        context: ContextId,
        request: &Request,
        label: String,
        reads: bool,
        [input, output, errors]: [OwnedFd; 3],
    ) {
        let operation = self.controller.submit(context, request, clock::now());
        if let Some(client) = self.clients.get_mut(&id) {
            client.job = Some(operation);
        }
        let mut pipe = |fd| Pipe {
            handed: Handed::new(fd),
            number: self.numbers.take(Watched::Job),
            watched: false,
            always: false,
        };
        let job = Job {
            client: id,
            context,
            label,
            since: clock::now(),
            input: reads.then(|| pipe(input)),
            outputs: [output, errors].map(|fd| Output { pipe: Some(pipe(fd)), waiting: VecDeque::new() }),
            ended: None,
            kind: match request {
                Request::Run(Run { terminal: None, .. }) => Kind::Command,
                Request::Run(_) => Kind::Terminal,
                _ => Kind::Connection,
            },
            left: None,
        };
        self.jobs.by_operation.insert(operation, job);
    }

    pub(super) fn way_for(
        &mut self,
        path: &Path,
        terms: &Terms,
        opens: bool,
    ) -> io::Result<Result<ContextId, Fault>> {
        if !opens {
            return Ok(self.ways.running(&path.hops, &self.controller).ok_or_else(|| {
                let text = "the session does not hold it any more".to_owned();
                Fault::new(&path.name, text)
            }));
        }
        let reached = self.reach(path, terms)?;
        if reached.is_ok() {
            self.persist(&path.hops, terms);
        }
        Ok(reached)
    }

    /// What has come of something that runs; returns what has come of something else.
    pub(super) fn job_has(&mut self, report: Report) -> Option<Report> {
        let Some(job) = self.jobs.by_operation.get_mut(&report.operation()) else { return Some(report) };
        match report {
            Report::Said { source, said: Said::Output(stream, bytes), .. } => {
                let output = &mut job.outputs[usize::from(stream == Stream::Err)];
                if output.pipe.is_some() {
                    output.waiting.push_back((bytes, 0, source));
                } else {
                    self.controller.consumed(source, clock::now());
                }
            }
            Report::Said { source, .. } => self.controller.consumed(source, clock::now()),
            Report::LeftBehind { .. } => {}
            Report::Done { outcome, .. } => {
                let ended = match outcome {
                    Ok(Answer::Exit(status)) => FromSession::Exit(status.unsigned_abs() << 8),
                    Ok(Answer::Killed(signal)) => FromSession::Exit(signal.unsigned_abs()),
                    Ok(_) => FromSession::Exit(0),
                    Err(error) if matches!(error.kind, HostErrorKind::Interrupted) => {
                        FromSession::Exit(BROKEN_PIPE)
                    }
                    Err(error) => {
                        let name = self.controller.target(job.context).map(|target| target.name.clone());
                        FromSession::Failed(fault(&name.unwrap_or_default(), &error))
                    }
                };
                job.ended.get_or_insert(ended);
            }
        }
        None
    }

    /// The window of a client has another size.
    pub(super) fn resize(&mut self, id: ClientId, rows: u16, columns: u16) {
        let Some(operation) = self.clients.get(&id).and_then(|client| client.job) else { return };
        self.controller.send(operation, &ToAgent::Resize { rows, columns }, false);
    }

    /// Copies what can be copied, in both directions.
    pub(super) fn copy(&mut self) {
        self.jobs.more = false;
        self.end_those_left(clock::now());
        let mut over = Vec::new();
        for (operation, job) in &mut self.jobs.by_operation {
            if job.ended.is_none() {
                let more = job.feed(*operation, &mut self.controller, &mut self.mux, &mut self.numbers);
                self.jobs.more |= more;
            } else if let Some(input) = job.input.take() {
                release(input, &mut self.mux, &mut self.numbers);
            }
            let unwritten = job.write(*operation, &mut self.controller, &mut self.mux, &mut self.numbers);
            if let (Some(errno), Some(client)) = (unwritten, self.clients.get_mut(&job.client)) {
                client.tell(&FromSession::Unwritten(errno as i32));
            }
            if job.ended.is_some() && job.outputs.iter().all(|output| output.waiting.is_empty()) {
                over.push(*operation);
            }
        }
        for operation in over {
            self.finish(operation);
        }
    }

    /// Ends the client's part: its streams first, so that whoever reads them knows that nothing more comes.
    fn finish(&mut self, operation: OperationId) {
        let Some(job) = self.jobs.by_operation.remove(&operation) else { return };
        job.left.and_then(|(_, used)| used).iter().for_each(|used| self.done_with(used));
        let pipes = job.outputs.into_iter().filter_map(|output| output.pipe).chain(job.input);
        for pipe in pipes.collect::<Vec<_>>() {
            release(pipe, &mut self.mux, &mut self.numbers);
        }
        if let (Some(client), Some(ended)) = (self.clients.get_mut(&job.client), &job.ended) {
            client.job = None;
            client.tell(ended);
        }
    }

    /// Its client has gone: nobody feeds and nobody reads it any more. What has not `started` never does.
    pub(super) fn leave(&mut self, operation: OperationId, started: bool, used: Option<Use>) {
        let Some(job) = self.jobs.by_operation.get_mut(&operation) else {
            return used.iter().for_each(|used| self.done_with(used));
        };
        if started && job.kind == Kind::Command && job.ended.is_none() {
            if job.input.is_some() {
                self.controller.input(operation, &[], true);
            }
            job.left = Some((clock::now() + LAST_WORDS, used));
        } else {
            self.controller.cancel(operation, clock::now());
            used.iter().for_each(|used| self.done_with(used));
        }
        let Some(job) = self.jobs.by_operation.get_mut(&operation) else { return };
        if let Some(input) = job.input.take() {
            release(input, &mut self.mux, &mut self.numbers);
        }
        for output in &mut job.outputs {
            output.let_go(&mut self.controller, &mut self.mux, &mut self.numbers);
        }
    }

    /// Ends what has run for long enough without its client.
    fn end_those_left(&mut self, now: Instant) {
        let jobs = self.jobs.by_operation.iter_mut();
        let over = jobs.filter(|(_, job)| job.left.as_ref().is_some_and(|(until, _)| *until <= now));
        let over: Vec<_> = over.map(|(operation, job)| (*operation, job.left.take())).collect();
        for (operation, left) in over {
            self.controller.cancel(operation, now);
            left.and_then(|(_, used)| used).iter().for_each(|used| self.done_with(used));
        }
    }

    pub(super) fn cancel_all(&mut self) {
        for (operation, job) in &mut self.jobs.by_operation {
            let text = "the session has ended".to_owned();
            let fault = Fault::new("", text);
            job.ended.get_or_insert(FromSession::Failed(fault));
            self.controller.cancel(*operation, clock::now());
        }
    }
}

fn release(mut pipe: Pipe, mux: &mut Mux, numbers: &mut super::Numbers) {
    if pipe.watched {
        mux.ignore(&pipe.handed);
        pipe.watched = false;
    }
    numbers.give_back(pipe.number);
}

impl Output {
    /// Nobody reads it any more.
    fn let_go(
        &mut self,
        controller: &mut crate::controller::Controller,
        mux: &mut Mux,
        numbers: &mut super::Numbers,
    ) {
        self.pipe.take().into_iter().for_each(|pipe| release(pipe, mux, numbers));
        for (_, _, source) in self.waiting.drain(..) {
            controller.consumed(source, clock::now());
        }
    }
}

impl Job {
    /// Reads for the command as much as that takes; returns whether there may be more at once.
    fn feed(
        &mut self,
        operation: OperationId,
        controller: &mut crate::controller::Controller,
        mux: &mut Mux,
        numbers: &mut super::Numbers,
    ) -> bool {
        let Some(input) = &mut self.input else { return false };
        let mut ended = false;
        for _ in 0..READS_AT_ONCE {
            if controller.unread(operation) >= MAX_UNREAD_BYTES {
                input.watch(mux, false, Interest::default());
                return false;
            }
            let mut message = ToAgent::input_of(INPUT_BYTES);
            match input.handed.append(&mut message, INPUT_BYTES) {
                Read::Data(count) => {
                    if count < ROOMY_BYTES {
                        message.shrink_to_fit();
                    }
                    controller.input_message(operation, message, false);
                }
                Read::WouldBlock => {
                    input.watch(mux, true, Interest { readable: true, writable: false });
                    return input.always;
                }
                Read::Eof | Read::Failed(_) => {
                    ended = true;
                    break;
                }
            }
        }
        if ended {
            controller.input(operation, &[], true);
            self.input.take().into_iter().for_each(|input| release(input, mux, numbers));
            return false;
        }
        true
    }

    /// Writes what has come as far as that goes; returns why it cannot be, other than that nobody reads it.
    fn write(
        &mut self,
        operation: OperationId,
        controller: &mut crate::controller::Controller,
        mux: &mut Mux,
        numbers: &mut super::Numbers,
    ) -> Option<Errno> {
        let mut unwritten = None;
        let mut closed = [false; 2];
        for (output, closed) in self.outputs.iter_mut().zip(&mut closed) {
            while let (Some(pipe), Some((bytes, at, source))) = (&mut output.pipe, output.waiting.front_mut())
            {
                if bytes.is_empty() {
                    // What a connection ends with, while it may still be sent to.
                    output.let_go(controller, mux, numbers);
                    break;
                }
                match pipe.handed.write(&bytes[*at..]) {
                    Write::Done(count) => {
                        *at += count;
                        if *at == bytes.len() {
                            controller.consumed(*source, clock::now());
                            output.waiting.pop_front();
                        }
                    }
                    Write::WouldBlock => {
                        pipe.watch(mux, true, Interest { readable: false, writable: true });
                        break;
                    }
                    failed @ (Write::Closed | Write::Failed(_)) => {
                        if let Write::Failed(errno) = failed {
                            unwritten = Some(errno);
                        }
                        *closed = true;
                        output.let_go(controller, mux, numbers);
                    }
                }
            }
            if let Some(pipe) = output.pipe.as_mut().filter(|_| output.waiting.is_empty()) {
                pipe.watch(mux, false, Interest::default());
            }
        }
        match self.kind {
            // It goes on, and meets a broken pipe when it writes next, as with ssh. What it has to say of that is shown.
            Kind::Command if closed[0] => controller.unheard(operation),
            Kind::Connection if closed[0] => {
                self.ended.get_or_insert(FromSession::Exit(BROKEN_PIPE));
                controller.cancel(operation, clock::now());
            }
            Kind::Command | Kind::Terminal | Kind::Connection => {}
        }
        unwritten
    }
}

/// What is asked of the context; `None`: nothing but to be there.
fn request(exec: &Exec) -> Option<Request> {
    let run = Run {
        stdin: if exec.reads { Feed::Piped } else { Feed::Nothing },
        environment: exec.environment.clone(),
        home: exec.home,
        terminal: exec.terminal.clone().map(|window| Terminal {
            term: window.term,
            rows: window.rows,
            columns: window.columns,
        }),
        ..Run::default()
    };
    Some(match &exec.what {
        What::Shell(command) => Request::Run(Run { words: vec![command.clone()], ..run }),
        What::Words(words) => Request::Run(Run { words: words.clone(), interpreter: Words::Exact, ..run }),
        What::Login => Request::Run(Run { login: true, ..run }),
        What::Dial { host, port } => Request::Dial(Dial { host: host.clone(), port: *port }),
        What::Nothing => return None,
    })
}
