//! The process that was started stays behind as the parent of the one that works, so that nothing of
//! it outlives its link: as the agent's part `guard`, for this binary.
//!
//! It adopts what loses its parent (prctl(2), `PR_SET_CHILD_SUBREAPER`), watches the link for its end
//! only, and kills by parent pid what still descends from the context. What a finished command has
//! left in the background survives, as over ssh.

use super::clock;
use super::fd;
use super::lineage::{self, Process};
use super::unfinished::{self, Heir, Names, Unfinished};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigHandler, SigSet, Signal, kill, signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, setsid};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant, UNIX_EPOCH};

const BETWEEN_LOOKS: Duration = Duration::from_millis(2);
/// What is asked to end has so long before it is killed.
const HOPS_PATIENCE: Duration = Duration::from_millis(500);
/// The link is silent after so many half intervals: one more than the other end waits for, which tells why.
const HALF_INTERVALS: u32 = 9;
/// What is told and what /proc has may differ by so much.
const SLACK: Duration = Duration::from_millis(20);
/// For the end by the watchdog.
const LAST_WAIT: Duration = Duration::from_secs(9);
/// So often it looks for the end of the child, should nobody tell.
const MAX_WAIT_MS: i32 = 1000;
/// What is to be done, and a number.
const ORDER_BYTES: usize = 5;
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
            Self::Guard { orders, .. } => order_guard(orders, "heard = os.times()[4]"),
        }
    }

    /// The work of a command is about to begin: what starts from now on is of it.
    pub fn begin(&mut self, number: u32) {
        match self {
            Self::Ours { orders } => {
                // Whoever reads it may do so late.
                let now = u64::try_from(uptime().as_millis()).unwrap_or(0);
                orders.write_all(&[&order(b'+', number)[..], &now.to_be_bytes()].concat()).ok();
            }
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

    /// A child of ours is a hop: it has something to put in order too before it is killed.
    pub fn leads(&mut self, pid: i32) {
        match self {
            Self::Ours { .. } => self.tell(b'h', pid.cast_unsigned()),
            Self::Guard { orders, .. } => order_guard(orders, &format!("spared[{pid}]=1")),
        }
    }

    pub fn leads_no_more(&mut self, pid: i32) {
        match self {
            Self::Ours { .. } => self.tell(b'g', pid.cast_unsigned()),
            Self::Guard { orders, .. } => order_guard(orders, &format!("spared.pop({pid},0)")),
        }
    }

    /// Has the watchdog end all that is left, and us last; returns only where that has gone. Hops then end by
    /// themselves, with their links: who is stopped to be killed by us could stay so, should we be killed too.
    pub fn end(&mut self, hops: impl Iterator<Item = i32>) {
        let (told, orders) = match self {
            Self::Ours { orders } => (orders.write_all(&order(b'e', 0)), (*orders).as_fd()),
            Self::Guard { orders, .. } => (orders.write_all(b"end(0)\n"), (*orders).as_fd()),
        };
        // It has been killed, perhaps with the order still unread: what it would have done.
        if told.is_err() || closes_within(orders, LAST_WAIT) {
            kill_below(&hops.collect::<Vec<i32>>());
        }
    }

    /// Somebody else who remembers what is not whole, should we be killed.
    ///
    /// # Errors
    ///
    /// When the system has no more descriptors.
    pub fn unfinished(&self, number: u32) -> io::Result<Unfinished> {
        let heir = match self {
            Self::Ours { orders } => Heir::Ours(OwnedFd::from(orders.try_clone()?).into()),
            Self::Guard { orders, .. } => Heir::Guard(orders.try_clone()?),
        };
        Ok(Unfinished::new(number, heir))
    }

    fn tell(&mut self, what: u8, number: u32) {
        let Self::Ours { orders } = self else { return };
        // Without a watchdog this ends with its link.
        orders.write_all(&order(what, number)).ok();
    }
}

/// At one go: it takes what it has read for whole.
fn order_guard(orders: &mut File, line: &str) {
    orders.write_all(format!("{line}\n").as_bytes()).ok();
}

fn order(what: u8, number: u32) -> [u8; ORDER_BYTES] {
    let [a, b, c, d] = number.to_be_bytes();
    [what, a, b, c, d]
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
    // Told to end before it listens, the watchdog hears that when it does.
    let terminate = SigSet::from(Signal::SIGTERM);
    terminate.thread_block()?;
    let told = SignalFd::with_flags(&terminate, SfdFlags::SFD_CLOEXEC)?;
    // SAFETY: this process has no other thread.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop((theirs, told));
            terminate.thread_unblock()?;
            setsid()?;
            Ok(Watched::Ours { orders })
        }
        ForkResult::Parent { child } => {
            drop(orders);
            let status = Watch::of(child).run(link, &theirs, &told);
            // SAFETY: ends this process at once; nothing of it is to be dropped, as the child has it too.
            unsafe { libc::_exit(status) }
        }
    }
}

struct Watch {
    child: Pid,
    /// The hops that lead on from the child.
    hops: HashSet<i32>,
    /// When running commands have begun, by their numbers.
    begun: HashMap<u32, Duration>,
    /// Of the link; silence is a multiple of the interval.
    heard: Instant,
    interval: Duration,
    /// Orders that have not come whole.
    partial: Vec<u8>,
    unfinished: Names,
}

impl Watch {
    fn of(child: Pid) -> Self {
        Self {
            child,
            hops: HashSet::new(),
            begun: HashMap::new(),
            heard: clock::now(),
            interval: FIRST_INTERVAL,
            partial: Vec::new(),
            unfinished: Names::default(),
        }
    }

    fn run(&mut self, link: [&OwnedFd; 2], orders: &UnixStream, told: &SignalFd) -> i32 {
        for number in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGPIPE] {
            // SAFETY: no handler is installed.
            unsafe { signal(number, SigHandler::SigIgn) }.ok();
        }
        orders.set_nonblocking(true).ok();
        loop {
            if let Some(status) = self.reap() {
                self.take_orders(orders);
                self.unfinished.remove();
                self.dismiss();
                self.purge(self.oldest(), &[]);
                return status;
            }
            let quiet = clock::now().duration_since(self.heard);
            let left = (self.interval * HALF_INTERVALS / 2).saturating_sub(quiet);
            if left.is_zero() {
                break;
            }
            let descriptor = |fd: i32, events| libc::pollfd { fd, events, revents: 0 };
            let mut polled = [
                descriptor(link[0].as_raw_fd(), libc::POLLRDHUP),
                descriptor(link[1].as_raw_fd(), libc::POLLRDHUP),
                descriptor(told.as_raw_fd(), libc::POLLIN),
                descriptor(orders.as_raw_fd(), libc::POLLIN),
            ];
            let wait = i32::try_from(left.as_millis()).unwrap_or(i32::MAX).min(MAX_WAIT_MS);
            // SAFETY: the array is as long as is said, and lives longer than the call. nix does not know
            // POLLRDHUP.
            unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, wait) };
            let [ended @ .., ordered] = polled.map(|polled| polled.revents != 0);
            if ended.contains(&true) {
                break;
            }
            if ordered && !self.take_orders(orders) {
                // The child ends; it is reaped in the next turn.
                pause(BETWEEN_LOOKS);
            }
        }
        self.take_orders(orders);
        self.end();
        self.take_orders(orders);
        self.unfinished.remove();
        1
    }

    /// Returns `false` when no more will come.
    fn take_orders(&mut self, orders: &UnixStream) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match (&*orders).read(&mut buffer) {
                Ok(0) => return false,
                Ok(count) => self.partial.extend(&buffer[..count]),
                Err(_) => return true,
            }
            let come = std::mem::take(&mut self.partial);
            let mut done = 0;
            while let Some(size) = self.obey(&come[done..]) {
                done += size;
            }
            self.partial = come[done..].to_vec();
        }
    }

    /// Does what the first order says; returns its size, or `None` where it has not come whole.
    fn obey(&mut self, orders: &[u8]) -> Option<usize> {
        let (&[what, a, b, c, d], rest) = orders.split_first_chunk()?;
        let number = u32::from_be_bytes([a, b, c, d]);
        match what {
            b'e' => self.interval = Duration::ZERO,
            b'b' => (self.heard, self.interval) = (clock::now(), Duration::from_millis(number.into())),
            b'h' => drop(self.hops.insert(number.cast_signed())),
            b'g' => drop(self.hops.remove(&number.cast_signed())),
            b'+' => {
                let (when, _) = rest.split_first_chunk()?;
                self.begun.insert(number, Duration::from_millis(u64::from_be_bytes(*when)));
                return Some(ORDER_BYTES + size_of::<u64>());
            }
            unfinished::ORDER => return self.unfinished.take(number, rest).map(|size| ORDER_BYTES + size),
            _ => drop(self.begun.remove(&number)),
        }
        Some(ORDER_BYTES)
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

    /// When the first of the commands that still run has begun.
    fn oldest(&self) -> Option<Duration> {
        self.begun.values().min().copied()
    }

    /// Ends the child and all that is still part of it.
    fn end(&self) {
        self.dismiss();
        let known = self.purge(self.oldest(), &[]);
        kill(self.child, Signal::SIGKILL).ok();
        // It may have forked since the last look.
        self.purge(Some(Duration::ZERO), &known);
        waitpid(self.child, None).ok();
    }

    /// Asks the hops to end, and gives them time: each knows best what of its own is to survive, and what it
    /// has adopted is a stranger here once it has gone.
    fn dismiss(&self) {
        let lives = |pid: &&i32| lineage::process(**pid).is_some();
        let hops: Vec<i32> = self.hops.iter().filter(lives).copied().collect();
        // Each leads a group: what only stands before its program hears it too.
        let groups: Vec<i32> = hops.iter().map(|pid| -pid).collect();
        lineage::send_each(&groups, Signal::SIGTERM);
        // What is stopped hears nothing else.
        lineage::send_each(&groups, Signal::SIGCONT);
        let deadline = clock::now() + HOPS_PATIENCE;
        while hops.iter().any(|pid| lives(&pid)) && clock::now() < deadline {
            pause(BETWEEN_LOOKS);
        }
    }

    /// Kills all that descends from the child, and what has been adopted that has started since then and
    /// is not known; returns all that has been adopted.
    fn purge(&self, since: Option<Duration>, known: &[Process]) -> Vec<Process> {
        let (me, child) = (Pid::this().as_raw(), self.child.as_raw());
        let is_new = |process: &Process| {
            process.parent == me && process.pid != child && !known.iter().any(|known| known.is(process))
        };
        let is_doomed = |process: &Process| {
            let late = || since.is_some_and(|since| process.started + SLACK >= since);
            process.parent == child || is_new(process) && late()
        };
        lineage::kill_all(|all| {
            all.iter().filter(|process| is_doomed(process)).map(|process| process.pid).collect()
        });
        lineage::processes().into_iter().filter(is_new).collect()
    }
}

/// Whether nobody reads a line any more, at the latest after that time.
fn closes_within(line: BorrowedFd<'_>, time: Duration) -> bool {
    let deadline = clock::now() + time;
    loop {
        let left = deadline.saturating_duration_since(clock::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        // A hangup comes unasked; a signal ends the wait.
        if poll(&mut [PollFd::new(line, PollFlags::empty())], timeout).is_ok_and(|ready| ready > 0) {
            return true;
        }
        if left.is_zero() {
            return false;
        }
    }
}

/// Kills all that descends from this process and not from these.
fn kill_below(spared: &[i32]) {
    let me = Pid::this().as_raw();
    let is_doomed = |process: &&Process| process.parent == me && !spared.contains(&process.pid);
    lineage::kill_all(|all| all.iter().filter(is_doomed).map(|process| process.pid).collect());
    lineage::send_each(spared, Signal::SIGTERM);
}

fn uptime() -> Duration {
    let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = text.split(' ').next().and_then(|word| word.parse().ok());
    Duration::from_secs_f64(seconds.unwrap_or_default())
}

pub(super) fn pause(time: Duration) {
    poll(&mut [], PollTimeout::try_from(time).unwrap_or(PollTimeout::ZERO)).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However its orders are cut, and whatever names hold.
    #[test]
    fn a_watchdog_removes_what_it_was_told_last() {
        let folder = tempfile::tempdir().expect("a folder");
        let names = ["old", "new\n'\u{e9}", "other", "whole"].map(|name| folder.path().join(name));
        names.iter().for_each(|name| std::fs::write(name, "x").expect("written"));
        let (theirs, orders) = UnixStream::pair().expect("a pair");
        let watched = Watched::Ours { orders };
        let mut told: Vec<Unfinished> =
            (0..3).map(|number| watched.unfinished(number).expect("a descriptor")).collect();
        told[0].tell(&names[0]);
        told[1].tell(&names[2]);
        told[2].tell(&names[3]);
        told[0].tell(&names[1]);
        drop(told.pop());
        let mut bytes = vec![0; 4096];
        let count = (&theirs).read(&mut bytes).expect("orders");
        let mut watch = Watch::of(Pid::this());
        let (ours, mut there) = UnixStream::pair().expect("a pair");
        ours.set_nonblocking(true).expect("a flag");
        for byte in &bytes[..count] {
            there.write_all(&[*byte]).expect("written");
            assert!(watch.take_orders(&ours));
        }
        watch.unfinished.remove();
        assert_eq!(names.map(|name| name.exists()), [true, false, false, true]);
    }
}
