//! Sessions from the command line: what is kept open, and how other commands come to use it.

mod carried;

use super::prepare;
use crate::cli;
use crate::controller::secrets::{Secret, User};
use crate::controller::{Runtime, Settings};
use crate::error::{ExitCode, SessionError};
use crate::hosts::target::{Target, Way};
use crate::mux::Mux;
use crate::payload::Interpreter;
use crate::proto::ids::ContextId;
use crate::proto::message::session::{
    Exec, Fault, FromSession, Hidden, Open, Path, Place, Terms, ToSession, What,
};
use crate::report;
use crate::session::caller::{Caller, Silence};
use crate::session::standin::{self, Ended, Manner, Weight};
use crate::session::{self, Founding, Purpose};
use crate::sys::guardian::Guardian;
use crate::sys::guest::{self, Side};
use crate::sys::{process, tty};
pub(super) use carried::{beginning, carried};
use std::collections::BTreeMap;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

/// How often a session is looked for that others end meanwhile.
const ATTEMPTS: usize = 5;

const MAX_LABEL_CHARS: usize = 200;

/// Keeps hosts open.
pub(super) fn up(typed: &cli::Up) -> io::Result<ExitCode> {
    // Whoever starts it knows nothing yet that should be forgotten.
    let mut caller = match find_or_start() {
        Ok(caller) => caller,
        Err(error) => return refused(&error),
    };
    let (targets, settings) = match prepare::reach(&typed.targets, &typed.way) {
        Ok(prepared) => prepared,
        Err(error) => {
            report::usage(&error);
            return Ok(ExitCode::Usage);
        }
    };
    let terms = terms(&settings, &targets, typed.persist, tty::is_there());
    let fanout = usize::try_from(typed.fanout).unwrap_or(usize::MAX);
    let (mut failed, many) = (0, targets.len() > 1);
    open_all(&mut caller, &paths(&targets), &terms, fanout, &mut |heard| match heard {
        FromSession::Opened { name } => report::opened(name, typed.json),
        FromSession::Failed(fault) => {
            failed += 1;
            report::fault(fault, typed.json);
        }
        FromSession::Note { target, text, warning } if *warning || typed.way.verbose => {
            report::complain(&format!("{target}: {text}"));
        }
        _ => {}
    })?;
    Ok(match failed {
        0 => ExitCode::Success,
        _ if many => ExitCode::SomeUnreachable,
        _ => ExitCode::Unreachable,
    })
}

/// Closes what is kept open, or some of it.
pub(super) fn down(typed: &cli::Down) -> io::Result<ExitCode> {
    let found = session::known_socket().map_err(Silence::from).and_then(|path| match path {
        Some(path) => Caller::find(&path),
        None => Ok(None),
    });
    let mut caller = match found {
        Ok(Some(caller)) => caller,
        Ok(None) => {
            report::complain(&SessionError::None.to_string());
            return Ok(ExitCode::Success);
        }
        // It understands nothing else of ours.
        Err(Silence::Version { pid, caller, .. }) if typed.targets.hosts.is_empty() => {
            process::terminate(pid);
            caller.wait();
            return Ok(ExitCode::Success);
        }
        Err(silence) => return refused(&silence.into()),
    };
    let paths = if typed.targets.hosts.is_empty() {
        Vec::new()
    } else {
        match prepare::kept(typed) {
            Ok(targets) => paths(&targets),
            Err(error) => {
                report::usage(&error);
                return Ok(ExitCode::Usage);
            }
        }
    };
    let whole = paths.is_empty();
    caller.say(&ToSession::Close(paths), &[])?;
    let mut code = ExitCode::Success;
    // A session that ends tells so by going.
    while let Some(heard) = caller.hear()? {
        match heard {
            FromSession::Failed(fault) => {
                report::fault(&fault, false);
                code = ExitCode::Failed;
            }
            FromSession::Done if !whole => break,
            _ => {}
        }
    }
    Ok(code)
}

/// Shows what is kept open.
pub(super) fn ps(typed: &cli::Ps) -> io::Result<ExitCode> {
    let mut caller = match find() {
        Ok(Some(caller)) => caller,
        Ok(None) => {
            report::complain(&SessionError::None.to_string());
            return Ok(ExitCode::Failed);
        }
        Err(error) => return refused(&error),
    };
    caller.say(&ToSession::Tree, &[])?;
    while let Some(heard) = caller.hear()? {
        if let FromSession::Tree { pid, seconds, clients, branches } = heard {
            // This one is not of interest.
            let look =
                report::Census { pid, up: Duration::from_secs(seconds), clients: clients - 1, branches };
            report::census(&look, typed.json)?;
            return Ok(ExitCode::Success);
        }
    }
    refused(&SessionError::Gone)
}

/// The session itself, at the socket that is our standard input.
pub(super) fn serve(typed: &cli::Session) -> io::Result<ExitCode> {
    let listener = UnixListener::from(guest::inherited()?);
    match guest::part()? {
        Side::Program(_) => return Ok(ExitCode::Success),
        Side::Beside(link) => drop(link),
    }
    guest::leave_all()?;
    guest::close_others(&listener)?;
    let guardian = Guardian::start()?;
    let purpose = Purpose::Everybody { listener, path: typed.path.clone() };
    serve_with(guardian, purpose, Settings::default())
}

fn serve_with(guardian: Guardian, purpose: Purpose, settings: Settings) -> io::Result<ExitCode> {
    let mut mux = Mux::new(ContextId::CONTROLLER)?;
    mux.be_guarded(guardian);
    session::serve(purpose, settings, mux)?;
    Ok(ExitCode::Success)
}

/// One hop of a command, through a session: what runs there has our standard streams.
pub(super) fn through(typed: &cli::Through) -> io::Result<ExitCode> {
    let caller = match Caller::find(&typed.socket) {
        Ok(Some(caller)) => caller,
        Ok(None) => return refused(&SessionError::None),
        Err(silence) => return refused(&silence.into()),
    };
    let exec = Exec {
        place: Place::Path(Path { name: typed.name.clone(), hops: typed.way.clone() }),
        terms: Terms::default(),
        what: What::Shell(typed.command.as_bytes().to_vec()),
        environment: Vec::new(),
        terminal: None,
        reads: true,
        home: false,
        label: typed.label.clone(),
        opens: false,
    };
    let note = |target: &str, text: &str, weight: Weight| {
        if weight == Weight::Error {
            report::complain(&format!("{target}: {text}"));
        }
    };
    let ended = standin::attend(caller, ToSession::Exec(Box::new(exec)), Manner::default(), &note)?;
    told(ended)
}

/// Tells how something has ended that a session has run with our standard streams.
pub(super) fn told(ended: Ended) -> io::Result<ExitCode> {
    Ok(match ended {
        Ended::Exit(status) => ExitCode::Remote(process::shell_status(status)),
        Ended::Failed(fault) => {
            report::fault(&fault, false);
            ExitCode::Unreachable
        }
        Ended::Lost => return refused(&SessionError::Gone),
        Ended::Left | Ended::Told { .. } => ExitCode::Interrupted,
    })
}

pub(super) fn refused(error: &SessionError) -> io::Result<ExitCode> {
    report::complain(&error.to_string());
    Ok(ExitCode::Unreachable)
}

/// The user's session, if one runs.
pub(super) fn find() -> Result<Option<Caller>, SessionError> {
    match session::known_socket()? {
        Some(path) => Ok(Caller::find(&path)?),
        None => Ok(None),
    }
}

/// The user's session, which is started where none runs.
pub(super) fn find_or_start() -> Result<Caller, SessionError> {
    let path = session::socket()?;
    // One that is found may be about to end.
    for _ in 0..ATTEMPTS {
        if let Some(caller) = Caller::find(&path)? {
            return Ok(caller);
        }
        if let Founding::New(listener) = session::found(&path)? {
            guest::start_beside(&["session".as_ref(), path.as_os_str()], listener)?;
        }
    }
    Err(SessionError::Gone)
}

/// What [`private`] comes to, in each of two processes.
pub(super) enum Private {
    /// Goes on, with a session of its own.
    Caller(Caller),
    /// Has been that session, until that was over.
    Session(ExitCode),
}

/// A session of this process alone, forked off it; to be called while there is one thread.
pub(super) fn private(settings: Settings) -> Result<Private, SessionError> {
    Ok(match guest::part()? {
        Side::Program(stream) => Private::Caller(Caller::greet(stream)?),
        Side::Beside(stream) => Private::Session(be_private(stream, settings).unwrap_or(ExitCode::Failed)),
    })
}

fn be_private(stream: UnixStream, settings: Settings) -> io::Result<ExitCode> {
    guest::leave_all()?;
    guest::close_others(&stream)?;
    let guardian = Guardian::start()?;
    serve_with(guardian, Purpose::One(stream), settings)
}

/// What `ps` calls something: the beginning of its words.
pub(super) fn label(words: impl Iterator<Item = String>) -> String {
    let mut label = String::new();
    for word in words {
        label += if label.is_empty() { "" } else { " " };
        label.extend(word.chars().take(MAX_LABEL_CHARS - label.chars().count().min(MAX_LABEL_CHARS)));
        if label.chars().count() >= MAX_LABEL_CHARS {
            break;
        }
    }
    label
}

/// The ways to targets, as a session knows them.
pub(super) fn paths(targets: &[Target]) -> Vec<Path> {
    targets.iter().map(|target| Path { name: target.name.clone(), hops: target.written() }).collect()
}

/// What is to hold for what a session opens.
pub(super) fn terms(settings: &Settings, targets: &[Target], persist: Option<Duration>, asks: bool) -> Terms {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let bytes = |secret: &Option<Secret>| secret.as_ref().map(|secret| Hidden::new(secret.bytes().to_vec()));
    let mut exec = BTreeMap::new();
    for hop in targets.iter().flat_map(|target| &target.hops) {
        if let Way::Exec { name } = &hop.way
            && let Ok(words) = settings.inventory.exec(name)
        {
            exec.insert(name.clone(), words);
        }
    }
    let secrets = &settings.secrets;
    Terms {
        exec: exec.into_iter().collect(),
        login: bytes(&secrets.login),
        become_other: bytes(&secrets.become_other),
        asks: asks || secrets.user != User::Away,
        connect_timeout_ms: millis(settings.connect_timeout),
        keepalive_ms: millis(settings.keepalive),
        python: match &settings.interpreter {
            Interpreter::Named(path) => Some(path.clone()),
            Interpreter::Probe | Interpreter::Older => None,
        },
        agent: number(settings.agent),
        relay: number(settings.relay),
        max_hops: u32::try_from(settings.max_hops).unwrap_or(u32::MAX),
        title: settings.title.clone(),
        persist_ms: persist.map(millis),
    }
}

fn number(runtime: Runtime) -> u8 {
    match runtime {
        Runtime::Python => 0,
        Runtime::Either => 1,
        Runtime::Sent => 2,
        Runtime::Native => 3,
    }
}

/// What a session holds, as far as it means the same here.
pub(super) fn held(caller: &mut Caller, settings: &Settings) -> Result<Vec<(Target, Path)>, SessionError> {
    caller.say(&ToSession::Held, &[])?;
    let known = |(name, words): &(String, Vec<String>)| {
        settings.inventory.exec(name).is_ok_and(|known| known == *words)
    };
    let open = hear_held(caller)?.into_iter().filter(|open| open.exec.iter().all(known));
    Ok(open.filter_map(|open| Some((Target::parse(&open.path.hops).ok()?, open.path))).collect())
}

fn hear_held(caller: &mut Caller) -> Result<Vec<Open>, SessionError> {
    while let Some(heard) = caller.hear()? {
        if let FromSession::Held(open) = heard {
            return Ok(open);
        }
    }
    Err(SessionError::Gone)
}

/// Has a session open ways, so many at a time, and tells of each.
pub(super) fn open_all(
    caller: &mut Caller,
    paths: &[Path],
    terms: &Terms,
    fanout: usize,
    tell: &mut dyn FnMut(&FromSession),
) -> io::Result<()> {
    let mut rest = paths.iter();
    let mut open = |caller: &mut Caller, count: usize| -> io::Result<usize> {
        let next: Vec<Path> = rest.by_ref().take(count).cloned().collect();
        let asked = next.len();
        if asked > 0 {
            caller.say(&ToSession::Open { paths: next, terms: terms.clone() }, &[])?;
        }
        Ok(asked)
    };
    let mut waiting = open(caller, fanout)?;
    while waiting > 0 {
        let Some(heard) = caller.hear()? else {
            let text = SessionError::Gone.to_string();
            tell(&FromSession::Failed(Fault::new("", text)));
            return Ok(());
        };
        match &heard {
            FromSession::Opened { .. } | FromSession::Failed(_) => {
                tell(&heard);
                waiting -= 1;
                waiting += open(caller, 1)?;
            }
            FromSession::Ask { number, target, text, shown } => {
                caller.ask_user(*number, target, text, *shown)?;
            }
            _ => tell(&heard),
        }
    }
    Ok(())
}

impl From<Silence> for SessionError {
    fn from(silence: Silence) -> Self {
        match silence {
            Silence::Version { build, pid, .. } => Self::Version { build, pid },
            Silence::Gone => Self::Gone,
            Silence::Failed(error) => Self::Failed(error),
        }
    }
}
