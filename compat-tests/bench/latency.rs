//! What a call waits for while there is much to carry over the same link, beside what it waits for alone.
//!
//! `latency PYTHON TARGET put FILE` puts endlessly to FILE there, `latency PYTHON TARGET fetch FILE` fetches FILE from
//! there again and again, `latency PYTHON TARGET run COMMAND` takes the output of COMMAND. It prints one JSON object,
//! in milliseconds.

use hopvine::api::{Hopvine, Tunnel};
use hopvine::controller::Settings;
use hopvine::controller::operation::{
    Feed, Fetch, OperationId, Put, Report, Request, Run, Said, Transfer, no_arguments,
};
use hopvine::error::Failure;
use hopvine::payload::Interpreter;
use hopvine::proto::entry::{Entry, EntryKind, PIECE_BYTES, Piece};
use hopvine::proto::message::ToAgent;
use hopvine::report;
use hopvine::sys::clock;
use serde::Serialize;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

const CALLS: usize = 500;
/// The first ones import, and open windows.
const WARM_UP_CALLS: usize = 50;
/// More than goes out while a call is on its way.
const UNSENT_BYTES: usize = 8 * 1024 * 1024;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let [python, target, verb, operand] = &words[..] else {
        report::complain("usage: latency PYTHON TARGET put|fetch|run FILE|COMMAND");
        return ExitCode::FAILURE;
    };
    match measure(python.clone(), target, &bulk(verb, operand)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report::complain(&failure.to_string());
            ExitCode::FAILURE
        }
    }
}

/// What is carried beside the calls.
fn bulk(verb: &str, operand: &str) -> Request {
    let (operand, transfer) =
        (operand.as_bytes().to_vec(), Transfer { tree: false, keep: false, packed: false });
    match verb {
        "put" => Request::Put(Put {
            path: Some(operand),
            mode: None,
            stdin: Feed::Piped,
            foreign: false,
            transfer,
        }),
        "fetch" => Request::Fetch(Fetch { path: operand, transfer }),
        _ => Request::Run(Run { words: vec![operand], ..Run::default() }),
    }
}

fn measure(python: String, target: &str, bulk: &Request) -> Result<(), Failure> {
    let settings = Settings { interpreter: Interpreter::Named(python), ..Settings::default() };
    let mut hopvine = Hopvine::new(settings)?;
    let tunnel = hopvine.open(target)?;
    let alone = calls(&mut hopvine, tunnel, None)?;
    let mut load = Load { bulk, tunnel, operation: hopvine.submit(tunnel, bulk)?, bytes: 0 };
    if matches!(bulk, Request::Put(_)) {
        let kind = EntryKind::File { size: None };
        let entry = Entry { name: Vec::new(), mode: 0o600, mtime_ns: 0, kind };
        hopvine.controller_mut().send(load.operation, &ToAgent::File(Piece::Entry(entry)), false);
    }
    let began = clock::now();
    let beside = calls(&mut hopvine, tunnel, Some(&mut load))?;
    let took = clock::now() - began;
    hopvine.controller_mut().cancel(load.operation, clock::now());
    hopvine.close_all()?;
    let figures = Figures {
        alone_ms: at(&alone, 50),
        alone_p99_ms: at(&alone, 99),
        beside_ms: at(&beside, 50),
        beside_p99_ms: at(&beside, 99),
        mib_a_second: load.bytes as f64 / f64::from(1 << 20) / took.as_secs_f64(),
    };
    let line = serde_json::to_string(&figures).map_err(io::Error::from)?;
    Ok(report::bytes(format!("{line}\n").as_bytes())?)
}

/// What is carried, again and again.
struct Load<'a> {
    bulk: &'a Request,
    tunnel: Tunnel,
    operation: OperationId,
    bytes: usize,
}

impl Load<'_> {
    /// Gives a put all that it takes.
    fn feed(&mut self, hopvine: &mut Hopvine, content: &ToAgent) {
        let controller = hopvine.controller_mut();
        while matches!(self.bulk, Request::Put(_)) && controller.unread(self.operation) < UNSENT_BYTES {
            controller.send(self.operation, content, false);
            self.bytes += PIECE_BYTES;
        }
    }

    /// Counts what has come; what has ended is begun anew.
    fn hear(&mut self, hopvine: &mut Hopvine, report: &Report) -> Result<(), Failure> {
        match report {
            Report::Said { said: Said::Piece(Piece::Content(bytes)) | Said::Output(_, bytes), .. } => {
                self.bytes += bytes.len();
            }
            Report::Done { operation, .. } if *operation == self.operation => {
                self.operation = hopvine.submit(self.tunnel, self.bulk)?;
            }
            _ => {}
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Figures {
    alone_ms: f64,
    alone_p99_ms: f64,
    beside_ms: f64,
    beside_p99_ms: f64,
    /// What was carried meanwhile.
    mib_a_second: f64,
}

/// How long each call has taken, the quickest first, while `load` is carried.
fn calls(
    hopvine: &mut Hopvine,
    tunnel: Tunnel,
    mut load: Option<&mut Load<'_>>,
) -> Result<Vec<Duration>, Failure> {
    let request = Request::call("os:getpid", no_arguments());
    let content = ToAgent::File(Piece::Content(vec![7; PIECE_BYTES]));
    let mut took = Vec::new();
    for _ in 0..WARM_UP_CALLS + CALLS {
        if let Some(load) = &mut load {
            load.feed(hopvine, &content);
        }
        let began = clock::now();
        let call = hopvine.submit(tunnel, &request)?;
        loop {
            let report = hopvine.next_report()?;
            if let Some(load) = &mut load {
                load.hear(hopvine, &report)?;
            }
            if let Report::Done { operation, outcome } = report
                && operation == call
            {
                outcome?;
                break;
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
