//! Operations of a queue, from lines of JSON.

use super::files::{destination_there, destinations, path_there};
use super::{Chosen, INPUT, arguments_of, check, chosen, is_name, locate, settings};
use crate::cli;
use crate::controller::Settings;
use crate::controller::operation::{Feed, Fetch, Put, Request, Run, Transfer, Words};
use crate::controller::queue::{Task, TaskId};
use crate::error::{OperationError, UsageError};
use crate::files::Source;
use crate::hosts::nodeset::{self, Nodeset};
use crate::hosts::target::Target;
use crate::modules::{Found, Library};
use crate::proto::json;
use crate::proto::message::Own;
use crate::proto::value::Builder;
use crate::verbs::files::Plan;
use crate::verbs::names::Names;
use serde_json::{Map, Value as Json};
use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

type Fields = Map<String, Json>;

const VERBS: &[&str] = &["call", "run", "put", "fetch", "connect"];
const COMMON: &[&str] = &["on", "id", "after"];
const HOW: &[&str] = &["recursive", "preserve", "compress"];
/// So many lines can others come after: the last ones that have an id.
const MAX_IDS: usize = 100_000;

/// A line, as it is to be done.
#[derive(Debug)]
pub(in crate::verbs) struct Operation {
    /// As JSON.
    pub(in crate::verbs) id: Option<String>,
    /// What has to go well before, with its id.
    pub(in crate::verbs) after: Vec<(TaskId, String)>,
    /// A line that no other can come after any more.
    pub(in crate::verbs) forgotten: Option<TaskId>,
    /// With what was typed for each.
    pub(in crate::verbs) targets: Vec<(Target, String)>,
    pub(in crate::verbs) task: Task,
    pub(in crate::verbs) files: Plan,
    /// Where the module is found that is called.
    pub(in crate::verbs) root: Option<PathBuf>,
    /// In a few words.
    pub(in crate::verbs) label: String,
}

/// What a line asks for, whoever does it.
struct Work {
    task: Task,
    files: Plan,
    root: Option<PathBuf>,
    label: String,
}

/// Makes operations of lines.
pub(in crate::verbs) struct Operations {
    names: Names,
    excluded: Nodeset,
    /// The hosts of lines that name none.
    others: Nodeset,
    library: Library,
    /// The lines that have an id.
    known: HashMap<String, TaskId>,
    /// Those ids, the oldest first.
    ids: VecDeque<String>,
}

impl Operations {
    /// # Errors
    ///
    /// What is wrong with the command line.
    pub(in crate::verbs) fn new(typed: &cli::Queue) -> Result<Self, UsageError> {
        let mut names = Names::new(typed.reach.inventory.as_deref())?;
        let expressions = typed.reach.hosts.iter().chain(&typed.reach.excluded);
        if typed.reads_input() && expressions.into_iter().any(|expression| nodeset::asks(expression).input) {
            return Err(UsageError::QueueInput);
        }
        let others = names.selected(&typed.reach.hosts)?;
        let excluded = names.excluded(&typed.reach.excluded)?;
        let roots = typed.work.path.clone();
        let library = Library::new(roots).map_err(|(path, error)| UsageError::Root { path, error })?;
        Ok(Self { names, excluded, others, library, known: HashMap::new(), ids: VecDeque::new() })
    }

    /// What holds for all lines; `targets` are those that are known, for whom passwords may be needed, and `piped` is
    /// whether others may come.
    pub(in crate::verbs) fn settings(
        &self,
        typed: &cli::Queue,
        targets: &[Target],
        piped: bool,
    ) -> Result<Settings, UsageError> {
        let cli::Reach { secret, ask_login, ask_become, .. } = &typed.reach;
        if piped && secret.is_given() && !ask_login && !ask_become {
            return Err(UsageError::SecretUnsaid);
        }
        let settings = settings(&typed.reach, targets, &self.names, !typed.work.dry_run)?;
        let log_level = typed.work.log_level.unwrap_or(0);
        Ok(Settings { timeout: typed.work.timeout, log_level, library: self.library.clone(), ..settings })
    }

    /// What the line of that number asks for.
    ///
    /// # Errors
    ///
    /// What is wrong with it: it has no part in what follows.
    pub(in crate::verbs) fn parse(
        &mut self,
        number: TaskId,
        line: &[u8],
        typed: &cli::Queue,
    ) -> Result<Operation, OperationError> {
        let line = str::from_utf8(line).map_err(|error| OperationError::Json(error.to_string()))?;
        let fields: Fields =
            serde_json::from_str(line).map_err(|error| OperationError::Json(told(&error)))?;
        let said: Vec<_> = VERBS.iter().copied().filter(|verb| fields.contains_key(*verb)).collect();
        let [verb] = said[..] else {
            return Err(OperationError::What(VERBS, said.into_iter().map(str::to_owned).collect()));
        };
        check_fields(&fields, verb)?;
        let id = fields.get("id").map(|id| self::id(id, "id")).transpose()?;
        if let Some(id) = id.as_ref().filter(|id| self.known.contains_key(*id)) {
            return Err(OperationError::Twice(id.clone()));
        }
        let after = match fields.get("after") {
            None => Vec::new(),
            Some(Json::Array(ids)) => ids.iter().map(|id| self.earlier(id)).collect::<Result<_, _>>()?,
            Some(one) => vec![self.earlier(one)?],
        };
        let targets = self.targets(&fields, &typed.reach)?;
        let Work { task, files, root, label } = match verb {
            "call" => self.call(&fields)?,
            "run" => run(&fields)?,
            "put" => put(&fields)?,
            "fetch" => fetch(&fields, &targets.targets)?,
            _ => connect(&fields)?,
        };
        let forgotten = id.as_ref().and_then(|id| self.remember(id, number));
        let targets = targets.targets.into_iter().zip(targets.typed).collect();
        Ok(Operation { id, after, forgotten, targets, task, files, root, label })
    }

    fn earlier(&self, json: &Json) -> Result<(TaskId, String), OperationError> {
        let id = id(json, "after")?;
        match self.known.get(&id) {
            Some(task) => Ok((*task, id)),
            None => Err(OperationError::Unknown(id)),
        }
    }

    /// Returns the oldest of those that are remembered, if they are too many.
    fn remember(&mut self, id: &str, number: TaskId) -> Option<TaskId> {
        self.known.insert(id.to_owned(), number);
        self.ids.push_back(id.to_owned());
        let oldest = if self.ids.len() > MAX_IDS { self.ids.pop_front() } else { None };
        oldest.and_then(|oldest| self.known.remove(&oldest))
    }

    fn targets(&mut self, fields: &Fields, typed: &cli::Reach) -> Result<Chosen, OperationError> {
        let Some(on) = fields.get("on") else {
            if self.others.is_empty() {
                return Err(OperationError::NoHosts);
            }
            return self.left(&self.others, typed);
        };
        let mut selected = Nodeset::default();
        for expression in texts(on, "on", "an expression for hosts, or a list of them")? {
            if nodeset::asks(&expression).input {
                return Err(OperationError::InputTwice);
            }
            let names = self.names.parse("on", &expression)?;
            if names.is_empty() {
                return Err(UsageError::NoHosts { option: "on", typed: expression }.into());
            }
            selected.union(names);
        }
        if selected.is_empty() {
            return Err(UsageError::NoHosts { option: "on", typed: String::new() }.into());
        }
        let left = self.left(&selected, typed)?;
        left.targets.iter().try_for_each(|target| check(target, &self.names))?;
        Ok(left)
    }

    /// What `-x` leaves, which may be nobody: other lines are for others.
    fn left(&self, selected: &Nodeset, typed: &cli::Reach) -> Result<Chosen, OperationError> {
        match chosen(selected, &self.excluded, typed, &self.names) {
            Err(UsageError::AllExcluded) => Ok(Chosen { targets: Vec::new(), typed: Vec::new() }),
            other => Ok(other?),
        }
    }

    fn call(&mut self, fields: &Fields) -> Result<Work, OperationError> {
        let typed = text(&fields["call"], "call", "MODULE:FUNCTION")?;
        let (function, root) = locate(typed)?;
        if let Some(root) = &root {
            self.add_root(root, &function)?;
        }
        let own = match fields.get("own").map(|own| own.as_str()) {
            None => Own::Nothing,
            Some(Some("thread")) => Own::Thread,
            Some(Some("process")) => Own::Process,
            Some(_) => return Err(value("own", "\"thread\" or \"process\"")),
        };
        let mut builder = Builder::default();
        let positional = match fields.get("args") {
            None => Vec::new(),
            Some(Json::Array(items)) => {
                items.iter().map(|item| json::from_json(item, &mut builder)).collect()
            }
            Some(_) => return Err(value("args", "a list")),
        };
        let mut named = Vec::new();
        match fields.get("kw") {
            None => {}
            Some(Json::Object(pairs)) if pairs.keys().all(|name| is_name(name)) => {
                for (name, item) in pairs {
                    named.push((builder.text(name), json::from_json(item, &mut builder)));
                }
            }
            Some(_) => return Err(value("kw", "an object whose keys are names of arguments")),
        }
        let arguments =
            arguments_of(positional, named, builder).ok_or_else(|| value("args", "less deeply nested"))?;
        let task = Task::Ask(Box::new(Request::Call { function, arguments, own }));
        Ok(Work { task, files: Plan::None, root, label: typed.to_owned() })
    }

    /// The module that is called must be the one that all roots together have by that name: they are searched in the
    /// order in which they came.
    fn add_root(&mut self, root: &Path, function: &str) -> Result<(), OperationError> {
        let name = function.split(':').next().unwrap_or(function);
        let wrong = |error| UsageError::Root { path: root.to_owned(), error };
        let file = |library: &Library| match library.find(name) {
            Ok(Found::Module(module)) => Some(module.path),
            _ => None,
        };
        let own = Library::new(vec![root.to_owned()]).map_err(|(_, error)| wrong(error))?;
        self.library.add(root).map_err(wrong)?;
        match (file(&self.library), file(&own)) {
            (Some(one), Some(other)) if one != other => {
                Err(OperationError::SameModule { name: name.to_owned(), files: (one, other) })
            }
            _ => Ok(()),
        }
    }
}

fn run(fields: &Fields) -> Result<Work, OperationError> {
    const WANTED: &str = "a command line, or a list of words";
    let (words, interpreter) = match &fields["run"] {
        Json::String(line) => (vec![line.clone()], Words::Shell),
        list => (texts(list, "run", WANTED)?, Words::Exact),
    };
    if words.first().is_none_or(|word| word.trim().is_empty()) {
        return Err(value("run", WANTED));
    }
    if words.iter().any(|word| word.contains('\0')) {
        return Err(UsageError::CommandNul.into());
    }
    let label = words.join(" ");
    let words = words.into_iter().map(String::into_bytes).collect();
    let task = Task::Ask(Box::new(Request::Run(Run { words, interpreter, stdin: Feed::Nothing })));
    Ok(Work { task, files: Plan::None, root: None, label })
}

fn put(fields: &Fields) -> Result<Work, OperationError> {
    let (local, remote) = paths(fields, "put", "[LOCAL] or [LOCAL, REMOTE]")?;
    if local == INPUT {
        return Err(OperationError::InputTwice);
    }
    let transfer = transfer(fields)?;
    let mode = match fields.get("mode") {
        None => None,
        Some(_) if transfer.keep => return Err(value("mode", "of use beside \"preserve\"")),
        Some(mode) => {
            let mode = mode.as_str().and_then(|mode| cli::mode(mode).ok());
            Some(mode.ok_or_else(|| value("mode", "an octal mode in quotes, such as \"0644\""))?)
        }
    };
    let path = destination_there(Path::new(&local), remote.as_deref().map(OsStr::new))?;
    let put = Put { path, mode, stdin: Feed::Nothing, transfer };
    let label = format!("put {local}");
    let source = Source::Local { path: local.into(), tree: transfer.tree };
    let task = Task::Ask(Box::new(Request::Put(put)));
    Ok(Work { task, files: Plan::Put(source, transfer), root: None, label })
}

fn fetch(fields: &Fields, targets: &[Target]) -> Result<Work, OperationError> {
    let (remote, template) = paths(fields, "fetch", "[REMOTE] or [REMOTE, TEMPLATE]")?;
    if template.as_deref() == Some(INPUT) {
        return Err(value("fetch", "possible to standard output, where results go"));
    }
    let transfer = transfer(fields)?;
    let path = path_there(OsStr::new(&remote))?;
    let roots =
        destinations(OsStr::new(&remote), template.as_deref().map(Path::new), transfer.tree, targets)?;
    let task = Task::Ask(Box::new(Request::Fetch(Fetch { path, transfer })));
    Ok(Work { task, files: Plan::Fetch(roots, transfer), root: None, label: format!("fetch {remote}") })
}

fn connect(fields: &Fields) -> Result<Work, OperationError> {
    match fields["connect"] {
        Json::Bool(true) => {
            Ok(Work { task: Task::Connect, files: Plan::None, root: None, label: "connect".to_owned() })
        }
        _ => Err(value("connect", "true")),
    }
}

fn check_fields(fields: &Fields, verb: &'static str) -> Result<(), OperationError> {
    let own: &[&str] = match verb {
        "call" => &["args", "kw", "own"],
        "put" => &["mode"],
        _ => &[],
    };
    let how = if verb == "put" || verb == "fetch" { HOW } else { &[] };
    let known: Vec<_> = [&[verb], own, how, COMMON].concat();
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(OperationError::Field { name: name.clone(), verb, known }),
        None => Ok(()),
    }
}

fn transfer(fields: &Fields) -> Result<Transfer, OperationError> {
    let [tree, keep, packed] = ["recursive", "preserve", "compress"].map(|field| match fields.get(field) {
        None => Ok(false),
        Some(Json::Bool(bool)) => Ok(*bool),
        Some(_) => Err(value(field, "true or false")),
    });
    Ok(Transfer { tree: tree?, keep: keep?, packed: packed? })
}

fn paths(
    fields: &Fields,
    field: &'static str,
    wanted: &'static str,
) -> Result<(String, Option<String>), OperationError> {
    let mut paths = texts(&fields[field], field, wanted)?.into_iter();
    match (paths.next(), paths.next(), paths.next()) {
        (Some(first), second, None) if !first.is_empty() && second.as_deref() != Some("") => {
            Ok((first, second))
        }
        _ => Err(value(field, wanted)),
    }
}

fn texts(json: &Json, field: &'static str, wanted: &'static str) -> Result<Vec<String>, OperationError> {
    match json {
        Json::Array(items) => items.iter().map(|item| text(item, field, wanted).map(str::to_owned)).collect(),
        one => Ok(vec![text(one, field, wanted)?.to_owned()]),
    }
}

fn text<'a>(json: &'a Json, field: &'static str, wanted: &'static str) -> Result<&'a str, OperationError> {
    json.as_str().ok_or(value(field, wanted))
}

fn id(json: &Json, field: &'static str) -> Result<String, OperationError> {
    match json {
        Json::String(_) | Json::Number(_) => Ok(json.to_string()),
        _ => Err(value(field, "text or a number")),
    }
}

fn value(field: &'static str, wanted: &'static str) -> OperationError {
    OperationError::Value { field, wanted }
}

/// What serde_json says: its line is always the first.
fn told(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", ", column ")
}
