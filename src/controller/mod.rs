//! The root of the tree: contexts, and the operations that are asked of them. Events go in,
//! commands and reports come out; the owner brings both to a [`crate::mux::Mux`].

mod answers;
mod attempt;
mod beside;
mod between;
mod carrier;
mod children;
mod commands;
mod context;
mod ending;
pub mod feed;
pub mod fleet;
mod keeping;
mod native;
mod notes;
mod openings;
pub mod operation;
pub mod queue;
pub mod secrets;
mod sharing;
mod supply;
mod survey;
mod tree;
mod ways;

#[cfg(test)]
mod tests;

use crate::error::{HostErrorKind, Loss};
use crate::hosts::inventory::Inventory;
use crate::hosts::target::Hop;
use crate::link::{Cause, End, LinkEvent, Start};
use crate::modules::Library;
use crate::payload::Interpreter;
use crate::proto::frame::{Frame, Priority};
use crate::proto::ids::ContextId;
use crate::proto::message::ToAgent;
use crate::proto::splice::Splices;
use crate::proto::stream::{StreamKey, Streams};
use crate::proto::value::Value;
use crate::route::LinkId;
use crate::sys::identity;
pub use crate::transport::{Asking, Plan, Questions};
pub use carrier::{Carrier, steps};
use children::Wishes;
pub use commands::STARTS_AT_ONCE;
use context::{Context, State};
use keeping::Keepsakes;
use native::{Program, Waiting};
pub use notes::{Note, Weight};
use operation::{OperationId, Report, Request, Said, Source};
use secrets::{OpenQuestion, Secret, Secrets};
use sharing::Lanes;
pub use sharing::Submitted;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};
use supply::Pack;
pub use survey::Seen;
use survey::Trips;
pub use tree::RANDOM_BYTES;
pub use ways::{Runtime, Wording, interpreter, plan, plan_with, start_failure};

/// What holds for all contexts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What `ps` shows for an agent.
    pub title: String,
    pub interpreter: Interpreter,
    pub keepalive: Duration,
    /// For Python's `logging` there; 0 leaves it to user code.
    pub log_level: u8,
    pub connect_timeout: Duration,
    /// For each operation, from the moment its context is open.
    pub timeout: Option<Duration>,
    /// What serves a target.
    pub agent: Runtime,
    /// What serves a hop that others lead on from.
    pub relay: Runtime,
    pub secrets: Secrets,
    /// How deep the tree may be.
    pub max_hops: usize,
    /// How many contexts there may be at a time.
    pub max_contexts: usize,
    /// How often code in a context may lead to the next.
    pub depth_limit: u32,
    pub library: Library,
    /// Whether a script is above, whose interpreter knows more modules.
    pub script: bool,
    /// Whether somebody above answers contexts that want to be joined with others.
    pub lends: bool,
    pub inventory: Inventory,
    /// A session that holds some ways open already.
    pub carrier: Option<Carrier>,
}

/// As where nothing is typed; agents in Python, and nothing to serve.
impl Default for Settings {
    fn default() -> Self {
        Self {
            title: format!("hopvine:{}", identity::process()),
            interpreter: Interpreter::default(),
            keepalive: Duration::from_secs(15),
            log_level: 0,
            connect_timeout: Duration::from_secs(30),
            timeout: None,
            agent: Runtime::default(),
            relay: Runtime::default(),
            secrets: Secrets::default(),
            max_hops: 8,
            max_contexts: 20_000,
            depth_limit: 2,
            library: Library::default(),
            script: false,
            lends: false,
            inventory: Inventory::default(),
            carrier: None,
        }
    }
}

/// What is to be done, in order: by [`Controller::execute`], or by whoever only wants to look.
#[derive(Debug)]
pub enum Command {
    /// Start a child.
    Start {
        context: ContextId,
        start: Start,
    },
    /// A context that a relay will start.
    Behind {
        context: ContextId,
        relay: ContextId,
    },
    Send(Frame),
    /// Type a password on a child's terminal.
    Reply(LinkId, Secret),
    Close(LinkId),
    Abort(LinkId, Cause),
}

#[derive(Debug)]
pub struct Controller {
    settings: Settings,
    contexts: BTreeMap<ContextId, Context>,
    by_link: HashMap<LinkId, ContextId>,
    by_path: HashMap<Vec<Hop>, ContextId>,
    /// Who has children, and which.
    children: HashMap<ContextId, BTreeSet<ContextId>>,
    /// The streams on which relays tell of a child.
    spawns: HashMap<StreamKey, ContextId>,
    keepsakes: Keepsakes,
    /// Contexts that are to become this program, and the program.
    waiting: HashMap<ContextId, Waiting>,
    /// Streams that bring a relay what is meant for a context behind it.
    meant_for: HashMap<StreamKey, ContextId>,
    program: Option<Program>,
    wishes: Wishes,
    streams: Streams,
    splices: Splices,
    lanes: Lanes,
    operations: BTreeMap<OperationId, Running>,
    /// By context, and there in the order in which they were asked for.
    by_stream: BTreeMap<StreamKey, OperationId>,
    /// What is done when a context runs.
    openings: HashMap<ContextId, Vec<OperationId>>,
    /// What is done when a context has gone.
    endings: HashMap<ContextId, Vec<OperationId>>,
    deadlines: BTreeSet<(Instant, Due)>,
    /// The latest time that we have been told.
    told: Option<Instant>,
    next_context: u32,
    next_operation: u64,
    /// Answers to requests that may not have been taken yet.
    supplies: Vec<StreamKey>,
    /// What a script's interpreter is to be asked for.
    wants: VecDeque<(StreamKey, String)>,
    /// What contexts want of tunnels that they may have been granted.
    joins: VecDeque<(StreamKey, Value)>,
    /// Those who have not been answered for good, and those of them who do not want it any more.
    joined: BTreeSet<StreamKey>,
    unjoins: VecDeque<StreamKey>,
    /// What contexts have said that belongs to nothing.
    asides: VecDeque<(Source, Said)>,
    /// What the last call brought along.
    pack: Option<Pack>,
    trips: Trips,
    /// For the user, the first of them now.
    questions: VecDeque<OpenQuestion>,
    commands: VecDeque<Command>,
    reports: VecDeque<Report>,
    notes: Vec<Note>,
}

/// What happens at a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// A context that has not answered is given up.
    Connection(ContextId),
    Operation(OperationId),
    /// A context whose cancelled work goes on is given up.
    Stop(StreamKey),
    /// A relay that does not tell of the end of a child is not waited for.
    Gone(ContextId),
}

#[derive(Debug)]
struct Running {
    context: ContextId,
    /// A script ends with its process where it ends that itself.
    script: bool,
    stream: StreamKey,
    /// Where its files come or go, if not on its own stream.
    joined: Option<StreamKey>,
    /// What a command has been given and has written.
    carried_bytes: usize,
    /// What puts are fed by has no time-out: they have theirs.
    feeds: bool,
    /// From the moment its context is open.
    timeout: Option<Duration>,
    deadline: Option<Instant>,
}

impl Controller {
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            contexts: BTreeMap::new(),
            by_link: HashMap::new(),
            by_path: HashMap::new(),
            children: HashMap::new(),
            spawns: HashMap::new(),
            keepsakes: Keepsakes::default(),
            waiting: HashMap::new(),
            meant_for: HashMap::new(),
            program: None,
            wishes: Wishes::default(),
            streams: Streams::new(ContextId::CONTROLLER),
            splices: Splices::new(ContextId::CONTROLLER),
            lanes: Lanes::default(),
            operations: BTreeMap::new(),
            by_stream: BTreeMap::new(),
            openings: HashMap::new(),
            endings: HashMap::new(),
            deadlines: BTreeSet::new(),
            told: None,
            next_context: 0,
            next_operation: 0,
            supplies: Vec::new(),
            wants: VecDeque::new(),
            joins: VecDeque::new(),
            joined: BTreeSet::new(),
            unjoins: VecDeque::new(),
            asides: VecDeque::new(),
            pack: None,
            trips: Trips::default(),
            questions: VecDeque::new(),
            commands: VecDeque::new(),
            reports: VecDeque::new(),
            notes: Vec::new(),
        }
    }

    /// What holds for all that is connected and asked from now on; what runs keeps what it was started with.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Asks something of a context.
    pub fn submit(&mut self, context: ContextId, request: &Request, now: Instant) -> OperationId {
        let context = self.able(context, request, now);
        let operation = self.submit_joined(context, request, None, now);
        self.collect_frames();
        operation
    }

    fn submit_joined(
        &mut self,
        context: ContextId,
        request: &Request,
        joined: Option<StreamKey>,
        now: Instant,
    ) -> OperationId {
        self.next_operation += 1;
        let operation = OperationId(self.next_operation);
        for part in request.parts() {
            self.send_part(context, part);
        }
        if let Some(imports) = request.imports() {
            self.send_modules(context, imports, now);
        }
        let message = request.message(joined).encode();
        let last = joined.is_some() || !request.takes_input();
        let stream = self.streams.open(context, request.priority(), message, last);
        self.streams.hold(stream);
        let feeds = joined.is_some() && matches!(request, Request::Fetch(_));
        let timeout = self.settings.timeout.filter(|_| !feeds);
        let deadline = self.contexts.get(&context).and_then(|context| context.deadline(timeout, now));
        self.deadlines.extend(deadline.map(|at| (at, Due::Operation(operation))));
        self.operations.insert(
            operation,
            Running {
                context,
                script: matches!(request, Request::Script(_)),
                stream,
                joined,
                carried_bytes: 0,
                feeds,
                timeout,
                deadline,
            },
        );
        self.by_stream.insert(stream, operation);
        if !self.contexts.contains_key(&context) {
            self.fail(operation, HostErrorKind::LinkLost { why: Loss::Ended { exit: None } }, Vec::new());
        }
        operation
    }

    /// Gives a command something to read; `end` is its end of file.
    pub fn input(&mut self, operation: OperationId, bytes: &[u8], end: bool) {
        let mut message = ToAgent::input_of(bytes.len());
        message.extend_from_slice(bytes);
        self.input_message(operation, message, end);
    }

    /// The same as a whole message: what stands behind the beginning by [`ToAgent::input_of`].
    pub fn input_message(&mut self, operation: OperationId, message: Vec<u8>, end: bool) {
        self.carries(operation, message.len());
        self.send_message(operation, message, end);
    }

    /// Sends what an operation goes on with; with `end`, it was the last.
    pub fn send(&mut self, operation: OperationId, message: &ToAgent, end: bool) {
        self.send_message(operation, message.encode(), end);
    }

    fn send_message(&mut self, operation: OperationId, message: Vec<u8>, end: bool) {
        let Some(running) = self.operations.get(&operation) else { return };
        self.streams.send(running.stream, message, end);
        if end && Self::is_pipe(running) {
            self.remove(operation);
        }
        self.collect_frames();
    }

    /// How many bytes a command has not been able to read yet; 0 for one that has ended.
    pub fn unread(&self, operation: OperationId) -> usize {
        self.operations.get(&operation).map_or(0, |running| self.streams.unsent_bytes(running.stream))
    }

    /// Nobody reads a command's standard output any more: it is to find that out when it writes next.
    pub fn unheard(&mut self, operation: OperationId) {
        let Some(running) = self.operations.get(&operation) else { return };
        let (peer, message) = (running.stream.peer, ToAgent::Unheard(running.stream.id));
        self.streams.tell(peer, Priority::Interactive, message.encode());
        self.collect_frames();
    }

    /// Says that reported output has been used, so that more may come.
    pub fn consumed(&mut self, source: Source, now: Instant) {
        self.streams.grant(source.key, source.owed_bytes, now);
        self.collect_frames();
    }

    /// Stops an operation; it is reported as interrupted.
    pub fn cancel(&mut self, operation: OperationId, now: Instant) {
        self.stop(operation, HostErrorKind::Interrupted, now);
    }

    /// Stops a transfer that cannot go on at this end.
    pub fn abandon(&mut self, operation: OperationId, what: String, now: Instant) {
        self.stop(operation, HostErrorKind::File { what }, now);
    }

    /// What a context runs on: `sys.hexversion`, 0 for this program or one that does not run.
    pub fn python(&self, context: ContextId) -> u32 {
        self.contexts.get(&context).map_or(0, |context| context.python)
    }

    /// Whether a context ends, and [`Self::await_end`] will tell.
    pub fn is_leaving(&self, context: ContextId) -> bool {
        self.contexts
            .get(&context)
            .is_some_and(|context| context.state == State::Closing || context.goes_last)
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.deadlines.first().map(|(at, _)| *at), self.splices.poll_timeout()].into_iter().flatten().min()
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.told = Some(now);
        self.splices.handle_timeout(now);
        self.drain_splices();
        self.collect_frames();
        while let Some((at, due)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.deadlines.remove(&(at, due));
            match due {
                Due::Operation(operation) => {
                    let running = self.operations.get(&operation);
                    let after = running.and_then(|running| running.timeout).unwrap_or_default();
                    self.stop(operation, HostErrorKind::TimedOut { after }, now);
                }
                Due::Stop(key) => self.give_up(key),
                Due::Connection(context) => self.abort(context, Cause::TooSlow),
                Due::Gone(context) => self.gone_unheard(context),
            }
        }
    }

    pub fn handle_link(&mut self, link: LinkId, event: LinkEvent, now: Instant) {
        self.told = Some(now);
        let Some(id) = self.by_link.get(&link).copied() else { return };
        match event {
            LinkEvent::Ready(hello) => self.opened(id, hello.python, now),
            LinkEvent::Noise(noise) => self.noise(id, &noise),
            LinkEvent::Asked(question) => self.asked(id, &question),
            LinkEvent::Refused(what) => self.warn(id, || format!("refused: {what}")),
            LinkEvent::Frame(frame) => {
                if let Some(frame) = self.splices.handle_frame(frame, now) {
                    self.streams.handle_frame(frame, now);
                }
                self.drain_splices();
                self.drain_streams(now);
            }
            LinkEvent::Ended(end) => {
                self.by_link.remove(&link);
                self.ended(id, &end);
            }
        }
        self.collect_frames();
    }

    fn opened(&mut self, id: ContextId, python: u32, now: Instant) {
        self.leave_connecting(id, State::Open);
        self.contexts.entry(id).and_modify(|context| context.python = python);
        self.has_opened(id);
        self.children_may_start(id, now);
        self.make_native(id, python);
        self.grant_wishes(id, now);
        // Has gone before where it could matter at once.
        self.send_part(id, "adopt");
        self.begin_deadlines(id, now);
        let target = self.target_name(id);
        self.note(&target, || {
            if python == 0 {
                return "hopvine runs".to_owned();
            }
            format!("agent runs on Python {}.{}.{}", python >> 24, python >> 16 & 0xff, python >> 8 & 0xff)
        });
    }

    /// The time of what was asked before its context was open begins.
    fn begin_deadlines(&mut self, id: ContextId, now: Instant) {
        for operation in self.operations_of(id) {
            let Some(running) = self.operations.get_mut(&operation) else { continue };
            running.deadline = running.timeout.and_then(|timeout| now.checked_add(timeout));
            self.deadlines.extend(running.deadline.map(|at| (at, Due::Operation(operation))));
        }
    }

    fn ended(&mut self, id: ContextId, end: &End) {
        let Some(context) = self.contexts.get(&id) else { return };
        let kind = context.failure(end, &self.settings);
        let said = context.said(end);
        if let HostErrorKind::LinkLost { why: Loss::Ended { exit: Some(exit) } } = kind {
            self.scripts_ended(id, exit);
        }
        self.lose(id, &kind, &said);
    }

    /// The time to connect does not matter any more. A context that is closing stays so.
    fn leave_connecting(&mut self, id: ContextId, next: State) {
        let Some(context) = self.contexts.get_mut(&id) else { return };
        if let State::Connecting { until } = context.state {
            if let Some(until) = until {
                self.deadlines.remove(&(until, Due::Connection(id)));
            }
            context.state = next;
        } else if next == State::Closing {
            context.state = next;
        }
    }

    fn collect_frames(&mut self) {
        while let Some(frame) = self.streams.poll_frame().or_else(|| self.splices.poll_frame()) {
            if let Some(frame) = self.unless_waiting(frame) {
                self.commands.push_back(Command::Send(frame));
            }
        }
    }
}
