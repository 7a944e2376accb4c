//! Files to and from tunnels.

use super::{Group, Hopvine, Tunnel};
use crate::controller::fleet::Begun;
use crate::controller::operation::{
    Answer, Feed, Fetch, OperationId, Put, Report, Request, Said, Source as Origin, Transfer,
};
use crate::controller::{Note, Submitted, Weight};
use crate::error::{Failure, HostError};
use crate::files::Source;
use crate::proto::ids::ContextId;
use crate::proto::value::{Builder, Value};
use crate::sys::clock;
use crate::transfers::{Plan, Settled, Transfers};
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Instant;

/// Files that are on their way.
struct Moving<'a> {
    tunnels: &'a [Tunnel],
    request: &'a Request,
    transfers: Transfers,
    /// By the place of the tunnel.
    running: HashMap<OperationId, usize>,
    outcomes: Vec<Option<Result<Value, HostError>>>,
}

impl Hopvine {
    /// Sends a file, or a folder with all that is in it, to all of these tunnels at once; what is behind one relay goes
    /// there once. `remote` names what it becomes; without it that is a fresh temporary file. It has its name there when
    /// all has come and its SHA-1 sum is right.
    ///
    /// Each result is a dict: `remote_path`, `size` in bytes, `sha1sum` of a single file, `files`.
    ///
    /// # Errors
    ///
    /// As [`Hopvine::call_all`], and [`Failure::RemoteName`]. A file that cannot be read here is an error of each host.
    pub fn put(
        &mut self,
        tunnels: &[Tunnel],
        local: &Path,
        remote: Option<&Path>,
    ) -> Result<Group<Value>, Failure> {
        let transfer = Transfer { tree: local.is_dir(), keep: false, packed: false };
        let path = remote.map(path_there).transpose()?;
        let request = Request::Put(Put { path, mode: None, stdin: Feed::Nothing, foreign: false, transfer });
        let source = Source::Local { path: local.to_owned(), tree: transfer.tree };
        self.transfer(tunnels, &request, Plan::Put(source, transfer))
    }

    /// Brings a file to `local`, where it is when all of it has come; `tree` takes a folder with all that is in it.
    /// The result is a dict as with [`Hopvine::put`], and has the `local_path`.
    ///
    /// # Errors
    ///
    /// As [`Hopvine::call`], and [`Failure::RemoteName`].
    pub fn fetch(
        &mut self,
        tunnel: Tunnel,
        remote: &Path,
        local: &Path,
        tree: bool,
    ) -> Result<Value, Failure> {
        let transfer = Transfer { tree, keep: false, packed: false };
        let request = Request::Fetch(Fetch { path: path_there(remote)?, transfer });
        let plan = Plan::Fetch(vec![Some(local.to_owned())], transfer);
        Self::only(self.transfer(&[tunnel], &request, plan)?)
    }

    fn transfer(
        &mut self,
        tunnels: &[Tunnel],
        request: &Request,
        plan: Plan,
    ) -> Result<Group<Value>, Failure> {
        let contexts =
            tunnels.iter().map(|tunnel| self.context(*tunnel)).collect::<Result<Vec<_>, Failure>>()?;
        let mut moving = Moving {
            tunnels,
            request,
            transfers: Transfers::new(plan),
            running: HashMap::new(),
            outcomes: vec![None; tunnels.len()],
        };
        for (place, submitted) in self.submit_all(&contexts, request).into_iter().enumerate() {
            moving.start(place, submitted);
        }
        while !moving.running.is_empty() {
            let mut more = false;
            for feeder in moving.transfers.feeders() {
                more |= moving.transfers.feed(feeder, &mut self.controller, None);
            }
            self.execute();
            if !self.hear(&mut moving) {
                self.turn(more.then(clock::now))?;
            }
            moving.transfers.next_turn(false);
        }
        let names = tunnels.iter().map(|tunnel| self.name(*tunnel).unwrap_or_default().to_owned());
        Ok(Group::new(
            names.zip(moving.outcomes).filter_map(|(name, outcome)| Some((name, outcome?))).collect(),
        ))
    }

    fn submit_all(&mut self, contexts: &[ContextId], request: &Request) -> Vec<Submitted> {
        if matches!(request, Request::Put(_)) {
            return self.controller.submit_put(contexts, request, clock::now());
        }
        let alone = |context: &ContextId| self.controller.submit(*context, request, clock::now());
        contexts.iter().map(alone).map(Submitted::alone).collect()
    }

    /// Takes what is told of files; returns whether there was anything.
    fn hear(&mut self, moving: &mut Moving<'_>) -> bool {
        let mut heard = false;
        while !moving.transfers.pause()
            && let Some(report) = self.controller.poll_report()
        {
            heard = true;
            let operation = report.operation();
            if !moving.running.contains_key(&operation) && !moving.transfers.feeds(operation) {
                self.kept.push_back(report);
                continue;
            }
            match report {
                Report::Said { source, said, .. } => self.take(moving, operation, source, said),
                Report::LeftBehind { deadline, .. } => self.ask_again(moving, operation, deadline),
                Report::Done { .. } => {
                    for settled in moving.transfers.settle(report, &mut self.controller) {
                        self.settled(moving, settled);
                    }
                }
            }
        }
        heard
    }

    fn take(&mut self, moving: &mut Moving<'_>, operation: OperationId, source: Origin, said: Said) {
        if let Said::Piece(piece) = said {
            moving.transfers.take(operation, piece, &mut self.controller);
        }
        self.controller.consumed(source, clock::now());
    }

    /// One that has held up others gets it alone.
    fn ask_again(&mut self, moving: &mut Moving<'_>, operation: OperationId, deadline: Option<Instant>) {
        moving.transfers.forget(operation, &mut self.controller);
        let Some(place) = moving.running.remove(&operation) else { return };
        match self.context(moving.tunnels[place]) {
            Ok(context) => {
                let again = self.controller.submit(context, moving.request, clock::now());
                self.controller.keep_deadline(again, deadline);
                moving.start(place, Submitted::alone(again));
            }
            Err(_) => unreachable!("no tunnel is closed while files move"),
        }
    }

    fn settled(&mut self, moving: &mut Moving<'_>, settled: Settled) {
        let Settled { report: Report::Done { operation, outcome }, remarks, of_source } = settled else {
            return;
        };
        let Some(place) = moving.running.remove(&operation) else { return };
        let target = self.name(moving.tunnels[place]).unwrap_or_default().to_owned();
        let remarks = remarks.into_iter().chain(of_source);
        let warnings = remarks.map(|text| Note { weight: Weight::Warning, target: target.clone(), text });
        self.warnings.extend(warnings);
        moving.outcomes[place] = Some(outcome.map(|answer| match answer {
            Answer::Value(value) => value,
            Answer::Exhausted | Answer::Exit(_) | Answer::Killed(_) => Builder::default().none(),
        }));
    }
}

impl Moving<'_> {
    fn start(&mut self, place: usize, submitted: Submitted) {
        let Submitted { operation, feeder } = submitted;
        self.transfers.start(Begun { operation, feeder, place }, || None);
        self.running.insert(operation, place);
    }
}

fn path_there(path: &Path) -> Result<Vec<u8>, Failure> {
    let path = path.as_os_str().as_bytes();
    if path.is_empty() || path.contains(&0) { Err(Failure::RemoteName) } else { Ok(path.to_vec()) }
}
