//! Files of the verbs `put` and `fetch`, between this machine's disk and the controller.

use crate::controller::feed::Feed;
use crate::controller::fleet::Place;
use crate::controller::operation::{Answer, OperationId, Report, Transfer};
use crate::controller::{Controller, Note, Weight};
use crate::error::HostErrorKind;
use crate::files::{Incoming, LocalError, Outgoing, Source};
use crate::proto::entry::Piece;
use crate::proto::message::ToAgent;
use crate::proto::value::{Builder, Node, Value};
use crate::report::Moved;
use crate::sys::{clock, identity};
use std::collections::HashMap;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How much of a file may wait here for the credit of its reader.
const MAX_UNSENT_BYTES: usize = 256 * 1024;

/// How much of a file is read before anybody else has a turn.
const MAX_READ_BYTES: u64 = 1024 * 1024;
const MAX_REMARKS: usize = 20;
const CHANGED: &str = "has changed while it was read";
const NO_FILE: &str = "is no file, and is left out";

/// What is moved, and where it comes from or goes to on this machine.
#[derive(Clone, Debug)]
pub(super) enum Plan {
    /// No files are moved.
    None,
    Put(Source, Transfer),
    /// For each target where it goes; nowhere is standard output.
    Fetch(Vec<Option<PathBuf>>, Transfer),
}

/// The transfers that run.
#[derive(Debug)]
pub(super) struct Transfers {
    plan: Plan,
    /// What each target will get, in bytes, where that is known.
    each: Option<u64>,
    running: HashMap<OperationId, Running>,
}

#[derive(Debug)]
enum Running {
    /// `ended`: all has been handed over.
    Out {
        outgoing: Box<Outgoing>,
        ended: bool,
    },
    In(Box<Incoming>, Option<PathBuf>),
    /// This end cannot go on, whatever the other says.
    Failed(LocalError),
}

impl Transfers {
    pub(super) fn new(plan: Plan) -> Self {
        let each = match &plan {
            Plan::Put(Source::Local { path, .. }, _) => {
                std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|info| info.len())
            }
            Plan::Put(Source::Pushed, _) | Plan::Fetch(..) | Plan::None => None,
        };
        Self { plan, each, running: HashMap::new() }
    }

    /// Whether files go out.
    pub(super) fn send(&self) -> bool {
        matches!(self.plan, Plan::Put(..))
    }

    /// What each target will get, where that is known.
    pub(super) fn bytes_for_each(&self) -> Option<u64> {
        self.each
    }

    /// Whether more than one file is moved.
    pub(super) fn tree(&self) -> bool {
        match &self.plan {
            Plan::Put(_, how) | Plan::Fetch(_, how) => how.tree,
            Plan::None => false,
        }
    }

    /// How far a transfer is.
    pub(super) fn moved(&self, operation: OperationId, controller: &Controller) -> Option<Moved> {
        Some(match self.running.get(&operation)? {
            Running::Out { outgoing, .. } => Moved {
                bytes: outgoing.sent_bytes().saturating_sub(controller.unread(operation) as u64),
                total_bytes: self.each,
                files: outgoing.sent_files(),
            },
            Running::In(incoming, _) => {
                let (bytes, total_bytes) = incoming.progress();
                Moved { bytes, total_bytes, files: incoming.received().files }
            }
            Running::Failed(_) => Moved::default(),
        })
    }

    pub(super) fn start(&mut self, operation: OperationId, place: Place) {
        let running = match &self.plan {
            Plan::None => return,
            Plan::Put(source, how) => {
                Running::Out { outgoing: Box::new(Outgoing::new(source, how.packed)), ended: false }
            }
            Plan::Fetch(roots, how) => {
                let root = roots.get(place).cloned().flatten();
                let mask = identity::umask();
                let incoming = Incoming::new(root.clone(), how.tree, how.keep, how.packed, mask);
                Running::In(Box::new(incoming), root)
            }
        };
        self.running.insert(operation, running);
    }

    /// Sends as much as there is room for; returns whether there is room for more.
    ///
    /// # Errors
    ///
    /// When the spool of standard input cannot be read.
    pub(super) fn feed(
        &mut self,
        operation: OperationId,
        controller: &mut Controller,
        mut feed: Option<&mut Feed>,
    ) -> io::Result<bool> {
        let mut limit = None;
        while controller.unread(operation) < MAX_UNSENT_BYTES {
            let Some(Running::Out { outgoing, ended }) = self.running.get_mut(&operation) else { break };
            if *ended {
                break;
            }
            if outgoing.sent_bytes() >= *limit.get_or_insert(outgoing.sent_bytes() + MAX_READ_BYTES) {
                return Ok(true);
            }
            let (pieces, end) = match &mut feed {
                Some(feed) => {
                    let Some((chunk, last)) = feed.next_chunk(operation)? else { break };
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
                        controller.send(operation, &ToAgent::File(piece), false);
                    }
                    if end {
                        *ended = true;
                        controller.send(operation, &ToAgent::File(Piece::Content(Vec::new())), true);
                    }
                }
                Err(error) => self.give_up(operation, error, controller),
            }
        }
        Ok(false)
    }

    fn give_up(&mut self, operation: OperationId, error: LocalError, controller: &mut Controller) {
        controller.abandon(operation, error.0.clone(), clock::now());
        self.running.insert(operation, Running::Failed(error));
    }

    /// Takes a piece of what is fetched; returns what is for standard output.
    pub(super) fn take(
        &mut self,
        operation: OperationId,
        piece: Piece,
        controller: &mut Controller,
    ) -> Vec<u8> {
        let Some(Running::In(incoming, _)) = self.running.get_mut(&operation) else { return Vec::new() };
        incoming.take(piece).unwrap_or_else(|error| {
            self.give_up(operation, error, controller);
            Vec::new()
        })
    }

    /// What comes of a transfer that has ended, in the place of what the other end says.
    pub(super) fn settle(&mut self, report: Report, target: &str) -> (Report, Vec<Note>) {
        let Report::Done { operation, outcome } = report else { return (report, Vec::new()) };
        let (Some(running), Ok(Answer::Value(told))) = (self.running.remove(&operation), &outcome) else {
            return (Report::Done { operation, outcome }, Vec::new());
        };
        let mut notes = remarks(told, target);
        if let Running::Out { outgoing, .. } = &running {
            let told = [(outgoing.changed(), CHANGED), (outgoing.skipped(), NO_FILE)];
            notes.extend(told.iter().flat_map(|(paths, what)| {
                paths.iter().map(|path| remark(path.as_os_str().as_bytes(), what, target))
            }));
        }
        let outcome = match running {
            Running::Out { outgoing, .. } => sent(told, &outgoing),
            Running::In(mut incoming, root) => fetched(told, &mut incoming, root.as_deref()),
            Running::Failed(error) => Err(error),
        };
        let outcome = outcome.map(Answer::Value).map_err(|LocalError(what)| crate::error::HostError {
            hop: None,
            kind: HostErrorKind::File { what },
            said: Vec::new(),
        });
        (Report::Done { operation, outcome }, notes)
    }
}

fn sent(told: &Value, outgoing: &Outgoing) -> Result<Value, LocalError> {
    let there = told.get("sum").and_then(|id| told.text(id));
    if there.as_deref() != outgoing.sum() {
        return Err(LocalError("what has come there has another SHA-1 sum than what was sent".to_owned()));
    }
    let files = told.get("files").map_or(Node::None, |id| told.node(id).clone());
    Ok(Builder::default().dict([
        ("remote_path", remote_path(told)),
        ("size", number(outgoing.sent_bytes())),
        ("sha1sum", text_or_none(there)),
        ("files", files),
    ]))
}

fn fetched(told: &Value, incoming: &mut Incoming, root: Option<&Path>) -> Result<Value, LocalError> {
    let received = incoming.finish()?.clone();
    let local = root.map_or(Node::None, |root| path_node(root.as_os_str().as_bytes().to_vec()));
    Ok(Builder::default().dict([
        ("local_path", local),
        ("remote_path", remote_path(told)),
        ("size", number(received.bytes)),
        ("sha1sum", text_or_none(received.sum)),
        ("files", number(received.files)),
    ]))
}

/// What the other end has to tell beside the result.
fn remarks(told: &Value, target: &str) -> Vec<Note> {
    let all = [("changed", CHANGED), ("skipped", NO_FILE)];
    let paths = |key| match told.get(key).map(|id| told.node(id)) {
        Some(Node::List(items)) => {
            items.iter().filter_map(|item| told.bytes(*item)).take(MAX_REMARKS).collect()
        }
        _ => Vec::new(),
    };
    all.iter()
        .flat_map(|(key, what)| {
            paths(key).into_iter().map(|path| remark(&path, what, target)).collect::<Vec<_>>()
        })
        .collect()
}

fn remark(path: &[u8], what: &str, target: &str) -> Note {
    let text = format!("{} {what}", String::from_utf8_lossy(path));
    Note { weight: Weight::Warning, target: target.to_owned(), text }
}

fn remote_path(told: &Value) -> Node {
    told.get("path").and_then(|id| told.bytes(id)).map_or(Node::None, path_node)
}

fn path_node(path: Vec<u8>) -> Node {
    if std::str::from_utf8(&path).is_ok() { Node::Text(path) } else { Node::Bytes(path) }
}

fn text_or_none(text: Option<String>) -> Node {
    text.map_or(Node::None, |text| Node::Text(text.into_bytes()))
}

fn number(count: u64) -> Node {
    Node::Int(i64::try_from(count).unwrap_or(i64::MAX))
}
