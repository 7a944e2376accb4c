//! What is put and fetched, between this machine's disk and the controller.

mod outcome;

use crate::controller::Controller;
use crate::controller::feed::Feed;
use crate::controller::fleet::{Begun, Origin};
use crate::controller::operation::{Answer, OperationId, Report, Transfer};
use crate::files::{Incoming, LocalError, MAX_UNSIZED_BYTES, Outgoing, Rules, Side, Source};
use crate::hosts::target::Target;
use crate::proto::entry::{MAX_HOLE_BYTES, Piece};
use crate::proto::message::ToAgent;
use crate::proto::value::Builder;
use crate::sys::unfinished::Unfinished;
use crate::sys::{clock, identity};
pub use outcome::Settled;
use outcome::{Feeder, Supply, failed};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

/// How much of a file may wait here for the credit of its reader.
const MAX_UNSENT_BYTES: usize = 256 * 1024;

/// How much of a file is read before anybody else has a turn.
const MAX_READ_BYTES: u64 = 1024 * 1024;

/// How many zeros are taken before anybody else has a turn: they cost their sender next to no credit.
const MAX_ZEROS_BYTES: u64 = 8 * MAX_HOLE_BYTES;

/// What has been moved from or to a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    pub bytes: u64,
    /// Where that is known.
    pub total_bytes: Option<u64>,
    pub files: u64,
}

/// What is known beforehand of files that pass here.
#[derive(Clone, Copy, Debug)]
pub struct Passing {
    /// What each target will get, in bytes, where that is known.
    pub each: Option<u64>,
    /// Whether more than one file is moved.
    pub tree: bool,
}

/// What is moved, and where it comes from or goes to on this machine.
#[derive(Clone, Debug)]
pub enum Plan {
    /// No files are moved.
    None,
    Put(Source, Transfer),
    /// From another target.
    PutFrom(Origin),
    /// For each target where it goes; nowhere is standard output.
    Fetch(Vec<Option<PathBuf>>, Transfer),
}

/// The transfers that run.
#[derive(Debug)]
pub struct Transfers {
    plan: Plan,
    /// What each target will get, in bytes, where that is known.
    each: Option<u64>,
    running: HashMap<OperationId, Running>,
    /// What puts are fed by, one or more by each.
    feeders: HashMap<OperationId, Feeder>,
    /// The ends of puts whose feeder has not told what it has sent.
    held: Vec<Report>,
    /// That have been taken in this turn.
    zeros_bytes: u64,
    /// What has been told of sources: once, however many they feed.
    remarked: HashSet<String>,
    /// Whether what has been taken waits for a slow reader of our output.
    is_full: bool,
}

#[derive(Debug)]
enum Running {
    Out {
        feeder: OperationId,
    },
    In(Box<Incoming>, Option<PathBuf>),
    /// This end cannot go on, whatever the other says.
    Failed(LocalError),
}

impl Transfers {
    pub fn new(plan: Plan) -> Self {
        let each = match &plan {
            Plan::Put(Source::Local { path, .. }, _) => {
                std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|info| info.len())
            }
            Plan::Put(Source::Pushed, _) | Plan::PutFrom(_) | Plan::Fetch(..) | Plan::None => None,
        };
        let (running, feeders, held) = (HashMap::new(), HashMap::new(), Vec::new());
        Self { plan, each, running, feeders, held, zeros_bytes: 0, remarked: HashSet::new(), is_full: false }
    }

    /// What passes here; of what goes from one target to another only its ends know how far it is.
    pub fn passing(&self) -> Option<Passing> {
        match &self.plan {
            Plan::Put(_, how) | Plan::Fetch(_, how) => Some(Passing { each: self.each, tree: how.tree }),
            Plan::PutFrom(_) | Plan::None => None,
        }
    }

    /// How far a transfer is that passes here.
    pub fn moved(&self, operation: OperationId, controller: &Controller) -> Option<Moved> {
        Some(match self.running.get(&operation)? {
            Running::Out { feeder } => match self.feeders.get(feeder).map(|feeder| &feeder.supply) {
                Some(Supply::Here { outgoing, .. }) => Moved {
                    bytes: outgoing.sent_bytes().saturating_sub(controller.unread(*feeder) as u64),
                    total_bytes: self.each,
                    files: outgoing.files(),
                },
                Some(Supply::There(_)) => return None,
                None => Moved::default(),
            },
            Running::In(incoming, _) => {
                let (bytes, total_bytes) = incoming.progress();
                Moved { bytes, total_bytes, files: incoming.received().files }
            }
            Running::Failed(_) => Moved::default(),
        })
    }

    /// Where what is put comes from, if not from here.
    pub fn origin(&self) -> Option<Origin> {
        match &self.plan {
            Plan::PutFrom(origin) => Some(origin.clone()),
            Plan::None | Plan::Put(..) | Plan::Fetch(..) => None,
        }
    }

    /// Whose files these are: another target, or the only one that they go to; nobody's among several.
    pub fn source_name<'a>(&'a self, targets: &'a [Target]) -> Option<&'a str> {
        match (&self.plan, targets) {
            (Plan::PutFrom(origin), _) => Some(&origin.target.name),
            (_, [only]) => Some(&only.name),
            _ => None,
        }
    }

    /// Whether what goes to several may be sent once.
    pub fn share(&self, targets: &[Target]) -> bool {
        let mut first = HashSet::new();
        let behind = targets.iter().filter(|target| target.hops.len() > 1);
        let meet = behind.filter_map(|target| target.hops.first()).any(|hop| !first.insert(hop));
        meet && matches!(self.plan, Plan::Put(..) | Plan::PutFrom(_))
    }

    /// Whether files go out from here.
    pub fn send(&self) -> bool {
        matches!(self.plan, Plan::Put(..))
    }

    /// `unfinished` remembers what is not whole here.
    pub fn start(&mut self, begun: Begun, unfinished: impl FnOnce() -> Option<Unfinished>) {
        let running = match &self.plan {
            Plan::None => return,
            Plan::Put(source, how) => feed(&mut self.feeders, begun, || Supply::Here {
                outgoing: Box::new(Outgoing::new(source, how.packed, Side::Here)),
                ended: false,
            }),
            Plan::PutFrom(_) => feed(&mut self.feeders, begun, || Supply::There(None)),
            Plan::Fetch(roots, how) => {
                let root = roots.get(begun.place).cloned().flatten();
                let Transfer { tree, keep, packed } = *how;
                let umask = identity::umask();
                let rules = Rules {
                    side: Side::Here,
                    tree,
                    keep,
                    packed,
                    mode: None,
                    umask,
                    unsized_bytes: MAX_UNSIZED_BYTES,
                };
                Running::In(Box::new(Incoming::new(root.clone(), rules, unfinished())), root)
            }
        };
        self.running.insert(begun.operation, running);
    }

    /// Those through which contents are sent from here.
    pub fn feeders(&self) -> Vec<OperationId> {
        self.feeders.keys().copied().collect()
    }

    /// Whether an operation still feeds a put.
    pub fn feeds(&self, operation: OperationId) -> bool {
        self.feeders.contains_key(&operation)
    }

    /// Sends as much as there is room for; returns whether there is room for more.
    pub fn feed(
        &mut self,
        feeder: OperationId,
        controller: &mut Controller,
        mut feed: Option<&mut Feed>,
    ) -> bool {
        let mut limit = None;
        while controller.unread(feeder) < MAX_UNSENT_BYTES {
            let Some(Feeder { supply: Supply::Here { outgoing, ended }, .. }) = self.feeders.get_mut(&feeder)
            else {
                break;
            };
            if *ended {
                break;
            }
            if outgoing.sent_bytes() >= *limit.get_or_insert(outgoing.sent_bytes() + MAX_READ_BYTES) {
                return true;
            }
            let (pieces, end) = match &mut feed {
                Some(feed) => {
                    let Some((chunk, last)) = feed.next_chunk(feeder) else { break };
                    (Ok(outgoing.push(chunk, last)), last)
                }
                None => {
                    let next = outgoing.next_piece();
                    let end = matches!(next, Ok(None));
                    (next.map(|piece| piece.into_iter().collect()), end)
                }
            };
            match pieces {
                Ok(pieces) => {
                    for piece in pieces {
                        controller.send(feeder, &ToAgent::File(piece), false);
                    }
                    if end {
                        *ended = true;
                        controller.send(feeder, &ToAgent::File(Piece::Content(Vec::new())), true);
                    }
                }
                Err(error) => self.stop_feeding(feeder, &error, controller),
            }
        }
        false
    }

    /// What is here cannot be sent: all that it would have fed end.
    fn stop_feeding(&mut self, feeder: OperationId, error: &LocalError, controller: &mut Controller) {
        if let Some(Feeder { supply: Supply::Here { ended, .. }, .. }) = self.feeders.get_mut(&feeder) {
            *ended = true;
        }
        self.end_fed(feeder, &error.0, controller);
        controller.cut(feeder);
    }

    fn end_fed(&self, feeder: OperationId, why: &str, controller: &mut Controller) {
        let is_fed = |running: &Running| matches!(running, Running::Out { feeder: by } if *by == feeder);
        for (operation, _) in self.running.iter().filter(|(_, running)| is_fed(running)) {
            controller.abandon(*operation, why.to_owned(), clock::now());
        }
    }

    /// Forgets a put that is to be asked again.
    pub fn forget(&mut self, operation: OperationId, controller: &mut Controller) {
        if let Some(Running::Out { feeder }) = self.running.remove(&operation) {
            self.release(feeder, controller);
        }
    }

    /// One put less that is fed by it; it goes with the last, and so does what is still fetched for it.
    fn release(&mut self, feeder: OperationId, controller: &mut Controller) {
        let Some(found) = self.feeders.get_mut(&feeder) else { return };
        found.puts = found.puts.saturating_sub(1);
        if found.puts == 0 {
            if matches!(found.supply, Supply::There(None)) {
                controller.cancel(feeder, clock::now());
            }
            self.feeders.remove(&feeder);
        }
    }

    /// Whether what comes has to wait for the next turn.
    pub fn pause(&self) -> bool {
        self.is_full || self.zeros_bytes >= MAX_ZEROS_BYTES
    }

    /// The next turn begins; `is_full`: our output takes no more.
    pub fn next_turn(&mut self, is_full: bool) {
        self.zeros_bytes = 0;
        self.is_full = is_full && matches!(self.plan, Plan::Fetch(..));
    }

    /// Takes a piece of what is fetched; returns what is for standard output.
    pub fn take(&mut self, operation: OperationId, piece: Piece, controller: &mut Controller) -> Vec<u8> {
        let Some(Running::In(incoming, _)) = self.running.get_mut(&operation) else { return Vec::new() };
        if let Piece::Hole(size) = piece {
            self.zeros_bytes = self.zeros_bytes.saturating_add(size);
        }
        incoming.take(piece).unwrap_or_else(|error| {
            controller.abandon(operation, error.0.clone(), clock::now());
            self.running.insert(operation, Running::Failed(error));
            Vec::new()
        })
    }

    /// What comes of a transfer that has ended, in the place of what the other end says: of none while
    /// something is missing for that, of several when that has come.
    pub fn settle(&mut self, report: Report, controller: &mut Controller) -> Vec<Settled> {
        let Report::Done { operation, outcome } = &report else { return vec![Settled::of(report)] };
        if let Some(Feeder { supply: Supply::There(told), .. }) = self.feeders.get_mut(operation) {
            *told = Some(outcome.clone().map(|answer| match answer {
                Answer::Value(value) => value,
                Answer::Exhausted | Answer::Exit(_) | Answer::Killed(_) => Builder::default().none(),
            }));
            if outcome.as_ref().is_err_and(|error| !outcome::is_cut(error)) {
                // Nobody else tells those that it would have fed.
                self.end_fed(*operation, "", controller);
            }
            let held = std::mem::take(&mut self.held);
            return held.into_iter().flat_map(|report| self.settle(report, controller)).collect();
        }
        if outcome.as_ref().err().is_none_or(outcome::is_cut)
            && let Some(Running::Out { feeder }) = self.running.get(operation)
            && let Some(Feeder { supply: Supply::There(None), .. }) = self.feeders.get(feeder)
        {
            self.held.push(report);
            return Vec::new();
        }
        vec![self.settled(report, controller)]
    }

    fn settled(&mut self, report: Report, controller: &mut Controller) -> Settled {
        let Report::Done { operation, outcome } = report else { return Settled::of(report) };
        let remarks = outcome.as_ref().map(outcome::notes).unwrap_or_default();
        let remarks = outcome::remarks(&remarks);
        let mut of_source = Vec::new();
        let outcome = match (self.running.remove(&operation), outcome) {
            (Some(Running::Out { feeder }), outcome) => {
                let settled = match self.feeders.get(&feeder) {
                    Some(feeder) => {
                        of_source = outcome::remarks(&feeder.notes());
                        of_source.retain(|remark| self.remarked.insert(remark.clone()));
                        feeder.settle(outcome, &self.plan)
                    }
                    None => outcome,
                };
                self.release(feeder, controller);
                settled
            }
            (Some(Running::In(mut incoming, root)), Ok(Answer::Value(told))) => {
                outcome::fetched(&told, &mut incoming, root.as_deref()).map(Answer::Value).map_err(failed)
            }
            (Some(Running::Failed(error)), Ok(_)) => Err(failed(error)),
            (_, outcome) => outcome,
        };
        Settled { report: Report::Done { operation, outcome }, remarks, of_source }
    }
}

/// A put is fed by what it begins with, or by what feeds others already.
fn feed(
    feeders: &mut HashMap<OperationId, Feeder>,
    begun: Begun,
    supply: impl FnOnce() -> Supply,
) -> Running {
    feeders.entry(begun.feeder).or_insert_with(|| Feeder { supply: supply(), puts: 0 }).puts += 1;
    Running::Out { feeder: begun.feeder }
}
