//! `hopvine fakessh`: a program whose ssh is this one, by a socket that is for it alone.

use super::prepare;
use super::sessions::{self, Private};
use super::ssh::FAKESSH;
use crate::cli;
use crate::controller::Settings;
use crate::error::{ExitCode, SessionError};
use crate::proto::message::session::{FromSession, Lend, Rule, ToSession};
use crate::report;
use crate::session::standin::{self, Manner, Weight};
use crate::session::{self, caller::Caller};
use crate::sys::stdio::{self, Input};
use crate::sys::{foreground, process, random, rendezvous};
use std::ffi::OsString;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// What a program may call that uses ssh, or is it.
const STAND_INS: [&str; 3] = ["ssh", "scp", "sftp"];
const SOCKET: &str = "socket";

pub(super) fn run(typed: &cli::Fakessh) -> io::Result<ExitCode> {
    // What is forked off knows nothing of what is read then.
    let caller = match shared(&typed.sharing) {
        Ok(Some(caller)) => Ok(Private::Caller(caller)),
        Ok(None) => sessions::private(Settings::default()),
        Err(error) => {
            report::complain(&error.to_string());
            sessions::private(Settings::default())
        }
    };
    let mut caller = match caller {
        Ok(Private::Caller(caller)) => caller,
        Ok(Private::Session(code)) => return Ok(code),
        Err(error) => return sessions::refused(&error),
    };
    let mut rule = match prepare::rule(typed) {
        Ok(rule) => rule,
        Err(error) => {
            report::usage(&error);
            return Ok(ExitCode::Usage);
        }
    };
    if let Some(on) = &typed.on {
        return elsewhere(caller, typed, on, rule);
    }
    let place = Room::new()?;
    rule.folder = place.folder.as_os_str().as_bytes().to_vec();
    let listener = rendezvous::listen(&place.folder.join(SOCKET))?;
    caller.say(&ToSession::Listen(Box::new(rule)), &[listener.as_raw_fd()])?;
    drop(listener);
    if !answers(&mut caller)? {
        return sessions::refused(&SessionError::Gone);
    }
    let ended = foreground::run(&typed.command, &place.environment());
    drop(place);
    // A session of ours alone ends with this call; whoever waits for us finds nothing of it.
    caller.part();
    match ended {
        Ok(status) => Ok(ExitCode::Remote(process::shell_status(status))),
        Err(error) => {
            let program = typed.command.first().map(|word| word.to_string_lossy().into_owned());
            report::complain(&format!("cannot run {}: {error}", program.unwrap_or_default()));
            Ok(ExitCode::Remote(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 }))
        }
    }
}

/// The user's session, if that is to be used; one is started for what is to stay open.
fn shared(typed: &cli::Sharing) -> Result<Option<Caller>, SessionError> {
    match typed {
        cli::Sharing { no_session: true, .. } => Ok(None),
        cli::Sharing { persist: Some(_), .. } => sessions::find_or_start().map(Some),
        cli::Sharing { persist: None, .. } => sessions::find(),
    }
}

/// Runs it in another context.
fn elsewhere(caller: Caller, typed: &cli::Fakessh, on: &str, rule: Rule) -> io::Result<ExitCode> {
    let (on, terms) = match prepare::place(typed, on) {
        Ok(place) => place,
        Err(error) => {
            report::usage(&error);
            return Ok(ExitCode::Usage);
        }
    };
    let words: Vec<Vec<u8>> = typed.command.iter().map(|word| word.as_bytes().to_vec()).collect();
    let label = sessions::label(words.iter().map(|word| String::from_utf8_lossy(word).into_owned()));
    let reads = matches!(stdio::input(), Input::Piped | Input::Terminal);
    let lend = ToSession::Lend(Box::new(Lend { on, terms, rule, words, reads, label }));
    let note = |target: &str, text: &str, weight: Weight| {
        if weight != Weight::Detail || typed.way.verbose {
            report::complain(&format!("{target}: {text}"));
        }
    };
    sessions::told(standin::attend(caller, lend, Manner::default(), &note)?)
}

fn answers(caller: &mut Caller) -> io::Result<bool> {
    while let Some(heard) = caller.hear()? {
        if heard == FromSession::Done {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A folder of this run alone: the socket, and beside it what stands in for ssh.
struct Room {
    folder: PathBuf,
}

impl Room {
    fn new() -> io::Result<Self> {
        let random: [u8; 16] = random::bytes()?;
        let name = random.iter().fold(session::ROOM.to_owned(), |name, byte| format!("{name}{byte:02x}"));
        let room = Self { folder: rendezvous::room(&name)? };
        let itself = std::env::current_exe()?;
        for name in STAND_INS {
            symlink(&itself, room.folder.join(name))?;
        }
        Ok(room)
    }

    /// What leads a program to them.
    fn environment(&self) -> Vec<(&'static str, OsString)> {
        let program = |name: &str| self.folder.join(name).into_os_string();
        let quoted = quoted(&self.folder.join("ssh"));
        let before = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        let mut path = self.folder.clone().into_os_string();
        path.push(":");
        path.push(before);
        vec![
            ("PATH", path),
            (FAKESSH, self.folder.join(SOCKET).into_os_string()),
            ("GIT_SSH_COMMAND", quoted.clone()),
            ("GIT_SSH_VARIANT", "ssh".into()),
            ("RSYNC_RSH", quoted.clone()),
            ("CVS_RSH", program("ssh")),
            ("SVN_SSH", quoted),
            ("ANSIBLE_SSH_EXECUTABLE", program("ssh")),
            ("ANSIBLE_SCP_EXECUTABLE", program("scp")),
            ("ANSIBLE_SFTP_EXECUTABLE", program("sftp")),
        ]
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

/// For a shell, and for who splits at blanks as rsync does.
fn quoted(path: &Path) -> OsString {
    let bytes = path.as_os_str().as_bytes();
    if bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+@:".contains(byte)) {
        return path.as_os_str().to_owned();
    }
    let mut out = vec![b'\''];
    out.extend(bytes);
    out.push(b'\'');
    OsString::from_vec(out)
}
