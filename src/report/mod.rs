//! The only printing. Results go to standard output, everything else to standard error; neither
//! ever blocks the loop, and what a slow reader has not taken yet is bounded by its sources' credit.

mod census;
mod difference;
mod early;
mod finding;
mod folded;
mod folder;
mod gather;
mod ledger;
mod lines;
mod live;
mod look;
mod outlet;
mod outline;
mod page;
mod result;
mod tally;
pub mod terminal;
mod timeline;

use crate::controller::fleet::Place;
use crate::controller::operation::{Answer, Record};
use crate::error::{HostError, HostErrorKind, Instead, Outcome};
use crate::hosts::nodeset;
use crate::proto::json;
use crate::proto::value::{Node, Value};
use crate::sys::stdio::Stream;
use crate::transfers::{Moved, Passing};
use folded::{Finale, Part};
use gather::Gather;
use lines::Lines;
use live::{Board, Live};
use result::Collected;
use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};
use tally::Tally;

pub use census::{Census, census, fault, opened};
pub use early::{bytes, complain, help, names, usage};
pub use finding::{Finding, Verdict};
pub use folded::Fold;
pub use folder::Folder;
pub use ledger::{Ledger, Line};
pub use live::View;
pub use look::{Color, Colors, Layout, ResultKind};
pub use outlet::Pressure;
pub use page::Page;
pub use result::ended;
pub use timeline::{Bar, Timeline};

/// The longest value that is printed as JSON; parts that are shared count each time.
const MAX_JSON_BYTES: usize = 256 * 1024 * 1024;
/// What is told at the end goes out in portions; between two of them signals are seen.
const MAX_PORTION_BYTES: usize = 1024 * 1024;

#[derive(Debug)]
pub struct Reporter {
    layout: Layout,
    result: ResultKind,
    colors: Colors,
    names: Vec<String>,
    /// What leads to each, as it was typed.
    typed: Vec<String>,
    page: Page,
    lines: HashMap<(Place, Stream), Lines>,
    collected: HashMap<Place, Collected>,
    outcomes: Vec<Outcome>,
    /// Of a filter.
    matching: Vec<Place>,
    tally: Tally,
    /// Whether the contents of a file are the result.
    contents: bool,
    /// What is told at the end, and what of it is still to be told.
    fold: Fold,
    diff: bool,
    gather: Gather,
    finale: Finale,
    folder: Option<Folder>,
    /// Why we cannot go on, until that is told.
    trouble: Option<String>,
    /// Whether there has been any: only the first is told.
    troubled: bool,
}

impl Reporter {
    /// `names` are the targets by place.
    pub fn new(layout: Layout, result: ResultKind, colors: Colors, names: Vec<String>) -> Self {
        Self {
            layout,
            result,
            colors,
            typed: names.clone(),
            names,
            page: Page::new(),
            lines: HashMap::new(),
            collected: HashMap::new(),
            outcomes: Vec::new(),
            matching: Vec::new(),
            tally: Tally::default(),
            contents: false,
            fold: Fold::Nothing,
            diff: false,
            gather: Gather::default(),
            finale: Finale::default(),
            folder: None,
            trouble: None,
            troubled: false,
        }
    }

    /// Equal outputs are told once, at the end; with `diff` only what differs.
    #[must_use]
    pub fn folding(self, fold: Fold, diff: bool) -> Self {
        Self { fold, diff, ..self }
    }

    /// By what others would reach the same targets, where that is more than their names.
    #[must_use]
    pub fn typed_as(self, typed: Vec<String>) -> Self {
        Self { typed, ..self }
    }

    /// What targets say goes to files too.
    #[must_use]
    pub fn into_folder(self, folder: Option<Folder>) -> Self {
        Self { folder, ..self }
    }

    /// Shows how it goes, where people look on: of files, by what passes here, or of many targets.
    pub fn show_progress(&mut self, passing: Option<Passing>, now: Instant) {
        let board = match passing {
            Some(passing) => Board::of_files(&self.names, passing),
            None if self.names.len() > 1 || self.result == ResultKind::Files => Board::new(&self.names),
            None => return,
        };
        let for_programs = self.layout == Layout::Json && self.page.is_terminal(Stream::Out);
        if self.page.is_terminal(Stream::Err) && !for_programs {
            self.page.live = Some(Live::new(board, now));
        }
    }

    /// Where it is written.
    pub fn page(&self) -> &Page {
        &self.page
    }

    pub fn page_mut(&mut self) -> &mut Page {
        &mut self.page
    }

    /// What user code wrote.
    pub fn output(&mut self, place: Place, stream: Stream, bytes: &[u8]) {
        self.keep(place, self.shown_on(stream), bytes);
        self.show(place, stream, bytes);
    }

    fn show(&mut self, place: Place, stream: Stream, bytes: &[u8]) {
        let to = self.shown_on(stream);
        match self.layout {
            Layout::Json => self.collected.entry(place).or_default().push(stream, bytes),
            _ if self.fold.takes(to) => self.gathered(|gather| gather.push(place, to, bytes)),
            Layout::Plain => self.page.push_remote(to, bytes),
            Layout::Prefixed => {
                let prefix = self.prefix(place, to);
                let lines = self.lines.entry((place, stream)).or_default();
                let page = &mut self.page;
                lines.push(bytes, |line| {
                    page.push(to, prefix.as_bytes());
                    page.push_remote(to, line);
                    page.push(to, b"\n");
                });
            }
        }
    }

    /// Where what user code wrote goes here.
    fn shown_on(&self, stream: Stream) -> Stream {
        match self.result {
            ResultKind::Output => stream,
            ResultKind::Value
            | ResultKind::Outline
            | ResultKind::Matches { .. }
            | ResultKind::Messages
            | ResultKind::Files => Stream::Err,
        }
    }

    /// What is in a file that goes to standard output.
    pub fn contents(&mut self, bytes: &[u8]) {
        self.contents = true;
        if self.page.is_terminal(Stream::Out) {
            // They may end in the middle of a line.
            self.page.end_live();
        }
        self.page.push_remote(Stream::Out, bytes);
    }

    /// What a generator has yielded, or a message: a line for each, as it comes.
    pub fn item(&mut self, place: Place, value: &Value) {
        if self.layout == Layout::Json {
            self.collected.entry(place).or_default().count_item();
            let name = if self.result == ResultKind::Messages { "value" } else { "item" };
            let line = result::item(&[], &self.names[place], name, value, MAX_JSON_BYTES);
            self.page.push(Stream::Out, line.as_bytes());
            self.keep_value(place, value);
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
        let head = terminal::one_line(&format!("{} {}", record.level, record.logger));
        let lines = record.text.split('\n').map(|line| terminal::harmless_text(&format!("{head}: {line}")));
        self.push_lines(place, Stream::Err, &lines.collect::<Vec<_>>());
    }

    /// The end of one target's work.
    pub fn done(&mut self, place: Place, outcome: &Result<Answer, Box<HostError>>, took: Duration) {
        let mut ended = ended(outcome);
        self.end_lines(place);
        if self.layout == Layout::Json {
            let collected = self.collected.remove(&place).unwrap_or_default();
            let line = result::object(&[], &self.names[place], outcome, &collected, took, MAX_JSON_BYTES);
            self.page.push(Stream::Out, line.as_bytes());
            let instead = if self.folder.is_some() { Instead::Folder } else { Instead::NoFolder };
            if let Some(withheld) = collected.withheld(instead) {
                self.say_of(place, &withheld.to_string());
            }
            if let Ok(Answer::Value(value)) = outcome {
                self.keep_value(place, value);
            }
        } else if !self.told(place, outcome) {
            ended = Outcome::Failed;
            self.say_of(place, "the value is too large to be printed");
        }
        if let ResultKind::Matches { wanted } = self.result {
            let found = match outcome {
                Ok(Answer::Value(value)) => value.is_truthy() == wanted,
                // A generator is true.
                Ok(Answer::Exhausted) => wanted,
                Ok(Answer::Exit(_) | Answer::Killed(_)) | Err(_) => false,
            };
            self.matching.extend(found.then_some(place));
        }
        self.outcomes.push(ended);
        self.tally.add(place, ended, outcome.as_ref().err().map(Box::as_ref));
        if let Some(live) = &mut self.page.live {
            live.board().done(ended == Outcome::Done(0), moved(outcome));
        }
        self.end_kept(place, outcome.is_ok());
    }

    /// Tells people how a target's work has ended; returns `false` where the value is too large.
    fn told(&mut self, place: Place, outcome: &Result<Answer, Box<HostError>>) -> bool {
        match outcome {
            Ok(Answer::Value(value)) => return self.value(place, value),
            // The line for all that have ended so has to do.
            Ok(answer) => {
                let status = answer.status().filter(|status| *status != 0);
                if let Some(status) = status
                    && self.layout == Layout::Prefixed
                    && self.fold == Fold::Nothing
                {
                    self.say_of(place, &format!("exit status {status}"));
                }
            }
            Err(error) if matches!(error.kind, HostErrorKind::NotStarted) => {}
            Err(error) => self.explain(place, error),
        }
        true
    }

    /// Returns `false` where the value is too large.
    fn value(&mut self, place: Place, value: &Value) -> bool {
        let lines = self.lines_of(value);
        self.push_lines(place, Stream::Out, lines.as_deref().unwrap_or_default());
        lines.is_some()
    }

    fn lines_of(&self, value: &Value) -> Option<Vec<String>> {
        match self.result {
            ResultKind::Outline => Some(outline::outline(value)),
            ResultKind::Files if self.contents => Some(Vec::new()),
            ResultKind::Matches { .. } => Some(Vec::new()),
            ResultKind::Files => Some(vec![outline::in_one_line(value, &["files"])]),
            ResultKind::Output | ResultKind::Value | ResultKind::Messages => {
                Some(vec![json::to_json(value, MAX_JSON_BYTES)?])
            }
        }
    }

    /// What a step of an examination has brought; its details where they are `wanted`, or it went wrong.
    pub fn finding(&mut self, place: Place, finding: &Finding, wanted: bool) {
        if self.layout == Layout::Json {
            self.page.push(Stream::Out, format!("{}\n", finding.object(&self.names[place])).as_bytes());
        } else {
            self.push_lines(place, Stream::Out, &finding.lines(self.colors.out, wanted));
        }
    }

    /// A line of our own about one target.
    fn say_of(&mut self, place: Place, text: &str) {
        let line = format!("hopvine: {}{}\n", self.prefix(place, Stream::Err), terminal::harmless_text(text));
        self.page.push(Stream::Err, line.as_bytes());
    }

    /// Writes what goes without waiting; tells how much waits.
    pub fn flush(&mut self, now: Instant) -> Pressure {
        let mut pressure = self.page.flush(now);
        let mut portion = 0;
        while portion < MAX_PORTION_BYTES && self.can_tell_more() {
            match self.finale.next(&self.gather) {
                Ok(Some(Part::Ours(stream, text))) => self.page.push(stream, text.as_bytes()),
                Ok(Some(Part::Theirs(stream, bytes))) => {
                    portion += bytes.len();
                    self.page.push_remote(stream, &bytes);
                }
                Ok(None) => {}
                Err(error) => self.fail(format!("what was gathered cannot be read: {error}")),
            }
            pressure = self.page.flush(now).and(pressure);
        }
        pressure
    }

    /// All work is over: what has been gathered, and how it went, are told where that is `wanted`. The
    /// caller flushes.
    pub fn conclude(&mut self, wanted: bool) {
        self.page.end_live();
        if !wanted {
            return;
        }
        if !self.matching.is_empty() && self.layout != Layout::Json {
            let names = self.matching.iter().map(|place| self.typed[*place].as_str());
            self.page.push(Stream::Out, format!("{}\n", nodeset::fold(names)).as_bytes());
        }
        for (place, stream) in self.gather.open() {
            self.gathered(|gather| gather.end(place, stream));
        }
        let colors = [self.colors.out, self.colors.err];
        self.finale = Finale::of(&self.gather, &self.names, self.fold, self.diff, colors);
        if self.layout == Layout::Prefixed && self.names.len() > 1 {
            self.finale.close(self.tally.lines(&self.names));
        }
    }

    /// Whether there is more to tell than has been queued.
    pub fn has_more(&self) -> bool {
        self.finale.stream().is_some()
    }

    /// Whether the next [`Self::flush`] can tell it: all that has been queued is written.
    pub fn can_tell_more(&self) -> bool {
        self.finale.stream().is_some_and(|stream| self.page.is_written(stream))
    }

    /// Why what we were asked for cannot be done; once.
    pub fn take_trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    /// The names of all that did not end well, or not at all.
    pub fn failed(&self) -> impl Iterator<Item = &str> {
        let failed = |(place, _): &(Place, &String)| !self.tally.is_well(*place);
        self.names.iter().enumerate().filter(failed).map(|(_, name)| name.as_str())
    }

    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    fn explain(&mut self, place: Place, error: &HostError) {
        // What others say must not look like a line of ours.
        let mut text = error.to_string();
        if let HostErrorKind::Exception(exception) = &error.kind
            && !exception.traceback.is_empty()
        {
            // The whole message is at its end.
            text.truncate(text.find('\n').unwrap_or(text.len()));
            text += &format!("\n{}", exception.traceback.trim_end());
        }
        let mut text = text.replace('\n', "\n    ");
        error.said.iter().for_each(|line| text += &format!("\n    | {line}"));
        if let Some(advice) = error.advice() {
            text += &format!("\n    try: {advice}");
        }
        self.say_of(place, &text);
    }

    /// Results of ours, one a line.
    fn push_lines(&mut self, place: Place, to: Stream, lines: &[String]) {
        let plain: String = lines.iter().map(|line| format!("{line}\n")).collect();
        self.keep(place, to, plain.as_bytes());
        match self.layout {
            _ if self.fold.takes(to) => self.gathered(|gather| gather.push(place, to, plain.as_bytes())),
            Layout::Prefixed => {
                let prefix = self.prefix(place, to);
                let text: String = lines.iter().map(|line| format!("{prefix}{line}\n")).collect();
                self.page.push(to, text.as_bytes());
            }
            Layout::Plain | Layout::Json => self.page.push(to, plain.as_bytes()),
        }
    }

    /// To the target's own file.
    fn keep(&mut self, place: Place, to: Stream, bytes: &[u8]) {
        let kept = self.folder.as_mut().map_or(Ok(()), |folder| folder.write(place, to, bytes));
        kept.unwrap_or_else(|error| self.fail(error));
    }

    /// The same for a value that people are not shown.
    fn keep_value(&mut self, place: Place, value: &Value) {
        if self.folder.is_some() {
            let lines: String = self.lines_of(value).into_iter().flatten().map(|line| line + "\n").collect();
            self.keep(place, Stream::Out, lines.as_bytes());
        }
    }

    /// A target says nothing more; one that has said nothing at all counts where it went well.
    fn end_kept(&mut self, place: Place, well: bool) {
        let kept = self.folder.as_mut().map_or(Ok(()), |folder| folder.end(place));
        kept.unwrap_or_else(|error| self.fail(error));
        let fold = self.fold;
        for stream in [Stream::Out, Stream::Err].into_iter().filter(|stream| fold.takes(*stream)) {
            if well || self.gather.is_open(place, stream) {
                self.gathered(|gather| gather.end(place, stream));
            }
        }
    }

    fn gathered(&mut self, action: impl FnOnce(&mut Gather) -> io::Result<()>) {
        action(&mut self.gather).unwrap_or_else(|error| {
            let folder = std::env::temp_dir();
            let folder = folder.display();
            self.fail(format!(
                "what is gathered cannot be kept in {folder}: {error}; set TMPDIR to a folder with room for it"
            ));
        });
    }

    /// Only the first trouble is told: the end begins with it.
    fn fail(&mut self, why: String) {
        if !std::mem::replace(&mut self.troubled, true) {
            self.trouble = Some(why);
        }
    }

    /// A last line without its newline is a line.
    fn end_lines(&mut self, place: Place) {
        for stream in [Stream::Out, Stream::Err] {
            if self.lines.get(&(place, stream)).is_some_and(|lines| !lines.is_empty()) {
                self.show(place, stream, b"\n");
            }
            self.lines.remove(&(place, stream));
            self.page.end_remote(stream);
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
}

/// What a transfer that went well has moved.
fn moved(outcome: &Result<Answer, Box<HostError>>) -> Moved {
    let Ok(Answer::Value(value)) = outcome else { return Moved::default() };
    let number = |key| match value.get(key).map(|id| value.node(id)) {
        Some(Node::Int(count)) => u64::try_from(*count).unwrap_or(0),
        _ => 0,
    };
    Moved { bytes: number("size"), total_bytes: None, files: number("files") }
}
