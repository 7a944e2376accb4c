//! What contexts are supplied with: parts of their agent, and modules of the user's roots.

use super::Controller;
use crate::modules::{Module, is_stdlib};
use crate::payload;
use crate::proto::frame::Priority;
use crate::proto::ids::ContextId;
use crate::proto::message::{ResetReason, ToAgent};
use crate::proto::stream::StreamKey;
use crate::proto::value::{Builder, Node, NodeId, Value};

/// A larger source is fetched when it is imported: with its path it would not fit a stream's window.
const PUSHED_BYTES: usize = 48 * 1024;
/// Names are at most 255 bytes long.
const NAMES_AT_ONCE: usize = 200;

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

    /// Sends ahead what a call will import: the names that the user's roots hold, its module where
    /// that is small enough to arrive before the call, and the importer where either is of use or
    /// the module is not one that every Python has.
    pub(super) fn send_modules(&mut self, context: ContextId, function: &str) {
        let Some(known) = self.contexts.get_mut(&context) else { return };
        let module = function.split(':').next().unwrap_or(function);
        let stdlib = is_stdlib(module.split('.').next().unwrap_or(module));
        let names = if known.knows_roots { Vec::new() } else { self.settings.library.names() };
        let found = if stdlib || known.modules.contains(module) {
            None
        } else {
            self.settings
                .library
                .find(module)
                .ok()
                .flatten()
                .filter(|found| found.source.len() <= PUSHED_BYTES)
        };
        known.knows_roots = true;
        known.modules.extend(found.iter().map(|found| found.name.clone()));
        if !stdlib || !names.is_empty() {
            self.send_part(context, "importer");
        }
        for names in names.chunks(NAMES_AT_ONCE) {
            self.push_modules(context, names, None);
        }
        if found.is_some() {
            self.push_modules(context, &[], found);
        }
    }

    /// One message that fits the window of a new stream, so that the call cannot overtake it.
    fn push_modules(&mut self, context: ContextId, names: &[String], module: Option<Module>) {
        let mut builder = Builder::default();
        let names: Vec<NodeId> = names.iter().map(|name| builder.text(name)).collect();
        let module: Vec<NodeId> = module
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
        let pair = vec![builder.add(Node::List(names)), builder.add(Node::List(module))];
        let root = builder.add(Node::Tuple(pair));
        let message = ToAgent::Modules(builder.finish(root)).encode();
        self.streams.open(context, Priority::Interactive, message, true);
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
