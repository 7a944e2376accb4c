//! The tunnels of a guest: contexts that it holds, and the streams on which it hears of them.

use super::Session;
use super::telling::error_message;
use crate::controller::RANDOM_BYTES;
use crate::controller::operation::{OperationId, Report};
use crate::controller::secrets::{Secret, User};
use crate::error::{HostError, HostErrorKind, Loss};
use crate::hosts::inventory::Said;
use crate::hosts::target::Target;
use crate::proto::ids::ContextId;
use crate::proto::message::ToGuest;
use crate::proto::stream::StreamKey;
use crate::proto::value::{Builder, Node, Value};
use crate::sys::{clock, random};
use std::collections::HashMap;
use std::io;
use std::time::Duration;

/// Longer than anybody waits, and short enough for every clock.
const MAX_CONNECT_TIMEOUT: Duration = Duration::from_secs(365 * 86_400);

#[derive(Debug)]
pub(super) struct Tunnel {
    pub(super) context: ContextId,
    pub(super) name: String,
    stream: StreamKey,
    /// The guest does not want it any more.
    closed: bool,
}

#[derive(Debug, Default)]
pub(super) struct Tunnels {
    by_number: HashMap<u32, Tunnel>,
    by_stream: HashMap<StreamKey, u32>,
    /// What tells that one runs, and that one has gone.
    watches: HashMap<OperationId, u32>,
}

impl Tunnels {
    pub(super) fn get(&self, number: u32) -> Option<&Tunnel> {
        self.by_number.get(&number).filter(|tunnel| !tunnel.closed)
    }

    /// A tunnel that leads to a context.
    pub(super) fn of(&self, context: ContextId) -> Option<u32> {
        let leads = self.by_number.iter().filter(|(_, tunnel)| tunnel.context == context && !tunnel.closed);
        leads.map(|(number, _)| *number).min()
    }

    fn remove(&mut self, number: u32) -> Option<Tunnel> {
        let tunnel = self.by_number.remove(&number)?;
        self.by_stream.remove(&tunnel.stream);
        self.watches.retain(|_, of| *of != number);
        Some(tunnel)
    }
}

impl Session {
    /// One tunnel more: its hops are started, or it takes part in those that run.
    pub(super) fn open(&mut self, key: StreamKey, asked: &Value) -> io::Result<()> {
        let number = asked.get("tunnel").and_then(|id| asked.number(id));
        let typed = asked.get("target").and_then(|id| asked.text(id));
        let (Some(number), Some(typed)) = (number, typed) else {
            self.refuse(key, "a tunnel without a number or a target");
            return Ok(());
        };
        if self.desk.tunnels.by_number.contains_key(&number) {
            self.refuse(key, "there is a tunnel of that number");
            return Ok(());
        }
        if let Err(error) = self.take_options(asked) {
            self.refuse_as(key, "usage", &format!("{typed}: {error}"));
            return Ok(());
        }
        let settings = self.controller.settings_mut();
        let mut target = match settings.inventory.target(&typed, Said::default()) {
            Ok(target) => target,
            Err(error) => {
                self.refuse_as(key, "usage", &error.to_string());
                return Ok(());
            }
        };
        if let (Some(python), Some(hop)) =
            (asked.get("python").and_then(|id| asked.text(id)), target.hops.last_mut())
        {
            hop.python = Some(python);
        }
        let random = target.hops.iter().map(|_| random::bytes()).collect::<io::Result<Vec<_>>>()?;
        match self.connect(number, key, &target, &random) {
            Ok(()) => {}
            Err(error) => self.streams.send(key, error_message(&target.name, &error), true),
        }
        Ok(())
    }

    fn connect(
        &mut self,
        number: u32,
        stream: StreamKey,
        target: &Target,
        random: &[[u8; RANDOM_BYTES]],
    ) -> Result<(), HostError> {
        let context = self.controller.connect(target, random, clock::now())?;
        let tunnels = &mut self.desk.tunnels;
        let tunnel = Tunnel { context, name: target.name.clone(), stream, closed: false };
        tunnels.by_number.insert(number, tunnel);
        tunnels.by_stream.insert(stream, number);
        let watches = [self.controller.await_opening(context), self.controller.await_end(context)];
        tunnels.watches.extend(watches.map(|operation| (operation, number)));
        Ok(())
    }

    /// What is to hold for a tunnel that is about to be connected.
    fn take_options(&mut self, asked: &Value) -> Result<(), String> {
        let base = self.base.clone();
        let settings = self.controller.settings_mut();
        let secret = |name| asked.get(name).and_then(|id| asked.bytes(id)).map(Secret::new);
        settings.secrets.login = secret("login").or(base.secrets.login);
        settings.secrets.become_other = secret("become").or(base.secrets.become_other);
        settings.secrets.user = User::Away;
        settings.connect_timeout = match asked.get("connect_timeout").map(|id| asked.node(id)) {
            Some(Node::Float(seconds)) => {
                Duration::try_from_secs_f64(*seconds).map_err(|error| format!("connect_timeout: {error}"))?
            }
            Some(Node::Int(seconds)) => Duration::from_secs(
                u64::try_from(*seconds).map_err(|error| format!("connect_timeout: {error}"))?,
            ),
            _ => base.connect_timeout,
        }
        .min(MAX_CONNECT_TIMEOUT);
        if let Some(limit) = asked.get("depth_limit").and_then(|id| asked.number(id)) {
            settings.depth_limit = limit;
        }
        let Some(Node::Dict(commands)) = asked.get("exec").map(|id| asked.node(id)) else { return Ok(()) };
        for (name, words) in commands {
            let (Some(name), Node::List(words)) = (asked.text(*name), asked.node(*words)) else {
                return Err("exec: a dict of names and lists of words".to_owned());
            };
            let words: Option<Vec<String>> = words.iter().map(|word| asked.text(*word)).collect();
            settings.inventory.add_exec(name, &words.unwrap_or_default())?;
        }
        Ok(())
    }

    /// A tunnel runs, or has gone.
    pub(super) fn tunnel_has(&mut self, operation: OperationId, report: Report) {
        let Report::Done { outcome, .. } = report else { return };
        let Some(number) = self.desk.tunnels.watches.remove(&operation) else { return };
        let Some(tunnel) = self.desk.tunnels.by_number.get(&number) else { return };
        match outcome {
            Ok(_) => {
                let python = self.controller.python(tunnel.context);
                let opened = Builder::default().dict([
                    ("python", Node::Int(python.into())),
                    ("name", Node::Text(tunnel.name.clone().into_bytes())),
                ]);
                self.streams.send(tunnel.stream, ToGuest::Opened(opened).encode(), false);
            }
            Err(error) => {
                let Some(tunnel) = self.desk.tunnels.remove(number) else { return };
                self.desk.grants.retain(|_, to| *to != number);
                if tunnel.closed {
                    self.streams.confirm(tunnel.stream);
                } else {
                    self.streams.send(tunnel.stream, error_message(&tunnel.name, &error), true);
                    self.controller.close(tunnel.context);
                }
            }
        }
    }

    /// The guest has done with a tunnel; it is told when that has gone, unless others need it.
    pub(super) fn close(&mut self, key: StreamKey) {
        let Some(number) = self.desk.tunnels.by_stream.get(&key).copied() else { return };
        let Some(tunnel) = self.desk.tunnels.by_number.get_mut(&number) else { return };
        if std::mem::replace(&mut tunnel.closed, true) {
            return;
        }
        let context = tunnel.context;
        self.controller.close(context);
        if !self.controller.is_leaving(context) {
            self.desk.tunnels.remove(number);
            self.streams.confirm(key);
        }
    }

    /// Whom a tunnel leads to, and what that is called.
    pub(super) fn context_of(&self, number: u32) -> Result<(ContextId, String), HostError> {
        let gone = || HostError {
            hop: None,
            kind: HostErrorKind::LinkLost { why: Loss::Ended { exit: None } },
            said: Vec::new(),
        };
        self.desk.tunnels.get(number).map(|tunnel| (tunnel.context, tunnel.name.clone())).ok_or_else(gone)
    }
}
