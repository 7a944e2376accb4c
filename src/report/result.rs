//! One result as one JSON object on one line.

use crate::controller::operation::{Answer, Record};
use crate::error::{HostError, HostErrorKind, Instead, Outcome, Withheld};
use crate::proto::json;
use crate::proto::value::Value;
use crate::sys::stdio::Stream;
use std::time::Duration;

/// What is kept of each stream of each host; the rest is counted.
const MAX_KEPT_BYTES: usize = 16 * 1024 * 1024;

/// Larger arguments and attributes of an exception are not shown.
const MAX_DETAIL_BYTES: usize = 1024 * 1024;
/// In the place of a value that is too large.
const TOO_LARGE: &str = r#"{"$toolarge":true}"#;

/// What a host wrote.
#[derive(Debug, Default)]
pub(super) struct Collected {
    out: Vec<u8>,
    err: Vec<u8>,
    /// By all that a host said, records too, and of that by what is not kept.
    said_bytes: u64,
    dropped_bytes: u64,
    records: Vec<Record>,
    record_bytes: usize,
    items: u64,
}

impl Collected {
    pub(super) fn push(&mut self, stream: Stream, bytes: &[u8]) {
        let kept = match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        };
        let count = bytes.len().min(MAX_KEPT_BYTES - kept.len());
        kept.extend_from_slice(&bytes[..count]);
        self.said_bytes += bytes.len() as u64;
        self.dropped_bytes += (bytes.len() - count) as u64;
    }

    pub(super) fn count_item(&mut self) {
        self.items += 1;
    }

    pub(super) fn push_record(&mut self, record: Record) {
        let text = record.logger.len() + record.level.len() + record.text.len();
        let bytes = text + size_of::<Record>();
        self.said_bytes += text as u64;
        if self.record_bytes + bytes <= MAX_KEPT_BYTES {
            self.record_bytes += bytes;
            self.records.push(record);
        } else {
            self.dropped_bytes += text as u64;
        }
    }

    /// What is to be told beside the result.
    pub(super) fn withheld(&self, instead: Instead) -> Option<Withheld> {
        let (all_bytes, told_bytes) = (self.said_bytes, self.said_bytes - self.dropped_bytes);
        (self.dropped_bytes > 0).then_some(Withheld { told_bytes, all_bytes, instead })
    }
}

/// How it went.
pub fn ended(outcome: &Result<Answer, Box<HostError>>) -> Outcome {
    match outcome {
        Ok(answer) => Outcome::Done(answer.status().unwrap_or(0)),
        Err(error) => error.outcome(),
    }
}

/// A name, and a value that is JSON.
pub(super) type Field = (&'static str, String);

/// Returns the line, with its newline; `head` is what stands before the target.
pub(super) fn object(
    head: &[Field],
    target: &str,
    outcome: &Result<Answer, Box<HostError>>,
    collected: &Collected,
    took: Duration,
    max_bytes: usize,
) -> String {
    let text = |text: &str| json::text_or_bytes(text.as_bytes());
    let mut fields = head.to_vec();
    fields
        .extend([("target", text(target)), ("ok", outcome.as_ref().is_ok_and(Answer::is_well).to_string())]);
    match outcome {
        Ok(Answer::Value(value)) => {
            if collected.items > 0 {
                fields.push(("items", collected.items.to_string()));
            }
            let value = json::to_json(value, max_bytes);
            fields.push(("value", value.unwrap_or_else(|| TOO_LARGE.to_owned())));
        }
        Ok(Answer::Exhausted) => fields.push(("items", collected.items.to_string())),
        Ok(answer @ (Answer::Exit(_) | Answer::Killed(_))) => {
            fields.extend(answer.status().map(|status| ("rc", status.to_string())));
        }
        Err(_) => {}
    }
    fields.push(("stdout", json::text_or_bytes(&collected.out)));
    fields.push(("stderr", json::text_or_bytes(&collected.err)));
    if !collected.records.is_empty() {
        let records: Vec<String> = collected.records.iter().map(record_object).collect();
        fields.push(("log", format!("[{}]", records.join(","))));
    }
    if collected.dropped_bytes > 0 {
        fields.push(("dropped_bytes", collected.dropped_bytes.to_string()));
    }
    if let Err(error) = outcome {
        fields.push(("error", error_object(error)));
    }
    fields.push(("seconds", format!("{:.6}", took.as_secs_f64())));
    join(&fields) + "\n"
}

/// Returns the line for one item of a generator, or a message, under that name.
pub(super) fn item(
    head: &[Field],
    target: &str,
    name: &'static str,
    value: &Value,
    max_bytes: usize,
) -> String {
    let value = json::to_json(value, max_bytes).unwrap_or_else(|| TOO_LARGE.to_owned());
    let fields = [("target", json::text_or_bytes(target.as_bytes())), (name, value)];
    join(&[head, &fields].concat()) + "\n"
}

fn record_object(record: &Record) -> String {
    let text = |text: &str| json::text_or_bytes(text.as_bytes());
    join(&[("logger", text(&record.logger)), ("level", text(&record.level)), ("message", text(&record.text))])
}

fn error_object(error: &HostError) -> String {
    let text = |text: &str| json::text_or_bytes(text.as_bytes());
    let mut fields = vec![("kind", text(error.word()))];
    match &error.kind {
        HostErrorKind::Exception(exception) => {
            fields.push(("type", text(&exception.class)));
            fields.push(("message", text(&exception.message)));
            for name in ["args", "attributes", "cause"] {
                let detail = exception.details.get(name);
                let told = detail.and_then(|id| json::part_to_json(&exception.details, id, MAX_DETAIL_BYTES));
                fields.push((name, told.unwrap_or_else(|| "null".to_owned())));
            }
            fields.push(("traceback", text(&exception.traceback)));
        }
        _ => {
            fields.push(("message", text(&error.to_string())));
            fields.push(("traceback", "null".to_owned()));
        }
    }
    if !error.said.is_empty() {
        fields.push((
            "said",
            format!("[{}]", error.said.iter().map(|line| text(line)).collect::<Vec<_>>().join(",")),
        ));
    }
    join(&fields)
}

pub(super) fn join(fields: &[(&str, String)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_one_line_of_json() {
        let mut collected = Collected::default();
        collected.push(Stream::Out, b"hi\n");
        collected.push(Stream::Err, b"\xff");
        let line = object(&[], "web1", &Ok(Answer::Exit(3)), &collected, Duration::from_millis(1500), 100);
        assert_eq!(
            line,
            "{\"target\":\"web1\",\"ok\":false,\"rc\":3,\"stdout\":\"hi\\n\",\"stderr\":{\"$bytes\":\"/w==\"},\"seconds\":1.500000}\n"
        );
    }
}
