//! The only printing. Results go to standard output, everything else to standard error; neither
//! ever blocks the loop, and what a slow reader has not taken yet is bounded by its sources' credit.

mod finding;
mod lines;
mod outlet;
mod outline;
mod result;
pub mod terminal;

use crate::controller::Note;
use crate::controller::fleet::Place;
use crate::controller::operation::{Answer, Record};
use crate::error::{HostError, HostErrorKind, Outcome, UsageError};
use crate::proto::json;
use crate::proto::value::Value;
use crate::sys::stdio::Stream;
use lines::Lines;
use outlet::Outlet;
use result::Collected;
use std::collections::HashMap;
use std::io;
use std::time::Duration;

pub use finding::{Finding, Verdict};
pub use outlet::Pressure;

/// The longest value that is printed as JSON; parts that are shared count each time.
const MAX_JSON_BYTES: usize = 256 * 1024 * 1024;

/// How results look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One host: nothing but what it said.
    Plain,
    /// Many: `host: line`.
    Prefixed,
    /// One JSON object for each result.
    Json,
}

/// Where the output of user code goes: a command's is the result, a call's is beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultKind {
    Output,
    Value,
    /// A value, shown to people as one line for each leaf.
    Outline,
    /// What has become of files: a dict, shown to people as its values in one line.
    Files,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    Always,
    Never,
}

/// For each of our standard streams.
#[derive(Clone, Copy, Debug)]
pub struct Colors {
    pub out: Color,
    pub err: Color,
}

#[derive(Debug)]
pub struct Reporter {
    layout: Layout,
    result: ResultKind,
    colors: Colors,
    names: Vec<String>,
    out: Outlet,
    err: Outlet,
    lines: HashMap<(Place, Stream), Lines>,
    collected: HashMap<Place, Collected>,
    outcomes: Vec<Outcome>,
    /// Whether the contents of a file are the result.
    contents: bool,
}

impl Reporter {
    /// `names` are the targets by place.
    pub fn new(layout: Layout, result: ResultKind, colors: Colors, names: Vec<String>) -> Self {
        Self {
            layout,
            result,
            colors,
            names,
            out: Outlet::new(Stream::Out),
            err: Outlet::new(Stream::Err),
            lines: HashMap::new(),
            collected: HashMap::new(),
            outcomes: Vec::new(),
            contents: false,
        }
    }

    /// What user code wrote.
    pub fn output(&mut self, place: Place, stream: Stream, bytes: &[u8]) {
        let to = match self.result {
            ResultKind::Output => stream,
            ResultKind::Value | ResultKind::Outline | ResultKind::Files => Stream::Err,
        };
        match self.layout {
            Layout::Plain => self.outlet(to).push_remote(bytes),
            Layout::Json => self.collected.entry(place).or_default().push(stream, bytes),
            Layout::Prefixed => {
                let prefix = self.prefix(place, to);
                let lines = self.lines.entry((place, stream)).or_default();
                let mut text = Vec::new();
                lines.push(bytes, |line| {
                    text.extend_from_slice(prefix.as_bytes());
                    text.extend_from_slice(line);
                    text.push(b'\n');
                });
                self.outlet(to).push_remote(&text);
            }
        }
    }

    /// What is in a file that goes to standard output.
    pub fn contents(&mut self, bytes: &[u8]) {
        self.contents = true;
        self.out.push_remote(bytes);
    }

    /// What a generator has yielded: a line for each, as it comes.
    pub fn item(&mut self, place: Place, value: &Value) {
        if self.layout == Layout::Json {
            self.collected.entry(place).or_default().count_item();
            let line = result::item(&self.names[place], value, MAX_JSON_BYTES);
            self.out.push(line.as_bytes());
        } else {
            if !self.value(place, value) {
                self.say_of(place, "an item is too large to be printed");
            }
        }
    }

    /// What user code has said by `logging`.
    pub fn record(&mut self, place: Place, record: Record) {
        if self.layout == Layout::Json {
            return self.collected.entry(place).or_default().push_record(record);
        }
        let prefix =
            if self.layout == Layout::Prefixed { self.prefix(place, Stream::Err) } else { String::new() };
        let head = terminal::one_line(&format!("{} {}", record.level, record.logger));
        for line in record.text.split('\n') {
            let line = format!("{head}: {line}");
            let line = format!("{prefix}{}\n", terminal::harmless_text(&line));
            self.err.push(line.as_bytes());
        }
    }

    /// The end of one target's work.
    pub fn done(&mut self, place: Place, outcome: &Result<Answer, Box<HostError>>, took: Duration) {
        self.outcomes.push(match outcome {
            Ok(Answer::Value(_) | Answer::Exhausted) => Outcome::Done(0),
            Ok(Answer::Exit(status)) => Outcome::Done(*status),
            Err(error) => error.outcome(),
        });
        self.end_lines(place);
        if self.layout == Layout::Json {
            let collected = self.collected.remove(&place).unwrap_or_default();
            let line = result::object(&self.names[place], outcome, &collected, took, MAX_JSON_BYTES);
            return self.out.push(line.as_bytes());
        }
        match outcome {
            Ok(Answer::Value(value)) => {
                if !self.value(place, value) {
                    self.outcomes.pop();
                    self.outcomes.push(Outcome::Failed);
                    self.say_of(place, "the value is too large to be printed");
                }
            }
            Ok(Answer::Exit(0) | Answer::Exhausted) => {}
            Ok(Answer::Exit(status)) if self.layout == Layout::Prefixed => {
                self.say_of(place, &format!("exit status {status}"));
            }
            Ok(Answer::Exit(_)) => {}
            Err(error) => self.explain(place, error),
        }
    }

    /// Returns `false` where the value is too large.
    fn value(&mut self, place: Place, value: &Value) -> bool {
        let lines = match self.result {
            ResultKind::Outline => outline::outline(value),
            ResultKind::Files if self.contents => return true,
            ResultKind::Files => vec![outline::in_one_line(value, &["files"])],
            ResultKind::Output | ResultKind::Value => match json::to_json(value, MAX_JSON_BYTES) {
                Some(text) => vec![text],
                None => return false,
            },
        };
        self.push_lines(place, &lines);
        true
    }

    /// What a step of an examination has brought; its details where they are `wanted`, or it went wrong.
    pub fn finding(&mut self, place: Place, finding: &Finding, wanted: bool) {
        if self.layout == Layout::Json {
            self.out.push(format!("{}\n", finding.object(&self.names[place])).as_bytes());
        } else {
            self.push_lines(place, &finding.lines(self.colors.out, wanted));
        }
    }

    /// What a user who asked for more is told.
    pub fn note(&mut self, note: &Note) {
        self.say(&format!("{}: {}", note.target, note.text));
    }

    /// A line of our own.
    pub fn say(&mut self, text: &str) {
        self.err.push(format!("hopvine: {}\n", terminal::harmless_text(text)).as_bytes());
    }

    /// A line of our own about one target.
    fn say_of(&mut self, place: Place, text: &str) {
        let line = format!("hopvine: {}{}\n", self.prefix(place, Stream::Err), terminal::harmless_text(text));
        self.err.push(line.as_bytes());
    }

    /// Writes what goes without waiting; tells how much waits.
    pub fn flush(&mut self) -> Pressure {
        let err = self.err.flush();
        self.out.flush().and(err)
    }

    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    fn explain(&mut self, place: Place, error: &HostError) {
        // What others say must not look like a line of ours.
        let mut text = error.to_string().replace('\n', "\n    ");
        if let HostErrorKind::Exception(exception) = &error.kind {
            exception.traceback.trim_end().lines().for_each(|line| text += &format!("\n    {line}"));
        }
        error.said.iter().for_each(|line| text += &format!("\n    | {line}"));
        if let Some(advice) = error.advice() {
            text += &format!("\n    try: {advice}");
        }
        self.say_of(place, &text);
    }

    /// Results of ours, one a line.
    fn push_lines(&mut self, place: Place, lines: &[String]) {
        let prefix =
            if self.layout == Layout::Prefixed { self.prefix(place, Stream::Out) } else { String::new() };
        let text: String = lines.iter().map(|line| format!("{prefix}{line}\n")).collect();
        self.out.push(text.as_bytes());
    }

    /// A last line without its newline is a line.
    fn end_lines(&mut self, place: Place) {
        for stream in [Stream::Out, Stream::Err] {
            if self.lines.get(&(place, stream)).is_some_and(|lines| !lines.is_empty()) {
                self.output(place, stream, b"\n");
            }
            self.lines.remove(&(place, stream));
        }
    }

    fn prefix(&self, place: Place, to: Stream) -> String {
        let color = match to {
            Stream::Out => self.colors.out,
            Stream::Err => self.colors.err,
        };
        let style = match (to, color) {
            (_, Color::Never) => anstyle::Style::new(),
            (Stream::Out, Color::Always) => anstyle::AnsiColor::Cyan.on_default(),
            (Stream::Err, Color::Always) => anstyle::AnsiColor::Red.on_default(),
        };
        format!("{style}{}{style:#}: ", terminal::harmless_text(&self.names[place]))
    }

    fn outlet(&mut self, stream: Stream) -> &mut Outlet {
        match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        }
    }
}

/// Prints bytes of ours; a reader that has gone is no error.
///
/// # Errors
///
/// When standard output cannot be written.
pub fn bytes(bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    match io::stdout().write_all(bytes).and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Prints names, one on each line or as one JSON list.
///
/// # Errors
///
/// When standard output cannot be written.
pub fn names<'a>(names: impl Iterator<Item = &'a str>, json: bool) -> io::Result<()> {
    if json {
        let list = serde_json::Value::from_iter(names);
        return bytes(format!("{list}\n").as_bytes());
    }
    let lines: String = names.flat_map(|name| [name, "\n"]).collect();
    bytes(lines.as_bytes())
}

/// Says what is wrong with the command line.
pub fn usage(error: &UsageError) {
    complain(&error.to_string());
}

/// Says something on standard error before anything has been started.
pub fn complain(text: &str) {
    use std::io::Write;
    // Where even standard error is closed, the exit status has to do.
    writeln!(io::stderr(), "hopvine: {}", terminal::harmless_text(text)).ok();
}
