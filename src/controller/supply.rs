//! What contexts are supplied with: parts of their agent, modules and data files of the user's roots.

use super::Controller;
use super::context::Context;
use super::operation::{Imports, OperationId};
use super::ways::Runtime;
use crate::hosts::target::Way;
use crate::modules::{Closure, Found, Kind, Library, Limit, Module, Resource, is_stdlib};
use crate::payload;
use crate::proto::ids::ContextId;
use crate::proto::message::{ResetReason, ToAgent};
use crate::proto::stream::StreamKey;
use crate::proto::value::{Builder, Node, NodeId, Value};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// What a call brings along of the modules that it will import; more is fetched when it is imported.
const CLOSURE: Limit = Limit { bytes: 4 * 1024 * 1024, modules: 2000 };
/// A pushed message fits one frame, and with it the window of a new stream: no call overtakes it.
const PUSHED_BYTES: usize = 60 * 1024;
/// About what compresses to that.
const PACKED_AT_ONCE: usize = 4 * PUSHED_BYTES;
/// Names are at most 255 bytes long.
const NAMES_AT_ONCE: usize = 200;
/// For so long a fleet's hosts are given the same modules without another look at the disk.
const FRESH: Duration = Duration::from_secs(2);
/// What Python calls a script.
const SCRIPT_MODULE: &str = "__main__";
/// What one context may have asked for and not yet read.
const MAX_OWED_BYTES: usize = 512 * 1024 * 1024;

/// A command that has carried so much is worth a part that carries more at less cost.
const MUCH_BYTES: usize = 1024 * 1024;

/// A data file that relays keep.
const MAX_SHARED_DATA_BYTES: usize = 16 * 1024 * 1024;
/// A context and we.
const DIRECT_LINE: usize = 2;

/// What a call of one module brings along, as messages.
#[derive(Debug)]
pub(super) struct Pack {
    module: String,
    made: Instant,
    messages: Vec<Vec<u8>>,
    names: Vec<String>,
    logs: bool,
}

/// A module as it is told.
enum Told {
    /// With the names that a package holds: no other needs a request.
    Module(Module, Vec<String>),
    /// Compiled, and where.
    Extension(String, String),
    Missing(String),
    /// A package, `:` and a path in it; and the body of the Data message that would tell of it.
    Data(String, Vec<u8>),
}

impl Controller {
    /// Answers a context's request: a part of its agent, a data file, or a module.
    pub(super) fn serve(&mut self, key: StreamKey, request: &str, now: Instant) {
        if self.owed_bytes(key) > MAX_OWED_BYTES {
            return self.streams.reset(key, ResetReason::TooMuch);
        }
        let answer = match request.split_once(':') {
            Some(("part" | "packed", name)) => match payload::part(name) {
                Some(part) => ToAgent::Part(part.packed.to_vec()),
                None => return self.refuse(key),
            },
            // For itself, or for a context below it, there before the answer.
            Some(("own", names)) => match self.send_parts(key.peer, key.peer, names) {
                Some(()) => ToAgent::Part(Vec::new()),
                None => return self.refuse(key),
            },
            Some(("give", request)) => {
                let (to, names) = request.split_once(':').unwrap_or((request, ""));
                let to = ContextId(to.parse().unwrap_or_default());
                match self.send_parts(key.peer, to, names) {
                    Some(()) => ToAgent::Part(Vec::new()),
                    None => return self.refuse(key),
                }
            }
            Some(("child", target)) => return self.handle_wish(key, target, now),
            Some(("script", name)) if self.settings.script => {
                self.wants.push_back((key, name.to_owned()));
                return;
            }
            Some(("data" | "bytes", path)) => ToAgent::Data(self.data(key.peer, path)),
            Some(_) | None => ToAgent::Modules(self.module(key.peer, request)),
        };
        // Behind a relay the answer is what the relay gives, so that the link to it carries it once.
        let answer = match &answer {
            // For somebody else, whom no relay could give it; or nothing.
            ToAgent::Part(_) if !request.starts_with("part:") => answer,
            ToAgent::Part(_) if self.hand_out(key.peer, &answer) => ToAgent::Part(Vec::new()),
            ToAgent::Modules(_) if self.hand_out(key.peer, &answer) => ToAgent::Modules(pack(&[], &[])),
            ToAgent::Data(value)
                if request
                    .strip_prefix("data:")
                    .is_some_and(|file| self.hand_out_data(key.peer, file, value)) =>
            {
                ToAgent::Modules(pack(&[], &[]))
            }
            _ => answer,
        };
        self.supplies.push(key);
        self.streams.send(key, answer.encode(), true);
    }

    /// What remote code has asked for that no root has: a module, or `data:`, its package, `:` and a path. Where a script is
    /// above, only its interpreter may know; to be answered by [`Self::provide`].
    pub fn poll_want(&mut self) -> Option<(StreamKey, String)> {
        self.wants.pop_front()
    }

    /// Answers a request with what the script's interpreter knows; a module as (kind, path, source, names in it).
    pub fn provide(&mut self, key: StreamKey, name: &str, found: &Value) {
        let answer = match name.strip_prefix("data:") {
            Some(_) => ToAgent::Data(found.clone()),
            None => ToAgent::Modules(pack(&[], &[Told::by_script(name, found)])),
        };
        let answer = match &answer {
            ToAgent::Modules(_) if self.hand_out(key.peer, &answer) => ToAgent::Modules(pack(&[], &[])),
            _ => answer,
        };
        self.supplies.push(key);
        self.streams.send(key, answer.encode(), true);
        self.collect_frames();
    }

    /// One more root of modules, for all calls from now on.
    ///
    /// # Errors
    ///
    /// When it is neither a folder nor a zip file.
    pub fn add_root(&mut self, path: &Path) -> io::Result<()> {
        if self.settings.library.add(path)? {
            self.contexts.values_mut().for_each(|context| context.knows_roots = false);
            self.pack = None;
        }
        Ok(())
    }

    /// As [`Self::hand_out`], among the modules; what is large would leave no room for others.
    fn hand_out_data(&mut self, to: ContextId, file: &str, value: &Value) -> bool {
        if self.line(to).len() <= DIRECT_LINE {
            return false;
        }
        let mut body = Vec::new();
        value.encode(&mut body);
        body.len() <= MAX_SHARED_DATA_BYTES && {
            let told = Told::Data(file.to_owned(), body);
            self.hand_out(to, &ToAgent::Modules(pack(&[], &[told])))
        }
    }

    /// What the context has asked for and has not taken yet.
    fn owed_bytes(&mut self, key: StreamKey) -> usize {
        let streams = &self.streams;
        self.supplies.retain(|supply| streams.unsent_bytes(*supply) > 0);
        let of_context = self.supplies.iter().filter(|supply| supply.peer == key.peer);
        of_context.map(|supply| streams.unsent_bytes(*supply)).sum()
    }

    /// The module, with what it imports in turn.
    fn module(&mut self, context: ContextId, name: &str) -> Vec<u8> {
        let target = self.target_name(context);
        let Some(known) = self.contexts.get_mut(&context) else { return Vec::new() };
        let Closure { modules, .. } = self.settings.library.closure(name, &known.modules, CLOSURE);
        known.modules.extend(modules.iter().map(|module| module.name.clone()));
        let has_it = modules.iter().any(|module| module.name == name);
        let library = &self.settings.library;
        let mut told: Vec<Told> = modules.into_iter().map(|module| Told::of(module, library)).collect();
        if !has_it {
            told.push(match self.settings.library.find(name) {
                Ok(Found::Module(module)) => Told::of(module, &self.settings.library),
                Ok(Found::Extension(path)) => {
                    Told::Extension(name.to_owned(), path.to_string_lossy().into_owned())
                }
                Ok(Found::Missing) => {
                    self.note(&target, || format!("asked for module {name}, which no root has"));
                    Told::Missing(name.to_owned())
                }
                Ok(Found::Refused) => {
                    self.warn(context, || format!("asked for module {name:?}: refused, not in the roots"));
                    Told::Missing(name.to_owned())
                }
                Err(error) => {
                    self.warn(context, || format!("module {name} cannot be read: {error}"));
                    Told::Missing(name.to_owned())
                }
            });
        }
        pack(&[], &told)
    }

    /// A file's bytes, a folder's entries, or None.
    fn data(&mut self, context: ContextId, request: &str) -> Value {
        let (package, path) = request.split_once(':').unwrap_or((request, ""));
        let mut builder = Builder::default();
        let root = match self.settings.library.data(package, path) {
            Ok(Resource::Bytes(bytes)) => builder.add(Node::Bytes(bytes)),
            Ok(Resource::Entries(entries)) => {
                let entries = entries.into_iter().map(|(name, folder)| {
                    let pair = vec![builder.text(&name), builder.add(Node::Bool(folder))];
                    builder.add(Node::Tuple(pair))
                });
                let entries = entries.collect();
                builder.add(Node::List(entries))
            }
            Ok(Resource::Missing) => builder.add(Node::None),
            Ok(Resource::Refused) => {
                self.warn(context, || {
                    format!("asked for {path:?} of package {package:?}: refused, not in the package")
                });
                builder.add(Node::None)
            }
            Err(error) => {
                self.warn(context, || format!("{path} of package {package} cannot be read: {error}"));
                builder.add(Node::None)
            }
        };
        builder.finish(root)
    }

    /// Sends ahead what a call will need: the names that the user's roots hold, its module and all that
    /// this imports, the importer where it is of use, the handler of `logging` where somebody may log.
    pub(super) fn send_modules(&mut self, context: ContextId, imports: Imports<'_>, now: Instant) {
        let Some(known) = self.contexts.get_mut(&context) else { return };
        let top = match imports {
            Imports::Module(module) => module.split('.').next().unwrap_or(module),
            Imports::Script(_) => SCRIPT_MODULE,
        };
        let names = if known.knows_roots { Vec::new() } else { self.settings.library.names() };
        known.knows_roots = true;
        let ours = is_stdlib(top) || top == payload::AGENT_MODULE;
        if !ours || !names.is_empty() {
            self.send_part(context, "adopt");
            self.send_part(context, "importer");
            if self.settings.script {
                self.send_part(context, "beyond");
            }
        }
        for names in names.chunks(NAMES_AT_ONCE) {
            self.push(context, &ToAgent::Modules(pack(names, &[])));
        }
        let logs = if ours { top == "logging" } else { self.send_closure(context, imports, now) };
        // What a script brings along as source is not known by the name of a module.
        let brought = self.settings.script && top == payload::AGENT_MODULE;
        if logs || !ours || brought || self.settings.log_level > 0 {
            self.send_part(context, "offer");
            self.send_part(context, "logs");
        }
    }

    /// Sends a module and what it imports; returns whether any of that logs.
    fn send_closure(&mut self, context: ContextId, imports: Imports<'_>, now: Instant) -> bool {
        let Some(known) = self.contexts.get_mut(&context) else { return false };
        let library = &self.settings.library;
        let (module, script) = match imports {
            Imports::Module(module) => (module.to_owned(), None),
            Imports::Script(source) => {
                (format!("{SCRIPT_MODULE} {:08x}", crc32fast::hash(source)), Some(source))
            }
        };
        if known.modules.contains(&module) {
            return false;
        }
        let fresh = |pack: &Pack| pack.module == module && now.duration_since(pack.made) < FRESH;
        let reusable = known.modules.is_empty();
        let pack = match self.pack.take().filter(|pack| reusable && fresh(pack)) {
            Some(pack) => pack,
            None => {
                let closure = match script {
                    Some(source) => library.closure_of_script(source, &known.modules, CLOSURE),
                    None => library.closure(&module, &known.modules, CLOSURE),
                };
                Pack::new(&module, closure, library, now)
            }
        };
        known.modules.extend(pack.names.iter().cloned());
        let logs = pack.logs;
        for message in &pack.messages {
            self.push(context, &ToAgent::Modules(message.clone()));
        }
        self.pack = Some(pack).filter(|_| reusable);
        logs
    }

    /// Parts that a context asks for, by their names with commas between; None where there is no such part, or it has no
    /// say about `to`.
    fn send_parts(&mut self, by: ContextId, to: ContextId, names: &str) -> Option<()> {
        let parts: Option<Vec<_>> = names.split(',').map(payload::part).collect();
        let parts = parts.filter(|_| self.line(to).contains(&by))?;
        parts.into_iter().for_each(|part| self.send_part(to, part.name));
        Some(())
    }

    /// Has the agent of a command that much comes for, or comes from, do it the quicker way.
    pub(super) fn carries(&mut self, operation: OperationId, bytes: usize) {
        let Some(running) = self.operations.get_mut(&operation) else { return };
        let before = running.carried_bytes;
        running.carried_bytes = before.saturating_add(bytes);
        if before < MUCH_BYTES && running.carried_bytes >= MUCH_BYTES {
            let context = running.context;
            self.send_part(context, "bulk");
            let last = self.contexts.get(&context).and_then(|context| context.target.hops.last());
            if last.is_some_and(|hop| matches!(hop.way, Way::Ssh(_))) {
                self.send_part(context, "sealed");
            }
        }
    }

    pub(super) fn send_part(&mut self, context: ContextId, name: &'static str) {
        if self.would_wait(context, name) {
            return;
        }
        // This program has none, and takes those that an agent in its place would wait for.
        let wants = |context: &mut Context| {
            (context.runtime != Runtime::Native || name == "guard") && context.parts.insert(name)
        };
        let fresh = self.contexts.get_mut(&context).is_some_and(wants);
        if let Some(part) = payload::part(name).filter(|_| fresh) {
            self.push(context, &ToAgent::Part(part.packed.to_vec()));
        }
    }
}

impl Pack {
    fn new(module: &str, closure: Closure, library: &Library, now: Instant) -> Self {
        let mut messages = Vec::new();
        let mut names = Vec::new();
        let mut batch: Vec<Told> = Vec::new();
        let mut bytes = 0;
        for module in closure.modules {
            bytes += module.source.len();
            if bytes > PACKED_AT_ONCE && !batch.is_empty() {
                bytes = module.source.len();
                put(std::mem::take(&mut batch), &mut messages, &mut names);
            }
            batch.push(Told::of(module, library));
        }
        put(batch, &mut messages, &mut names);
        let logs = closure.stdlib.contains("logging");
        Self { module: module.to_owned(), made: now, messages, names, logs }
    }
}

impl Told {
    fn of(module: Module, library: &Library) -> Self {
        if module.kind == Kind::Module {
            return Self::Module(module, Vec::new());
        }
        let stem = |(name, _): (String, bool)| name.split('.').next().unwrap_or_default().to_owned();
        let names = match library.data(&module.name, "") {
            Ok(Resource::Entries(entries)) => entries.into_iter().map(stem).collect(),
            Ok(Resource::Bytes(_) | Resource::Missing | Resource::Refused) | Err(_) => Vec::new(),
        };
        Self::Module(module, names)
    }

    /// What the script's interpreter tells of a module.
    fn by_script(name: &str, found: &Value) -> Self {
        let missing = Self::Missing(name.to_owned());
        let Node::Tuple(fields) = found.node(found.root()) else { return missing };
        let [kind, path, source, names] = fields[..] else { return missing };
        let path = found.text(path).unwrap_or_default();
        let kind = match found.number(kind) {
            Some(0) => Kind::Module,
            Some(1) => Kind::Package,
            Some(2) => Kind::Namespace,
            Some(3) => return Self::Extension(name.to_owned(), path),
            _ => return missing,
        };
        let names = match found.node(names) {
            Node::List(names) => names.iter().filter_map(|name| found.text(*name)).collect(),
            _ => Vec::new(),
        };
        let source = found.bytes(source).unwrap_or_default();
        Self::Module(Module { name: name.to_owned(), kind, path: path.into(), source }, names)
    }

    fn name(&self) -> &str {
        match self {
            Self::Module(module, _) => &module.name,
            Self::Extension(name, _) | Self::Missing(name) | Self::Data(name, _) => name,
        }
    }

    /// As a tuple of name, kind, path, source and names.
    fn add_to(&self, builder: &mut Builder) -> NodeId {
        let (kind, path, source, names) = match self {
            Self::Module(module, names) => {
                (number(module.kind), module.path.to_string_lossy(), &module.source[..], &names[..])
            }
            Self::Extension(_, path) => (3, path.into(), &[][..], &[][..]),
            Self::Missing(_) => (4, "".into(), &[][..], &[][..]),
            Self::Data(_, body) => (5, "".into(), &body[..], &[][..]),
        };
        let names = names.iter().map(|name| builder.text(name)).collect();
        // Bytes, as it is sent: Python 2 has other texts.
        let name = match self {
            Self::Data(file, _) => builder.add(Node::Bytes(file.as_bytes().to_vec())),
            _ => builder.text(self.name()),
        };
        let fields = [
            name,
            builder.add(Node::Int(kind)),
            builder.text(&path),
            builder.add(Node::Bytes(source.to_vec())),
            builder.add(Node::Tuple(names)),
        ];
        builder.add(Node::Tuple(fields.to_vec()))
    }
}

fn number(kind: Kind) -> i64 {
    match kind {
        Kind::Module => 0,
        Kind::Package => 1,
        Kind::Namespace => 2,
    }
}

/// Makes messages of modules; one that is too large even alone is left to be asked for.
fn put(mut batch: Vec<Told>, messages: &mut Vec<Vec<u8>>, names: &mut Vec<String>) {
    if batch.is_empty() {
        return;
    }
    let packed = pack(&[], &batch);
    if packed.len() <= PUSHED_BYTES {
        messages.push(packed);
        names.extend(batch.into_iter().map(|told| told.name().to_owned()));
    } else if batch.len() > 1 {
        let rest = batch.split_off(batch.len() / 2);
        put(batch, messages, names);
        put(rest, messages, names);
    }
}

/// The body of a Modules message: raw deflate of a value, (names and kinds, modules).
fn pack(names: &[(String, Kind)], modules: &[Told]) -> Vec<u8> {
    let mut builder = Builder::default();
    let names = names.iter().map(|(name, kind)| {
        let pair = vec![builder.text(name), builder.add(Node::Int(number(*kind)))];
        builder.add(Node::Tuple(pair))
    });
    let names: Vec<NodeId> = names.collect();
    let modules: Vec<NodeId> = modules.iter().map(|told| told.add_to(&mut builder)).collect();
    let pair = vec![builder.add(Node::List(names)), builder.add(Node::List(modules))];
    let root = builder.add(Node::Tuple(pair));
    let mut plain = Vec::new();
    builder.finish(root).encode(&mut plain);
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder
        .write_all(&plain)
        .and_then(|()| encoder.finish())
        .unwrap_or_else(|_| unreachable!("memory takes all that is written"))
}
