//! The last steps: a real agent, started as every verb starts one, and what it answers.

use super::errand::MAX_OUTPUT_BYTES;
use super::{Doctor, Step, failure};
use crate::controller::operation::{Answer, Report, Request, Run, Said, Words, no_arguments};
use crate::controller::{Runtime, plan};
use crate::error::{HostError, HostErrorKind};
use crate::hosts::target::{Hop, Target, Way};
use crate::proto::ids::ContextId;
use crate::proto::value::{Node, Value};
use crate::report::{Finding, Verdict};
use crate::sys::stdio::Stream;
use crate::sys::{clock, random};
use std::time::{Duration, Instant, SystemTime};

/// The best of so many calls is the way there and back.
const CALLS: usize = 3;
/// More than this, and logs and certificates of both machines disagree.
const MAX_CLOCK_SECONDS: f64 = 2.0;
/// For the end of an agent that has answered.
const LAST_WAIT: Duration = Duration::from_millis(900);

/// What came of a request.
pub(super) struct Asked {
    pub(super) answer: Result<Answer, HostError>,
    pub(super) out: Vec<u8>,
    pub(super) err: Vec<u8>,
}

impl Doctor {
    pub(super) fn examine_agent(&mut self, target: &Target, hop: &Hop) -> Step {
        let (context, ran, since) = self.start("agent", target, self.settings.agent)?;
        self.examine_context(context, hop, ran, since)
    }

    /// What serves a hop on the way, which has to run commands of ours.
    pub(super) fn examine_relay(&mut self, target: &Target) -> Step {
        let (context, ran, since) = self.start("relay", target, self.settings.relay)?;
        let request =
            Request::Run(Run { words: vec![b"true".to_vec()], interpreter: Words::Exact, ..Run::default() });
        let finding = match self.ask_for(context, &request, b"")?.answer {
            Ok(_) => Finding::new("relay", Verdict::Ok, "runs, and leads on"),
            Err(error) => failure("relay", &error),
        };
        let failed = finding.verdict == Verdict::Fail;
        let finding = Finding { ran, ..finding.took(clock::now() - since) };
        if failed { self.fail(finding) } else { self.tell(finding) }
    }

    /// Starts what serves the end of a way, as every verb does.
    fn start(
        &mut self,
        step: &'static str,
        target: &Target,
        runtime: Runtime,
    ) -> Step<(ContextId, Option<Vec<String>>, Instant)> {
        let ran = plan(target, &self.settings, &self.asking(), runtime).ok().map(|plan| plan.argv);
        let since = clock::now();
        let random = target.hops.iter().map(|_| random::bytes()).collect::<Result<Vec<_>, _>>()?;
        match self.controller.connect_as(target, runtime, &random, since) {
            Ok(context) => {
                self.relays.push(context);
                Ok((context, ran, since))
            }
            Err(error) => self.fail(failure(step, &error)),
        }
    }

    fn examine_context(
        &mut self,
        context: ContextId,
        hop: &Hop,
        ran: Option<Vec<String>>,
        since: Instant,
    ) -> Step {
        // A method of a text is a function like any other.
        let version = match self.ask(context, "sys:version.__str__")? {
            Ok(value) => value.text(value.root()).unwrap_or_default(),
            Err(error) => {
                let finding = failure("agent", &error).took(clock::now() - since);
                return self.fail(Finding { ran, ..finding });
            }
        };
        let version = version.split(' ').next().unwrap_or_default();
        let text = format!("Python {version} has answered its first call");
        let finding = Finding::new("agent", Verdict::Ok, text).took(clock::now() - since);
        self.tell(Finding { ran, ..finding })?;
        self.examine_calls(context, hop)
    }

    /// How long a call takes, and how far the clocks are apart.
    fn examine_calls(&mut self, context: ContextId, hop: &Hop) -> Step {
        let mut best: Option<(Duration, f64)> = None;
        for _ in 0..CALLS {
            let (before, since) = (clock::wall(), clock::now());
            let value = match self.ask(context, "time:time")? {
                Ok(value) => value,
                Err(error) => return self.fail(failure("call", &error)),
            };
            let took = clock::now() - since;
            let Node::Float(theirs) = value.node(value.root()) else { continue };
            let ours = before.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default() + took / 2;
            if best.is_none_or(|(least, _)| took < least) {
                best = Some((took, theirs - ours.as_secs_f64()));
            }
        }
        let Some((took, ahead)) = best else { return Ok(()) };
        self.tell(Finding::new("call", Verdict::Ok, "there and back").took(took))?;
        if matches!(hop.way, Way::Local { .. }) {
            return Ok(());
        }
        self.tell(clock_finding(ahead, took))
    }

    /// What a function without arguments returns.
    fn ask(&mut self, context: ContextId, function: &str) -> Step<Result<Value, HostError>> {
        let request = Request::call(function, no_arguments());
        Ok(self.ask_for(context, &request, b"")?.answer.map(|answer| match answer {
            Answer::Value(value) => value,
            Answer::Exhausted | Answer::Exit(_) | Answer::Killed(_) => no_arguments(),
        }))
    }

    /// The controller's deadlines come before ours, which is for a context that has gone between two requests.
    pub(super) fn ask_for(&mut self, context: ContextId, request: &Request, input: &[u8]) -> Step<Asked> {
        let deadline = self.deadline() + LAST_WAIT;
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let asked = self.controller.submit(context, request, clock::now());
        if request.takes_input() {
            self.controller.input(asked, input, true);
        }
        loop {
            while self.controller.execute(&mut self.mux) {}
            while let Some(report) = self.controller.poll_report() {
                match report {
                    Report::Said { source, said, .. } => {
                        self.controller.consumed(source, clock::now());
                        let Said::Output(stream, bytes) = said else { continue };
                        if stream == Stream::Out { &mut out } else { &mut err }.extend_from_slice(&bytes);
                        if out.len() + err.len() > MAX_OUTPUT_BYTES {
                            self.controller.cancel(asked, clock::now());
                        }
                    }
                    Report::Done { operation, outcome } if operation == asked => {
                        return Ok(Asked { answer: outcome, out, err });
                    }
                    Report::Done { .. } | Report::LeftBehind { .. } => {}
                }
            }
            if clock::now() >= deadline {
                let kind = HostErrorKind::TimedOut { after: self.settings.connect_timeout };
                return Ok(Asked { answer: Err(HostError { hop: None, kind, said: Vec::new() }), out, err });
            }
            self.turn(deadline)?;
        }
    }

    /// Lets all go that has been started, the last first.
    pub(super) fn leave(&mut self) -> Step {
        while let Some(context) = self.relays.pop() {
            self.controller.close(context);
        }
        // A relay does not go before what is behind it.
        self.controller.close_all();
        let deadline = clock::now() + LAST_WAIT;
        while !self.mux.is_empty() && clock::now() < deadline {
            self.turn(deadline)?;
        }
        Ok(())
    }
}

/// How far the other clock is ahead of ours, by a call that took so long.
fn clock_finding(ahead: f64, took: Duration) -> Finding {
    let side = if ahead < 0.0 { "behind" } else { "ahead of" };
    let text =
        format!("{:.3} s {side} this machine's, give or take {:.3} s", ahead.abs(), took.as_secs_f64() / 2.0);
    let mut finding = Finding::new("clock", Verdict::Ok, text);
    if ahead.abs() > MAX_CLOCK_SECONDS + took.as_secs_f64() {
        finding.verdict = Verdict::Warn;
        finding = finding.explained(
            "times in logs and of files do not compare, and certificates or Kerberos may be refused",
            "let both machines follow a time server (chrony, systemd-timesyncd)",
        );
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_a_warning_unless_the_way_is_that_long() {
        let verdict = |ahead, seconds| clock_finding(ahead, Duration::from_secs(seconds)).verdict;
        assert_eq!(verdict(1.0, 0), Verdict::Ok);
        assert_eq!(verdict(-3.0, 0), Verdict::Warn);
        assert_eq!(verdict(3.0, 2), Verdict::Ok);
        assert!(clock_finding(-3.0, Duration::ZERO).text.contains("behind"));
    }
}
