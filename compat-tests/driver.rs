//! Asks one thing of one context, and goes on with it step by step: `driver TARGET PYTHON ORDER STEPS FOLDER`, with
//! `native` for a Python where this program itself is to be the context. ORDER and STEPS are JSON, see `harness/driver.py`.
//! What is written goes to `out` and `err` in FOLDER, and how it ended to `end`.

use hopvine::api::Hopvine;
use hopvine::controller::operation::{Answer, Dial, Feed, Report, Request, Run, Said, Terminal, Words};
use hopvine::controller::{Runtime, Settings};
use hopvine::payload::Interpreter;
use hopvine::proto::message::ToAgent;
use hopvine::report;
use hopvine::sys::clock;
use hopvine::sys::stdio::Stream;
use serde::Deserialize;
use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Order {
    words: Vec<Vec<u8>>,
    exact: bool,
    no_input: bool,
    login: bool,
    home: bool,
    env: Vec<(Vec<u8>, Vec<u8>)>,
    terminal: Option<(Vec<u8>, u16, u16)>,
    dial: Option<(String, u16)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Step {
    Type(Vec<u8>),
    /// All bytes in turn, so many.
    Fill(usize),
    /// Until the output since the last such step has this.
    Await(Vec<u8>),
    /// Until the output has ended, of a connection.
    Silence,
    Size(u16, u16),
    End,
    Cancel,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match drive(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::complain(&format!("driver: {error}"));
            ExitCode::FAILURE
        }
    }
}

impl Order {
    fn request(self) -> Request {
        if let Some((host, port)) = self.dial {
            return Request::Dial(Dial { host, port });
        }
        Request::Run(Run {
            words: self.words,
            interpreter: if self.exact { Words::Exact } else { Words::Shell },
            stdin: if self.no_input { Feed::Nothing } else { Feed::Piped },
            environment: self.env,
            login: self.login,
            home: self.home,
            explains: false,
            terminal: self.terminal.map(|(term, rows, columns)| Terminal { term, rows, columns }),
            lanes: None,
        })
    }
}

fn drive(words: &[String]) -> Result<(), Box<dyn Error>> {
    let [target, python, order, steps, folder] = words else { return Err("five words are wanted".into()) };
    let request = serde_json::from_str::<Order>(order)?.request();
    let mut steps = serde_json::from_str::<Vec<Step>>(steps)?.into_iter().peekable();
    let mut files = ["out", "err"].map(|name| File::create(Path::new(folder).join(name)));
    let settings = match python.as_str() {
        "native" => Settings { agent: Runtime::Native, ..Settings::default() },
        path => Settings { interpreter: Interpreter::Named(path.to_owned()), ..Settings::default() },
    };
    let mut hopvine = Hopvine::new(settings)?;
    let tunnel = hopvine.open(target)?;
    let asked = hopvine.submit(tunnel, &request)?;
    let (mut seen, mut silent) = (Vec::new(), false);
    let how = loop {
        while let Some(step) = steps.next_if(|step| match step {
            Step::Await(wanted) => seen.windows(wanted.len()).any(|part| part == wanted),
            Step::Silence => silent,
            _ => true,
        }) {
            let controller = hopvine.controller_mut();
            match step {
                Step::Type(bytes) => controller.input(asked, &bytes, false),
                Step::Fill(size) => {
                    let bytes: Vec<u8> = (0..size).map(|at| at as u8).collect();
                    bytes.chunks(60_000).for_each(|part| controller.input(asked, part, false));
                }
                Step::Await(_) => seen.clear(),
                Step::Silence => {}
                Step::Size(rows, columns) => {
                    controller.send(asked, &ToAgent::Resize { rows, columns }, false);
                }
                Step::End => controller.input(asked, &[], true),
                Step::Cancel => controller.cancel(asked, clock::now()),
            }
        }
        match hopvine.next_report()? {
            Report::Said { said: Said::Output(stream, bytes), .. } => {
                silent |= bytes.is_empty();
                let file = &mut files[usize::from(stream == Stream::Err)];
                file.as_mut().map_err(|error| error.to_string())?.write_all(&bytes)?;
                if matches!(steps.peek(), Some(Step::Await(_))) {
                    seen.extend(bytes);
                }
            }
            Report::Done { outcome, .. } => break outcome,
            _ => {}
        }
    };
    hopvine.close_all()?;
    let how = match how {
        Ok(Answer::Exit(status)) => format!("exit {status}"),
        Ok(Answer::Killed(signal)) => format!("signal {signal}"),
        Ok(answer) => format!("{answer:?}"),
        Err(error) => format!("error {}", error.word()),
    };
    Ok(std::fs::write(Path::new(folder).join("end"), how)?)
}
