//! Commands in one context between whose streams and another context's nothing passes but their nearest common ancestor.

use super::Controller;
use super::operation::{OperationId, Request, Run, lanes};
use super::sharing::Laid;
use crate::proto::ids::ContextId;
use crate::proto::message::ToAgent;
use crate::proto::stream::StreamKey;
use std::time::Instant;

impl Controller {
    /// Runs a command in `to`, with its input from `by`, which has asked on the stream `key`, and its output to there. Neither is
    /// above the other: [`Self::apart`].
    pub fn submit_between(&mut self, key: StreamKey, to: ContextId, run: &Run, now: Instant) -> OperationId {
        let by = key.peer;
        // An agent takes part in it; this program does not.
        let probe = Request::Run(Run { lanes: Some([key, key]), ..run.clone() });
        let to = self.able(to, &probe, now);
        let relay = self.meeting(&[by, to]);
        let (in_id, out_id) = (self.lanes.next(), self.lanes.next());
        let (mut inward, mut outward) = (Laid::default(), Laid::default());
        let [in_source, out_source] = [(by, in_id), (to, out_id)].map(|(peer, id)| StreamKey { peer, id });
        self.lay(relay, in_source, &[to], &mut inward);
        self.lay(relay, out_source, &[by], &mut outward);
        let at = |id| StreamKey { peer: relay, id };
        let (input, output) = (inward.end_of(to), outward.end_of(by));
        // Whoever has asked is told first: what comes for it then cannot overtake that.
        self.streams.send(
            key,
            ToAgent::Data(lanes([at(in_id), output.unwrap_or(at(out_id))])).encode(),
            false,
        );
        let run = Run { lanes: Some([input.unwrap_or(at(in_id)), at(out_id)]), ..run.clone() };
        let operation = self.submit_joined(to, &Request::Run(run), input, now);
        self.collect_frames();
        operation
    }

    /// Who has been joined and does not want that any more.
    pub fn poll_unjoin(&mut self) -> Option<StreamKey> {
        self.unjoins.pop_front()
    }
}
