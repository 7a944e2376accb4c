//! What `ssh HOST` does: by whichever session there is, a stand-in that passes on what the command says and how it ends.

use super::super::names::Names;
use super::super::prepare;
use super::super::sessions::{self, Private};
use super::environment::environment;
use crate::controller::Settings;
use crate::error::{ExitCode, SessionError, SshError, UsageError};
use crate::fakessh::{Control, Invocation, Level, Refusal, Session, Terminal, wanted};
use crate::files;
use crate::hosts::inventory::Said;
use crate::hosts::target::Target;
use crate::proto::message::session::{Exec, FromSession, Path, Place, Terms, ToSession, Window};
use crate::report::{self, terminal::harmless_text};
use crate::session::caller::Caller;
use crate::session::standin::{self, Ended, Manner, Weight};
use crate::sys::stdio::{self, Input};
use crate::sys::{process, tty, window};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Names the socket at which `hopvine fakessh` listens for its command.
pub(in crate::verbs) const FAKESSH: &str = "HOPVINE_FAKESSH";

/// Who is asked, and for what way.
struct Call {
    caller: Caller,
    place: Place,
    terms: Terms,
    /// The user's session, which holds the beginning of the way while this is open.
    stays: Option<Caller>,
}

/// Why there is nobody to ask.
enum Trouble {
    /// This process is not the one that asks: it has been the session of that one, until it was over.
    Served(ExitCode),
    /// In words.
    Failed(String),
}

impl From<SessionError> for Trouble {
    fn from(error: SessionError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<UsageError> for Trouble {
    fn from(error: UsageError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<SshError> for Trouble {
    fn from(error: SshError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Runs what the command line says.
pub(super) fn run(invocation: &Invocation) -> io::Result<ExitCode> {
    let voice = match Voice::new(invocation) {
        Ok(voice) => voice,
        Err(error) => return Ok(mute(&error)),
    };
    let what = match wanted(invocation) {
        Ok(what) => what,
        Err(name) => return Ok(voice.fail(&SshError::Subsystem(name).to_string())),
    };
    let called = match std::env::var_os(FAKESSH) {
        Some(socket) => by_fakessh(invocation, socket.into()),
        None => by_ourselves(invocation),
    };
    let Call { caller, place, terms, stays: _stays } = match called {
        Ok(call) => call,
        Err(Trouble::Served(code)) => return Ok(code),
        Err(Trouble::Failed(why)) => return Ok(voice.fail(&why)),
    };
    let terminal = terminal(invocation, &voice);
    let on_terminal = terminal.is_some();
    let exec = Exec {
        place,
        terms,
        label: label(invocation),
        what,
        environment: environment(invocation),
        reads: !invocation.no_input && !holds(invocation) && stdio::input() != Input::Folder,
        home: true,
        terminal,
        opens: true,
    };
    let manner = Manner { background: invocation.background, escape: invocation.escape };
    let note = |target: &str, text: &str, weight: Weight| {
        let level = match weight {
            Weight::Detail => Level::Debug1,
            Weight::Warning => Level::Info,
            // ssh has no such words that -q could leave out.
            Weight::Error => Level::Quiet,
        };
        voice.say(level, &format!("hopvine: {target}: {text}\n"));
    };
    let ended = standin::attend(caller, ToSession::Exec(Box::new(exec)), manner, &note)?;
    Ok(status(ended, invocation, on_terminal, &voice))
}

/// Whether the way is all that is wanted (`-N`).
fn holds(invocation: &Invocation) -> bool {
    invocation.session == Session::Nothing && invocation.stdio_to.is_none()
}

/// How it ended, in ssh's words and with its status.
fn status(ended: Ended, invocation: &Invocation, on_terminal: bool, voice: &Voice) -> ExitCode {
    let host = &invocation.host;
    match ended {
        Ended::Exit(status) => {
            if on_terminal {
                voice.say(Level::Info, &format!("Connection to {host} closed.\r\n"));
            }
            match process::signal_of(status) {
                // As ssh has it, which cannot say it better.
                Some(_) => ExitCode::Remote(Refusal::STATUS),
                None => ExitCode::Remote(process::shell_status(status)),
            }
        }
        Ended::Failed(fault) => {
            for line in &fault.lines {
                voice.say(Level::Fatal, &format!("{}\n", harmless_text(line)));
            }
            let name = if fault.name.is_empty() { host } else { &fault.name };
            voice.fail(&format!("{name}: {}", fault.text))
        }
        Ended::Lost => {
            voice.say(Level::Info, &format!("Connection to {host} closed by remote host.\r\n"));
            ExitCode::Remote(Refusal::STATUS)
        }
        Ended::Left => {
            voice.say(Level::Info, &format!("Connection to {host} closed.\r\n"));
            ExitCode::Remote(Refusal::STATUS)
        }
        // Where nothing runs there is no other way to end it.
        Ended::Told { wanted: true } if holds(invocation) => ExitCode::Success,
        Ended::Told { .. } => ExitCode::Remote(Refusal::STATUS),
    }
}

/// `-O`: what is asked of a connection that is shared.
pub(super) fn control(control: Control, invocation: &Invocation) -> io::Result<ExitCode> {
    let voice = match Voice::new(invocation) {
        Ok(voice) => voice,
        Err(error) => return Ok(mute(&error)),
    };
    let (target, settings) = match target(invocation) {
        Ok(found) => found,
        Err(error) => return Ok(voice.fail(&error.to_string())),
    };
    let found = sessions::find();
    let Ok(Some(mut caller)) = found else {
        let why = found.err().map_or_else(|| SessionError::None.to_string(), |error| error.to_string());
        voice.say(Level::Fatal, &format!("Control socket connect: {why}\n"));
        return Ok(ExitCode::Remote(Refusal::STATUS));
    };
    let held = match held(&mut caller, &target, &settings) {
        Ok(Some(held)) => held,
        Ok(None) => {
            let text = format!("Control socket connect: the session does not hold {}\n", target.name);
            voice.say(Level::Fatal, &text);
            return Ok(ExitCode::Remote(Refusal::STATUS));
        }
        Err(error) => return Ok(voice.fail(&error.to_string())),
    };
    if control == Control::Check {
        caller.say(&ToSession::Tree, &[])?;
        while let Some(heard) = caller.hear()? {
            if let FromSession::Tree { pid, .. } = heard {
                voice.say(Level::Error, &format!("Master running (pid={pid})\r\n"));
                return Ok(ExitCode::Success);
            }
        }
        return Ok(voice.fail(&SessionError::Gone.to_string()));
    }
    caller.say(&ToSession::Close(vec![held]), &[])?;
    while caller.hear()?.is_some_and(|heard| heard != FromSession::Done) {}
    let said =
        if control == Control::Exit { "Exit request sent.\r\n" } else { "Stop listening request sent.\r\n" };
    voice.say(Level::Error, said);
    Ok(ExitCode::Success)
}

/// By the socket that was made for whoever has started us.
fn by_fakessh(invocation: &Invocation, socket: PathBuf) -> Result<Call, Trouble> {
    let caller = Caller::find(&socket).map_err(SessionError::from)?;
    let caller = caller.ok_or(SshError::FakesshGone(socket))?;
    let place = Place::Host {
        host: invocation.host.clone(),
        user: invocation.user.clone(),
        port: invocation.port,
        config: config(invocation),
        options: options(invocation),
    };
    let asks = asks(invocation);
    Ok(Call { caller, place, terms: Terms { asks, ..Terms::default() }, stays: None })
}

/// By the user's session where that holds the way, or is to keep it; else by one for this once.
fn by_ourselves(invocation: &Invocation) -> Result<Call, Trouble> {
    let persist = invocation.persists();
    // Before anything is read: what is forked off needs none of it.
    let mut shared = if persist.is_some() {
        Some(sessions::find_or_start()?)
    } else {
        sessions::find().unwrap_or_else(|error| {
            report::complain(&error.to_string());
            None
        })
    };
    let (target, settings) = target(invocation)?;
    let mut terms = sessions::terms(&settings, std::slice::from_ref(&target), persist, asks(invocation));
    let path = Path { name: target.name.clone(), hops: target.written() };
    if let Some(caller) = &mut shared
        && let Some(held) = held(caller, &target, &settings)?
    {
        // As it was opened: the options are those of whoever did.
        terms.persist_ms = None;
        let caller = shared.ok_or(SessionError::Gone)?;
        return Ok(Call { caller, place: Place::Path(held), terms, stays: None });
    }
    let place = Place::Path(path);
    let mut stays = match shared {
        Some(caller) if persist.is_some() => return Ok(Call { caller, place, terms, stays: None }),
        shared => shared,
    };
    let carrier = match &mut stays {
        Some(caller) => sessions::beginning(caller, &settings, &target, label(invocation))?,
        None => None,
    };
    match sessions::private(Settings { carrier, ..Settings::default() })? {
        Private::Caller(caller) => Ok(Call { caller, place, terms, stays }),
        Private::Session(code) => Err(Trouble::Served(code)),
    }
}

/// What the session holds of the same way: the options of the way itself count, those that ssh is given beside it do not.
fn held(caller: &mut Caller, target: &Target, settings: &Settings) -> Result<Option<Path>, SessionError> {
    let held = sessions::held(caller, settings)?.into_iter();
    Ok(held.filter(|(held, _)| held.leads_as(target)).map(|(_, path)| path).next())
}

/// Where it leads, as the inventory knows it, and what holds on the way.
fn target(invocation: &Invocation) -> Result<(Target, Settings), UsageError> {
    let names = Names::new(None)?;
    let target = names.target(&invocation.host, Said::default())?;
    let config = config(invocation);
    let target = target
        .entered_as(invocation.user.as_deref(), invocation.port, config.as_deref(), &options(invocation))
        .map_err(|error| UsageError::Target { option: "", error })?;
    prepare::check(&target, &names)?;
    let settings = Settings { inventory: names.inventory().0.clone(), ..Settings::default() };
    Ok((target, settings))
}

fn config(invocation: &Invocation) -> Option<String> {
    // The ssh that reads it may run elsewhere.
    let whole = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    invocation.config.as_ref().map(|path| match path.to_str() {
        Some("none") => "none".to_owned(),
        _ => whole(path).to_string_lossy().into_owned(),
    })
}

/// The options, with the files of `-i` as the ssh that reads them finds them, wherever it runs.
fn options(invocation: &Invocation) -> Vec<String> {
    let whole = |option: &String| {
        let file =
            option.strip_prefix("IdentityFile=").filter(|file| !file.starts_with(['/', '~', '%', '"', '$']));
        let file = file.filter(|file| *file != "none").and_then(|file| std::path::absolute(file).ok());
        file.map_or_else(|| option.clone(), |file| format!("IdentityFile={}", file.display()))
    };
    invocation.options.iter().map(whole).collect()
}

/// Whether the user can be asked, and wants to be.
fn asks(invocation: &Invocation) -> bool {
    let batch = |option: &String| {
        let option = option.to_ascii_lowercase();
        option.starts_with("batchmode") && !option.ends_with("no") && !option.ends_with("false")
    };
    tty::is_there() && !invocation.options.iter().any(batch)
}

fn terminal(invocation: &Invocation, voice: &Voice) -> Option<Window> {
    let size = window::size();
    let input = stdio::input() == Input::Terminal && !invocation.no_input;
    let login = invocation.command.is_none() && invocation.session == Session::Command;
    let wanted = match invocation.terminal {
        Terminal::Never => false,
        // There is nothing to have one.
        _ if invocation.session == Session::Nothing || invocation.stdio_to.is_some() => false,
        Terminal::Auto if !login => false,
        Terminal::Auto | Terminal::Wanted if !input => {
            voice.say(
                Level::Info,
                "Pseudo-terminal will not be allocated because stdin is not a terminal.\r\n",
            );
            false
        }
        Terminal::Auto | Terminal::Wanted | Terminal::Forced => true,
    };
    let term = std::env::var_os("TERM").unwrap_or_default();
    wanted.then(|| {
        let (rows, columns) = size.unwrap_or_default();
        Window { term: term.as_bytes().to_vec(), rows, columns }
    })
}

/// What `ps` calls it.
fn label(invocation: &Invocation) -> String {
    let command = invocation.command.as_deref().unwrap_or_default();
    let words = ["ssh".to_owned(), String::from_utf8_lossy(command).into_owned()];
    sessions::label(words.into_iter()).trim_end().to_owned()
}

/// ssh has no status of its own for that.
fn mute(error: &SshError) -> ExitCode {
    report::help(&format!("{error}\n"));
    ExitCode::Failed
}

/// Where ssh's own words go, as far as they are wanted.
struct Voice {
    level: Level,
    log: Option<File>,
}

impl Voice {
    fn new(invocation: &Invocation) -> Result<Self, SshError> {
        let open = |path: &PathBuf| File::options().append(true).create(true).open(path);
        let log = invocation
            .log_file
            .as_ref()
            .map(|path| open(path).map_err(|error| SshError::Log(path.clone(), files::words(&error))));
        Ok(Self { level: invocation.level, log: log.transpose()? })
    }

    fn say(&self, level: Level, text: &str) {
        if level > self.level {
            return;
        }
        match &self.log {
            Some(log) => drop((&*log).write_all(text.as_bytes())),
            None => report::help(text),
        }
    }

    fn fail(&self, text: &str) -> ExitCode {
        self.say(Level::Fatal, &format!("hopvine: {}\n", harmless_text(text)));
        ExitCode::Remote(Refusal::STATUS)
    }
}
