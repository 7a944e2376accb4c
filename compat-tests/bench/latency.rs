//! What a call waits for while a file is on its way over the same link, beside what it waits for alone.
//!
//! `latency PYTHON TARGET FILE` puts endlessly to FILE there; it prints one JSON object, in milliseconds.

#[path = "../tunnel.rs"]
mod tunnel;

use hopvine::controller::operation::{Feed, OperationId, Put, Report, Request, Transfer, no_arguments};
use hopvine::modules::Library;
use hopvine::proto::entry::{Entry, EntryKind, PIECE_BYTES, Piece};
use hopvine::proto::message::{Own, ToAgent};
use hopvine::report;
use hopvine::sys::clock;
use serde::Serialize;
use std::io;
use std::process::ExitCode;
use std::time::Duration;
use tunnel::{Failure, Tunnel};

const CALLS: usize = 500;
/// The first ones import, and open windows.
const WARM_UP_CALLS: usize = 50;
/// More than goes out while a call is on its way.
const UNSENT_BYTES: usize = 8 * 1024 * 1024;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let [python, target, file] = &words[..] else {
        report::complain("usage: latency PYTHON TARGET FILE");
        return ExitCode::FAILURE;
    };
    match measure(python.clone(), target, file) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report::complain(&failure.to_string());
            ExitCode::FAILURE
        }
    }
}

fn measure(python: String, target: &str, file: &str) -> Result<(), Failure> {
    let mut tunnel = Tunnel::open(target, python, Library::default())?;
    let alone = calls(&mut tunnel, None)?;
    let transfer = Transfer { tree: false, keep: false, packed: false };
    let put = Put { path: Some(file.as_bytes().to_vec()), mode: None, stdin: Feed::Piped, transfer };
    let put = tunnel.submit(&Request::Put(put));
    let kind = EntryKind::File { size: None };
    let entry = Entry { name: Vec::new(), mode: 0o600, mtime_ns: 0, kind };
    tunnel.controller.send(put, &ToAgent::File(Piece::Entry(entry)), false);
    let beside = calls(&mut tunnel, Some(put))?;
    tunnel.controller.cancel(put, clock::now());
    tunnel.close()?;
    let figures = Figures {
        alone_ms: at(&alone, 50),
        alone_p99_ms: at(&alone, 99),
        beside_ms: at(&beside, 50),
        beside_p99_ms: at(&beside, 99),
    };
    let line = serde_json::to_string(&figures).map_err(io::Error::from)?;
    Ok(report::bytes(format!("{line}\n").as_bytes())?)
}

#[derive(Serialize)]
struct Figures {
    alone_ms: f64,
    alone_p99_ms: f64,
    beside_ms: f64,
    beside_p99_ms: f64,
}

/// How long each call has taken, the quickest first, while `put` is given all that it takes.
fn calls(tunnel: &mut Tunnel, put: Option<OperationId>) -> Result<Vec<Duration>, Failure> {
    let request =
        Request::Call { function: "os:getpid".to_owned(), arguments: no_arguments(), own: Own::Nothing };
    let content = ToAgent::File(Piece::Content(vec![7; PIECE_BYTES]));
    let mut took = Vec::new();
    for _ in 0..WARM_UP_CALLS + CALLS {
        if let Some(put) = put {
            while tunnel.controller.unread(put) < UNSENT_BYTES {
                tunnel.controller.send(put, &content, false);
            }
        }
        let began = clock::now();
        let call = tunnel.submit(&request);
        loop {
            if let Report::Done { operation, outcome } = tunnel.next_report()? {
                outcome?;
                if operation == call {
                    break;
                }
            }
        }
        took.push(clock::now() - began);
    }
    let mut took = took.split_off(WARM_UP_CALLS);
    took.sort_unstable();
    Ok(took)
}

fn at(sorted: &[Duration], percent: usize) -> f64 {
    let place = (sorted.len() * percent / 100).min(sorted.len() - 1);
    sorted[place].as_secs_f64() * 1e3
}
