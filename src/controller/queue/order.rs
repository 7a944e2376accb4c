//! Whose turn it is: the tasks of each host in the order in which they came, one at a time; a window over the
//! hosts; tasks that depend on others; new attempts to connect. Pure: what happens and the time go in, turns
//! come out.

use crate::controller::attempt::{End, back_off};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What is asked of some hosts; later ones have larger numbers.
pub type TaskId = u64;
pub type HostId = usize;

/// A task on one of its hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Job {
    pub task: TaskId,
    pub host: HostId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Start(Job),
    /// It depends on one that has failed, and has ended with that.
    Skip {
        job: Job,
        because: TaskId,
    },
}

#[derive(Debug)]
struct Task {
    /// In order.
    hosts: Rc<[HostId]>,
    /// Where it has not ended.
    left: usize,
    /// Where it did not go well.
    failed: BTreeSet<HostId>,
    after: Vec<TaskId>,
    /// Whose next task depends on its end.
    awaited_by: Vec<HostId>,
    /// Whether tasks that come later may depend on it.
    kept: bool,
    /// How many tasks that have not ended depend on it.
    followers: usize,
}

#[derive(Debug, Default)]
struct Host {
    /// The first is the one that runs, where one does.
    tasks: VecDeque<TaskId>,
    state: State,
    /// How many attempts to reach it have failed in a row.
    attempts: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Has no task.
    #[default]
    Idle,
    /// In the line of those whose turn comes.
    Ready,
    /// Its task depends on others that have not ended.
    Blocked,
    /// Tried again at this time.
    Again(Instant),
    Busy,
}

enum Standing {
    Free,
    Waits(TaskId),
    Fails(TaskId),
}

#[derive(Debug)]
pub(super) struct Order {
    fanout: usize,
    retries: u32,
    tasks: BTreeMap<TaskId, Task>,
    hosts: Vec<Host>,
    ready: VecDeque<HostId>,
    again: BTreeSet<(Instant, HostId)>,
    busy: usize,
    /// Jobs that have not been started.
    waiting: usize,
    /// More tasks may come.
    open: bool,
    /// Nothing more is started.
    stopped: bool,
}

impl Order {
    /// `fanout`: how many hosts work at once; `retries`: how often one is tried again that was not reached.
    pub(super) fn new(fanout: usize, retries: u32) -> Self {
        Self {
            fanout: fanout.max(1),
            retries,
            tasks: BTreeMap::new(),
            hosts: Vec::new(),
            ready: VecDeque::new(),
            again: BTreeSet::new(),
            busy: 0,
            waiting: 0,
            open: true,
            stopped: false,
        }
    }

    pub(super) fn add_host(&mut self) -> HostId {
        self.hosts.push(Host::default());
        self.hosts.len() - 1
    }

    /// Queues a task for each of its hosts, behind what these have. It starts where all that it comes `after` went
    /// well: on the same host, or, of a task that is not for this host, on all hosts of that. `kept`: others may
    /// come after it, until [`Self::forget`].
    pub(super) fn push(&mut self, id: TaskId, hosts: &Rc<[HostId]>, after: Vec<TaskId>, kept: bool) {
        let in_order = hosts.is_sorted_by(|one, next| one < next);
        let hosts = if in_order {
            hosts.clone()
        } else {
            hosts.iter().copied().collect::<BTreeSet<_>>().into_iter().collect()
        };
        for host in hosts.iter() {
            self.hosts[*host].tasks.push_back(id);
            if self.hosts[*host].state == State::Idle {
                self.line_up(*host);
            }
        }
        self.waiting += hosts.len();
        for other in &after {
            self.tasks.get_mut(other).into_iter().for_each(|other| other.followers += 1);
        }
        let (left, failed, awaited_by) = (hosts.len(), BTreeSet::new(), Vec::new());
        self.tasks.insert(id, Task { hosts, left, failed, after, awaited_by, kept, followers: 0 });
        // One that is for nobody is over.
        self.drop_ended(id);
    }

    /// No task will come any more: who has a turn keeps it.
    pub(super) fn close(&mut self) {
        self.open = false;
    }

    /// No task will come that depends on this one.
    pub(super) fn forget(&mut self, task: TaskId) {
        if let Some(found) = self.tasks.get_mut(&task) {
            found.kept = false;
            self.drop_ended(task);
        }
    }

    /// The next turn, which is taken; none while there is no room, or nothing to do.
    pub(super) fn next(&mut self, now: Instant) -> Option<Turn> {
        while self.busy < self.fanout {
            let due = self.again.first().copied().filter(|(at, _)| *at <= now);
            let host = match due {
                Some(entry) => {
                    self.again.remove(&entry);
                    entry.1
                }
                None => self.ready.pop_front()?,
            };
            let Some(task) = self.hosts[host].tasks.front().copied() else { continue };
            let job = Job { task, host };
            match self.standing(job) {
                Standing::Free => {
                    self.hosts[host].state = State::Busy;
                    self.busy += 1;
                    self.waiting -= 1;
                    return Some(Turn::Start(job));
                }
                Standing::Waits(other) => {
                    self.hosts[host].state = State::Blocked;
                    self.tasks.get_mut(&other).into_iter().for_each(|task| task.awaited_by.push(host));
                }
                Standing::Fails(because) => {
                    self.waiting -= 1;
                    self.conclude(job, false);
                    return Some(Turn::Skip { job, because });
                }
            }
        }
        None
    }

    /// Whether [`Self::next`] may have something.
    pub(super) fn wants_to_start(&self, now: Instant) -> bool {
        let due = self.again.first().is_some_and(|(at, _)| *at <= now);
        self.busy < self.fanout && (due || !self.ready.is_empty())
    }

    /// When a host is to be tried again.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.again.first().map(|(at, _)| *at).filter(|_| self.busy < self.fanout)
    }

    /// A job that was started has ended; returns the time after which it is tried again, if it is.
    pub(super) fn end(&mut self, job: Job, end: End, jitter: u64, now: Instant) -> Option<Duration> {
        self.busy -= 1;
        let host = &mut self.hosts[job.host];
        if end == End::NotReached && host.attempts < self.retries && !self.stopped {
            host.attempts += 1;
            let after = back_off(host.attempts, jitter);
            host.state = State::Again(now + after);
            self.again.insert((now + after, job.host));
            self.waiting += 1;
            return Some(after);
        }
        host.attempts = 0;
        self.conclude(job, end == End::Well);
        None
    }

    /// Starts nothing more; returns what has not been started.
    pub(super) fn stop(&mut self) -> Vec<Job> {
        self.ready.clear();
        self.again.clear();
        let mut left = Vec::new();
        for (id, host) in self.hosts.iter_mut().enumerate() {
            let runs = usize::from(host.state == State::Busy);
            left.extend(host.tasks.drain(runs..).map(|task| Job { task, host: id }));
            if runs == 0 {
                host.state = State::Idle;
            }
        }
        left.sort_unstable();
        (self.waiting, self.stopped) = (0, true);
        left
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Whether a host has nothing to do.
    pub(super) fn is_idle(&self, host: HostId) -> bool {
        self.hosts[host].state == State::Idle
    }

    /// Jobs that have not been started, or are to be tried again.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(super) fn to_try_again(&self) -> usize {
        self.again.len()
    }

    pub(super) fn is_done(&self) -> bool {
        self.busy == 0 && self.waiting == 0
    }

    fn standing(&self, job: Job) -> Standing {
        let after = self.tasks.get(&job.task).map_or(&[][..], |task| task.after.as_slice());
        let mut waits = None;
        for id in after {
            let Some(other) = self.tasks.get(id) else { continue };
            let here = other.hosts.binary_search(&job.host).is_ok();
            let failed = if here { other.failed.contains(&job.host) } else { !other.failed.is_empty() };
            if failed {
                return Standing::Fails(*id);
            }
            // On the same host it has had its turn before.
            if !here && other.left > 0 {
                waits = Some(*id);
            }
        }
        waits.map_or(Standing::Free, Standing::Waits)
    }

    fn line_up(&mut self, host: HostId) {
        self.hosts[host].state = State::Ready;
        self.ready.push_back(host);
    }

    /// The first task of a host is over. While more may come, hosts take turns; then who has one keeps it to its last
    /// task, which needs the fewest connections at a time.
    fn conclude(&mut self, job: Job, well: bool) {
        let host = &mut self.hosts[job.host];
        host.tasks.pop_front();
        host.state = if host.tasks.is_empty() { State::Idle } else { State::Ready };
        if host.state == State::Ready {
            if self.open {
                self.ready.push_back(job.host);
            } else {
                self.ready.push_front(job.host);
            }
        }
        let Some(task) = self.tasks.get_mut(&job.task) else { return };
        task.left -= 1;
        if !well {
            task.failed.insert(job.host);
        }
        let mut awaited_by = Vec::new();
        // One failure is enough for those that depend on all of it.
        if task.left == 0 || !well {
            awaited_by = std::mem::take(&mut task.awaited_by);
        }
        let over = task.left == 0;
        let after = if over { std::mem::take(&mut task.after) } else { Vec::new() };
        for waiting in awaited_by {
            if self.hosts[waiting].state == State::Blocked {
                self.line_up(waiting);
            }
        }
        if over {
            for other in after {
                self.tasks.get_mut(&other).into_iter().for_each(|other| other.followers -= 1);
                self.drop_ended(other);
            }
            self.drop_ended(job.task);
        }
    }

    fn drop_ended(&mut self, task: TaskId) {
        let over = |task: &Task| task.left == 0 && task.followers == 0 && !task.kept;
        if self.tasks.get(&task).is_some_and(over) {
            self.tasks.remove(&task);
        }
    }
}

#[cfg(test)]
mod tests;
