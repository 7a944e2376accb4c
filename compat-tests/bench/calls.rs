//! What a call costs on a context that is open: one after the other, and many at once.
//!
//! `calls [PYTHON] [--ssh HOST]` prints one JSON object, in microseconds per call.

use hopvine::api::{Hopvine, Tunnel};
use hopvine::controller::Settings;
use hopvine::controller::operation::{Report, Request, no_arguments};
use hopvine::error::Failure;
use hopvine::payload::Interpreter;
use hopvine::report;
use hopvine::sys::clock;
use serde::Serialize;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

const CALLS: u32 = 2000;
/// The first ones import, connect, and fill caches.
const WARM_UP_CALLS: u32 = 50;

fn main() -> ExitCode {
    let Some((python, target)) = typed(std::env::args().skip(1)) else {
        report::complain("usage: calls [PYTHON] [--ssh HOST]");
        return ExitCode::FAILURE;
    };
    match measure(python, &target) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report::complain(&failure.to_string());
            ExitCode::FAILURE
        }
    }
}

fn typed(mut words: impl Iterator<Item = String>) -> Option<(String, String)> {
    let (mut python, mut target) = ("python3".to_owned(), "local:".to_owned());
    while let Some(word) = words.next() {
        match word.as_str() {
            // What `cargo bench` says to every benchmark.
            "--bench" => {}
            "--ssh" => target = words.next()?,
            option if option.starts_with('-') => return None,
            _ => python = word,
        }
    }
    Some((python, target))
}

fn measure(python: String, target: &str) -> Result<(), Failure> {
    let settings = Settings { interpreter: Interpreter::Named(python), ..Settings::default() };
    let mut hopvine = Hopvine::new(settings)?;
    let tunnel = hopvine.open(target)?;
    (0..WARM_UP_CALLS).try_for_each(|_| call_at_once(&mut hopvine, tunnel, 1))?;
    let began = clock::now();
    (0..CALLS).try_for_each(|_| call_at_once(&mut hopvine, tunnel, 1))?;
    let turned = clock::now();
    call_at_once(&mut hopvine, tunnel, CALLS)?;
    let ended = clock::now();
    hopvine.close_all()?;
    let each = |took: Duration| took.as_secs_f64() * 1e6 / f64::from(CALLS);
    let figures = Figures { sequential_us: each(turned - began), pipelined_us: each(ended - turned) };
    let line = serde_json::to_string(&figures).map_err(io::Error::from)?;
    Ok(report::bytes(format!("{line}\n").as_bytes())?)
}

#[derive(Serialize)]
struct Figures {
    sequential_us: f64,
    pipelined_us: f64,
}

fn call_at_once(hopvine: &mut Hopvine, tunnel: Tunnel, calls: u32) -> Result<(), Failure> {
    let request = Request::call("os:getpid", no_arguments());
    for _ in 0..calls {
        hopvine.submit(tunnel, &request)?;
    }
    let mut awaited = calls;
    while awaited > 0 {
        if let Report::Done { outcome, .. } = hopvine.next_report()? {
            outcome?;
            awaited -= 1;
        }
    }
    Ok(())
}
