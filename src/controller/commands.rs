//! What a controller wants done, and what it has to tell.

use super::context::{Place, State};
use super::operation::Report;
use super::{Command, Controller};
use crate::link::Cause;
use crate::mux::Mux;
use crate::proto::ids::ContextId;
use crate::route::LinkId;
use std::io;

/// How many children are started before the owner looks at signals and links again: each takes some milliseconds.
pub const STARTS_AT_ONCE: usize = 16;

impl Controller {
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// Whether anything is to be done.
    pub fn has_command(&self) -> bool {
        !self.commands.is_empty()
    }

    /// Carries out what is to be done; whether that was anything.
    pub fn execute(&mut self, mux: &mut Mux) -> bool {
        let mut all = usize::MAX;
        self.execute_some(mux, &mut all)
    }

    /// The same until one child more would be started than these.
    pub fn execute_some(&mut self, mux: &mut Mux, starts: &mut usize) -> bool {
        let mut worked = false;
        while let Some(command) = self.poll_command() {
            match command {
                Command::Start { context, .. } if self.is_let_go(context) => {
                    self.gone_unheard(context);
                }
                Command::Start { .. } if *starts == 0 => {
                    self.commands.push_front(command);
                    return worked;
                }
                Command::Start { context, start } => {
                    *starts -= 1;
                    let started = mux.start(start);
                    self.handle_started(context, started);
                }
                Command::Behind { context, relay } => mux.expect(context, relay),
                Command::Send(frame) => mux.send(frame),
                Command::Reply(link, password) => mux.reply(link, password.bytes()),
                Command::Close(link) => mux.close(link),
                Command::Abort(link, cause) => mux.abort(link, cause),
            }
            worked = true;
        }
        worked
    }

    /// Whether nobody needs a context that was to be started.
    fn is_let_go(&self, id: ContextId) -> bool {
        self.contexts.get(&id).is_none_or(|context| context.state == State::Closing)
    }

    pub fn has_report(&self) -> bool {
        !self.reports.is_empty()
    }

    pub fn poll_report(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    /// How [`Command::Start`] went.
    pub(super) fn handle_started(&mut self, id: ContextId, started: io::Result<LinkId>) {
        match (started, self.contexts.get_mut(&id)) {
            (Ok(link), Some(context)) => {
                context.place = Place::Here(Some(link));
                self.by_link.insert(link, id);
            }
            (Err(error), _) => self.not_started(id, error.to_string()),
            (Ok(link), None) => self.commands.push_back(Command::Abort(link, Cause::Asked)),
        }
    }
}
