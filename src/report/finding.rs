//! What one step of an examination has brought, for people and for programs.

use super::Color;
use super::result::join;
use super::terminal::harmless_text;
use crate::proto::json;
use std::time::Duration;

/// The last lines are the ones that tell.
const MAX_LINES: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Ok,
    /// It works, and something is not as it should be.
    Warn,
    Fail,
}

#[derive(Clone, Debug)]
pub struct Finding {
    /// A word for programs.
    pub step: &'static str,
    pub verdict: Verdict,
    pub text: String,
    /// What went wrong, as all verbs name it for programs.
    pub kind: Option<String>,
    pub took: Option<Duration>,
    pub ran: Option<Vec<String>>,
    /// How it ended, then what it said.
    pub got: Vec<String>,
    pub means: Option<String>,
    pub advice: Option<String>,
}

impl Finding {
    pub fn new(step: &'static str, verdict: Verdict, text: impl Into<String>) -> Self {
        Self {
            step,
            verdict,
            text: text.into(),
            kind: None,
            took: None,
            ran: None,
            got: Vec::new(),
            means: None,
            advice: None,
        }
    }

    /// With what it means and what to try.
    #[must_use]
    pub fn explained(mut self, means: impl Into<String>, advice: impl Into<String>) -> Self {
        self.means = Some(means.into());
        self.advice = Some(advice.into());
        self
    }

    #[must_use]
    pub fn got(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.got.extend(lines);
        self
    }

    #[must_use]
    pub fn took(mut self, took: Duration) -> Self {
        self.took = Some(took);
        self
    }

    fn command_line(&self) -> Option<String> {
        self.ran.as_ref().and_then(|argv| shlex::try_join(argv.iter().map(String::as_str)).ok())
    }

    /// The lines for people; the details of what went well only where they are `wanted`.
    pub(super) fn lines(&self, color: Color, wanted: bool) -> Vec<String> {
        let (word, style) = match self.verdict {
            Verdict::Ok => ("ok  ", anstyle::AnsiColor::Green),
            Verdict::Warn => ("warn", anstyle::AnsiColor::Yellow),
            Verdict::Fail => ("FAIL", anstyle::AnsiColor::Red),
        };
        let style = match color {
            Color::Always => style.on_default(),
            Color::Never => anstyle::Style::new(),
        };
        let took = self.took.map(|took| format!(" ({})", shown(took))).unwrap_or_default();
        let text = one_line(&self.text);
        let mut lines = vec![format!("{style}{word}{style:#} {}: {text}{took}", self.step)];
        if self.verdict != Verdict::Ok || wanted {
            let mut detail = |name: &str, text: &str| lines.push(format!("     {name} {}", one_line(text)));
            if let Some(ran) = self.command_line() {
                detail("ran:", &ran);
            }
            let rest = self.got.get(1..).unwrap_or_default();
            let said = &rest[rest.len().saturating_sub(MAX_LINES)..];
            if let Some(first) = self.got.first() {
                detail("got:", first);
            }
            said.iter().for_each(|line| detail("   |", line));
            if let Some(means) = &self.means {
                detail("means:", means);
            }
            if let Some(advice) = &self.advice {
                detail("try:", advice);
            }
        }
        lines
    }

    /// The object for programs, on one line.
    pub(super) fn object(&self, target: &str) -> String {
        let text = |text: &str| json::text_or_bytes(text.as_bytes());
        let or_null = |value: Option<String>| value.unwrap_or_else(|| "null".to_owned());
        let verdict = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
        };
        let got: Vec<String> = self.got.iter().map(|line| text(line)).collect();
        join(&[
            ("target", text(target)),
            ("step", text(self.step)),
            ("ok", (self.verdict != Verdict::Fail).to_string()),
            ("verdict", text(verdict)),
            ("text", text(&self.text)),
            ("kind", or_null(self.kind.as_deref().map(text))),
            ("ran", or_null(self.command_line().map(|line| text(&line)))),
            ("got", format!("[{}]", got.join(","))),
            ("means", or_null(self.means.as_deref().map(text))),
            ("try", or_null(self.advice.as_deref().map(text))),
            ("seconds", or_null(self.took.map(|took| format!("{:.6}", took.as_secs_f64())))),
        ])
    }
}

/// A time as people compare them.
fn shown(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    if seconds < 1.0 { format!("{:.1} ms", seconds * 1000.0) } else { format!("{seconds:.1} s") }
}

fn one_line(text: &str) -> String {
    harmless_text(text).replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Finding {
        let mut finding = Finding::new("login", Verdict::Fail, "no\x1b[2J")
            .got(["exit status 255".to_owned()])
            .got((0..20).map(|n| format!("line {n}")))
            .explained("means", "advice")
            .took(Duration::from_millis(2));
        finding.ran = Some(vec!["ssh".into(), "a b".into()]);
        finding
    }

    #[test]
    fn a_failure_shows_what_was_run_and_its_last_lines() {
        let lines = failed().lines(Color::Never, false);
        assert_eq!(
            lines[..4],
            [
                "FAIL login: no^[[2J (2.0 ms)",
                "     ran: ssh 'a b'",
                "     got: exit status 255",
                "        | line 8"
            ]
        );
        assert_eq!(lines[lines.len() - 2..], ["     means: means", "     try: advice"]);
    }

    #[test]
    fn what_went_well_is_one_line_unless_more_is_wanted() {
        let well = Finding { verdict: Verdict::Ok, ..failed() };
        assert_eq!(well.lines(Color::Never, false).len(), 1);
        assert_eq!(well.lines(Color::Never, true).len(), failed().lines(Color::Never, false).len());
    }
}
