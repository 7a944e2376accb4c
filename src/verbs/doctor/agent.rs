//! The last steps: a real agent, started as every verb starts one, and what it answers.

use super::{Doctor, Step, Stop, failure};
use crate::controller::operation::{Answer, Report, Request, no_arguments};
use crate::controller::plan;
use crate::error::{HostError, HostErrorKind};
use crate::hosts::target::{Hop, Target, Way};
use crate::proto::ids::ContextId;
use crate::proto::message::Own;
use crate::proto::value::{Node, Value};
use crate::report::{Finding, Verdict};
use crate::sys::{clock, random};
use std::time::{Duration, Instant, SystemTime};

/// The best of so many calls is the way there and back.
const CALLS: usize = 3;
/// More than this, and logs and certificates of both machines disagree.
const MAX_CLOCK_SECONDS: f64 = 2.0;
/// For the end of an agent that has answered.
const LAST_WAIT: Duration = Duration::from_millis(900);

impl Doctor {
    pub(super) fn examine_agent(&mut self, target: &Target, hop: &Hop) -> Step {
        let ran =
            plan(target, &self.settings, &self.asking(), self.settings.agent).ok().map(|plan| plan.argv);
        let since = clock::now();
        let random = target.hops.iter().map(|_| random::bytes()).collect::<Result<Vec<_>, _>>()?;
        let context = match self.controller.connect(target, &random, since) {
            Ok(context) => context,
            Err(error) => return self.fail(failure("agent", &error)),
        };
        let examined = self.examine_context(context, hop, ran, since);
        if let Ok(()) | Err(Stop::Failed) = examined {
            self.leave(context)?;
        }
        examined
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

    /// What a function without arguments returns. The controller's deadlines come before ours, which
    /// is for a context that has gone between two calls.
    fn ask(&mut self, context: ContextId, function: &str) -> Step<Result<Value, HostError>> {
        let deadline = self.deadline() + LAST_WAIT;
        let request =
            Request::Call { function: function.to_owned(), arguments: no_arguments(), own: Own::Nothing };
        let asked = self.controller.submit(context, &request, clock::now());
        loop {
            while self.controller.execute(&mut self.mux) {}
            while let Some(report) = self.controller.poll_report() {
                match report {
                    Report::Output { source, .. }
                    | Report::Item { source, .. }
                    | Report::Record { source, .. }
                    | Report::Piece { source, .. } => self.controller.consumed(source),
                    Report::Done { operation, outcome } if operation == asked => {
                        let value = outcome.map(|answer| match answer {
                            Answer::Value(value) => value,
                            Answer::Exhausted | Answer::Exit(_) => no_arguments(),
                        });
                        return Ok(value);
                    }
                    Report::Done { .. } => {}
                }
            }
            if clock::now() >= deadline {
                let kind = HostErrorKind::TimedOut { after: self.settings.connect_timeout };
                return Ok(Err(HostError { hop: None, kind, said: Vec::new() }));
            }
            self.turn(deadline)?;
        }
    }

    /// Lets the agent go before the next target's turn.
    fn leave(&mut self, context: ContextId) -> Step {
        self.controller.close(context);
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
