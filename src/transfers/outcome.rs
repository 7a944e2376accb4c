//! What has come of transfers, by what both ends tell.

use super::Plan;
use crate::controller::operation::{Answer, Report};
use crate::error::{HostError, HostErrorKind};
use crate::files::{Incoming, LocalError, Outgoing};
use crate::proto::value::{Builder, Node, Value};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const MAX_REMARKS: usize = 20;
const CHANGED: &str = "has changed while it was read";
const NO_FILE: &str = "is no file, and is left out";
const OTHER_SUM: &str = "what has come there has another SHA-1 sum than what was sent";

/// A report, and what is to be told beside it.
#[derive(Debug)]
pub struct Settled {
    pub report: Report,
    pub remarks: Vec<String>,
    /// Of what it has been fed by, which has fed others too.
    pub of_source: Vec<String>,
}

impl Settled {
    pub fn of(report: Report) -> Self {
        Self { report, remarks: Vec::new(), of_source: Vec::new() }
    }
}

/// What puts are fed by.
#[derive(Debug)]
pub(super) struct Feeder {
    pub(super) supply: Supply,
    /// How many puts are fed by it and have not ended.
    pub(super) puts: usize,
}

#[derive(Debug)]
pub(super) enum Supply {
    /// `ended`: all has been handed over.
    Here { outgoing: Box<Outgoing>, ended: bool },
    /// Another target, and what it has told.
    There(Option<Result<Value, HostError>>),
}

impl Feeder {
    /// What of it is to be told beside the result.
    pub(super) fn remarks(&self) -> Vec<String> {
        match &self.supply {
            Supply::Here { outgoing, .. } => [(outgoing.changed(), CHANGED), (outgoing.skipped(), NO_FILE)]
                .iter()
                .flat_map(|(paths, what)| paths.iter().map(|path| remark(path.as_os_str().as_bytes(), what)))
                .collect(),
            Supply::There(Some(Ok(told))) => remarks_of(told),
            Supply::There(_) => Vec::new(),
        }
    }

    /// What has come of a put, by what its target tells.
    pub(super) fn settle(
        &self,
        outcome: Result<Answer, HostError>,
        plan: &Plan,
    ) -> Result<Answer, HostError> {
        match (&self.supply, outcome) {
            (Supply::Here { outgoing, .. }, Ok(Answer::Value(told))) => {
                sent(&told, outgoing.sum(), Node::count(outgoing.sent_bytes()))
            }
            (Supply::There(there), Ok(Answer::Value(told))) => {
                let sum = |told: &Value| told.get("sum").and_then(|id| told.text(id));
                let size = told.get("size").map_or(Node::None, |id| told.node(id).clone());
                // One that has gone after all was sent has told nothing.
                let told_there = there.as_ref().and_then(|there| there.as_ref().ok());
                let expected = told_there.map_or_else(|| sum(&told), sum);
                sent(&told, expected.as_deref(), size)
            }
            (Supply::There(Some(Err(error))), Err(cut)) if is_cut(&cut) && !is_cut(error) => {
                Err(match plan {
                    Plan::PutFrom(origin) => origin.named(error.clone()),
                    Plan::None | Plan::Put(..) | Plan::Fetch(..) => error.clone(),
                })
            }
            (_, Err(cut)) if is_cut(&cut) => Err(failed(LocalError("what feeds it has gone".to_owned()))),
            (_, outcome) => outcome,
        }
    }
}

/// Whether the other end of a splice has gone: no fault of who tells it.
pub(super) fn is_cut(error: &HostError) -> bool {
    matches!(&error.kind, HostErrorKind::File { what } if what.is_empty())
}

pub(super) fn failed(LocalError(what): LocalError) -> HostError {
    HostError { hop: None, kind: HostErrorKind::File { what }, said: Vec::new() }
}

fn sent(told: &Value, sum: Option<&str>, size: Node) -> Result<Answer, HostError> {
    let there = told.get("sum").and_then(|id| told.text(id));
    if there.as_deref() != sum {
        return Err(failed(LocalError(OTHER_SUM.to_owned())));
    }
    let files = told.get("files").map_or(Node::None, |id| told.node(id).clone());
    Ok(Answer::Value(Builder::default().dict([
        ("remote_path", remote_path(told)),
        ("size", size),
        ("sha1sum", text_or_none(there)),
        ("files", files),
    ])))
}

pub(super) fn fetched(
    told: &Value,
    incoming: &mut Incoming,
    root: Option<&Path>,
) -> Result<Value, LocalError> {
    let received = incoming.finish()?.clone();
    let local = root.map_or(Node::None, |root| path_node(root.as_os_str().as_bytes().to_vec()));
    Ok(Builder::default().dict([
        ("local_path", local),
        ("remote_path", remote_path(told)),
        ("size", Node::count(received.bytes)),
        ("sha1sum", text_or_none(received.sum)),
        ("files", Node::count(received.files)),
    ]))
}

/// What the other end has to tell beside its answer.
pub(super) fn remarks(answer: &Answer) -> Vec<String> {
    match answer {
        Answer::Value(told) => remarks_of(told),
        Answer::Exhausted | Answer::Exit(_) | Answer::Killed(_) => Vec::new(),
    }
}

fn remarks_of(told: &Value) -> Vec<String> {
    let paths = |key| match told.get(key).map(|id| told.node(id)) {
        Some(Node::List(items)) => {
            items.iter().filter_map(|item| told.bytes(*item)).take(MAX_REMARKS).collect::<Vec<_>>()
        }
        _ => Vec::new(),
    };
    let all = [("changed", CHANGED), ("skipped", NO_FILE)];
    all.iter().flat_map(|(key, what)| paths(key).into_iter().map(|path| remark(&path, what))).collect()
}

fn remark(path: &[u8], what: &str) -> String {
    format!("{} {what}", String::from_utf8_lossy(path))
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
