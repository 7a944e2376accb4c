//! Who ends what this process has started, should it be killed before it can: a fork from before there was
//! anything to keep secret, that does nothing but wait for that.
//!
//! Most of what is started has a watchdog of its own, or ends with its standard input. What ignores all of
//! that (an ssh that is stopped, a way in that is deaf) would otherwise stay for good.

use super::clock;
use super::fd::set_nonblocking;
use super::limits;
use super::lineage;
use super::unfinished::{self, Heir, Names, Unfinished};
use super::watchdog;
use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, dup2_stdin, fork, getpid, pipe2, setsid};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// Time for a watchdog, which has processes to find and to end before it goes.
const PATIENCE: Duration = Duration::from_secs(4);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// What has happened, and a pid.
const WORD_BYTES: usize = 5;
/// Where /proc does not tell those that are open, as many are looked at: it is started with few.
const MAX_DESCRIPTORS: i32 = 65_536;

/// The line to the guardian, which acts when this closes.
#[derive(Debug)]
pub struct Guardian {
    pid: Pid,
    words: Option<File>,
    /// How many it has been told of, and of no end.
    alive: usize,
    /// So many may have told of what is not whole.
    transfers: u32,
}

/// The same line, for a child that has just been forked.
#[derive(Clone, Copy)]
pub(super) struct Line(RawFd);

/// A child of ours.
#[derive(Clone, Copy)]
struct Ward {
    /// After the system's own start: another with this pid has another.
    started: Option<Duration>,
    has_watchdog: bool,
}

impl Guardian {
    /// Forks; to be called before there are threads, and before anything is known that should be forgotten.
    ///
    /// # Errors
    ///
    /// When the system has no more processes or descriptors.
    pub fn start() -> io::Result<Self> {
        // Should the guardian be stopped, nobody waits for it.
        let (heard, words) = pipe2(OFlag::O_CLOEXEC)?;
        set_nonblocking(&words)?;
        // SAFETY: this process has no other thread.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => {
                Ok(Self { pid: child, words: Some(File::from(words)), alive: 0, transfers: 0 })
            }
            ForkResult::Child => {
                drop(words);
                if let Ok((wards, mut names)) = listen(heard) {
                    names.remove();
                    guard(&wards);
                }
                // SAFETY: ends this process at once; nothing of it is to be dropped, as the parent has it too.
                unsafe { libc::_exit(0) }
            }
        }
    }

    /// A child has told of itself, and runs.
    pub fn started(&mut self) {
        self.alive += 1;
    }

    pub(super) fn line(&self) -> Option<Line> {
        self.words.as_ref().map(|words| Line(words.as_raw_fd()))
    }

    /// It has a watchdog by now, which ends what it has started, and needs a moment for that.
    pub fn has_watchdog(&mut self, pid: i32) {
        self.tell(b'w', pid);
    }

    /// It has been reaped.
    pub fn ended(&mut self, pid: i32) {
        self.alive = self.alive.saturating_sub(1);
        self.tell(b'-', pid);
    }

    /// It remembers what is not whole, should this process be killed; `None` where the system has no more descriptors.
    pub fn unfinished(&mut self) -> Option<Unfinished> {
        self.transfers += 1;
        let words = self.words.as_ref()?.try_clone().ok()?;
        Some(Unfinished::new(self.transfers, Heir::Ours(words)))
    }

    fn tell(&mut self, what: u8, pid: i32) {
        if let Some(words) = &mut self.words {
            words.write_all(&word(what, pid)).ok();
        }
    }
}

impl Line {
    /// This process tells of itself, before it becomes another program: so none runs that the guardian
    /// does not know, whenever the parent is killed. Async-signal-safe.
    pub(super) fn tell(self) {
        // SAFETY: these are system calls; SIGPIPE has its default here, which would end this process where
        // the guardian has gone, and has it again. The parent keeps the line open while it forks.
        unsafe {
            libc::signal(libc::SIGPIPE, libc::SIG_IGN);
            nix::unistd::write(BorrowedFd::borrow_raw(self.0), &word(b'+', getpid().as_raw())).ok();
            libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        }
    }
}

fn word(what: u8, pid: i32) -> [u8; WORD_BYTES] {
    let [a, b, c, d] = pid.to_be_bytes();
    [what, a, b, c, d]
}

impl Drop for Guardian {
    fn drop(&mut self) {
        self.words = None;
        // Where it has somebody to wait for, nobody waits for it.
        if self.alive == 0 {
            waitpid(self.pid, None).ok();
        }
    }
}

/// Keeps nothing open that others may wait for the end of; returns, when the parent has gone, whom and what it has left.
fn listen(heard: OwnedFd) -> io::Result<(HashMap<i32, Ward>, Names)> {
    setsid()?;
    let nothing = File::open("/dev/null")?;
    dup2_stdin(&nothing)?;
    let keep = heard.as_raw_fd();
    for fd in descriptors().into_iter().filter(|fd| *fd > 0 && *fd != keep) {
        // SAFETY: nothing in this process uses it any more; that of the listing has been closed already.
        unsafe { libc::close(fd) };
    }
    std::mem::forget(nothing);
    let (mut heard, mut word) = (File::from(heard), [0; WORD_BYTES]);
    let (mut wards, mut names) = (HashMap::new(), Names::default());
    while heard.read_exact(&mut word).is_ok() {
        let [what, a, b, c, d] = word;
        let pid = i32::from_be_bytes([a, b, c, d]);
        match what {
            b'+' => drop(wards.insert(pid, Ward { started: lineage::started(pid), has_watchdog: false })),
            b'w' => drop(wards.get_mut(&pid).map(|ward: &mut Ward| ward.has_watchdog = true)),
            unfinished::ORDER => {
                let mut size = [0; size_of::<u32>()];
                heard.read_exact(&mut size)?;
                let mut name = vec![0; usize::try_from(u32::from_be_bytes(size)).unwrap_or(0)];
                heard.read_exact(&mut name)?;
                names.know(pid.cast_unsigned(), Path::new(OsStr::from_bytes(&name)));
            }
            _ => drop(wards.remove(&pid)),
        }
    }
    Ok((wards, names))
}

/// Those that may be open.
fn descriptors() -> Vec<i32> {
    match std::fs::read_dir("/proc/self/fd") {
        Ok(found) => found.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect(),
        Err(_) => {
            (0..i32::try_from(limits::open_files()).unwrap_or(MAX_DESCRIPTORS).min(MAX_DESCRIPTORS)).collect()
        }
    }
}

/// Ends whom nobody else does at once, and the others where they have not ended by themselves.
fn guard(wards: &HashMap<i32, Ward>) {
    let lives = |pid: &i32, ward: &Ward| ward.started.is_some() && lineage::started(*pid) == ward.started;
    for (pid, _) in wards.iter().filter(|(pid, ward)| !ward.has_watchdog && lives(pid, ward)) {
        lineage::kill_tree(*pid);
    }
    let deadline = clock::now() + PATIENCE;
    while wards.iter().any(|(pid, ward)| lives(pid, ward)) && clock::now() < deadline {
        watchdog::pause(BETWEEN_LOOKS);
    }
    for (pid, _) in wards.iter().filter(|(pid, ward)| lives(pid, ward)) {
        lineage::kill_tree(*pid);
    }
}
