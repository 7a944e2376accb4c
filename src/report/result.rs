//! One result as one JSON object on one line.

use crate::controller::operation::Answer;
use crate::error::{HostError, HostErrorKind};
use crate::proto::json;
use crate::sys::stdio::Stream;
use std::time::Duration;

/// What is kept of each stream of each host; the rest is counted.
const MAX_KEPT_BYTES: usize = 16 * 1024 * 1024;

/// What a host wrote.
#[derive(Debug, Default)]
pub(super) struct Collected {
    out: Vec<u8>,
    err: Vec<u8>,
    dropped: usize,
}

impl Collected {
    pub(super) fn push(&mut self, stream: Stream, bytes: &[u8]) {
        let kept = match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        };
        let count = bytes.len().min(MAX_KEPT_BYTES - kept.len());
        kept.extend_from_slice(&bytes[..count]);
        self.dropped += bytes.len() - count;
    }
}

/// Returns the line, with its newline.
pub(super) fn object(
    target: &str,
    outcome: &Result<Answer, Box<HostError>>,
    collected: &Collected,
    took: Duration,
    max_bytes: usize,
) -> String {
    let text = |text: &str| json::text_or_bytes(text.as_bytes());
    let mut fields = vec![
        ("target", text(target)),
        ("ok", matches!(outcome, Ok(Answer::Value(_) | Answer::Exit(0))).to_string()),
    ];
    match outcome {
        Ok(Answer::Value(value)) => match json::to_json(value, max_bytes) {
            Some(value) => fields.push(("value", value)),
            None => fields.push(("value", r#"{"$toolarge":true}"#.to_owned())),
        },
        Ok(Answer::Exit(status)) => fields.push(("rc", status.to_string())),
        Err(_) => {}
    }
    fields.push(("stdout", json::text_or_bytes(&collected.out)));
    fields.push(("stderr", json::text_or_bytes(&collected.err)));
    if collected.dropped > 0 {
        fields.push(("dropped_bytes", collected.dropped.to_string()));
    }
    if let Err(error) = outcome {
        fields.push(("error", error_object(error)));
    }
    fields.push(("seconds", format!("{:.6}", took.as_secs_f64())));
    join(&fields) + "\n"
}

fn error_object(error: &HostError) -> String {
    let text = |text: &str| json::text_or_bytes(text.as_bytes());
    let mut fields = vec![("kind", text(error.word()))];
    match &error.kind {
        HostErrorKind::Exception(exception) => {
            fields.push(("type", text(&exception.class)));
            fields.push(("message", text(&exception.message)));
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

fn join(fields: &[(&str, String)]) -> String {
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
        let line = object("web1", &Ok(Answer::Exit(3)), &collected, Duration::from_millis(1500), 100);
        assert_eq!(
            line,
            "{\"target\":\"web1\",\"ok\":false,\"rc\":3,\"stdout\":\"hi\\n\",\"stderr\":{\"$bytes\":\"/w==\"},\"seconds\":1.500000}\n"
        );
    }
}
