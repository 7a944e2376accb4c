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
    /// The ways that are used so, and by what was lent for whom.
    ways: HashMap<StreamKey, (Use, OperationId)>,
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
        self.end_calls(operation);
        self.lendings.by_operation.remove(&operation);
    }

    /// What was called for by it ends with it, whether those who called say so or not.
    fn end_calls(&mut self, operation: OperationId) {
        let of = self.lendings.ways.iter().filter(|(_, (_, by))| *by == operation);
        for key in of.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.unjoin(key);
            self.controller.joined(key, answer(Refusal::STATUS, "", ""));
        }
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
                let waited = lent.waiting.as_ref().map(|(lend, _)| lend.on.name.clone());
                self.end_calls(operation);
                self.lendings.by_operation.remove(&operation);
                let told = match (outcome, waited) {
                    (Err(error), name) => fault(&name.unwrap_or_default(), error),
                    (Ok(_), Some(name)) => Fault::new(&name, "it lends no ssh".to_owned()),
                    (Ok(_), None) => return true,
                };
                self.tell_client(client, &FromSession::Failed(told));
            }
        }
        true
    }

    /// An ssh was called somewhere.
    pub(super) fn join(&mut self, key: StreamKey, order: &Value) -> io::Result<()> {
        let token = order.get("token").and_then(|id| order.number(id));
        let mut lent = self.lendings.by_operation.iter();
        let lent = lent.find(|(_, lent)| lent.context == key.peer && Some(lent.token) == token);
        let Some((by, lent)) = lent.map(|(by, lent)| (*by, lent)) else {
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
        if let Some(why) = not_named(&rule, &words, &invocation) {
            self.refuse_call(key, &why);
            return Ok(());
        }
        let (hops, context) = match self.called_for(&rule, &invocation)? {
            Ok(found) => found,
            Err(why) => {
                self.refuse_call(key, &why);
                return Ok(());
            }
        };
        if let Some((used, _)) = self.use_way(&hops) {
            self.keep_for(client, &used);
            self.lendings.ways.insert(key, (used, by));
        }
        self.crossings.begin(&mut self.controller, key, context, run);
        Ok(())
    }

    /// Returns the way that a call leads to, and the context at its end; else why there is none.
    fn called_for(
        &mut self,
        rule: &Rule,
        invocation: &Invocation,
    ) -> io::Result<Result<(String, ContextId), String>> {
        let (path, terms) = match rule::way(Some(rule), &place(invocation), &rule.terms) {
            Ok(way) => way,
            Err(text) => return Ok(Err(format!("hopvine: {text}\n"))),
        };
        let path = self.ways.serving(path, &terms, &self.controller);
        Ok(match self.reach(&path, &terms)? {
            Ok(context) => Ok((path.hops, context)),
            Err(Fault { name, text, lines, .. }) => {
                let said: String = lines.iter().map(|line| format!("{line}\n")).collect();
                Err(format!("{said}hopvine: {name}: {text}\n"))
            }
        })
    }

    /// Whoever called does not want it any more.
    pub(super) fn unjoin(&mut self, key: StreamKey) {
        self.crossings.cancel(&mut self.controller, key);
        self.let_way_go(key);
    }

    fn let_way_go(&mut self, key: StreamKey) {
        if let Some((used, _)) = self.lendings.ways.remove(&key) {
            self.done_with(&used);
        }
    }

    fn refuse_call(&mut self, key: StreamKey, why: &str) {
        self.let_way_go(key);
        self.controller.joined(key, answer(Refusal::STATUS, "", why));
    }
}

/// Why what runs elsewhere may not call for that, where nothing says to what all its calls lead.
fn not_named(rule: &Rule, words: &[Vec<u8>], invocation: &Invocation) -> Option<String> {
    let host = &invocation.host;
    if rule.to.is_some() {
        return None;
    }
    // A way that it made up itself could begin, and end, on this machine.
    if names_transport(host) || host.contains('/') {
        return Some(format!("hopvine: {host}: only a host can be named from there\n"));
    }
    // Whoever is there could call for whatever our user may reach, this machine first of all.
    let is_named = names(words, host, invocation.user.as_deref(), invocation.port);
    (!is_named).then(|| {
        format!("hopvine: refused: the command that was typed does not name {host:?} so; --to TARGET leads there\n")
    })
}

/// Whether the words name that host, alone or before a colon, with the user and port that are asked for, if any are.
fn names(words: &[Vec<u8>], host: &str, user: Option<&str>, port: Option<u16>) -> bool {
    let apart = |byte: &u8| b" \t\n;|&()<>'\"`=,".contains(byte);
    let tokens: Vec<&[u8]> = words.iter().flat_map(|word| word.split(apart)).collect();
    let has = |text: &str| tokens.contains(&text.as_bytes());
    let port = port.is_none_or(|port| has(&port.to_string()) || has(&format!("-p{port}")));
    let by_option = user.is_some_and(|user| has("-l") && has(user) || has(&format!("-l{user}")));
    let named = |token: &&[u8]| {
        let ours = token.strip_prefix(b"ssh://");
        let account =
            ours.unwrap_or(token).split(|byte| *byte == b':' || ours.is_some() && *byte == b'/').next();
        let account = String::from_utf8_lossy(account.unwrap_or_default()).into_owned();
        match account.rsplit_once('@') {
            Some((typed, named)) => named == host && user.is_none_or(|user| user == typed || by_option),
            None => account == host && (user.is_none() || by_option),
        }
    };
    !host.is_empty() && !host.contains('/') && port && tokens.iter().any(named)
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
        let words = [
            "rsync",
            "-a",
            "srv/data/",
            "me@web1.lab:x/",
            "--rsh=ssh",
            "db",
            "sh -c 'ssh app id; ssh -p 22 -l who far'",
        ];
        let words = words.map(|word| word.as_bytes().to_vec());
        let named = |host: &str| names(&words, host, None, None);
        for host in ["web1.lab", "db", "app", "far"] {
            assert!(named(host), "{host}");
        }
        for host in
            ["web", "web1", "", "local:", "me@web1.lab", "web1.lab:x", "data", "srv", "x", "srv/data/"]
        {
            assert!(!named(host), "{host}");
        }
        assert!(names(&words, "web1.lab", Some("me"), None) && names(&words, "far", Some("who"), Some(22)));
        assert!(!names(&words, "db", Some("root"), None) && !names(&words, "db", None, Some(2222)));
    }
}
