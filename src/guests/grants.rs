//! Tunnels that remote code has been given as arguments: files go from where it runs to them and back, and programs there
//! have an ssh that leads to them, by a splice at the nearest context above both; nothing else can be asked of them there.

use super::Session;
use super::moving::{Asker, Moving, transfer};
use crate::controller::fleet::{Begun, Origin};
use crate::controller::operation::{Feed, Fetch, Put, Request};
use crate::fakessh::Refusal;
use crate::proto::stream::StreamKey;
use crate::proto::value::{Builder, Node, Value};
use crate::session::crossing::{Called, answer, called};
use crate::sys::clock;
use crate::transfers::Plan;

impl Session {
    /// What runs in one tunnel's context may name another tunnel by a token from now on.
    pub(super) fn grant(&mut self, order: &Value) {
        let number = |name| order.get(name).and_then(|id| order.number(id));
        if let (Some(by), Some(to), Some(token)) = (number("tunnel"), number("to"), number("token"))
            && let Ok((context, _)) = self.context_of(by)
        {
            self.desk.grants.insert((context, token), to);
        }
    }

    /// Remote code wants a file moved between where it runs and a tunnel that it names.
    pub(super) fn join(&mut self, key: StreamKey, order: &Value) {
        let granted = order.get("token").and_then(|id| order.number(id));
        let granted = granted.and_then(|token| self.desk.grants.get(&(key.peer, token)).copied());
        let calls = called(order);
        let refuse = if calls.is_some() { Self::refuse_call } else { Self::refuse_join };
        let Some(number) = granted else {
            return refuse(self, key, "refused: it has not been given such a tunnel");
        };
        let Ok((context, host)) = self.context_of(number) else {
            return refuse(self, key, "the tunnel that it was given is closed");
        };
        match calls {
            Some(Called::Run { run, .. }) => {
                return self.crossings.begin(&mut self.controller, key, context, run);
            }
            Some(Called::Answered(told)) => return self.controller.joined(key, told),
            None => {}
        }
        let bytes = |name| order.get(name).and_then(|id| order.bytes(id));
        let puts = order.get("put").is_some_and(|id| order.is_true(id));
        let Some(path) = bytes("from") else {
            return self.refuse_join(key, "a file without a path");
        };
        let transfer = transfer(order);
        let (source, member) = if puts { (key.peer, context) } else { (context, key.peer) };
        let now = clock::now();
        let from = self.controller.apart(source, member, "from", now);
        let to = self.controller.apart(member, source, "", now);
        let Some(target) = self.controller.target(source).cloned() else {
            return self.refuse_join(key, "it has gone");
        };
        let origin = Origin { target, fetch: Fetch { path, transfer } };
        let mode = order.get("mode").and_then(|id| order.number(id));
        let request =
            Request::Put(Put { path: bytes("path"), mode, stdin: Feed::Nothing, foreign: true, transfer });
        let submitted = self.controller.submit_put_from(from, &origin.fetch, &[to], &request, now);
        let mut moving = Moving::new(Asker::Context(key), Plan::PutFrom(origin), request);
        for put in submitted {
            let begun = Begun { operation: put.operation, feeder: put.feeder, place: 0 };
            moving.begin(begun, (number, host.clone()), &mut self.mux);
        }
        self.desk.moving.push(moving);
    }

    fn refuse_call(&mut self, key: StreamKey, why: &str) {
        self.controller.joined(key, answer(Refusal::STATUS, "", &format!("hopvine: {why}\n")));
    }

    fn refuse_join(&mut self, key: StreamKey, why: &str) {
        let mut builder = Builder::default();
        let pairs = [("kind", "refused"), ("message", why)]
            .map(|(name, text)| (builder.text(name), builder.text(text)));
        let fields = vec![builder.add(Node::Bool(false)), builder.add(Node::Dict(pairs.to_vec()))];
        let root = builder.add(Node::Tuple(fields));
        self.controller.joined(key, builder.finish(root));
    }
}
