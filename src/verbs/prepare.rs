//! From what was typed to what is to be done: hosts, roots, inventory, arguments. All that can be
//! wrong with the command line is found here, before anything is started.

mod files;
mod operations;
mod rule;
mod targets;

use super::names::{self, Names};
use super::{history, secrets, sessions};
use crate::cli;
use crate::controller::operation::{Feed, Request, Run, Script, Words};
use crate::controller::{Runtime, Settings};
use crate::error::{MAX_NAME_BYTES, UsageError};
use crate::hosts::inventory::ExecError;
use crate::hosts::target::{Target, Way};
use crate::modules::{Found, Library, Serving, is_stdlib};
use crate::payload::{self, Interpreter};
use crate::proto::json;
use crate::proto::message::Own;
use crate::proto::value::{Builder, MAX_DEPTH, Node, NodeId, Value};
use crate::report::ResultKind;
use crate::sys::stdio::{self, Input};
use crate::transfers::Plan;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use targets::{Chosen, Ways, targets};

pub(super) use files::{fetch, file_names, put};
pub(super) use operations::{Operation, Operations, Refused};
pub(super) use rule::{place, rule};

/// Standard input, as a file is named.
const INPUT: &str = "-";

/// Everything that is needed to start.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) targets: Vec<Target>,
    /// What was typed for each.
    pub(super) typed: Vec<String>,
    pub(super) request: Request,
    pub(super) settings: Settings,
    pub(super) result: ResultKind,
    pub(super) files: Plan,
    /// What remembers on whom it has failed.
    pub(super) verb: &'static str,
}

/// What a verb asks of each target, and how the answers are shown.
struct Asked {
    verb: &'static str,
    request: Request,
    /// Where modules are looked for first.
    roots: Vec<PathBuf>,
    result: ResultKind,
}

impl Asked {
    /// What needs no modules.
    fn of(verb: &'static str, request: Request, result: ResultKind) -> Self {
        Self { verb, request, roots: Vec::new(), result }
    }
}

pub(super) fn run(typed: &cli::Run) -> Result<Prepared, UsageError> {
    let words: Vec<Vec<u8>> = typed.command.iter().map(|word| word.as_bytes().to_vec()).collect();
    if words.iter().any(|word| word.contains(&0)) {
        return Err(UsageError::CommandNul);
    }
    let request = Request::Run(Run {
        words,
        interpreter: if typed.argv { Words::Exact } else { Words::Shell },
        stdin: feed(typed.no_input, &typed.fleet)?,
        ..Run::default()
    });
    prepare(&typed.fleet, Asked::of("run", request, ResultKind::Output))
}

pub(super) fn call(typed: &cli::Call) -> Result<Prepared, UsageError> {
    called("call", typed, ResultKind::Value)
}

fn called(verb: &'static str, typed: &cli::Call, result: ResultKind) -> Result<Prepared, UsageError> {
    let (function, root) = locate(&typed.function)?;
    let own = match typed.own {
        None => Own::Nothing,
        Some(cli::Own::Thread) => Own::Thread,
        Some(cli::Own::Process) => Own::Process,
    };
    let arguments = arguments(&typed.arguments, &typed.keywords)?;
    let request = Request::Call { function, imports: None, arguments, own };
    prepare(&typed.fleet, Asked { verb, request, roots: root.into_iter().collect(), result })
}

/// A call that brings messages, which are shown as they come.
pub(super) fn watch(typed: &cli::Watch) -> Result<Prepared, UsageError> {
    let shown = &typed.fleet.shown;
    let folded = [(shown.fold, "-b"), (shown.fold_all, "-B"), (shown.diff, "--diff")];
    if let Some((_, option)) = folded.into_iter().find(|(given, _)| *given) {
        return Err(UsageError::FoldedMessages { option });
    }
    let (function, root) = locate(&typed.function)?;
    let request = Request::Watch { function, arguments: arguments(&typed.arguments, &typed.keywords)? };
    let (roots, result) = (root.into_iter().collect(), ResultKind::Messages);
    prepare(&typed.fleet, Asked { verb: "watch", request, roots, result })
}

/// A call, of which only the hosts are of interest where it is true, or where it is not.
pub(super) fn filter(typed: &cli::Filter) -> Result<Prepared, UsageError> {
    called("filter", &typed.call, ResultKind::Matches { wanted: !typed.exclude })
}

pub(super) fn script(typed: &cli::Script) -> Result<Prepared, UsageError> {
    let path = typed.file.clone();
    let wrong = |error| UsageError::Script { path: path.clone(), error };
    let from_input = typed.file.as_os_str() == INPUT;
    if from_input && names_are_input(&typed.fleet) {
        return Err(UsageError::InputTwice);
    }
    let source = if from_input { stdio::read_all_input() } else { std::fs::read(&typed.file) };
    let root = if from_input { Path::new(".") } else { folder_of(&typed.file) };
    let script = Script {
        name: typed.file.to_string_lossy().into_owned(),
        source: source.map_err(wrong)?,
        words: typed.arguments.clone(),
        stdin: if from_input { Feed::Nothing } else { feed(typed.no_input, &typed.fleet)? },
    };
    let (request, roots) = (Request::Script(script), vec![root.to_owned()]);
    prepare(&typed.fleet, Asked { verb: "script", request, roots, result: ResultKind::Output })
}

/// This program, which is our standard input, to a file on each host.
pub(super) fn install(typed: &cli::Install, sum: &str) -> Result<Prepared, UsageError> {
    let path = typed.file.clone().unwrap_or_default();
    if path.contains(['\n', '\0']) {
        return Err(UsageError::InstallName);
    }
    let words = ["sh", "-c", payload::INSTALL, "install", &path, &payload::build(), sum];
    let request = Request::Run(Run {
        words: words.map(|word| word.as_bytes().to_vec()).to_vec(),
        interpreter: Words::Exact,
        stdin: Feed::Piped,
        explains: true,
        ..Run::default()
    });
    prepare(&typed.fleet, Asked::of("relay", request, ResultKind::Output))
}

/// Whether our standard input goes to the hosts.
fn feed(unwanted: bool, fleet: &cli::Fleet) -> Result<Feed, UsageError> {
    match stdio::input() {
        _ if unwanted || names_are_input(fleet) => Ok(Feed::Nothing),
        Input::Folder => Err(UsageError::InputFolder),
        Input::Piped => Ok(Feed::Piped),
        Input::Terminal | Input::Nothing => Ok(Feed::Nothing),
    }
}

fn names_are_input(fleet: &cli::Fleet) -> bool {
    names::read_input(fleet.reach.targets.hosts.iter().chain(&fleet.reach.targets.excluded))
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub(super) fn facts(typed: &cli::Facts) -> Result<Prepared, UsageError> {
    prepare(&typed.fleet, Asked::of("facts", Request::Builtin("facts"), ResultKind::Outline))
}

fn prepare(typed: &cli::Fleet, asked: Asked) -> Result<Prepared, UsageError> {
    let mut names = Names::new(typed.reach.way.inventory.as_deref())?;
    let chosen = targets(&typed.reach.targets, (&typed.reach).into(), &mut names);
    // Files and groups may ask for it too; what came second has found nothing there.
    if names.have_read_input() && takes_input(&asked.request) {
        return Err(UsageError::InputTwice);
    }
    prepare_for(Reached { chosen: chosen?, beside: None, names }, typed, asked)
}

/// Whether standard input is sent, or has been.
fn takes_input(request: &Request) -> bool {
    match request {
        Request::Run(run) => run.stdin == Feed::Piped,
        Request::Put(put) => put.stdin == Feed::Piped,
        Request::Script(script) => script.stdin == Feed::Piped || script.name == INPUT,
        _ => false,
    }
}

/// Targets, and one more that is reached beside them.
struct Reached {
    chosen: Chosen,
    beside: Option<Target>,
    names: Names,
}

fn prepare_for(reached: Reached, typed: &cli::Fleet, asked: Asked) -> Result<Prepared, UsageError> {
    let Reached { chosen, beside, names } = reached;
    let Asked { verb, request, mut roots, result } = asked;
    roots.extend(typed.work.path.iter().cloned());
    let library = Library::new(roots).map_err(|(path, error)| UsageError::Root { path, error })?;
    let chosen = match typed.rerun {
        Some(cli::Rerun::Failed) => failed_before(verb, &chosen)?,
        None => chosen,
    };
    let Chosen { targets, typed: expressions } = chosen;
    let all: Vec<_> = targets.iter().chain(&beside).cloned().collect();
    let contact = !typed.work.dry_run && !typed.list_hosts;
    let mut settings = settings(&typed.reach.way, &all, &names, contact)?;
    if contact {
        settings = sessions::carried(settings, &typed.work.sharing, &all);
    }
    let library = library.with_package(Serving::Beside);
    let settings = for_code(Settings { timeout: typed.work.timeout, library, ..settings }, &typed.work.code);
    Ok(Prepared { targets, typed: expressions, request, settings, result, files: Plan::None, verb })
}

/// Where to, and how; without modules to serve and without a limit on the work.
pub(super) fn reach(typed: &cli::Targets, way: &cli::Way) -> Result<(Vec<Target>, Settings), UsageError> {
    let mut names = Names::new(way.inventory.as_deref())?;
    let targets = targets(typed, Ways::new(&typed.around, way), &mut names)?.targets;
    let settings = settings(way, &targets, &names, true)?;
    Ok((targets, settings))
}

/// The same for targets that a script names.
pub(super) fn guest(typed: &cli::Guest) -> Result<Settings, UsageError> {
    let cli::Way { secret, ask_login, ask_become, .. } = &typed.way;
    if secret.is_given() && !ask_login && !ask_become {
        return Err(UsageError::SecretUnsaid);
    }
    let names = Names::new(typed.way.inventory.as_deref())?;
    let library =
        Library::new(typed.path.clone()).map_err(|(path, error)| UsageError::Root { path, error })?;
    let settings = sessions::carried(settings(&typed.way, &[], &names, true)?, &typed.sharing, &[]);
    let library = library.with_package(Serving::Always);
    Ok(for_code(Settings { library, ..settings }, &typed.code))
}

/// What is to be closed of what is kept open: nobody is contacted.
pub(super) fn kept(typed: &cli::Down) -> Result<Vec<Target>, UsageError> {
    let mut names = Names::new(typed.inventory.as_deref())?;
    let targets = targets(&typed.targets, Ways::without_python(&typed.targets.around), &mut names)?.targets;
    targets.iter().try_for_each(|target| check(target, &names))?;
    Ok(targets)
}

fn for_code(settings: Settings, typed: &cli::Code) -> Settings {
    Settings { log_level: typed.log_level.unwrap_or(0), depth_limit: typed.depth_limit, ..settings }
}

/// Those where the verb did not end well when it was last used on them.
fn failed_before(verb: &'static str, chosen: &Chosen) -> Result<Chosen, UsageError> {
    let failed = history::failed(verb).map_err(|error| UsageError::NoHistory { verb, error })?;
    let all = chosen.targets.iter().cloned().zip(chosen.typed.iter().cloned());
    let (targets, typed): (Vec<_>, Vec<_>) = all.filter(|(target, _)| failed.contains(&target.name)).unzip();
    if targets.is_empty() { Err(UsageError::NoneFailed { verb }) } else { Ok(Chosen { targets, typed }) }
}

/// What holds for the way to all of `targets`; passwords are for those that are to be contacted.
fn settings(
    typed: &cli::Way,
    targets: &[Target],
    names: &Names,
    contact: bool,
) -> Result<Settings, UsageError> {
    if let Some(name) = typed.name.as_ref().filter(|name| !is_title(name)) {
        return Err(UsageError::Name { typed: name.clone() });
    }
    targets.iter().try_for_each(|target| check(target, names))?;
    let interpreter = typed.python.clone().map_or(Interpreter::Probe, Interpreter::Named);
    check_interpreter(&interpreter, "--python".to_owned())?;
    let settings = Settings::default();
    let settings = Settings {
        title: typed.name.clone().unwrap_or(settings.title),
        interpreter,
        keepalive: typed.keepalive,
        connect_timeout: typed.connect_timeout,
        agent: match typed.agent {
            cli::Agent::Auto | cli::Agent::Python => Runtime::Python,
            cli::Agent::Native => Runtime::Native,
        },
        relay: match typed.relay {
            cli::Relaying::Auto => Runtime::Either,
            cli::Relaying::Native => Runtime::Sent,
            cli::Relaying::Python => Runtime::Python,
        },
        secrets: if contact { secrets::gather(typed, targets)? } else { settings.secrets },
        max_hops: usize::try_from(typed.max_hops).unwrap_or(usize::MAX),
        inventory: names.inventory().0.clone(),
        ..settings
    };
    Ok(settings)
}

/// Whether all that a target names can be meant.
pub(super) fn check(target: &Target, names: &Names) -> Result<(), UsageError> {
    let (inventory, path) = names.inventory();
    for hop in &target.hops {
        if let Some(python) = &hop.python {
            let by = format!("{}: python", target.name);
            check_interpreter(&Interpreter::Named(python.clone()), by)?;
        }
        if let Way::Exec { name } = &hop.way {
            let Some(path) = path else { return Err(UsageError::NoInventory { name: name.clone() }) };
            inventory.exec(name).map_err(|error| match error {
                ExecError::Unknown { known } => {
                    UsageError::ExecUnknown { name: name.clone(), known, path: path.to_owned() }
                }
                ExecError::Words { line } => UsageError::ExecWords { name: name.clone(), line },
            })?;
        }
    }
    Ok(())
}

/// Whether an interpreter that is named `by` this can be started.
fn check_interpreter(interpreter: &Interpreter, by: String) -> Result<(), UsageError> {
    let path = interpreter.tried().to_owned();
    payload::remote_command(interpreter).map(drop).map_err(|odd| UsageError::Interpreter { by, path, odd })
}

/// Returns `module:name` and the root that holds the module, where it is one of the user's: the
/// file's folder, or the current one if the module lives there.
fn locate(typed: &str) -> Result<(String, Option<PathBuf>), UsageError> {
    let wrong = || UsageError::Function { typed: typed.to_owned() };
    let (module, name) = typed
        .rsplit_once(':')
        .filter(|(module, name)| !module.is_empty() && is_dotted(name))
        .ok_or_else(wrong)?;
    if module.contains('/') || Path::new(module).extension() == Some(OsStr::new("py")) {
        let path = PathBuf::from(module);
        if !path.is_file() {
            return Err(UsageError::ScriptMissing { path });
        }
        let folder = folder_of(&path);
        let stem = path
            .file_stem()
            .and_then(OsStr::to_str)
            .filter(|stem| is_dotted(stem) && !stem.contains('.') && !is_stdlib(stem));
        let Some(stem) = stem else { return Err(UsageError::ModuleName { path }) };
        return Ok((format!("{stem}:{name}"), Some(folder.to_owned())));
    }
    if !is_dotted(module) {
        return Err(wrong());
    }
    let here = Library::new(vec![PathBuf::from(".")]).ok();
    let lives_here = here.is_some_and(|here| matches!(here.find(module), Ok(Found::Module(_))));
    Ok((format!("{module}:{name}"), lives_here.then(|| PathBuf::from("."))))
}

fn is_title(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME_BYTES && !name.chars().any(char::is_control)
}

/// Identifiers joined by dots.
fn is_dotted(name: &str) -> bool {
    let is_identifier = |part: &str| {
        !part.is_empty()
            && !part.starts_with(|c: char| c.is_ascii_digit())
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    name.split('.').all(is_identifier)
}

/// A tuple of the positional arguments and a dict of the named ones.
fn arguments(words: &[String], keywords: &[String]) -> Result<Value, UsageError> {
    let mut builder = Builder::default();
    let positional = words.iter().map(|argument| json::argument(argument, &mut builder)).collect();
    let mut named = Vec::new();
    for keyword in keywords {
        let pair = keyword.split_once('=').filter(|(name, _)| is_name(name));
        let Some((name, value)) = pair else { return Err(UsageError::Keyword { typed: keyword.clone() }) };
        named.push((builder.text(name), json::argument(value, &mut builder)));
    }
    arguments_of(positional, named, builder).ok_or_else(|| {
        let argument = words.iter().chain(keywords).max_by_key(|argument| argument.len());
        UsageError::TooDeep {
            argument: argument.map(|text| text.chars().take(60).collect()).unwrap_or_default(),
        }
    })
}

/// Whether an argument can have that name.
fn is_name(name: &str) -> bool {
    is_dotted(name) && !name.contains('.')
}

/// What a call is given; `None` where that is nested too deep.
fn arguments_of(
    positional: Vec<NodeId>,
    named: Vec<(NodeId, NodeId)>,
    mut builder: Builder,
) -> Option<Value> {
    let pair = vec![builder.add(Node::Tuple(positional)), builder.add(Node::Dict(named))];
    let root = builder.add(Node::Tuple(pair));
    Some(builder.finish(root)).filter(|value| value.depth() <= MAX_DEPTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_named_by_module_or_file() {
        assert!(matches!(locate("os:getpid"), Ok((name, None)) if name == "os:getpid"));
        assert!(matches!(locate("os.path:join"), Ok((name, None)) if name == "os.path:join"));
        for wrong in ["os", "os:", ":f", "o s:f", "os:get pid", "os;id:f"] {
            assert!(matches!(locate(wrong), Err(UsageError::Function { .. })), "{wrong}");
        }
        assert!(matches!(locate("./nope.py:f"), Err(UsageError::ScriptMissing { .. })));
    }
}
