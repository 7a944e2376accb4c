//! What would be done, and where, for those who want to see that first.

use super::files::Plan;
use super::prepare::Prepared;
use crate::cli;
use crate::controller::operation::{Put, Request};
use crate::error::ExitCode;
use crate::files::Source;
use crate::hosts::target::Target;
use crate::proto::json;
use crate::report;
use crate::report::terminal::one_line;
use std::io;
use std::path::Path;

/// Prints a line for each target; nobody is contacted.
pub(super) fn tell(prepared: &Prepared, typed: &cli::Fleet) -> io::Result<ExitCode> {
    let mut text = String::new();
    for (place, target) in prepared.targets.iter().enumerate() {
        let what = what(prepared, place);
        text += &match (typed.reach.json, typed.list_hosts) {
            (true, true) => format!("{{\"target\":{}}}\n", quoted(&target.name)),
            (true, false) => {
                let path = quoted(&path(target));
                format!(
                    "{{\"target\":{},\"path\":{path},\"what\":{}}}\n",
                    quoted(&target.name),
                    quoted(&what)
                )
            }
            (false, true) => format!("{}\n", one_line(&target.name)),
            (false, false) => one_line(&format!("{}: {what}", seen(target))) + "\n",
        };
    }
    report::bytes(text.as_bytes()).map(|()| ExitCode::Success)
}

fn quoted(text: &str) -> String {
    json::text_or_bytes(text.as_bytes())
}

fn path(target: &Target) -> String {
    target.hops.iter().map(ToString::to_string).collect::<Vec<_>>().join("/")
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
        (Request::Run(run), _) => {
            let words: Vec<_> = run.words.iter().map(|word| lossy(word)).collect();
            format!("run {}", words.join(" "))
        }
        (Request::Call { function, .. }, _) => format!("call {function}"),
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
        (Request::Builtin(name), _) => (*name).to_owned(),
    }
}
