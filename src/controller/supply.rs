//! What contexts are supplied with: parts of their agent, and modules of the user's roots.

use super::Controller;
use super::context::Context;
use crate::modules::is_stdlib;
use crate::payload;
use crate::proto::frame::Priority;
use crate::proto::ids::ContextId;
use crate::proto::message::{ResetReason, ToAgent};
use crate::proto::stream::StreamKey;
use crate::proto::value::{Builder, Node, NodeId, Value};

impl Controller {
    /// Answers a context's request for a module, or for a part of its agent.
    pub(super) fn serve(&mut self, key: StreamKey, name: &str) {
        let answer = match name.strip_prefix("part:") {
            Some(part) => match payload::part(part) {
                Some(part) => ToAgent::Part(part.packed.to_vec()),
                None => return self.streams.reset(key, ResetReason::UnknownMessage),
            },
            None => ToAgent::Modules(self.answer_module(key.peer, name)),
        };
        self.streams.send(key, answer.encode(), true);
    }

    fn answer_module(&mut self, context: ContextId, name: &str) -> Value {
        let mut builder = Builder::default();
        let root = match self.settings.library.find(name) {
            Ok(Some(module)) => {
                let fields = [
                    builder.add(Node::Bool(module.package)),
                    builder.text(&module.path.to_string_lossy()),
                    builder.add(Node::Bytes(module.source)),
                ];
                builder.add(Node::Tuple(fields.to_vec()))
            }
            Ok(None) => {
                let target = self.target_name(context);
                self.note(&target, || format!("asked for module {name}, which no root has"));
                builder.add(Node::None)
            }
            Err(error) => {
                let target = self.target_name(context);
                self.note(&target, || format!("module {name} cannot be read: {error}"));
                builder.add(Node::None)
            }
        };
        builder.finish(root)
    }

    /// Sends ahead what a call will import: its module, and the importer where the module is not
    /// one that every Python has.
    pub(super) fn send_modules(&mut self, context: ContextId, function: &str) {
        let module = function.split(':').next().unwrap_or(function);
        let has_it = |known: &Context| known.knows_roots && known.modules.contains(module);
        if is_stdlib(module.split('.').next().unwrap_or(module))
            || self.contexts.get(&context).is_some_and(has_it)
        {
            return;
        }
        let found = self.settings.library.find(module).ok().flatten();
        self.send_part(context, "importer");
        let Some(known) = self.contexts.get_mut(&context) else { return };
        let fresh = found.filter(|module| known.modules.insert(module.name.clone()));
        let mut builder = Builder::default();
        let names = if known.knows_roots { Vec::new() } else { self.settings.library.names() };
        known.knows_roots = true;
        let names: Vec<NodeId> = names.iter().map(|name| builder.text(name)).collect();
        let modules: Vec<NodeId> = fresh
            .into_iter()
            .map(|module| {
                let fields = [
                    builder.text(&module.name),
                    builder.add(Node::Bool(module.package)),
                    builder.text(&module.path.to_string_lossy()),
                    builder.add(Node::Bytes(module.source)),
                ];
                builder.add(Node::Tuple(fields.to_vec()))
            })
            .collect();
        if !names.is_empty() || !modules.is_empty() {
            let pair = vec![builder.add(Node::List(names)), builder.add(Node::List(modules))];
            let root = builder.add(Node::Tuple(pair));
            self.streams.open(
                context,
                Priority::Interactive,
                ToAgent::Modules(builder.finish(root)).encode(),
                true,
            );
        }
    }

    pub(super) fn send_part(&mut self, context: ContextId, name: &'static str) {
        let fresh = self.contexts.get_mut(&context).is_some_and(|context| context.parts.insert(name));
        if let Some(part) = payload::part(name).filter(|_| fresh) {
            self.streams.open(
                context,
                Priority::Interactive,
                ToAgent::Part(part.packed.to_vec()).encode(),
                true,
            );
        }
    }
}
