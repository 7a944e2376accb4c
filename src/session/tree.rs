//! What there is, as `hopvine ps` shows it; nobody is asked for it.

use super::client::ClientId;
use super::{Asking, Session};
use crate::controller::secrets::Secret;
use crate::proto::message::session::{Branch, FromSession, Hidden};
use crate::sys::clock;
use crate::sys::tty::Echo;
use std::time::Duration;

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Session {
    /// All contexts, each behind the one that it is below.
    pub(super) fn tree(&self) -> FromSession {
        let now = clock::now();
        let branches = self.controller.survey(now).into_iter().map(|seen| {
            let way = self.ways.iter().find(|way| way.context == seen.context);
            let goes_at = way.and_then(super::held::Way::goes_at);
            Branch {
                depth: seen.depth,
                context: seen.context.0,
                hop: seen.hop,
                path: seen.path,
                state: seen.state.to_owned(),
                python: seen.python,
                round_trip_us: seen
                    .round_trip
                    .map(|trip| u64::try_from(trip.as_micros()).unwrap_or(u64::MAX)),
                silent_ms: seen.silent.map(millis),
                streams: seen.streams,
                queued_bytes: seen.queued_bytes,
                sent_bytes: seen.sent_bytes,
                received_bytes: seen.received_bytes,
                running: self
                    .jobs
                    .of(seen.context)
                    .map(|job| (job.label.clone(), millis(now.duration_since(job.since))))
                    .collect(),
                closes_in_ms: goes_at.map(|at| millis(at.saturating_duration_since(now))),
                held: way.is_some_and(|way| way.kept),
            }
        });
        FromSession::Tree {
            pid: std::process::id(),
            seconds: now.duration_since(self.started).as_secs(),
            clients: u32::try_from(self.clients.len()).unwrap_or(u32::MAX),
            branches: branches.collect(),
        }
    }

    /// Shows the next question to a client that can show it.
    pub(super) fn ask(&mut self) {
        let open = self.controller.open_question().cloned();
        if let Some(asking) = self.asking {
            if open.as_ref().is_some_and(|open| open.context == asking.context) {
                return;
            }
            self.asking = None;
            self.tell_client(asking.client, &FromSession::Asked);
        }
        let Some(open) = open else { return };
        let ways = |hops: &String| self.ways.leads_through(hops, open.context, &self.controller);
        let waits = |client: &super::Client| {
            client.opening.iter().chain(client.uses.iter().map(|used| &used.hops)).any(ways)
        };
        let who = self.clients.iter().find(|(_, client)| client.asks && client.waits() && waits(client));
        match who.map(|(id, _)| *id) {
            Some(id) => {
                self.asked += 1;
                let (context, number) = (open.context, self.asked);
                self.asking = Some(Asking { context, client: id, number });
                let shown = open.echo == Echo::Shown;
                let told = FromSession::Ask { number, target: open.target, text: open.text, shown };
                self.tell_client(id, &told);
            }
            None => self.controller.answer(None, clock::now()),
        }
    }

    /// What the user has said to a question; who answers one that is not open any more answers no other.
    pub(super) fn answered(&mut self, id: ClientId, number: u32, answer: Option<Hidden>) {
        if self.asking.is_some_and(|asking| asking.client == id && asking.number == number) {
            self.asking = None;
            let answer = answer.map(|answer| Secret::new(answer.bytes().to_vec()));
            self.controller.answer(answer, clock::now());
        }
    }
}
