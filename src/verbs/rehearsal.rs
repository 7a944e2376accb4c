//! What would be done, and where, for those who want to see that first.

use super::prepare::Prepared;
use crate::cli;
use crate::controller::operation::{Put, Request};
use crate::error::{ExitCode, HostError, Outcome};
use crate::files::Source;
use crate::hosts::target::{Hop, Target, Way};
use crate::payload;
use crate::proto::json;
use crate::proto::value::{Node, NodeId, Value};
use crate::report;
use crate::report::terminal::one_line;
use crate::transfers::Plan;
use std::io;
use std::path::Path;

/// A longer argument is not shown.
const MAX_ARGUMENT_BYTES: usize = 4096;

/// Prints a line for each target; nobody is contacted.
pub(super) fn tell(prepared: &Prepared, typed: &cli::Fleet) -> io::Result<ExitCode> {
    let (mut text, mut outcomes) = (String::new(), Vec::new());
    for (place, target) in prepared.targets.iter().enumerate() {
        let name = quoted(&target.name);
        if typed.list_hosts {
            text += &if typed.reach.json {
                format!("{{\"target\":{name}}}\n")
            } else {
                format!("{}\n", one_line(&target.name))
            };
            continue;
        }
        let refused = refused(prepared, target);
        outcomes.push(refused.as_ref().map_or_else(HostError::outcome, |()| Outcome::Done(0)));
        match (typed.reach.json, refused) {
            (true, told) => {
                let told = match told {
                    Ok(()) => format!("\"what\":{}", quoted(&what(prepared, place))),
                    Err(error) => {
                        let (kind, message) = (quoted(error.word()), quoted(&error.to_string()));
                        format!("\"error\":{{\"kind\":{kind},\"message\":{message}}}")
                    }
                };
                text += &format!("{{\"target\":{name},\"path\":{},{told}}}\n", quoted(&path(target)));
            }
            (false, Ok(())) => {
                text += &(one_line(&format!("{}: {}", seen(target), what(prepared, place))) + "\n");
            }
            (false, Err(error)) => {
                let advice = error.advice().map(|advice| format!("\n    try: {advice}")).unwrap_or_default();
                report::complain(&format!("{}: {error}{advice}", target.name));
            }
        }
    }
    report::bytes(text.as_bytes()).map(|()| ExitCode::of(&outcomes))
}

/// What can be told of a failure before anybody is contacted.
fn refused(prepared: &Prepared, target: &Target) -> Result<(), HostError> {
    if let Plan::PutFrom(origin) = &prepared.files {
        prepared.settings.check_hops(&origin.target).map_err(|error| origin.named(error))?;
    }
    prepared.settings.check_hops(target)
}

fn quoted(text: &str) -> String {
    json::text_or_bytes(text.as_bytes())
}

pub(super) fn path(target: &Target) -> String {
    target.hops.iter().map(told).collect::<Vec<_>>().join("/")
}

/// With those of its options that lead elsewhere, or to something else.
fn told(hop: &Hop) -> String {
    let mut told = hop.to_string();
    if let Way::Ssh(ssh) = &hop.way {
        ssh.options.iter().for_each(|option| told += &format!(" opt={option}"));
    }
    hop.python.iter().for_each(|python| told += &format!(" python={python}"));
    told
}

/// The name, and the way where the name does not tell it.
fn seen(target: &Target) -> String {
    let path = path(target);
    if path == target.name || path == format!("ssh:{}", target.name) {
        target.name.clone()
    } else {
        format!("{} ({path})", target.name)
    }
}

fn what(prepared: &Prepared, place: usize) -> String {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match (&prepared.request, &prepared.files) {
        // The script is ours, and tells nobody anything.
        (Request::Run(run), _)
            if run.words.get(2).is_some_and(|word| word == payload::INSTALL.as_bytes()) =>
        {
            let path = run.words.get(4).map(|path| lossy(path)).filter(|path| !path.is_empty());
            format!(
                "install this program {}",
                path.map_or("in its usual place".into(), |path| format!("as {path}"))
            )
        }
        (Request::Run(run), _) => {
            let words: Vec<_> = run.words.iter().map(|word| lossy(word)).collect();
            format!("run {}", words.join(" "))
        }
        (Request::Call { function, arguments, .. }, _) => format!("call {function}({})", passed(arguments)),
        (Request::Watch { function, arguments }, _) => format!("watch {function}({})", passed(arguments)),
        (Request::Script(script), _) => {
            format!("script {} {}", script.name, script.words.join(" ")).trim_end().to_owned()
        }
        (Request::Put(Put { path, .. }, ..), plan) => {
            let from = match plan {
                Plan::Put(Source::Local { path, .. }, _) => path.display().to_string(),
                Plan::PutFrom(origin) => format!("{} of {}", lossy(&origin.fetch.path), origin.target.name),
                _ => "standard input".to_owned(),
            };
            format!("put {from} to {}", path.as_deref().map_or_else(|| "a temporary file".to_owned(), lossy))
        }
        (Request::Fetch(fetch), plan) => {
            let to = match plan {
                Plan::Fetch(paths, _) => paths.get(place).and_then(|path| path.as_deref()),
                _ => None,
            };
            format!(
                "fetch {} to {}",
                lossy(&fetch.path),
                to.map_or("standard output".into(), Path::to_string_lossy)
            )
        }
        (Request::Dial(dial), _) => format!("connect to {} port {}", dial.host, dial.port),
        (Request::Builtin(name), _) => (*name).to_owned(),
        (Request::Channel(_), _) => "open a channel".to_owned(),
        (Request::Lend(_), _) => "lead an ssh elsewhere".to_owned(),
    }
}

/// The arguments of a call, as JSON.
fn passed(arguments: &Value) -> String {
    let shown = |id: &NodeId| {
        json::part_to_json(arguments, *id, MAX_ARGUMENT_BYTES).unwrap_or_else(|| "...".to_owned())
    };
    let Node::Tuple(both) = arguments.node(arguments.root()) else { return String::new() };
    let words = both.iter().flat_map(|id| match arguments.node(*id) {
        Node::Tuple(positional) => positional.iter().map(shown).collect(),
        Node::Dict(named) => {
            let name = |id: &NodeId| arguments.text(*id).unwrap_or_default();
            named.iter().map(|(key, value)| format!("{}={}", name(key), shown(value))).collect()
        }
        _ => Vec::new(),
    });
    words.collect::<Vec<_>>().join(", ")
}
