//! Many requests for many targets: each target works on its own in the order in which they came, at its own pace.
//! A target that could not be reached is left alone until it is asked to connect again.

mod order;

pub use order::{HostId, Job, TaskId};

use super::attempt::End;
use super::operation::{Answer, OperationId, Report, Request, Said, Source};
use super::{Controller, RANDOM_BYTES};
use crate::error::{HostError, HostErrorKind};
use crate::hosts::target::Target;
use crate::proto::ids::ContextId;
use order::{Order, Turn};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What a user has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How many targets work at once.
    pub fanout: usize,
    /// How often a target is tried again that was not reached.
    pub retries: u32,
    /// Whether the first failure stops everything.
    pub fail_fast: bool,
}

/// What is to be done on some targets.
#[derive(Clone, Debug)]
pub enum Task {
    /// Only to be connected, also where that has failed before.
    Connect,
    Ask(Box<Request>),
}

#[derive(Debug)]
pub struct Queue {
    order: Order,
    fail_fast: bool,
    /// Until all their jobs have ended, and how many have not.
    tasks: HashMap<TaskId, (Task, usize)>,
    hosts: Vec<Host>,
    /// Whose an operation is that runs, or waits for a connection.
    operations: HashMap<OperationId, HostId>,
    /// How those ended that have been cancelled, and may go on for a while: their hosts are busy until then.
    settling: HashMap<OperationId, (Job, End)>,
    /// Who is connected and has nothing to do, the longest first.
    idle: VecDeque<HostId>,
    /// How many of these may be.
    max_idle: usize,
    /// What has ended without having been started.
    never: VecDeque<Job>,
    /// Nothing more will be pushed.
    ended: bool,
}

#[derive(Debug)]
struct Host {
    target: Target,
    context: Option<ContextId>,
    /// Why it could not be reached the last time.
    refused: Option<Box<HostError>>,
    running: Option<Running>,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    job: Job,
    operation: OperationId,
    /// Tells that the context runs.
    opening: Option<OperationId>,
    span: Span,
}

/// When a job did what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub since: Instant,
    pub way: Way,
    pub until: Instant,
}

/// How a job came to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It was connected before.
    Open,
    /// It was connected then.
    Opened(Instant),
    /// It has not been connected.
    Closed,
}

impl Span {
    /// Of what has taken no time.
    pub fn at(now: Instant) -> Self {
        Self { since: now, way: Way::Open, until: now }
    }
}

/// What has become of a job.
#[derive(Debug)]
pub enum Progress {
    Begun {
        job: Job,
        operation: OperationId,
    },
    /// As [`Report::Said`].
    Said {
        job: Job,
        operation: OperationId,
        source: Source,
        said: Said,
    },
    /// It was not reached, and is tried again after this time.
    Again {
        job: Job,
        error: Box<HostError>,
        after: Duration,
        span: Span,
    },
    Done {
        job: Job,
        outcome: Result<Answer, Box<HostError>>,
        span: Span,
    },
    /// It has ended because another one has failed that it comes after.
    Skipped {
        job: Job,
        because: TaskId,
    },
}

impl Queue {
    pub fn new(rules: Rules) -> Self {
        Self {
            order: Order::new(rules.fanout, rules.retries),
            fail_fast: rules.fail_fast,
            tasks: HashMap::new(),
            hosts: Vec::new(),
            operations: HashMap::new(),
            settling: HashMap::new(),
            idle: VecDeque::new(),
            max_idle: rules.fanout,
            never: VecDeque::new(),
            ended: false,
        }
    }

    /// One more host, at the end of a target's path.
    pub fn add_host(&mut self, target: Target) -> HostId {
        self.hosts.push(Host { target, context: None, refused: None, running: None });
        self.order.add_host()
    }

    pub fn target(&self, host: HostId) -> &Target {
        &self.hosts[host].target
    }

    /// How many hosts there are.
    pub fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// Queues a task for each of its hosts; each starts it where all that it comes `after` went well: on the same
    /// host, or, of a task that is not for this host, on all hosts of that. `kept`: others may come after it.
    pub fn push(&mut self, id: TaskId, hosts: &Rc<[HostId]>, task: Task, after: Vec<TaskId>, kept: bool) {
        if self.order.is_stopped() {
            self.never.extend(hosts.iter().map(|host| Job { task: id, host: *host }));
            return;
        }
        if !hosts.is_empty() {
            self.tasks.insert(id, (task, hosts.len()));
        }
        self.order.push(id, hosts, after, kept);
    }

    /// No task will come after this one.
    pub fn forget(&mut self, task: TaskId) {
        self.order.forget(task);
    }

    /// Nothing more will be pushed: who has nothing to do is let go.
    pub fn end(&mut self, controller: &mut Controller) {
        self.ended = true;
        self.order.close();
        (0..self.hosts.len()).for_each(|host| self.let_go(host, controller));
    }

    /// Whether it has been stopped.
    pub fn is_stopped(&self) -> bool {
        self.order.is_stopped()
    }

    /// Whether somebody may have a turn.
    pub fn wants_to_start(&self, now: Instant) -> bool {
        self.order.wants_to_start(now)
    }

    /// When somebody is to be tried again.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.order.poll_timeout()
    }

    /// Gives one job its turn, if there is one; `random` gives random bytes for so many hops.
    ///
    /// # Errors
    ///
    /// Those of `random`.
    pub fn start<E>(
        &mut self,
        controller: &mut Controller,
        random: impl FnOnce(usize) -> Result<Vec<[u8; RANDOM_BYTES]>, E>,
        now: Instant,
    ) -> Result<Option<Progress>, E> {
        let job = match self.order.next(now) {
            Some(Turn::Start(job)) => job,
            Some(Turn::Skip { job, because }) => {
                self.has_ended(job, controller);
                return Ok(Some(Progress::Skipped { job, because }));
            }
            None => return Ok(None),
        };
        let random = random(self.hosts[job.host].target.hops.len())?;
        Ok(Some(match self.begin(job, controller, &random, now) {
            Ok(operation) => Progress::Begun { job, operation },
            Err(error) => {
                // Of a host that was not reached before, that has been told.
                let is_known = self.hosts[job.host].refused.is_some();
                let end = if is_known { End::Failed } else { End::of_error(&error) };
                match self.order.end(job, end, 0, now) {
                    Some(after) => Progress::Again { job, error, after, span: Span::at(now) },
                    None => {
                        if let HostErrorKind::Told { .. } = error.kind {
                            self.hosts[job.host].refused = Some(error.clone());
                        }
                        self.conclude(job, Err(error), Span::at(now), controller, now)
                    }
                }
            }
        }))
    }

    fn begin(
        &mut self,
        job: Job,
        controller: &mut Controller,
        random: &[[u8; RANDOM_BYTES]],
        now: Instant,
    ) -> Result<OperationId, Box<HostError>> {
        self.idle.retain(|idle| *idle != job.host);
        let host = &mut self.hosts[job.host];
        let task = self.tasks.get(&job.task).map(|(task, _)| task);
        match (task, &host.refused) {
            (Some(Task::Connect), _) => host.refused = None,
            (_, Some(error)) => return Err(error.clone()),
            (_, None) => {}
        }
        let context = controller.connect(&host.target, random, now)?;
        let opening = if host.context == Some(context) {
            // It is held already.
            controller.close(context);
            None
        } else {
            host.context = Some(context);
            Some(controller.await_opening(context))
        };
        let operation = match (task, opening) {
            (Some(Task::Ask(request)), _) => controller.submit(context, request, now),
            (_, Some(opening)) => opening,
            (_, None) => controller.await_opening(context),
        };
        let way = if opening.is_some() { Way::Closed } else { Way::Open };
        let span = Span { way, ..Span::at(now) };
        host.running = Some(Running { job, operation, opening, span });
        self.operations.extend([operation].into_iter().chain(opening).map(|operation| (operation, job.host)));
        Ok(operation)
    }

    /// What a controller's report means for a job. `jitter`: any number.
    pub fn handle_report(
        &mut self,
        controller: &mut Controller,
        report: Report,
        jitter: u64,
        now: Instant,
    ) -> Option<Progress> {
        if let Some((job, end)) = self.settling.remove(&report.operation()) {
            self.order.end(job, end, jitter, now);
            self.let_go(job.host, controller);
            return None;
        }
        let host = *self.operations.get(&report.operation())?;
        let (operation, outcome) = match report {
            Report::Done { operation, outcome } => (operation, outcome),
            Report::Said { operation, source, said } => {
                let job = self.hosts[host].running?.job;
                return Some(Progress::Said { job, operation, source, said });
            }
            // Nothing is shared here.
            Report::LeftBehind { .. } => return None,
        };
        self.operations.remove(&operation);
        let running = self.hosts[host].running.as_mut()?;
        if running.opening == Some(operation) && outcome.is_ok() {
            running.span.way = Way::Opened(now);
        }
        if running.operation != operation {
            return None;
        }
        let Running { job, opening, span, .. } = *running;
        self.hosts[host].running = None;
        if let Some(opening) = opening {
            self.operations.remove(&opening);
        }
        let outcome = outcome.map_err(Box::new);
        let span = Span { until: now, ..span };
        let unreached = span.way == Way::Closed;
        let end = match (End::of(&outcome), &outcome) {
            (End::Failed, Err(error)) if unreached && opening == Some(operation) && error.is_no_answer() => {
                End::NotReached
            }
            (end, _) => end,
        };
        let context = self.hosts[host].context.filter(|context| controller.is_settling(*context));
        if let Some(context) = context {
            self.settling.insert(controller.await_opening(context), (job, end));
        } else if let Some(after) = self.order.end(job, end, jitter, now)
            && let Err(error) = outcome
        {
            return Some(Progress::Again { job, error, after, span });
        } else if let Err(error) = &outcome
            && unreached
        {
            self.hosts[host].refused = Some(error.clone());
        }
        Some(self.conclude(job, outcome, span, controller, now))
    }

    fn conclude(
        &mut self,
        job: Job,
        outcome: Result<Answer, Box<HostError>>,
        span: Span,
        controller: &mut Controller,
        now: Instant,
    ) -> Progress {
        if self.fail_fast && End::of(&outcome) != End::Well {
            self.stop(controller, now);
        }
        self.has_ended(job, controller);
        Progress::Done { job, outcome, span }
    }

    /// A job has ended for good.
    fn has_ended(&mut self, job: Job, controller: &mut Controller) {
        if let Some((_, left)) = self.tasks.get_mut(&job.task) {
            *left -= 1;
            if *left == 0 {
                self.tasks.remove(&job.task);
            }
        }
        self.let_go(job.host, controller);
    }

    /// A host that will have nothing more to do needs no context, nor do too many that have nothing to do now.
    fn let_go(&mut self, host: HostId, controller: &mut Controller) {
        let settles = self.settling.values().any(|(job, _)| job.host == host);
        if !self.order.is_idle(host) || settles {
            return;
        }
        if self.ended {
            self.close(host, controller);
            if self.is_done() {
                controller.close_all();
            }
        } else if self.hosts[host].context.is_some() {
            self.idle.retain(|other| *other != host);
            self.idle.push_back(host);
            while self.idle.len() > self.max_idle
                && let Some(longest) = self.idle.pop_front()
            {
                self.close(longest, controller);
            }
        }
    }

    fn close(&mut self, host: HostId, controller: &mut Controller) {
        self.hosts[host].context.take().into_iter().for_each(|context| controller.close(context));
    }

    /// A job that is not started any more.
    pub fn poll_never(&mut self) -> Option<Job> {
        self.never.pop_front()
    }

    /// The hosts that work, with since when, in the order in which they came.
    pub fn running(&self) -> Vec<(HostId, Instant)> {
        let since = |(host, entry): (HostId, &Host)| Some((host, entry.running?.span.since));
        self.hosts.iter().enumerate().filter_map(since).collect()
    }

    /// The job of an operation that runs.
    pub fn job_of(&self, operation: OperationId) -> Option<Job> {
        let running = self.hosts[*self.operations.get(&operation)?].running?;
        (running.operation == operation).then_some(running.job)
    }

    /// Jobs that have not been started, or are to be tried again.
    pub fn waiting(&self) -> usize {
        self.order.waiting()
    }

    /// How many of those have been tried.
    pub fn to_try_again(&self) -> usize {
        self.order.to_try_again()
    }

    /// Starts nothing more and stops what runs; the others are told by [`Self::poll_never`].
    pub fn stop(&mut self, controller: &mut Controller, now: Instant) {
        self.ended = true;
        let running = self.hosts.iter().filter_map(|host| host.running);
        running.for_each(|running| controller.cancel(running.operation, now));
        self.never.extend(self.order.stop());
        (0..self.hosts.len()).for_each(|host| self.let_go(host, controller));
    }

    /// Whether nothing is left to do, and nothing will come.
    pub fn is_done(&self) -> bool {
        self.ended && self.order.is_done()
    }
}
