//! The tree of contexts: hops are shared by all targets behind them, children of a relay are started
//! by messages to it, and what a relay holds already is not sent to it again.

use super::context::{Context, Place, State};
use super::secrets::{Secrets, User};
use super::ways::{Runtime, plan};
use super::{Command, Controller, Due, Settings};
use crate::error::{HostError, HostErrorKind, Loss};
use crate::hosts::target::{Hop, Target};
use crate::link::{Cause, End, Start};
use crate::payload;
use crate::proto::dialog::Tail;
use crate::proto::frame::Priority;
use crate::proto::ids::ContextId;
use crate::proto::message::{
    ChildHello, FromAgent, NONCE_BYTES, ParentHello, Record, ResetReason, ToAgent, greeting,
};
use crate::proto::session::Closed;
use crate::proto::stream::StreamKey;
use crate::proto::value::{Builder, Node, Value};
use crate::sys::child::Exit;
use crate::sys::tty::Role;
use crate::transport::{Asking, Plan, Prompt, Questions, Terminal};
use sha1::{Digest, Sha1};
use std::time::{Duration, Instant};

/// What the start of a context needs of chance: its nonce, and what sudo is to ask with.
pub const RANDOM_BYTES: usize = NONCE_BYTES + 8;
/// Longer than a relay gives a child that runs before it kills it, and one that does not run yet.
const PATIENCE: Duration = Duration::from_secs(5);
const PATIENCE_AT_START: Duration = Duration::from_secs(1);

/// A context that is about to be started.
struct New {
    id: ContextId,
    target: Target,
    runtime: Runtime,
    plan: Plan,
    hello: ParentHello,
}

impl Controller {
    /// Returns the context at the end of a target's path. Hops that do not run yet are started; what is
    /// asked of them meanwhile travels with their start. Random bytes for each hop.
    ///
    /// # Errors
    ///
    /// When a hop cannot even be written as a command line, there would be too many, or a session has just tried.
    pub fn connect(
        &mut self,
        target: &Target,
        random: &[[u8; RANDOM_BYTES]],
        now: Instant,
    ) -> Result<ContextId, HostError> {
        self.connect_as(target, self.settings.agent, random, now)
    }

    /// The same, and `last` serves the last hop: it may be one on the way.
    ///
    /// # Errors
    ///
    /// As [`Self::connect`].
    pub fn connect_as(
        &mut self,
        target: &Target,
        last: Runtime,
        random: &[[u8; RANDOM_BYTES]],
        now: Instant,
    ) -> Result<ContextId, HostError> {
        self.settings.check_hops(target)?;
        if let Some(error) = self.settings.carrier.as_mut().and_then(|carrier| carrier.failure(target)) {
            return Err(error);
        }
        self.told = Some(now);
        let (mut at, mut first_new) = (ContextId::CONTROLLER, None);
        // What a session holds is one step.
        let carried = self.settings.carrier.as_ref().map_or(0, |carrier| carrier.longest(&target.hops));
        let steps = random.iter().enumerate().take(target.hops.len()).skip(carried.saturating_sub(1));
        for (depth, random) in steps {
            let hops = &target.hops[..=depth];
            let known = self.by_path.get(hops).copied().filter(|id| self.is_usable(*id));
            let runtime = if depth + 1 == target.hops.len() { last } else { self.settings.relay };
            let next = known.map_or_else(|| self.start_context(at, hops, target, runtime, *random, now), Ok);
            // What was begun on the way is of use to nobody else.
            at = next.inspect_err(|_| first_new.into_iter().for_each(|id| self.let_go(id)))?;
            if known.is_none() {
                first_new.get_or_insert(at);
            }
        }
        if let Some(context) = self.contexts.get_mut(&at) {
            context.users += 1;
        }
        self.collect_frames();
        Ok(at)
    }

    pub(super) fn is_usable(&self, id: ContextId) -> bool {
        self.contexts.get(&id).is_some_and(|context| context.state != State::Closing && !context.goes_last)
    }

    pub(super) fn start_context(
        &mut self,
        parent: ContextId,
        hops: &[Hop],
        target: &Target,
        runtime: Runtime,
        random: [u8; RANDOM_BYTES],
        now: Instant,
    ) -> Result<ContextId, HostError> {
        let limit = self.settings.max_contexts;
        if self.contexts.len() >= limit {
            return Err(refused(HostErrorKind::TooManyContexts { limit }));
        }
        let whole = hops.len() == target.hops.len();
        let name = if whole { target.name.clone() } else { Target::of(hops).name };
        let target = Target { name, hops: hops.to_vec() };
        let (nonce, token) = split(random);
        let Secrets { login, user, .. } = &self.settings.secrets;
        let ssh = match (login, user) {
            (Some(_), _) => Questions::Password,
            (None, User::Alone) => Questions::User,
            (None, User::Away | User::Present) => Questions::Refused,
        };
        let carrier = self.settings.carrier.as_ref().filter(|_| parent == ContextId::CONTROLLER);
        let plan = match carrier.and_then(|carrier| carrier.plan(&target, &self.settings, runtime)) {
            Some(plan) => plan?,
            None => plan(&target, &self.settings, &Asking { token: &token, ssh }, runtime)?,
        };
        self.next_context += 1;
        let id = ContextId(self.next_context);
        self.note(&target.name, || {
            format!("runs {}", shlex::try_join(plan.argv.iter().map(String::as_str)).unwrap_or_default())
        });
        let keepalive = u32::try_from(self.settings.keepalive.as_millis()).unwrap_or(u32::MAX);
        let (title, log_level) = (self.settings.title.clone(), self.settings.log_level);
        let hello = greeting(id, &self.line(parent), nonce, keepalive, log_level, title);
        self.by_path.insert(hops.to_vec(), id);
        let new = New { id, target, runtime, plan, hello };
        if parent == ContextId::CONTROLLER {
            self.start_here(new, now);
        } else {
            self.start_behind(parent, new, now);
        }
        let level = self.contexts.get(&parent).map_or(1, |parent| parent.level);
        if let Some(context) = self.contexts.get_mut(&id) {
            context.next_random = follower(&random);
            context.token = token;
            context.level = level;
        }
        self.children.entry(parent).or_default().insert(id);
        if runtime == Runtime::Sent {
            self.wait_for_native(id);
        }
        Ok(id)
    }

    fn start_here(&mut self, new: New, now: Instant) {
        let New { id, target, runtime, plan, hello } = new;
        let mut payload = payload::second_stage().into_bytes();
        payload.extend_from_slice(payload::CORE);
        let Hearing { role: terminal, token, helper } = hearing(&plan);
        let start = Start { argv: plan.argv, payload, hello, terminal, token, helper };
        let until = now + self.settings.connect_timeout;
        self.contexts.insert(
            id,
            Context::new(target, runtime, &start.argv, Place::Here(None), Some(until), &self.settings),
        );
        self.deadlines.insert((until, Due::Connection(id)));
        self.commands.push_back(Command::Start { context: id, start });
        // An agent waits for it before it listens to anything else.
        self.send_part(id, "guard");
    }

    /// The relay has the agent's core and its watchdog, being an agent itself or this binary.
    fn start_behind(&mut self, parent: ContextId, new: New, now: Instant) {
        let New { id, target, runtime, plan, hello } = new;
        self.send_part(parent, "hops");
        self.send_part(parent, "relay");
        if plan.terminal != Terminal::None {
            self.send_part(parent, "terminal");
        }
        let line = self.line(parent);
        for pair in line.windows(2).rev().skip(1) {
            let message = ToAgent::Behind { context: id, child: pair[0] };
            self.streams.tell(pair[1], Priority::Interactive, message.encode());
        }
        let message = ToAgent::Spawn(order(id, &plan, &hello)).encode();
        let stream = self.streams.open(parent, Priority::Interactive, message, false);
        self.spawns.insert(stream, id);
        let until = self.contexts.get(&parent).filter(|parent| parent.state == State::Open);
        let until = until.map(|_| now + self.settings.connect_timeout);
        self.deadlines.extend(until.map(|until| (until, Due::Connection(id))));
        let place = Place::Behind { parent, stream };
        let mut context = Context::new(target, runtime, &plan.argv, place, until, &self.settings);
        context.parts.insert("guard");
        self.contexts.insert(id, context);
        self.commands.push_back(Command::Behind { context: id, relay: parent });
    }

    /// A context and all above it: itself first, the controller last.
    pub(super) fn line(&self, id: ContextId) -> Vec<ContextId> {
        let mut line = vec![id];
        while let Some(context) = line.last().and_then(|last| self.contexts.get(last)) {
            line.push(context.place.parent());
        }
        line
    }

    /// The contexts directly below one.
    fn children(&self, id: ContextId) -> Vec<ContextId> {
        self.children.get(&id).into_iter().flatten().copied().collect()
    }

    fn has_children(&self, id: ContextId) -> bool {
        self.children.contains_key(&id)
    }

    /// A context and all that is below it, parents first.
    pub(super) fn subtree(&self, id: ContextId) -> Vec<ContextId> {
        let mut found = vec![id];
        let mut at = 0;
        while at < found.len() {
            found.extend(self.children(found[at]));
            at += 1;
        }
        found
    }

    /// One user less; a context that has none, nor leads to one that has, ends, with all that runs in it and all that
    /// code there has opened.
    pub fn close(&mut self, id: ContextId) {
        let Some(context) = self.contexts.get_mut(&id) else { return };
        context.users = context.users.saturating_sub(1);
        let (users, level) = (context.users, context.level);
        let wanted = |id: &ContextId| {
            self.contexts.get(id).is_some_and(|context| context.users > 0 && context.level == level)
        };
        if users == 0 && !self.subtree(id).iter().any(wanted) {
            self.let_go(id);
        }
    }

    /// Ends all that is left: relays without users, and what is behind them.
    pub fn close_all(&mut self) {
        for id in self.children(ContextId::CONTROLLER) {
            self.let_go(id);
        }
    }

    /// What was cancelled ends first, and what is below goes first: what it has left in the background is then nobody's
    /// but the system's.
    pub(super) fn let_go(&mut self, id: ContextId) {
        match self.contexts.get(&id).map(|context| context.state) {
            None | Some(State::Closing) => return,
            Some(State::Open) if self.is_settling(id) => return self.will_go(id),
            Some(State::Open) if self.has_children(id) => {
                self.will_go(id);
                return self.children(id).into_iter().for_each(|child| self.let_go(child));
            }
            Some(State::Open | State::Connecting { .. }) => {}
        }
        self.leave_connecting(id, State::Closing);
        match self.contexts.get(&id).map(|context| context.place) {
            Some(Place::Here(Some(link))) => self.commands.push_back(Command::Close(link)),
            Some(Place::Behind { stream, .. }) => {
                self.wait_for_end(id);
                self.streams.send(stream, ToAgent::Leave { at_once: false }.encode(), false);
                self.collect_frames();
            }
            Some(Place::Here(None)) | None => {}
        }
    }

    /// Nobody else is led there any more.
    fn will_go(&mut self, id: ContextId) {
        for id in self.subtree(id) {
            self.contexts.entry(id).and_modify(|context| context.goes_last = true);
        }
    }

    /// What was cancelled there has ended, or was given up.
    pub(super) fn go_if_let(&mut self, id: ContextId) {
        if self.contexts.get(&id).is_some_and(|context| context.goes_last) {
            self.let_go(id);
        }
    }

    /// The last of its children may have gone.
    pub(super) fn child_has_gone(&mut self, parent: ContextId) {
        // What code has led through on its way was of use to nobody else.
        let was_way =
            |context: &Context| context.level > 1 && context.users == 0 && context.state != State::Closing;
        let goes = self.contexts.get(&parent).is_some_and(|context| context.goes_last || was_way(context));
        if goes && !self.has_children(parent) {
            self.let_go(parent);
        }
    }

    /// An honest relay tells of a child's end within this time; from one that lies, nothing may come.
    fn wait_for_end(&mut self, id: ContextId) {
        let Some(context) = self.contexts.get_mut(&id) else { return };
        let patience = if context.state == State::Open { PATIENCE } else { PATIENCE_AT_START };
        if let (Place::Behind { .. }, Some(told), None) = (context.place, self.told, context.gone_at) {
            context.gone_at = Some(told + patience);
            self.deadlines.insert((told + patience, Due::Gone(id)));
        }
    }

    /// Nobody has told of a context's end.
    pub(super) fn gone_unheard(&mut self, id: ContextId) {
        let Some(context) = self.contexts.get(&id) else { return };
        let cause = context.ending.unwrap_or(Cause::Asked);
        let (stderr, noise) = (Vec::new(), Vec::new());
        self.ended(id, &End { cause, started: context.state == State::Open, exit: None, stderr, noise });
    }

    /// Ends a context that must not go on.
    pub(super) fn abort(&mut self, id: ContextId, cause: Cause) {
        let Some(context) = self.contexts.get_mut(&id) else { return };
        context.ending.get_or_insert(cause);
        let place = context.place;
        self.wait_for_end(id);
        self.leave_connecting(id, State::Closing);
        match place {
            Place::Here(link) => self.commands.extend(link.map(|link| Command::Abort(link, cause))),
            Place::Behind { stream, .. } => {
                self.streams.send(stream, ToAgent::Leave { at_once: true }.encode(), false);
                self.collect_frames();
            }
        }
    }

    /// What a relay says of a child that it was asked for.
    pub(super) fn handle_spawned(&mut self, key: StreamKey, id: ContextId, message: &[u8], now: Instant) {
        match FromAgent::decode(message) {
            Ok(FromAgent::Started(hello)) => self.spawned(id, hello, now),
            Ok(FromAgent::Noise(noise)) => self.noise(id, &noise),
            Ok(FromAgent::Refused(what)) => {
                self.warn(id, || format!("refused: {}", String::from_utf8_lossy(&what)));
            }
            Ok(FromAgent::Ended(value)) => {
                self.spawns.remove(&key);
                let (mut end, error) = end_of(&value);
                if let Some(cause) = self.contexts.get(&id).and_then(|context| context.ending) {
                    end.cause = cause;
                }
                match error {
                    Some(error) => self.not_started(id, error),
                    None => self.ended(id, &end),
                }
            }
            Ok(FromAgent::Asked(question)) => self.asked(id, &question),
            Ok(_) | Err(_) => {
                self.spawns.remove(&key);
                self.streams.reset(key, ResetReason::Cancelled);
                self.lose(id, &HostErrorKind::LinkLost { why: Loss::Rules }, &[]);
            }
        }
    }

    fn spawned(&mut self, id: ContextId, hello: ChildHello, now: Instant) {
        if hello.version == crate::proto::VERSION {
            self.opened(id, hello.python, now);
        } else {
            self.abort(id, Cause::Session(Closed::Version { theirs: hello.version }));
        }
    }

    pub(super) fn not_started(&mut self, id: ContextId, error: String) {
        let program = self.contexts.get(&id).map(|context| context.program.clone()).unwrap_or_default();
        self.lose(id, &HostErrorKind::SpawnFailed { program, error }, &[]);
    }

    /// Its relay runs: from now on it must answer in time.
    pub(super) fn children_may_start(&mut self, id: ContextId, now: Instant) {
        for child in self.children(id) {
            if let Some(context) = self.contexts.get_mut(&child)
                && context.state == (State::Connecting { until: None })
            {
                let until = now + context.patience;
                context.state = State::Connecting { until: Some(until) };
                self.deadlines.insert((until, Due::Connection(child)));
            }
        }
    }
}

impl Settings {
    /// # Errors
    ///
    /// When the path is longer than what is allowed.
    pub fn check_hops(&self, target: &Target) -> Result<(), HostError> {
        let limit = self.max_hops;
        if target.hops.len() <= limit {
            return Ok(());
        }
        let path = target.hops.iter().map(Hop::to_string).collect();
        Err(refused(HostErrorKind::TooManyHops { path, limit }))
    }
}

fn refused(kind: HostErrorKind) -> HostError {
    HostError { hop: None, kind, said: Vec::new() }
}

/// What a relay needs to start a child.
fn order(id: ContextId, plan: &Plan, hello: &ParentHello) -> Value {
    let mut builder = Builder::default();
    let argv = plan.argv.iter().map(|word| builder.add(Node::Bytes(word.clone().into_bytes()))).collect();
    let Hearing { role, token, helper } = hearing(plan);
    let terminal = match role {
        Role::None => 0,
        Role::Beside => 1,
        Role::Input => 2,
    };
    let fields = [
        ("context", Node::Int(i64::from(id.0))),
        ("argv", Node::List(argv)),
        ("hello", Node::Bytes(Record::encode(hello))),
        ("start", Node::Bytes(payload::second_stage().into_bytes())),
        ("core", Node::Bool(true)),
        ("terminal", Node::Int(terminal)),
        ("token", Node::Bytes(token)),
        // A Python relay leaves that out.
        ("helper", Node::Bytes(helper.into_bytes())),
    ];
    builder.dict(fields)
}

/// Where a hop's program has a terminal, and what only its question for a password holds.
struct Hearing {
    role: Role,
    token: Vec<u8>,
    helper: String,
}

fn hearing(plan: &Plan) -> Hearing {
    let (role, prompt) = match &plan.terminal {
        Terminal::None => (Role::None, &Prompt::Hidden),
        Terminal::Beside { prompt } => (Role::Beside, prompt),
        Terminal::Input { prompt } => (Role::Input, prompt),
    };
    let (token, helper) = match prompt {
        Prompt::Token(token) => (token.clone().into_bytes(), String::new()),
        Prompt::Hidden => (Vec::new(), String::new()),
        Prompt::Helper(words) => (Vec::new(), words.clone()),
    };
    Hearing { role, token, helper }
}

/// How a relay says that a child has ended, and why it could not be started.
fn end_of(value: &Value) -> (End, Option<String>) {
    let text = |name| value.get(name).and_then(|id| value.text(id));
    let lines = |name| {
        let mut tail = Tail::default();
        tail.push(text(name).unwrap_or_default().as_bytes());
        tail.into_lines()
    };
    let quiet = value.get("quiet").and_then(|id| match value.node(id) {
        Node::Int(quiet) => u64::try_from(*quiet).ok().map(Duration::from_millis),
        _ => None,
    });
    let cause = match text("cause").unwrap_or_default().as_str() {
        "bye" => Cause::Session(Closed::Bye),
        "noise" => Cause::TooNoisy,
        "silent" => Cause::Session(Closed::Silent { quiet: quiet.unwrap_or_default() }),
        "corrupt" => Cause::Session(Closed::BadFrame(crate::proto::frame::FrameError::Corrupt)),
        "forged" => Cause::Forged { source: ContextId::CONTROLLER },
        "rules" => Cause::Session(Closed::BadHello),
        "asked" => Cause::Asked,
        _ => Cause::Eof,
    };
    let exit = value.get("exit").and_then(|id| match value.node(id) {
        Node::Int(status) => i32::try_from(*status).ok().map(Exit::from_wait),
        _ => None,
    });
    let started = value.get("started").is_some_and(|id| value.is_true(id));
    (End { cause, started, exit, stderr: lines("said"), noise: lines("noise") }, text("error"))
}

/// What the start of one more context is given, which nobody who does not know `random` could tell.
pub(super) fn follower(random: &[u8; RANDOM_BYTES]) -> [u8; RANDOM_BYTES] {
    let mut next = [0; RANDOM_BYTES];
    for (at, piece) in next.chunks_mut(20).enumerate() {
        let digest = Sha1::new().chain_update([at as u8]).chain_update(random).finalize();
        piece.copy_from_slice(&digest[..piece.len()]);
    }
    next
}

/// The nonce, and a word that no program prints by itself.
fn split(random: [u8; RANDOM_BYTES]) -> ([u8; NONCE_BYTES], String) {
    let mut nonce = [0; NONCE_BYTES];
    nonce.copy_from_slice(&random[..NONCE_BYTES]);
    let token =
        random[NONCE_BYTES..].iter().fold("hopvine".to_owned(), |word, byte| format!("{word}{byte:02x}"));
    (nonce, token)
}
