//! Who wants to know when a context runs, and nothing in it that has been cancelled, why it does not, and when
//! it has gone.

use super::Controller;
use super::context::State;
use super::operation::{Answer, OperationId, Report};
use crate::error::{HostError, HostErrorKind, Loss};
use crate::proto::ids::ContextId;
use crate::proto::value::Builder;

impl Controller {
    /// Asks nothing of a context: the operation is done, with None, when the context runs and what was cancelled there
    /// has ended.
    pub fn await_opening(&mut self, context: ContextId) -> OperationId {
        self.next_operation += 1;
        let operation = OperationId(self.next_operation);
        match self.contexts.get(&context) {
            Some(found) if found.state == State::Open && found.stopping.is_empty() => {
                self.tell_opened(operation);
            }
            Some(_) => {
                self.openings.entry(context).or_default().push(operation);
            }
            None => {
                let kind = HostErrorKind::LinkLost { why: Loss::Ended { exit: None } };
                self.tell_not_opened(operation, HostError { hop: None, kind, said: Vec::new() });
            }
        }
        operation
    }

    /// The same for its end: the operation fails with why it has gone, whoever wanted that.
    pub fn await_end(&mut self, context: ContextId) -> OperationId {
        self.next_operation += 1;
        let operation = OperationId(self.next_operation);
        self.endings.entry(context).or_default().push(operation);
        operation
    }

    pub(super) fn has_ended(&mut self, context: ContextId, error: &HostError) {
        for operation in self.endings.remove(&context).unwrap_or_default() {
            self.tell_not_opened(operation, error.clone());
        }
    }

    /// Whether something goes on in a context that has been cancelled.
    pub fn is_settling(&self, context: ContextId) -> bool {
        self.contexts.get(&context).is_some_and(|context| !context.stopping.is_empty())
    }

    pub(super) fn has_opened(&mut self, context: ContextId) {
        for operation in self.openings.remove(&context).unwrap_or_default() {
            self.tell_opened(operation);
        }
    }

    pub(super) fn will_not_open(&mut self, context: ContextId, error: &HostError) {
        for operation in self.openings.remove(&context).unwrap_or_default() {
            self.tell_not_opened(operation, error.clone());
        }
    }

    /// Nobody waits for it any more.
    pub(super) fn stop_awaiting(&mut self, operation: OperationId, kind: &HostErrorKind) {
        let waits = |all: &mut Vec<OperationId>| {
            let before = all.len();
            all.retain(|one| *one != operation);
            before > all.len()
        };
        if self.openings.values_mut().any(waits) {
            self.tell_not_opened(operation, HostError { hop: None, kind: kind.clone(), said: Vec::new() });
        }
    }

    fn tell_opened(&mut self, operation: OperationId) {
        let outcome = Ok(Answer::Value(Builder::default().none()));
        self.reports.push_back(Report::Done { operation, outcome });
    }

    fn tell_not_opened(&mut self, operation: OperationId, error: HostError) {
        self.reports.push_back(Report::Done { operation, outcome: Err(error) });
    }
}
