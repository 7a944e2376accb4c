//! Contexts that remote code asks for. The controller decides, not the code that is limited: how often
//! one may lead to the next, and how deep the tree may be.

use super::Controller;
use super::context::State;
use super::operation::Imports;
use super::tree::RANDOM_BYTES;
use super::ways::Runtime;
use crate::error::HostError;
use crate::hosts::target::{Hop, Target, Way};
use crate::proto::ids::ContextId;
use crate::proto::message::ToAgent;
use crate::proto::stream::StreamKey;
use crate::proto::value::{Builder, Node, Value};
use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

/// What of the interpreter's own is to be met with all that code may need: the names in the roots, and the handler
/// of `logging`. Who calls a context that was wished for is not us, so we do not hear what.
const UNKNOWN_CALLS: Imports<'_> = Imports::Module("logging");

/// Contexts that code has asked for, by the streams on which it did.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    /// Who hears of a context, until it has gone.
    hearers: HashMap<ContextId, Vec<StreamKey>>,
    /// What they have not let go of.
    held: BTreeMap<StreamKey, ContextId>,
}

/// Why a wish is refused: a word for programs, and a text.
type Refusal = (String, String);

impl Controller {
    /// Answers code that asks for a context at the end of `typed`, a path from its own: with its number
    /// once it runs, or with what is in the way.
    pub(super) fn handle_wish(&mut self, key: StreamKey, typed: &str, now: Instant) {
        match self.start_wished(key.peer, typed, now) {
            Ok(child) => {
                self.wishes.hearers.entry(child).or_default().push(key);
                self.wishes.held.insert(key, child);
                if self.contexts.get(&child).is_some_and(|context| context.state == State::Open) {
                    self.grant_wish(key, child);
                }
            }
            Err((kind, message)) => self.answer_wish(key, refusal(&kind, &message, None, &[]), true),
        }
    }

    fn start_wished(&mut self, by: ContextId, typed: &str, now: Instant) -> Result<ContextId, Refusal> {
        let Some(asking) = self.contexts.get(&by) else {
            return Err(("link_lost".to_owned(), "it has gone".to_owned()));
        };
        let mut wished = Target::parse(typed).map_err(|error| ("usage".to_owned(), error.to_string()))?;
        // What is on the same machine, as the same user, runs on what was named for who asks.
        let python = asking.target.hops.last().and_then(|hop| hop.python.clone());
        for hop in wished.hops.iter_mut().take_while(|hop| matches!(hop.way, Way::Local { .. })) {
            hop.python = hop.python.take().or_else(|| python.clone());
        }
        let (asking_secrets, asking_patience) = (asking.secrets.clone(), asking.patience);
        let (level, path) = (asking.level + 1, [asking.target.hops.clone(), wished.hops].concat());
        if level > self.settings.depth_limit {
            let shown = path.iter().map(Hop::to_string).collect::<Vec<_>>().join(" -> ");
            let limit = self.settings.depth_limit;
            let text = format!("refused: {shown}: code may lead {limit} levels deep (--depth-limit)");
            self.warn(by, || text.clone());
            return Err(("too_deep".to_owned(), text));
        }
        let random = self.chain_of_random(by, path.len());
        let target = Target { name: Target::of(&path).name, hops: path };
        let last = self.next_context;
        // Whoever leads to it may use what led to himself, and nothing of anybody else's.
        let secrets = std::mem::replace(&mut self.settings.secrets, asking_secrets);
        let patience = std::mem::replace(&mut self.settings.connect_timeout, asking_patience);
        let child = self.connect_as(&target, Runtime::Python, &random, now);
        (self.settings.secrets, self.settings.connect_timeout) = (secrets, patience);
        let child = child.map_err(|error| (error.word().to_owned(), error.to_string()))?;
        // What the user has asked for, or other code before, stays what it is.
        for new in self.line(child).into_iter().filter(|id| id.0 > last) {
            if let Some(context) = self.contexts.get_mut(&new) {
                context.level = level;
            }
        }
        Ok(child)
    }

    /// Random bytes for each hop of a path from the controller.
    fn chain_of_random(&mut self, by: ContextId, hops: usize) -> Vec<[u8; RANDOM_BYTES]> {
        let Some(context) = self.contexts.get_mut(&by) else { return Vec::new() };
        std::iter::repeat_with(|| context.take_random()).take(hops).collect()
    }

    /// A context runs: whoever wished for it is told its number.
    pub(super) fn grant_wishes(&mut self, child: ContextId, now: Instant) {
        let Some(keys) = self.wishes.hearers.get(&child).cloned() else { return };
        self.send_modules(child, UNKNOWN_CALLS, now);
        self.send_part(child, "apply");
        for key in keys {
            self.grant_wish(key, child);
        }
    }

    fn grant_wish(&mut self, key: StreamKey, child: ContextId) {
        let python = self.contexts.get(&child).map_or(0, |context| context.python);
        let mut builder = Builder::default();
        let pair = [child.0, python].map(|number| builder.add(Node::Int(i64::from(number))));
        let root = builder.add(Node::Tuple(pair.to_vec()));
        self.answer_wish(key, builder.finish(root), false);
    }

    /// A context has failed, or ended: whoever wished for it is told why.
    pub(super) fn fail_wishes(&mut self, child: ContextId, error: &HostError) {
        for key in self.wishes.hearers.remove(&child).unwrap_or_default() {
            self.wishes.held.remove(&key);
            let why = refusal(error.word(), &error.to_string(), error.hop.as_deref(), &error.said);
            self.answer_wish(key, why, true);
        }
    }

    /// Whoever wished for a context has no more use for it; the answer tells that it has gone, or is for others.
    pub(super) fn end_wish(&mut self, key: StreamKey) {
        let Some(child) = self.wishes.held.remove(&key) else { return };
        self.close(child);
        if self.contexts.get(&child).is_some_and(|context| context.users > 0) {
            if let Some(keys) = self.wishes.hearers.get_mut(&child) {
                keys.retain(|other| *other != key);
            }
            self.answer_wish(key, refusal("interrupted", "others go on with it", None, &[]), true);
        }
    }

    /// A context has gone, and nothing can be told to it any more.
    pub(super) fn forget_wishes_of(&mut self, asking: ContextId) {
        let [first, last] = StreamKey::all_of(asking);
        let held: Vec<StreamKey> = self.wishes.held.range(first..=last).map(|(key, _)| *key).collect();
        for key in held {
            self.end_wish(key);
        }
    }

    fn answer_wish(&mut self, key: StreamKey, value: Value, end: bool) {
        self.streams.send(key, ToAgent::Data(value).encode(), end);
    }
}

/// Why a wish is not granted, or not any more, as code reads it.
fn refusal(kind: &str, message: &str, hop: Option<&str>, said: &[String]) -> Value {
    let mut builder = Builder::default();
    let said = said.iter().map(|line| builder.text(line)).collect();
    let text = |text: &str| Node::Text(text.as_bytes().to_vec());
    builder.dict([
        ("kind", text(kind)),
        ("message", text(message)),
        ("hop", hop.map_or(Node::None, text)),
        ("said", Node::List(said)),
    ])
}
