//! Agents beside a context: on the same machine, as the same user, for what it cannot do itself.

use super::Controller;
use super::operation::Request;
use super::ways::Runtime;
use crate::hosts::target::{Hop, Target};
use crate::proto::ids::ContextId;
use std::time::Instant;

impl Controller {
    /// Returns the context that can do what is asked: one that may be this binary leaves to an agent of
    /// its own what only Python can do.
    pub(super) fn able(&mut self, id: ContextId, request: &Request, now: Instant) -> ContextId {
        let runtime = self.contexts.get(&id).map(|context| context.runtime);
        let for_another = |runtime| runtime != Runtime::Python && request.is_for_python(runtime);
        if runtime.is_some_and(for_another) { self.child_of(id, "", now) } else { id }
    }

    /// Returns `id`, or where that leads to `other`, or is it, a child of its own: so that both have a nearest context
    /// above them.
    pub fn apart(&mut self, id: ContextId, other: ContextId, name: &str, now: Instant) -> ContextId {
        let hops = |id| self.contexts.get(&id).map(|context| &context.target.hops);
        match (hops(id), hops(other)) {
            (Some(own), Some(others)) if others.starts_with(own) => self.child_of(id, name, now),
            _ => id,
        }
    }

    /// What a context is called, and how it is reached.
    pub fn target(&self, id: ContextId) -> Option<&Target> {
        self.contexts.get(&id).map(|context| &context.target)
    }

    /// An agent on the same machine, as the same user; the context itself where that cannot be.
    pub fn child_of(&mut self, id: ContextId, name: &str, now: Instant) -> ContextId {
        let Some(context) = self.contexts.get_mut(&id) else { return id };
        let mut target = context.target.clone();
        target.hops.push(Hop::local(name));
        let random = context.take_random();
        let known = self.by_path.get(&target.hops).copied().filter(|id| self.is_usable(*id));
        match known {
            Some(known) => known,
            None => self.start_context(id, &target.hops, &target, Runtime::Python, random, now).unwrap_or(id),
        }
    }
}
