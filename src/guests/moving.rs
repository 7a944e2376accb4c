//! Files that a guest has put or fetched: one stream for each order, on which comes what has become of it for
//! each of its tunnels.

use super::Session;
use super::telling::error_node;
use crate::controller::Controller;
use crate::controller::fleet::Begun;
use crate::controller::operation::{Answer, Feed, Fetch, OperationId, Put, Report, Request, Said, Transfer};
use crate::error::HostError;
use crate::files::{self, Source};
use crate::mux::Mux;
use crate::proto::message::ToGuest;
use crate::proto::stream::StreamKey;
use crate::proto::value::{Builder, Node, Value};
use crate::sys::clock;
use crate::transfers::{Plan, Settled, Transfers};
use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// One order.
#[derive(Debug)]
pub(super) struct Moving {
    asker: Asker,
    transfers: Transfers,
    /// Those that run: whose tunnel's they are, and what that is called.
    running: HashMap<OperationId, (u32, String)>,
    /// To be asked again, alone, where one is left behind.
    request: Request,
    cancelled: bool,
}

/// Who is told what has come of it, and on which stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    Guest(StreamKey),
    /// Remote code.
    Context(StreamKey),
}

impl Moving {
    /// Of which nothing runs yet.
    pub(super) fn new(asker: Asker, plan: Plan, request: Request) -> Self {
        let (transfers, running) = (Transfers::new(plan), HashMap::new());
        Self { asker, transfers, running, request, cancelled: false }
    }

    /// One runs, for that tunnel.
    pub(super) fn begin(&mut self, begun: Begun, tunnel: (u32, String), mux: &mut Mux) {
        self.running.insert(begun.operation, tunnel);
        self.transfers.start(begun, || mux.unfinished());
    }

    /// Stops all that runs; how they end is told.
    pub(super) fn stop(&mut self, controller: &mut Controller) {
        for operation in self.running.keys() {
            controller.cancel(*operation, clock::now());
        }
    }
}

impl Session {
    /// A file, or a tree, to several tunnels: what is behind one relay goes there once.
    pub(super) fn put(&mut self, key: StreamKey, order: &Value) {
        let transfer = transfer(order);
        let (Some(local), Some(Node::List(numbers))) =
            (path(order, "local"), order.get("tunnels").map(|id| order.node(id)))
        else {
            return self.refuse(key, "a put without a file or tunnels");
        };
        let numbers: Vec<u32> = numbers.iter().filter_map(|id| order.number(*id)).collect();
        let mode = order.get("mode").and_then(|id| order.number(id));
        let remote = order.get("remote").and_then(|id| order.bytes(id));
        let request =
            Request::Put(Put { path: remote, mode, stdin: Feed::Nothing, foreign: false, transfer });
        let source = Source::Local { path: local, tree: transfer.tree };
        let mut found = Vec::new();
        for number in numbers {
            match self.context_of(number) {
                Ok((context, host)) => found.push((number, context, host)),
                Err(error) => self.tell_moved(Asker::Guest(key), number, "", &Err(error), false),
            }
        }
        let contexts: Vec<_> = found.iter().map(|(_, context, _)| *context).collect();
        let submitted = self.controller.submit_put(&contexts, &request, clock::now());
        let mut moving = Moving::new(Asker::Guest(key), Plan::Put(source, transfer), request);
        for (place, (put, (number, _, host))) in submitted.into_iter().zip(found).enumerate() {
            moving.begin(
                Begun { operation: put.operation, feeder: put.feeder, place },
                (number, host),
                &mut self.mux,
            );
        }
        if moving.running.is_empty() {
            return self.streams.send(key, Vec::new(), true);
        }
        self.desk.moving.push(moving);
    }

    pub(super) fn fetch(&mut self, key: StreamKey, order: &Value) {
        let transfer = transfer(order);
        let number = order.get("tunnel").and_then(|id| order.number(id));
        let (Some(number), Some(remote)) = (number, order.get("remote").and_then(|id| order.bytes(id)))
        else {
            return self.refuse(key, "a fetch without a path or a tunnel");
        };
        let local = path(order, "local")
            .map_or_else(|| files::fresh_name().map(|name| std::env::temp_dir().join(name)), io::Result::Ok);
        let local = match local {
            Ok(local) => local,
            Err(error) => return self.refuse_as(key, "file", &format!("no temporary file: {error}")),
        };
        let (context, host) = match self.context_of(number) {
            Ok(found) => found,
            Err(error) => return self.tell_moved(Asker::Guest(key), number, "", &Err(error), true),
        };
        let request = Request::Fetch(Fetch { path: remote, transfer });
        let operation = self.controller.submit(context, &request, clock::now());
        let plan = Plan::Fetch(vec![Some(local)], transfer);
        let mut moving = Moving::new(Asker::Guest(key), plan, request);
        moving.begin(Begun { operation, feeder: operation, place: 0 }, (number, host), &mut self.mux);
        self.desk.moving.push(moving);
    }

    /// Whether what comes has to wait for the next turn.
    pub(super) fn is_paused(&self) -> bool {
        self.desk.moving.iter().any(|moving| moving.transfers.pause())
    }

    /// Takes what a report says of files; returns whether it was about any.
    pub(super) fn has_moved(&mut self, report: &Report) -> bool {
        let operation = report.operation();
        let about =
            |moving: &Moving| moving.running.contains_key(&operation) || moving.transfers.feeds(operation);
        let Some(at) = self.desk.moving.iter().position(about) else { return false };
        let mut moving = self.desk.moving.swap_remove(at);
        match report {
            Report::Said { source, said, .. } => {
                if let Said::Piece(piece) = said {
                    moving.transfers.take(operation, piece.clone(), &mut self.controller);
                }
                self.controller.consumed(*source, clock::now());
            }
            Report::LeftBehind { deadline, .. } => {
                moving.transfers.forget(operation, &mut self.controller);
                if let Some((number, host)) = moving.running.remove(&operation)
                    && let Ok((context, _)) = self.context_of(number)
                {
                    let again = self.controller.submit(context, &moving.request, clock::now());
                    self.controller.keep_deadline(again, *deadline);
                    moving.begin(
                        Begun { operation: again, feeder: again, place: 0 },
                        (number, host),
                        &mut self.mux,
                    );
                }
            }
            Report::Done { .. } => {
                let settled = moving.transfers.settle(report.clone(), &mut self.controller);
                settled.into_iter().for_each(|settled| self.settled(&mut moving, settled));
            }
        }
        if moving.running.is_empty() {
            if let (true, Asker::Guest(key)) = (moving.cancelled, moving.asker) {
                self.streams.confirm(key);
            }
        } else {
            self.desk.moving.push(moving);
        }
        true
    }

    fn settled(&mut self, moving: &mut Moving, settled: Settled) {
        let Settled { report: Report::Done { operation, outcome }, remarks, of_source } = settled else {
            return;
        };
        let Some((number, host)) = moving.running.remove(&operation) else { return };
        for remark in remarks.iter().chain(&of_source) {
            self.note("warning", &host, remark);
        }
        if !moving.cancelled {
            self.tell_moved(moving.asker, number, &host, &outcome, moving.running.is_empty());
        }
    }

    fn tell_moved(
        &mut self,
        asker: Asker,
        number: u32,
        host: &str,
        outcome: &Result<Answer, HostError>,
        last: bool,
    ) {
        let mut builder = Builder::default();
        let told = match outcome {
            Ok(Answer::Value(value)) => builder.copy(value),
            Ok(Answer::Exhausted | Answer::Exit(_) | Answer::Killed(_)) => builder.add(Node::None),
            Err(error) => error_node(&mut builder, host, error),
        };
        let number = builder.add(Node::Int(number.into()));
        let fields = [number, builder.add(Node::Bool(outcome.is_ok())), told];
        match asker {
            Asker::Guest(key) => {
                let root = builder.add(Node::Tuple(fields.to_vec()));
                self.streams.send(key, ToGuest::Moved(builder.finish(root)).encode(), last);
            }
            Asker::Context(key) => {
                let root = builder.add(Node::Tuple(fields[1..].to_vec()));
                self.controller.joined(key, builder.finish(root));
            }
        }
    }

    /// Stops what the guest does not want any more; returns whether there was such an order.
    pub(super) fn stop_moving(&mut self, key: StreamKey) -> bool {
        let Some(moving) = self.desk.moving.iter_mut().find(|moving| moving.asker == Asker::Guest(key))
        else {
            return false;
        };
        moving.cancelled = true;
        moving.stop(&mut self.controller);
        true
    }

    /// Sends as much of files as there is room for; returns whether there is more to send at once.
    pub(super) fn feed_moving(&mut self) -> bool {
        let mut more = false;
        for moving in &mut self.desk.moving {
            moving.transfers.next_turn(false);
            for feeder in moving.transfers.feeders() {
                more |= moving.transfers.feed(feeder, &mut self.controller, None);
            }
        }
        more
    }
}

fn path(order: &Value, name: &str) -> Option<PathBuf> {
    order.get(name).and_then(|id| order.bytes(id)).map(|bytes| OsString::from_vec(bytes).into())
}

pub(super) fn transfer(order: &Value) -> Transfer {
    let flag = |name| order.get(name).is_some_and(|id| order.is_true(id));
    Transfer { tree: flag("tree"), keep: flag("keep"), packed: flag("packed") }
}
