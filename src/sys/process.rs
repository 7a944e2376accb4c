//! Commands that are run for somebody else: pipes or a terminal for their standard streams, a session of their own.

use super::child::{Child, Exit};
use super::fd::set_nonblocking;
use super::limits;
use super::tty::{self, Role, Terminal};
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::unistd::{AccessFlags, Pid, User, access, getuid};
use std::env;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What a pipe of a command is to hold, where the system has so much for us.
const PIPE_BYTES: i32 = 256 * 1024;
/// What keyboards send, or what whoever started us may have had ignored. A program on a terminal expects the default.
const OF_TERMINALS: [Signal; 7] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTSTP,
    Signal::SIGTTIN,
    Signal::SIGTTOU,
    Signal::SIGCHLD,
];

/// What to start, and how.
#[derive(Debug, Default)]
pub struct Order {
    pub program: OsString,
    /// Its own name first.
    pub words: Vec<OsString>,
    /// What its environment has beside ours.
    pub environment: Vec<(OsString, OsString)>,
    /// Whether it has an input to read.
    pub reads: bool,
    /// Whether it starts in the user's home folder.
    pub home: bool,
    /// Rows and columns of its terminal, where it has one in the place of pipes.
    pub terminal: Option<(u16, u16)>,
}

/// A command with our ends of its pipes, which do not block.
#[derive(Debug)]
pub struct Started {
    pub child: Child,
    /// Where it is to read anything. Of a terminal, this and the output are the same.
    pub input: Option<OwnedFd>,
    pub output: OwnedFd,
    pub errors: Option<OwnedFd>,
    /// The command's end of its terminal: while it is open, ours can be read.
    pub slave: Option<OwnedFd>,
    /// Why it has not been started in the home folder.
    pub strayed: Option<String>,
}

/// The user that we run as: a login shell, or `sh` where that lets nobody in, and what has to be in an environment.
#[derive(Debug)]
pub struct Account {
    pub shell: PathBuf,
    environment: Vec<(&'static str, OsString)>,
}

impl Account {
    pub fn ours() -> Self {
        let user = User::from_uid(getuid()).ok().flatten();
        // Who cannot log in is reached by sudo or into a container, which do not ask that shell either.
        let lets_in = |shell: &PathBuf| {
            shell.file_name().is_some_and(|name| !matches!(name.as_bytes(), b"nologin" | b"false"))
        };
        let shell = user.as_ref().map(|user| user.shell.clone()).filter(lets_in);
        let shell = shell.unwrap_or_else(|| PathBuf::from("/bin/sh"));
        let environment = user.map_or_else(Vec::new, |user| {
            let name = OsString::from(user.name);
            let home = user.dir.into_os_string();
            vec![("HOME", home), ("SHELL", shell.clone().into()), ("USER", name.clone()), ("LOGNAME", name)]
        });
        Self { shell, environment }
    }
}

/// Starts what is ordered.
///
/// # Errors
///
/// As exec(2) and fork(2), with the name of what cannot be run; or there is no terminal to be had.
pub fn start(order: &Order, account: &Account) -> Result<Started, (String, io::Error)> {
    let terminal = order.terminal.map(|(rows, columns)| {
        let terminal = Terminal::open()?;
        tty::resize(terminal.fd(), rows, columns)?;
        Ok(terminal)
    });
    let terminal = terminal.transpose().map_err(|error| ("no terminal can be had".to_owned(), error))?;
    let program = || format!("cannot run {}", order.program.to_string_lossy());
    spawn(order, account, terminal).map_err(|error| (program(), error))
}

fn spawn(order: &Order, account: &Account, terminal: Option<Terminal>) -> io::Result<Started> {
    let (name, arguments) = order.words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(&order.program);
    command.arg0(name).args(arguments);
    let lacking = account.environment.iter().filter(|(name, _)| env::var_os(name).is_none());
    command.envs(lacking.map(|(name, value)| (name, value)));
    command.envs(order.environment.iter().map(|(name, value)| (name, value)));
    let strayed = if order.home { go_home(&mut command).err() } else { None };
    match &terminal {
        Some(terminal) => {
            command.stdin(terminal.slave().try_clone()?);
            command.stdout(terminal.slave().try_clone()?).stderr(terminal.slave().try_clone()?);
        }
        None => {
            command.stdin(if order.reads { Stdio::piped() } else { Stdio::null() });
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
    }
    let control = terminal.as_ref().map(|terminal| terminal.slave().as_raw_fd());
    // SAFETY: these system calls are async-signal-safe, and nothing else happens between fork and exec.
    unsafe {
        command.pre_exec(move || {
            limits::restore();
            nix::unistd::setsid()?;
            if let Some(slave) = control {
                for number in OF_TERMINALS {
                    signal(number, SigHandler::SigDfl)?;
                }
                tty::take(Role::Beside, slave, slave)?;
            }
            Ok(())
        });
    }
    let mut running = command.spawn()?;
    let pid = i32::try_from(running.id()).map_err(|_| io::ErrorKind::InvalidData)?;
    let child = Child::of(pid);
    if let Some(terminal) = terminal {
        let (master, slave) = terminal.into_ends();
        let input = Some(master.try_clone()?);
        return Ok(Started { child, input, output: master, errors: None, slave: Some(slave), strayed });
    }
    let input = running.stdin.take().map(OwnedFd::from);
    let (Some(output), Some(errors)) = (running.stdout.take(), running.stderr.take()) else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    let (output, errors) = (OwnedFd::from(output), OwnedFd::from(errors));
    for fd in input.iter().chain([&output]) {
        fcntl(fd, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES)).ok();
    }
    for fd in input.iter().chain([&output, &errors]) {
        set_nonblocking(fd)?;
    }
    Ok(Started { child, input, output, errors: Some(errors), slave: None, strayed })
}

/// As sshd does it: who cannot be there is told, and starts where we are.
fn go_home(command: &mut Command) -> Result<(), String> {
    let given = command.get_envs().find(|(name, _)| *name == "HOME").and_then(|(_, value)| value);
    let Some(home) = given.map(OsString::from).or_else(|| env::var_os("HOME")) else { return Ok(()) };
    match access(home.as_os_str(), AccessFlags::X_OK) {
        Ok(()) => {
            command.current_dir(home);
            Ok(())
        }
        Err(errno) => Err(format!("cannot change to the home folder {}: {}", home.display(), errno.desc())),
    }
}

/// From wait(2)'s status to a shell's: a signal is 128 and its number.
pub fn shell_status(status: u32) -> i32 {
    let signal = (status & 0x7f) as i32;
    if signal == 0 { (status >> 8 & 0xff) as i32 } else { 128 + signal }
}

/// The signal of wait(2)'s status.
pub fn signal_of(status: u32) -> Option<u32> {
    Some(status & 0x7f).filter(|signal| *signal != 0)
}

/// Asks a process to end, if it is still there.
pub fn terminate(pid: u32) {
    if let Ok(pid) = i32::try_from(pid) {
        kill(Pid::from_raw(pid), Signal::SIGTERM).ok();
    }
}

/// wait(2)'s status of an end.
pub fn status_of(exit: Exit) -> u32 {
    match exit {
        Exit::Status(status) => (status as u32 & 0xff) << 8,
        Exit::Signal(signal) => signal as u32 & 0x7f,
    }
}
