//! The ways that a session holds open, who uses them, and when each is let go.

use super::Session;
use super::client::ClientId;
use crate::controller::operation::{OperationId, Report};
use crate::controller::secrets::{Secret, Secrets, User};
use crate::controller::{Controller, Runtime};
use crate::error::HostError;
use crate::hosts::target::{Target, Way as Step};
use crate::payload::Interpreter;
use crate::proto::ids::ContextId;
use crate::proto::message::session::{Fault, FromSession, Hidden, Open, Path, Terms};
use crate::sys::{clock, random};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::time::{Duration, Instant};

/// One way, by its hops as they are written.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) path: Path,
    pub(super) context: ContextId,
    pub(super) open: bool,
    /// It stays until it is closed.
    pub(super) kept: bool,
    /// It stays for so long when nobody uses it.
    persist: Option<Duration>,
    users: usize,
    idle_since: Instant,
    /// Who waits for it, and under which name.
    waiting: Vec<(ClientId, String)>,
    /// The command lines of its `exec:`.
    exec: Vec<(String, Vec<String>)>,
}

/// Somebody uses a way: that one, and none that has taken its place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Use {
    pub(super) hops: String,
    context: ContextId,
}

impl Way {
    /// When it goes, if nobody comes.
    pub(super) fn goes_at(&self) -> Option<Instant> {
        let idle = self.users == 0 && !self.kept;
        idle.then(|| self.idle_since.checked_add(self.persist.unwrap_or_default())).flatten()
    }
}

/// What a report about a way is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Opening,
    End,
}

#[derive(Debug, Default)]
pub(super) struct Ways {
    by_hops: BTreeMap<String, Way>,
    reports: HashMap<OperationId, (Use, Stage)>,
}

impl Ways {
    pub(super) fn is_empty(&self) -> bool {
        self.by_hops.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Way> {
        self.by_hops.values()
    }

    /// The ways that run.
    pub(super) fn open(&self, controller: &Controller) -> Vec<Open> {
        let open = self.by_hops.values().filter(|way| way.open && !controller.is_leaving(way.context));
        open.map(|way| Open { path: way.path.clone(), exec: way.exec.clone() }).collect()
    }

    /// The way itself, or one that leads there too and is there already: how was said by whoever opened that.
    pub(super) fn serving(&self, path: Path, terms: &Terms, controller: &Controller) -> Path {
        let Ok(target) = Target::parse(&path.hops) else { return path };
        let exec = lines_of(&target, terms);
        let leads = |way: &&Way| {
            way.exec == exec
                && !controller.is_leaving(way.context)
                && Target::parse(&way.path.hops).is_ok_and(|other| other.leads_as(&target))
        };
        match self.by_hops.values().find(leads) {
            Some(way) if !self.by_hops.contains_key(&path.hops) => {
                Path { hops: way.path.hops.clone(), ..path }
            }
            Some(_) | None => path,
        }
    }

    /// The context of one that runs.
    pub(super) fn running(&self, hops: &str, controller: &Controller) -> Option<ContextId> {
        let way = self.by_hops.get(hops).filter(|way| way.open)?;
        Some(way.context).filter(|context| !controller.is_leaving(*context))
    }

    fn of(&mut self, used: &Use) -> Option<&mut Way> {
        self.by_hops.get_mut(&used.hops).filter(|way| way.context == used.context)
    }

    /// Whether a context is on a way, or at its end.
    pub(super) fn leads_through(&self, hops: &str, context: ContextId, controller: &Controller) -> bool {
        self.by_hops.get(hops).is_some_and(|way| controller.leads_to(context, way.context))
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.by_hops.values().filter_map(Way::goes_at).min()
    }
}

/// What went wrong with a way, as a client shows it.
pub(super) fn fault(name: &str, error: &HostError) -> Fault {
    Fault {
        name: name.to_owned(),
        kind: error.word().to_owned(),
        text: error.to_string(),
        hop: error.hop.clone(),
        lines: error.said.clone(),
        advice: error.advice().map(|advice| advice.to_string()),
    }
}

impl Session {
    /// Opens ways for a client, which hears of each.
    pub(super) fn open(&mut self, id: ClientId, paths: &[Path], terms: &Terms) -> io::Result<()> {
        for path in paths {
            let reached = self.reach(path, terms)?;
            let Some(client) = self.clients.get_mut(&id) else { return Ok(()) };
            client.asks |= terms.asks;
            if let Err(fault) = reached {
                client.tell(&FromSession::Failed(fault));
                continue;
            }
            let Some(way) = self.ways.by_hops.get_mut(&path.hops) else { continue };
            way.persist = way.persist.max(terms.persist_ms.map(Duration::from_millis));
            way.kept |= terms.persist_ms.is_none();
            if way.open {
                client.tell(&FromSession::Opened { name: path.name.clone() });
            } else {
                client.opening.push(path.hops.clone());
                way.waiting.push((id, path.name.clone()));
                way.users += 1;
            }
        }
        self.has_opened_all(id);
        Ok(())
    }

    fn has_opened_all(&mut self, id: ClientId) {
        let done = |client: &&mut super::Client| client.opening.is_empty() && client.job.is_none();
        self.clients.get_mut(&id).filter(done).into_iter().for_each(|client| client.tell(&FromSession::Done));
    }

    /// Returns the context at the end of a way, which is started where it does not run.
    pub(super) fn reach(&mut self, path: &Path, terms: &Terms) -> io::Result<Result<ContextId, Fault>> {
        let fault = |text: String| Fault::new(&path.name, text);
        let mut target = match Target::parse(&path.hops) {
            Ok(target) => target,
            Err(error) => return Ok(Err(fault(error.to_string()))),
        };
        let exec = lines_of(&target, terms);
        if let Some(way) = self.ways.by_hops.get(&path.hops)
            && !self.controller.is_leaving(way.context)
        {
            if way.exec != exec {
                let text = format!(
                    "the session holds {} with the command line of another inventory: hopvine down -w {} closes it",
                    path.hops, path.hops
                );
                return Ok(Err(fault(text)));
            }
            return Ok(Ok(way.context));
        }
        target.name.clone_from(&path.name);
        if let Err(wrong) = self.take_terms(terms) {
            return Ok(Err(fault(wrong)));
        }
        let random = target.hops.iter().map(|_| random::bytes()).collect::<io::Result<Vec<_>>>()?;
        let now = clock::now();
        let connected = self.controller.connect(&target, &random, now);
        // Each context has its own by now.
        self.controller.settings_mut().secrets = Secrets::default();
        let context = match connected {
            Ok(context) => context,
            Err(error) => {
                self.controller.close_unused();
                return Ok(Err(self::fault(&path.name, &error)));
            }
        };
        // Who waits for one that is about to go waits for this one.
        let waiting = self.ways.by_hops.remove(&path.hops).map(|way| way.waiting).unwrap_or_default();
        let way = Way {
            path: path.clone(),
            context,
            open: false,
            kept: false,
            persist: None,
            users: waiting.len(),
            idle_since: now,
            waiting,
            exec,
        };
        self.ways.by_hops.insert(path.hops.clone(), way);
        for (operation, stage) in [
            (self.controller.await_opening(context), Stage::Opening),
            (self.controller.await_end(context), Stage::End),
        ] {
            self.ways.reports.insert(operation, (Use { hops: path.hops.clone(), context }, stage));
        }
        Ok(Ok(context))
    }

    /// What is to hold for what is about to be started.
    fn take_terms(&mut self, terms: &Terms) -> Result<(), String> {
        let base = self.base.clone();
        let settings = self.controller.settings_mut();
        let secret =
            |hidden: &Option<Hidden>| hidden.as_ref().map(|hidden| Secret::new(hidden.bytes().to_vec()));
        settings.secrets = Secrets {
            login: secret(&terms.login),
            become_other: secret(&terms.become_other),
            user: match (terms.asks, &terms.login) {
                (false, _) => User::Away,
                (true, Some(_)) => User::Present,
                (true, None) => User::Alone,
            },
        };
        settings.connect_timeout = Duration::from_millis(terms.connect_timeout_ms);
        settings.keepalive = Duration::from_millis(terms.keepalive_ms);
        settings.interpreter = terms.python.clone().map_or(Interpreter::Probe, Interpreter::Named);
        settings.agent = runtime(terms.agent);
        settings.relay = runtime(terms.relay);
        settings.max_hops = usize::try_from(terms.max_hops).unwrap_or(usize::MAX);
        settings.title.clone_from(&terms.title);
        settings.inventory = base.inventory;
        for (name, words) in &terms.exec {
            settings.inventory.add_exec(name.clone(), words)?;
        }
        Ok(())
    }

    /// One more uses a way; returns whether that runs.
    pub(super) fn use_way(&mut self, hops: &str) -> Option<(Use, bool)> {
        let way = self.ways.by_hops.get_mut(hops)?;
        way.users += 1;
        Some((Use { hops: hops.to_owned(), context: way.context }, way.open))
    }

    /// A way stays open while a client is here.
    pub(super) fn keep_for(&mut self, id: ClientId, used: &Use) {
        let Some(client) = self.clients.get_mut(&id).filter(|client| !client.keeps.contains(used)) else {
            return;
        };
        client.keeps.push(used.clone());
        self.use_way(&used.hops);
    }

    /// A client uses ways until it goes; it is told which of them are open.
    pub(super) fn keep(&mut self, id: ClientId, paths: &[Path]) {
        let mut held = self.ways.open(&self.controller);
        held.retain(|open| paths.contains(&open.path));
        let uses: Vec<Use> = held.iter().filter_map(|open| Some(self.use_way(&open.path.hops)?.0)).collect();
        match self.clients.get_mut(&id) {
            Some(client) => {
                client.keeps.extend(uses);
                client.tell(&FromSession::Held(held));
            }
            None => uses.iter().for_each(|used| self.done_with(used)),
        }
    }

    /// A way stays for so long after its last use, if anybody says so.
    pub(super) fn persist(&mut self, hops: &str, terms: &Terms) {
        if let Some(way) = self.ways.by_hops.get_mut(hops) {
            way.persist = way.persist.max(terms.persist_ms.map(Duration::from_millis));
        }
    }

    /// One less does.
    pub(super) fn done_with(&mut self, used: &Use) {
        if let Some(way) = self.ways.of(used) {
            way.users = way.users.saturating_sub(1);
            way.idle_since = clock::now();
        }
    }

    /// A client waits for nothing any more.
    pub(super) fn stop_waiting(&mut self, id: ClientId) {
        for way in self.ways.by_hops.values_mut() {
            let before = way.waiting.len();
            way.waiting.retain(|(waiting, _)| *waiting != id);
            if before > way.waiting.len() {
                way.users = way.users.saturating_sub(before - way.waiting.len());
                way.idle_since = clock::now();
            }
        }
    }

    /// Ends the ways that nobody uses and nobody wants to be kept.
    pub(super) fn let_idle_go(&mut self, now: Instant) {
        let idle = self.ways.by_hops.iter().filter(|(_, way)| way.goes_at().is_some_and(|at| at <= now));
        let idle: Vec<String> = idle.map(|(hops, _)| hops.clone()).collect();
        for hops in &idle {
            if let Some(way) = self.ways.by_hops.remove(hops) {
                self.controller.close(way.context);
            }
        }
        if !idle.is_empty() {
            self.controller.close_unused();
        }
    }

    /// Ways that are not to be kept; all that there is, if none is named.
    pub(super) fn close(&mut self, id: ClientId, paths: &[Path]) {
        for path in paths {
            match self.ways.by_hops.get_mut(&path.hops) {
                Some(way) => (way.kept, way.persist) = (false, None),
                None => {
                    let text = "the session does not hold it".to_owned();
                    let fault = Fault::new(&path.name, text);
                    self.tell_client(id, &FromSession::Failed(fault));
                }
            }
        }
        self.tell_client(id, &FromSession::Done);
        if paths.is_empty() {
            self.end();
        }
    }

    /// A way runs, or has gone.
    pub(super) fn way_has(&mut self, report: Report) {
        let Report::Done { operation, outcome } = report else { return };
        let Some((used, stage)) = self.ways.reports.remove(&operation) else { return };
        let hops = &used.hops;
        let error = match (stage, outcome) {
            (Stage::Opening, Ok(_)) => None,
            (_, Err(error)) => Some(error),
            (Stage::End, Ok(_)) => return,
        };
        let Some(way) = self.ways.of(&used) else { return };
        let (name, context) = (way.path.name.clone(), way.context);
        let waiting = std::mem::take(&mut way.waiting);
        match error {
            None => {
                way.open = true;
                self.controller.forget_secrets(context);
                self.controller.sound_out_one(context, clock::now());
                for (id, name) in waiting {
                    self.has_opened(id, &used, &FromSession::Opened { name });
                }
                let users = self.clients.values_mut().filter(|client| client.uses.as_ref() == Some(&used));
                users.for_each(|client| client.starts(true));
            }
            Some(error) => {
                self.ways.by_hops.remove(hops);
                for (id, name) in waiting {
                    self.has_opened(id, &used, &FromSession::Failed(fault(&name, &error)));
                }
                self.controller.close(context);
                self.controller.close_unused();
                // What runs there fails by itself.
                let holds =
                    |client: &&mut super::Client| client.uses.as_ref() == Some(&used) && client.job.is_none();
                let lost = FromSession::Failed(fault(&name, &error));
                self.clients.values_mut().filter(holds).for_each(|client| client.tell(&lost));
            }
        }
    }

    fn has_opened(&mut self, id: ClientId, used: &Use, told: &FromSession) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        if let Some(at) = client.opening.iter().position(|hops| *hops == used.hops) {
            client.opening.swap_remove(at);
        }
        client.tell(told);
        self.done_with(used);
        self.has_opened_all(id);
    }
}

/// The command lines that a path's `exec:` hops run.
fn lines_of(target: &Target, terms: &Terms) -> Vec<(String, Vec<String>)> {
    let mut lines: Vec<_> = target
        .hops
        .iter()
        .filter_map(|hop| match &hop.way {
            Step::Exec { name } => terms.exec.iter().find(|(known, _)| known == name).cloned(),
            _ => None,
        })
        .collect();
    lines.sort();
    lines.dedup();
    lines
}

/// As [`super::caller`] writes it.
fn runtime(number: u8) -> Runtime {
    match number {
        1 => Runtime::Either,
        2 => Runtime::Sent,
        3 => Runtime::Native,
        _ => Runtime::Python,
    }
}
