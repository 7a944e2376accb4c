//! Programs that run in a context and whose ssh is led through this session, by the rule that they were started with.

use super::client::ClientId;
use super::crossing::{Called, News, answer, called};
use super::held::{Use, fault};
use super::{Session, rule};
use crate::controller::operation::{Feed, OperationId, Report, Request, Run, Said, Words};
use crate::fakessh::{Invocation, Refusal};
use crate::hosts::target::names_transport;
use crate::proto::ids::ContextId;
use crate::proto::message::session::{Fault, FromSession, Lend, Place, Rule};
use crate::proto::stream::StreamKey;
use crate::proto::value::{Node, Value};
use crate::sys::{clock, random};
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;

/// The agent in which stand-ins are lent, a child of the context where the program is to run: so it is never above
/// whatever that leads to.
const CHILD: &str = "fakessh";

/// One program.
#[derive(Debug)]
pub(super) struct Lent {
    client: ClientId,
    context: ContextId,
    token: u32,
    rule: Rule,
    /// What the user has typed for it, which may name hosts.
    words: Vec<Vec<u8>>,
    /// To be run when the stand-ins are there.
    waiting: Option<(Lend, [OwnedFd; 3])>,
}

#[derive(Debug, Default)]
pub(super) struct Lendings {
    by_operation: HashMap<OperationId, Lent>,
    /// The ways that are used so.
    ways: HashMap<StreamKey, Use>,
}

impl Session {
    /// Runs a program in a context, with an ssh that is led elsewhere.
    pub(super) fn lend(&mut self, id: ClientId, lend: Lend) -> io::Result<()> {
        let Some(client) = self.clients.get_mut(&id) else { return Ok(()) };
        let (Some(input), Some(output), Some(errors), None) =
            (client.take_fd(), client.take_fd(), client.take_fd(), &client.uses)
        else {
            client.give_up();
            return Ok(());
        };
        client.asks = lend.terms.asks;
        let context = match self.way_for(&lend.on, &lend.terms, true)? {
            Ok(context) => context,
            Err(fault) => {
                self.tell_client(id, &FromSession::Failed(fault));
                return Ok(());
            }
        };
        let Some((used, runs)) = self.use_way(&lend.on.hops) else { return Ok(()) };
        let context = self.controller.child_of(context, CHILD, clock::now());
        let token = u32::from_ne_bytes(random::bytes()?);
        let operation = self.controller.submit(context, &Request::Lend(token), clock::now());
        if let Some(client) = self.clients.get_mut(&id) {
            client.uses = Some(used);
            client.lent = Some(operation);
            client.starts(runs);
        }
        let lent = Lent {
            client: id,
            context,
            token,
            rule: lend.rule.clone(),
            words: lend.words.clone(),
            waiting: Some((lend, [input, output, errors])),
        };
        self.lendings.by_operation.insert(operation, lent);
        Ok(())
    }

    /// The client has gone, or what it asked for has ended.
    pub(super) fn take_back(&mut self, operation: OperationId) {
        self.controller.cancel(operation, clock::now());
        self.lendings.by_operation.remove(&operation);
    }

    /// What has come of what is lent, or of a way that something was called for; whether it was about that.
    pub(super) fn lending_has(&mut self, report: &Report) -> bool {
        let operation = report.operation();
        match self.crossings.handle(&mut self.controller, report) {
            News::Another => {}
            News::GoesOn => return true,
            News::Ended(key) => {
                self.let_way_go(key);
                return true;
            }
        }
        let Some(lent) = self.lendings.by_operation.get_mut(&operation) else { return false };
        let client = lent.client;
        match report {
            Report::Said { source, said, .. } => {
                self.controller.consumed(*source, clock::now());
                if let Said::Item(environment) = said
                    && let Some((lend, fds)) = lent.waiting.take()
                {
                    let context = lent.context;
                    let run = Run {
                        words: lend.words,
                        interpreter: Words::Exact,
                        stdin: if lend.reads { Feed::Piped } else { Feed::Nothing },
                        environment: pairs(environment),
                        home: true,
                        ..Run::default()
                    };
                    self.start(client, context, &Request::Run(run), lend.label, lend.reads, fds);
                }
            }
            Report::LeftBehind { .. } => {}
            Report::Done { outcome, .. } => {
                let name = lent.waiting.as_ref().map(|(lend, _)| lend.on.name.clone()).unwrap_or_default();
                self.lendings.by_operation.remove(&operation);
                if let Err(error) = outcome {
                    let told = FromSession::Failed(fault(&name, error));
                    self.tell_client(client, &told);
                }
            }
        }
        true
    }

    /// An ssh was called somewhere.
    pub(super) fn join(&mut self, key: StreamKey, order: &Value) -> io::Result<()> {
        let token = order.get("token").and_then(|id| order.number(id));
        let lent = self.lendings.by_operation.values();
        let lent = lent.into_iter().find(|lent| lent.context == key.peer && Some(lent.token) == token);
        let Some(lent) = lent else {
            self.refuse_call(key, "hopvine: it has not been lent any way\n");
            return Ok(());
        };
        let (client, rule, words) = (lent.client, lent.rule.clone(), lent.words.clone());
        let (invocation, run) = match called(order) {
            Some(Called::Run { invocation, run }) => (invocation, run),
            Some(Called::Answered(told)) => {
                self.controller.joined(key, told);
                return Ok(());
            }
            None => {
                self.refuse_call(key, "hopvine: nothing else can be asked of it\n");
                return Ok(());
            }
        };
        // What runs elsewhere names hosts: a way that it made up itself could begin, and end, on this machine.
        if rule.to.is_none() && (names_transport(&invocation.host) || invocation.host.contains('/')) {
            self.refuse_call(
                key,
                &format!("hopvine: {}: only a host can be named from there\n", invocation.host),
            );
            return Ok(());
        }
        // Whoever is there could call for whatever our user may reach, this machine first of all.
        if rule.to.is_none() && !names(&words, &invocation.host) {
            let host = &invocation.host;
            let why = format!(
                "hopvine: refused: the command that was typed does not name {host:?}; --to TARGET leads there\n"
            );
            self.refuse_call(key, &why);
            return Ok(());
        }
        let (path, terms) = match rule::way(Some(&rule), &place(&invocation), &rule.terms) {
            Ok(way) => way,
            Err(text) => {
                self.refuse_call(key, &format!("hopvine: {text}\n"));
                return Ok(());
            }
        };
        let path = self.ways.serving(path, &terms, &self.controller);
        let context = match self.reach(&path, &terms)? {
            Ok(context) => context,
            Err(Fault { name, text, lines, .. }) => {
                let said: String = lines.iter().map(|line| format!("{line}\n")).collect();
                self.refuse_call(key, &format!("{said}hopvine: {name}: {text}\n"));
                return Ok(());
            }
        };
        if let Some((used, _)) = self.use_way(&path.hops) {
            self.keep_for(client, &used);
            self.lendings.ways.insert(key, used);
        }
        self.crossings.begin(&mut self.controller, key, context, run);
        Ok(())
    }

    /// Whoever called does not want it any more.
    pub(super) fn unjoin(&mut self, key: StreamKey) {
        self.crossings.cancel(&mut self.controller, key);
        self.let_way_go(key);
    }

    fn let_way_go(&mut self, key: StreamKey) {
        if let Some(used) = self.lendings.ways.remove(&key) {
            self.done_with(&used);
        }
    }

    fn refuse_call(&mut self, key: StreamKey, why: &str) {
        self.let_way_go(key);
        self.controller.joined(key, answer(Refusal::STATUS, "", why));
    }
}

/// Whether one of the words has that name in it, which is a plain one.
fn names(words: &[Vec<u8>], host: &str) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte) || !byte.is_ascii();
    let parts = |word: &'_ Vec<u8>| word.split(|byte| !plain(byte)).any(|part| part == host.as_bytes());
    !host.is_empty() && host.bytes().all(|byte| plain(&byte)) && words.iter().any(parts)
}

/// Where an ssh was to lead.
fn place(invocation: &Invocation) -> Place {
    Place::Host {
        host: invocation.host.clone(),
        user: invocation.user.clone(),
        port: invocation.port,
        // Files that it names are on another machine.
        config: None,
        options: Vec::new(),
    }
}

/// Of a dict of texts.
fn pairs(environment: &Value) -> Vec<(Vec<u8>, Vec<u8>)> {
    let Node::Dict(pairs) = environment.node(environment.root()) else { return Vec::new() };
    let text = |id| environment.text(id).map(String::into_bytes).or_else(|| environment.bytes(id));
    pairs.iter().filter_map(|(name, value)| Some((text(*name)?, text(*value)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_program_elsewhere_reaches_what_its_words_name_and_nothing_else() {
        let words =
            ["rsync", "-a", "x/", "me@web1.lab:x/", "--rsh=ssh", "db"].map(|word| word.as_bytes().to_vec());
        for named in ["web1.lab", "db"] {
            assert!(names(&words, named), "{named}");
        }
        for other in ["web", "web1", "web2", "", "local:", "me@web1.lab", "web1.lab:x", "-a/x"] {
            assert!(!names(&words, other), "{other}");
        }
    }
}
