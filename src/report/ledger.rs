//! The report of a queue: one JSON object for each job, as it ends.

use super::MAX_JSON_BYTES;
use super::live::{Board, Live};
use super::page::Page;
use super::result::{self, Collected, Field};
use crate::controller::operation::{Answer, Record};
use crate::controller::queue::Job;
use crate::error::{HostError, Instead, Outcome};
use crate::proto::json;
use crate::proto::value::Value;
use crate::sys::stdio::Stream;
use crate::transfers::Moved;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What a job comes from.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    pub number: u64,
    /// As JSON.
    pub id: Option<&'a str>,
}

impl Line<'_> {
    fn fields(self) -> Vec<Field> {
        let id = self.id.map(|id| ("id", id.to_owned()));
        [("line", self.number.to_string())].into_iter().chain(id).collect()
    }
}

#[derive(Debug)]
pub struct Ledger {
    page: Page,
    collected: HashMap<Job, Collected>,
    /// Each that there has been, once.
    outcomes: Vec<Outcome>,
}

impl Ledger {
    /// `progress`: shows how it goes, where people look on and results go elsewhere.
    pub fn new(progress: bool, now: Instant) -> Self {
        let mut page = Page::new();
        if progress && page.is_terminal(Stream::Err) && !page.is_terminal(Stream::Out) {
            page.live = Some(Live::new(Board::new(&[]), now));
        }
        Self { page, collected: HashMap::new(), outcomes: Vec::new() }
    }

    /// One more host, by the number that it has in the queue.
    pub fn add_host(&mut self, name: &str) {
        self.page.live.iter_mut().for_each(|live| live.board().add(name));
    }

    /// So many more jobs.
    pub fn expect(&mut self, jobs: usize) {
        self.page.live.iter_mut().for_each(|live| live.board().expect(jobs));
    }

    /// Where it is written.
    pub fn page(&self) -> &Page {
        &self.page
    }

    pub fn page_mut(&mut self) -> &mut Page {
        &mut self.page
    }

    pub fn output(&mut self, job: Job, stream: Stream, bytes: &[u8]) {
        self.collected.entry(job).or_default().push(stream, bytes);
    }

    pub fn record(&mut self, job: Job, record: Record) {
        self.collected.entry(job).or_default().push_record(record);
    }

    /// What a generator has yielded.
    pub fn item(&mut self, job: Job, line: Line<'_>, target: &str, value: &Value) {
        self.collected.entry(job).or_default().count_item();
        let text = result::item(&line.fields(), target, "item", value, MAX_JSON_BYTES);
        self.page.push(Stream::Out, text.as_bytes());
    }

    pub fn done(
        &mut self,
        job: Job,
        line: Line<'_>,
        target: &str,
        outcome: &Result<Answer, Box<HostError>>,
        took: Duration,
    ) {
        let collected = self.collected.remove(&job).unwrap_or_default();
        let text = result::object(&line.fields(), target, outcome, &collected, took, MAX_JSON_BYTES);
        self.page.push(Stream::Out, text.as_bytes());
        if let Some(withheld) = collected.withheld(Instead::Queue) {
            self.page.say(&format!("{target}: line {}: {withheld}", line.number));
        }
        let ended = result::ended(outcome);
        if let Some(live) = &mut self.page.live {
            live.board().done(ended == Outcome::Done(0), Moved::default());
        }
        if !self.outcomes.contains(&ended) {
            self.outcomes.push(ended);
        }
    }

    /// A line that is no operation.
    pub fn wrong(&mut self, line: Line<'_>, message: &str) {
        let text = |text: &str| json::text_or_bytes(text.as_bytes());
        let error = result::join(&[("kind", text("usage")), ("message", text(message))]);
        let fields = [line.fields(), vec![("ok", "false".to_owned()), ("error", error)]].concat();
        self.page.push(Stream::Out, (result::join(&fields) + "\n").as_bytes());
        self.page.say(message);
    }

    /// Each kind of outcome that there has been.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }
}
