//! `hopvine bootstrap`: what goes over the wire to start an agent, measured on the real thing.

use crate::cli::Bootstrap;
use crate::controller::operation::{Request, no_arguments};
use crate::controller::{Command, Controller, RANDOM_BYTES, Settings};
use crate::error::ExitCode;
use crate::hosts::target::{Hop, Target, Way};
use crate::payload::{self, Interpreter};
use crate::proto::ids::ContextId;
use crate::proto::session::Session;
use crate::report;
use crate::sys::clock;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;

/// What the mission's own document claims for its bootstrap.
const SEED: Seed = Seed { remote_command: 576, preamble: 6360 };

#[derive(Serialize)]
struct Sizes {
    remote_command: usize,
    core: usize,
    parts: BTreeMap<&'static str, usize>,
    first_result: usize,
    seed: Seed,
}

#[derive(Serialize)]
struct Seed {
    remote_command: usize,
    preamble: usize,
}

pub(super) fn run(verb: Bootstrap) -> io::Result<ExitCode> {
    let command = payload::remote_command(&Interpreter::Probe)
        .unwrap_or_else(|_| unreachable!("the probe is plain text"));
    match verb {
        Bootstrap::Sizes { json } => {
            let sizes = Sizes {
                remote_command: command.len(),
                core: payload::CORE.len(),
                parts: payload::PARTS.iter().map(|part| (part.name, part.packed.len())).collect(),
                first_result: command.len() + first_flight().len(),
                seed: SEED,
            };
            if json {
                report::bytes(format!("{}\n", serde_json::to_string(&sizes)?).as_bytes())
            } else {
                report::bytes(table(&sizes).as_bytes())
            }
        }
        Bootstrap::Show { command: true, .. } => report::bytes(format!("{command}\n").as_bytes()),
        Bootstrap::Show { first_flight: true, .. } => report::bytes(&first_flight()),
        Bootstrap::Show { core: true, .. } => report::bytes(payload::core_text().as_bytes()),
        Bootstrap::Show { part: Some(name), .. } => match payload::part(&name) {
            Some(part) => report::bytes(part.text().as_bytes()),
            None => {
                report::complain(&format!(
                    "no part {name:?}; there are {}",
                    payload::PARTS.iter().map(|part| part.name).collect::<Vec<_>>().join(", ")
                ));
                return Ok(ExitCode::Usage);
            }
        },
        Bootstrap::Show { .. } => {
            let text = format!(
                "# remote command\n{command}\n\n# second stage\n{}\n# core\n{}",
                payload::second_stage(),
                payload::core_text()
            );
            let parts: String = payload::PARTS
                .iter()
                .map(|part| format!("\n# part {}\n{}", part.name, part.text()))
                .collect();
            report::bytes((text + &parts).as_bytes())
        }
    }?;
    Ok(ExitCode::Success)
}

fn table(sizes: &Sizes) -> String {
    let mut rows = vec![("remote command".to_owned(), sizes.remote_command), ("core".to_owned(), sizes.core)];
    rows.extend(sizes.parts.iter().map(|(name, size)| (format!("part {name}"), *size)));
    rows.push(("all sent until the first result".to_owned(), sizes.first_result));
    rows.push(("the seed's SSH command".to_owned(), sizes.seed.remote_command));
    rows.push(("the seed's preamble".to_owned(), sizes.seed.preamble));
    rows.iter().map(|(name, size)| format!("{name:<34}{size:>6} bytes\n")).collect()
}

/// All that an agent reads until it has answered `call time:time`: made by the controller itself.
fn first_flight() -> Vec<u8> {
    let request = Request::call("time:time", no_arguments());
    let target = Target {
        name: "local".to_owned(),
        hops: vec![Hop { way: Way::Local { name: String::new() }, python: None }],
    };
    let (mut controller, now) = (Controller::new(Settings::default()), clock::now());
    if let Ok(context) = controller.connect(&target, &[[0xa5; RANDOM_BYTES]], now) {
        controller.submit(context, &request, now);
    }
    let mut flight = Vec::new();
    while let Some(command) = controller.poll_command() {
        match command {
            Command::Start { start, .. } => {
                flight.extend(start.payload);
                let mut session = Session::parent(ContextId::CONTROLLER, &start.hello, now);
                std::iter::from_fn(|| session.poll_transmit()).for_each(|frame| frame.encode(&mut flight));
            }
            Command::Send(frame) => frame.encode(&mut flight),
            Command::Behind { .. } | Command::Reply(..) | Command::Close(_) | Command::Abort(..) => {}
        }
    }
    flight
}
