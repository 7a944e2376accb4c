//! Contexts that remote code asks for. The controller decides, not the code that is limited: how often
//! one may lead to the next, and how deep the tree may be.

use super::Controller;
use super::context::State;
use super::operation::Imports;
use super::tree::RANDOM_BYTES;
use crate::error::HostError;
use crate::hosts::target::{Hop, Target};
use crate::payload::AGENT_MODULE;
use crate::proto::ids::ContextId;
use crate::proto::message::ToAgent;
use crate::proto::stream::StreamKey;
use crate::proto::value::{Builder, Node};
use std::time::Instant;

impl Controller {
    /// Answers code that asks for a context at the end of `typed`, a path from its own: with its number
    /// once it runs, or with what is in the way.
    pub(super) fn handle_wish(&mut self, key: StreamKey, typed: &str, now: Instant) {
        match self.start_wished(key.peer, typed, now) {
            Ok(child) => {
                self.wishes.entry(child).or_default().push(key);
                if self.contexts.get(&child).is_some_and(|context| context.state == State::Open) {
                    self.grant_wishes(child);
                }
            }
            Err(error) => self.refuse_wish(key, &error),
        }
    }

    fn start_wished(&mut self, by: ContextId, typed: &str, now: Instant) -> Result<ContextId, String> {
        let Some(asking) = self.contexts.get(&by) else { return Err("it has gone".to_owned()) };
        let wished = Target::parse(typed).map_err(|error| error.to_string())?;
        let (level, path) = (asking.level + 1, [asking.target.hops.clone(), wished.hops].concat());
        if level > self.settings.depth_limit {
            let shown = path.iter().map(Hop::to_string).collect::<Vec<_>>().join(" -> ");
            let limit = self.settings.depth_limit;
            let text = format!("refused: {shown}: code may lead {limit} levels deep (--depth-limit)");
            self.warn(by, || text.clone());
            return Err(text);
        }
        let random = self.chain_of_random(by, path.len());
        let target = Target { name: Target::of(&path).name, hops: path };
        let last = self.next_context;
        let child = self.connect(&target, &random, now).map_err(|error| error.to_string())?;
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
    pub(super) fn grant_wishes(&mut self, child: ContextId) {
        let wishes = self.wishes.remove(&child).unwrap_or_default();
        if let (Some(now), false) = (self.told, wishes.is_empty()) {
            // Who calls it is not us.
            self.send_modules(child, Imports::Module(AGENT_MODULE), now);
        }
        for key in wishes {
            let mut builder = Builder::default();
            let root = builder.add(Node::Int(i64::from(child.0)));
            self.streams.send(key, ToAgent::Data(builder.finish(root)).encode(), true);
        }
    }

    /// A context has failed: whoever wished for it is told why.
    pub(super) fn fail_wishes(&mut self, child: ContextId, error: &HostError) {
        for key in self.wishes.remove(&child).unwrap_or_default() {
            self.refuse_wish(key, &error.to_string());
        }
    }

    fn refuse_wish(&mut self, key: StreamKey, why: &str) {
        let mut builder = Builder::default();
        let root = builder.text(why);
        self.streams.send(key, ToAgent::Data(builder.finish(root)).encode(), true);
    }
}
