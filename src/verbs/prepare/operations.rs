//! Operations of a queue, from lines of JSON.

mod line;

use super::targets::{chosen, left_out};
use super::{check, for_code, locate, settings};
use crate::cli;
use crate::controller::Settings;
use crate::controller::operation::Request;
use crate::controller::queue::{HostId, Task, TaskId};
use crate::error::{OperationError, UsageError};
use crate::hosts::nodeset::Nodeset;
use crate::hosts::target::{Hop, Target};
use crate::modules::{Found, Library, Serving};
use crate::transfers::Plan;
use crate::verbs::names::Names;
use crate::verbs::sessions;
use line::Fields;
use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What ids and the hosts of their lines may take; the oldest are forgotten first.
const MAX_KEPT_BYTES: usize = 32 * 1024 * 1024;
/// What each takes beside its text and its hosts.
const KEPT_BYTES: usize = 256;
/// More of a command is no label.
const MAX_LABEL_CHARS: usize = 100;

/// A line, as it is to be done.
#[derive(Debug)]
pub(in crate::verbs) struct Operation {
    /// As JSON.
    pub(in crate::verbs) id: Option<String>,
    /// What has to go well before, with its id.
    pub(in crate::verbs) after: Vec<(TaskId, String)>,
    /// Lines that no other can come after any more.
    pub(in crate::verbs) forgotten: Vec<TaskId>,
    /// By their places in [`Operations::targets`].
    pub(in crate::verbs) hosts: Rc<[HostId]>,
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

/// A line that is no operation.
pub(in crate::verbs) struct Refused {
    /// As JSON, where that much of it is right.
    pub(in crate::verbs) id: Option<String>,
    pub(in crate::verbs) error: OperationError,
}

/// Makes operations of lines.
pub(in crate::verbs) struct Operations {
    names: Names,
    excluded: Nodeset,
    left_out: HashSet<Target>,
    /// The hosts of lines that name none.
    others: Rc<[HostId]>,
    library: Library,
    /// All hosts, in the order in which they came, by names of their own.
    targets: Vec<Target>,
    by_path: HashMap<Vec<Hop>, HostId>,
    taken: HashSet<String>,
    /// The lines that have an id.
    known: HashMap<String, TaskId>,
    /// Those ids with what they take, the oldest first.
    ids: VecDeque<(String, usize)>,
    kept_bytes: usize,
}

impl Operations {
    /// # Errors
    ///
    /// What is wrong with the command line.
    pub(in crate::verbs) fn new(typed: &cli::Queue) -> Result<Self, UsageError> {
        let mut names = Names::new(typed.reach.way.inventory.as_deref())?;
        if typed.reads_input() {
            names.leave_input();
        }
        let selected = names.selected(&typed.reach.targets.hosts)?;
        let excluded = names.excluded(&typed.reach.targets.excluded)?;
        // From now on it is the operations, wherever they come from.
        names.leave_input();
        let left_out = left_out(&excluded, (&typed.reach).into(), &names)?;
        let roots = typed.work.path.clone();
        let library = Library::new(roots).map_err(|(path, error)| UsageError::Root { path, error })?;
        let library = library.with_package(Serving::Beside);
        let mut operations = Self {
            names,
            excluded,
            left_out,
            others: Rc::default(),
            library,
            targets: Vec::new(),
            by_path: HashMap::new(),
            taken: HashSet::new(),
            known: HashMap::new(),
            ids: VecDeque::new(),
            kept_bytes: 0,
        };
        if !selected.is_empty() {
            operations.others = operations.hosts_of(&selected, &typed.reach)?;
        }
        Ok(operations)
    }

    /// All hosts that lines have named so far.
    pub(in crate::verbs) fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// What holds for all lines; `piped`: more may come than those that are known.
    pub(in crate::verbs) fn settings(&self, typed: &cli::Queue, piped: bool) -> Result<Settings, UsageError> {
        let cli::Way { secret, ask_login, ask_become, .. } = &typed.reach.way;
        if piped && secret.is_given() && !ask_login && !ask_become {
            return Err(UsageError::SecretUnsaid);
        }
        let mut settings = settings(&typed.reach.way, &self.targets, &self.names, !typed.work.dry_run)?;
        if !typed.work.dry_run {
            settings = sessions::carried(settings, &typed.work.sharing, &self.targets);
        }
        let library = self.library.clone();
        Ok(for_code(Settings { timeout: typed.work.timeout, library, ..settings }, &typed.work.code))
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
        typed: &cli::Reach,
    ) -> Result<Operation, Refused> {
        let fields = line::fields(line).map_err(|error| Refused { id: None, error })?;
        let id = line::id_of(&fields).map_err(|error| Refused { id: None, error })?;
        self.operation(number, id.clone(), &fields, typed).map_err(|error| Refused { id, error })
    }

    fn operation(
        &mut self,
        number: TaskId,
        id: Option<String>,
        fields: &Fields,
        typed: &cli::Reach,
    ) -> Result<Operation, OperationError> {
        let verb = line::verb(fields)?;
        if let Some(id) = id.as_ref().filter(|id| self.known.contains_key(*id)) {
            return Err(OperationError::Twice(id.clone()));
        }
        let earlier = |id: String| match self.known.get(&id) {
            Some(task) => Ok((*task, id)),
            None => Err(OperationError::Unknown(id)),
        };
        let after = line::after(fields)?.into_iter().map(earlier).collect::<Result<_, _>>()?;
        let hosts = self.hosts(fields, typed)?;
        let Work { task, files, root, mut label } = match verb {
            "call" => self.call(fields)?,
            "run" => line::run(fields)?,
            "put" => line::put(fields)?,
            "fetch" => line::fetch(fields, hosts.iter().map(|host| &self.targets[*host]))?,
            _ => line::connect(fields)?,
        };
        if let Some((end, _)) = label.char_indices().nth(MAX_LABEL_CHARS) {
            label.truncate(end);
            label += "...";
        }
        let forgotten = id.as_ref().map_or_else(Vec::new, |id| self.remember(id, number, hosts.len()));
        Ok(Operation { id, after, forgotten, hosts, task, files, root, label })
    }

    /// Returns the oldest of those that are remembered, while they are too many.
    fn remember(&mut self, id: &str, number: TaskId, hosts: usize) -> Vec<TaskId> {
        let bytes = KEPT_BYTES + 2 * id.len() + hosts * size_of::<HostId>();
        self.known.insert(id.to_owned(), number);
        self.ids.push_back((id.to_owned(), bytes));
        self.kept_bytes += bytes;
        let mut forgotten = Vec::new();
        while self.kept_bytes > MAX_KEPT_BYTES
            && let Some((oldest, bytes)) = self.ids.pop_front()
        {
            self.kept_bytes -= bytes;
            forgotten.extend(self.known.remove(&oldest));
        }
        forgotten
    }

    fn hosts(&mut self, fields: &Fields, typed: &cli::Reach) -> Result<Rc<[HostId]>, OperationError> {
        let Some(on) = fields.get("on") else {
            return if typed.targets.hosts.is_empty() {
                Err(OperationError::NoHosts)
            } else {
                Ok(self.others.clone())
            };
        };
        let mut selected = Nodeset::default();
        let expressions = line::texts(on, "on", "an expression for hosts, or a list of them")?;
        for expression in &expressions {
            let names = self.names.parse("on", expression)?;
            if names.is_empty() {
                return Err(UsageError::NoHosts { option: "on", typed: expression.clone() }.into());
            }
            selected.union(names);
        }
        if selected.is_empty() {
            return Err(UsageError::NoHosts { option: "on", typed: String::new() }.into());
        }
        Ok(self.hosts_of(&selected, typed)?)
    }

    /// Those that `-x` leaves, which may be nobody: other lines are for others.
    fn hosts_of(&mut self, selected: &Nodeset, typed: &cli::Reach) -> Result<Rc<[HostId]>, UsageError> {
        let chosen = match chosen(selected, &self.excluded, &self.left_out, typed.into(), &self.names) {
            Err(UsageError::AllExcluded) => return Ok(Rc::default()),
            other => other?,
        };
        chosen.targets.iter().try_for_each(|target| check(target, &self.names))?;
        let named = chosen.targets.into_iter().zip(chosen.typed);
        Ok(named.map(|(target, typed)| self.host(target, typed)).collect())
    }

    /// A host is called as where it came first; two of one name are called as they were typed.
    fn host(&mut self, mut target: Target, typed: String) -> HostId {
        if let Some(host) = self.by_path.get(&target.hops) {
            return *host;
        }
        if self.taken.contains(&target.name) {
            target.name = typed;
        }
        self.taken.insert(target.name.clone());
        self.by_path.insert(target.hops.clone(), self.targets.len());
        self.targets.push(target);
        self.targets.len() - 1
    }

    fn call(&mut self, fields: &Fields) -> Result<Work, OperationError> {
        let typed = line::text(&fields["call"], "call", "MODULE:FUNCTION")?;
        let (function, root) = locate(typed)?;
        let (arguments, own) = line::arguments(fields)?;
        if let Some(root) = &root {
            self.add_root(root, &function)?;
        }
        let task = Task::Ask(Box::new(Request::Call { function, imports: None, arguments, own }));
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
        if let (Some(one), Some(other)) = (file(&self.library), file(&own))
            && one != other
        {
            return Err(OperationError::SameModule { name: name.to_owned(), files: (one, other) });
        }
        self.library.add(root).map_err(wrong)?;
        Ok(())
    }
}
