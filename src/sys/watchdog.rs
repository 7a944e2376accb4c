//! The process that was started stays behind as the parent of the one that works, so that nothing of
//! it outlives its link: as the agent's part `guard`, for this binary.
//!
//! It adopts what loses its parent (prctl(2), `PR_SET_CHILD_SUBREAPER`), watches the link for its end
//! only, and kills by parent pid what still descends from the context. What a finished command has
//! left in the background survives, as over ssh.

use super::clock;
use super::fd;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::poll::{PollTimeout, poll};
use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, setsid};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant, UNIX_EPOCH};

/// How often it looks for more to kill; what forks as fast as it can is still found.
const LOOKS: usize = 200;
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);
/// The link is silent after so many intervals.
const INTERVALS: u32 = 4;
/// For the end by the watchdog.
const LAST_WAIT: Duration = Duration::from_secs(9);
/// So often it looks for the end of the child, should nobody tell.
const MAX_WAIT_MS: i32 = 1000;
/// Until the parent has said how long an interval is.
const FIRST_INTERVAL: Duration = Duration::from_secs(60);

/// The line to the watchdog. It ends what is left when this closes.
#[derive(Debug)]
pub enum Watched {
    /// By this program.
    Ours { orders: UnixStream },
    /// By an agent whose place this program has taken: orders are lines of Python, and the times at
    /// which running work has begun stand in a pipe.
    Guard { orders: File, starts: File, begun: File },
}

/// What an agent leaves to the program that takes its place.
#[derive(Debug)]
pub struct Inheritance {
    pub link: [OwnedFd; 2],
    /// Its parent's hello, and what has been read behind it.
    pub ahead: Vec<u8>,
    pub watched: Watched,
}

/// Takes descriptors 0 to 6 as the agent's part `native` has laid them out.
///
/// # Errors
///
/// When they are not there.
pub fn inherit() -> io::Result<Inheritance> {
    let link = fd::take_standard_streams()?;
    let [mut ahead, orders, starts, begun] = [3, 4, 5, 6].map(|number| {
        // SAFETY: whoever has started us has opened these for us, and nobody else has taken them.
        unsafe { File::from_raw_fd(number) }
    });
    for fd in [&orders, &starts, &begun] {
        fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    }
    let mut read = Vec::new();
    ahead.read_to_end(&mut read)?;
    Ok(Inheritance { link, ahead: read, watched: Watched::Guard { orders, starts, begun } })
}

impl Watched {
    /// The link has been heard; a keepalive interval is so long.
    pub fn beat(&mut self, interval: Duration) {
        match self {
            Self::Ours { .. } => self.tell(b'b', u32::try_from(interval.as_millis()).unwrap_or(u32::MAX)),
            Self::Guard { orders, .. } => drop(orders.write_all(b"heard = os.times()[4]\n")),
        }
    }

    /// The work of a command has begun: what is adopted from now on is of it.
    pub fn begin(&mut self, number: u32) {
        match self {
            Self::Ours { .. } => self.tell(b'+', number),
            Self::Guard { starts, .. } => {
                let now = clock::wall().duration_since(UNIX_EPOCH).unwrap_or_default();
                starts.write_all(&now.as_secs_f64().to_ne_bytes()).ok();
            }
        }
    }

    pub fn finish(&mut self, number: u32) {
        match self {
            Self::Ours { .. } => self.tell(b'-', number),
            Self::Guard { begun, .. } => drop(begun.read_exact(&mut [0; 8])),
        }
    }

    /// Has the watchdog end all that is left, and us last; returns only where that has gone.
    pub fn end(&mut self) {
        match self {
            Self::Ours { .. } => self.tell(b'e', 0),
            Self::Guard { orders, .. } => drop(orders.write_all(b"end(0)\n")),
        }
        pause(LAST_WAIT);
    }

    fn tell(&mut self, what: u8, number: u32) {
        let Self::Ours { orders } = self else { return };
        let mut order = [what, 0, 0, 0, 0];
        order[1..].copy_from_slice(&number.to_be_bytes());
        // A watchdog that has gone has ended us too.
        orders.write_all(&order).ok();
    }
}

/// Forks: returns in the child, which goes on with the work in a session of its own. This process
/// waits for the end of `link` or of the child, and leaves with the child's status. To be called
/// before there are threads.
///
/// # Errors
///
/// When the system has no more processes or descriptors.
pub fn start(link: [&OwnedFd; 2]) -> io::Result<Watched> {
    let (theirs, orders) = UnixStream::pair()?;
    // SAFETY: prctl with this option only sets a flag of this process.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
    // SAFETY: this process has no other thread.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(theirs);
            setsid()?;
            Ok(Watched::Ours { orders })
        }
        ForkResult::Parent { child } => {
            drop(orders);
            let status = Watch { child, begun: HashMap::new() }.run(link, &theirs);
            // SAFETY: ends this process at once; nothing of it is to be dropped, as the child has it too.
            unsafe { libc::_exit(status) }
        }
    }
}

struct Watch {
    child: Pid,
    /// When running commands have begun, by their numbers.
    begun: HashMap<u32, Duration>,
}

impl Watch {
    fn run(&mut self, link: [&OwnedFd; 2], orders: &UnixStream) -> i32 {
        for number in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGPIPE] {
            // SAFETY: no handler is installed.
            unsafe { signal(number, SigHandler::SigIgn) }.ok();
        }
        orders.set_nonblocking(true).ok();
        let (mut heard, mut interval) = (clock::now(), FIRST_INTERVAL);
        loop {
            if let Some(status) = self.reap() {
                self.purge();
                return status;
            }
            let quiet = clock::now().duration_since(heard);
            let left = (interval * INTERVALS).saturating_sub(quiet);
            if left.is_zero() {
                break;
            }
            let descriptor = |fd: i32, events| libc::pollfd { fd, events, revents: 0 };
            let mut polled = [
                descriptor(link[0].as_raw_fd(), libc::POLLRDHUP),
                descriptor(link[1].as_raw_fd(), libc::POLLRDHUP),
                descriptor(orders.as_raw_fd(), libc::POLLIN),
            ];
            let wait = i32::try_from(left.as_millis()).unwrap_or(i32::MAX).min(MAX_WAIT_MS);
            // SAFETY: the array is as long as is said, and lives longer than the call. nix does not know
            // POLLRDHUP.
            unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, wait) };
            let is_ready = |at: usize| polled[at].revents != 0;
            if is_ready(0) || is_ready(1) {
                break;
            }
            if is_ready(2) && !self.take_orders(orders, &mut heard, &mut interval) {
                // The child ends; it is reaped in the next turn.
                pause(BETWEEN_LOOKS);
            }
        }
        self.purge();
        kill(self.child, Signal::SIGKILL).ok();
        waitpid(self.child, None).ok();
        1
    }

    /// Returns `false` when no more will come.
    fn take_orders(&mut self, orders: &UnixStream, heard: &mut Instant, interval: &mut Duration) -> bool {
        let mut order = [0; 5];
        loop {
            match (&*orders).read(&mut order) {
                Ok(5) => {}
                Ok(_) => return false,
                Err(_) => return true,
            }
            let number = u32::from_be_bytes([order[1], order[2], order[3], order[4]]);
            match order[0] {
                b'e' => {
                    *interval = Duration::ZERO;
                    return true;
                }
                b'b' => (*heard, *interval) = (clock::now(), Duration::from_millis(number.into())),
                b'+' => drop(self.begun.insert(number, uptime())),
                _ => drop(self.begun.remove(&number)),
            }
        }
    }

    /// Buries what has ended; returns the status of the child that works.
    fn reap(&self) -> Option<i32> {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, status)) if pid == self.child => return Some(status),
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid == self.child => {
                    return Some(128 + signal as i32);
                }
                Ok(WaitStatus::StillAlive) => return None,
                Ok(_) => {}
                Err(_) => return Some(1),
            }
        }
    }

    /// Kills all that descends from the child, and what has been adopted from a command that still runs.
    fn purge(&self) {
        let (me, child) = (Pid::this().as_raw(), self.child.as_raw());
        let oldest = self.begun.values().min().copied();
        let adopted = |process: &&Process| {
            process.parent == me
                && process.pid != child
                && oldest.is_some_and(|oldest| process.started + Duration::from_millis(20) >= oldest)
        };
        for _ in 0..LOOKS {
            let all = processes();
            let roots = all.iter().filter(adopted).map(|process| process.pid);
            let doomed = lineage(&all, [child].into_iter().chain(roots));
            if doomed.len() == 1 {
                return;
            }
            kill_each(&doomed[1..]);
            pause(BETWEEN_LOOKS);
        }
    }
}

/// Kills all that descends from a process, and the process before that.
pub fn kill_tree(root: i32) {
    for _ in 0..LOOKS {
        let doomed = lineage(&processes(), [root]);
        kill_each(&doomed);
        if doomed.len() == 1 {
            return;
        }
        pause(BETWEEN_LOOKS);
    }
}

/// The roots, then all that descends from them.
fn lineage(all: &[Process], roots: impl IntoIterator<Item = i32>) -> Vec<i32> {
    let mut line: Vec<i32> = roots.into_iter().collect();
    let mut at = 0;
    while let Some(parent) = line.get(at).copied() {
        line.extend(all.iter().filter(|process| process.parent == parent).map(|process| process.pid));
        at += 1;
    }
    line
}

fn kill_each(pids: &[i32]) {
    for pid in pids {
        kill(Pid::from_raw(*pid), Signal::SIGKILL).ok();
    }
}

/// A line of /proc.
struct Process {
    pid: i32,
    parent: i32,
    /// After the system's own start.
    started: Duration,
}

/// All that runs and has not ended.
fn processes() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(process)
        .collect()
}

fn process(pid: i32) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(19)?.parse().ok()?;
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
    let started = Duration::from_millis(ticks * 1000 / u64::try_from(per_second).unwrap_or(100));
    let alive = !matches!(*fields.first()?, "Z" | "X");
    alive.then_some(Process { pid, parent: fields.get(1)?.parse().ok()?, started })
}

fn uptime() -> Duration {
    let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = text.split(' ').next().and_then(|word| word.parse().ok());
    Duration::from_secs_f64(seconds.unwrap_or_default())
}

fn pause(time: Duration) {
    poll(&mut [], PollTimeout::try_from(time).unwrap_or(PollTimeout::ZERO)).ok();
}
