//! A call that is cancelled stops, and the next one runs: in the same agent where that is possible.

use hopvine::api::{Hopvine, Tunnel};
use hopvine::controller::Settings;
use hopvine::controller::operation::{Answer, OperationId, Report, Request, Said, no_arguments};
use hopvine::error::{HostError, HostErrorKind, Loss};
use hopvine::modules::Library;
use hopvine::payload::Interpreter;
use hopvine::proto::message::Own;
use hopvine::proto::value::{Node, Value};
use hopvine::sys::clock;
use std::path::Path;
use std::time::Duration;

/// The agent under test, and what leads to it.
struct Agent {
    hopvine: Hopvine,
    tunnel: Tunnel,
}

fn open() -> Agent {
    let remote = Path::new(env!("CARGO_MANIFEST_DIR")).join("compat-tests/remote");
    let library = Library::new(vec![remote]).expect("the folder of the remote modules");
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let settings = Settings { interpreter: Interpreter::Named(python), library, ..Settings::default() };
    let mut hopvine = Hopvine::new(settings).expect("a loop");
    let tunnel = hopvine.open("local:").expect("a way");
    Agent { hopvine, tunnel }
}

fn submit(agent: &mut Agent, request: &Request) -> OperationId {
    agent.hopvine.submit(agent.tunnel, request).expect("it is open")
}

fn call(function: &str, own: Own) -> Request {
    Request::Call { function: function.to_owned(), imports: None, arguments: no_arguments(), own }
}

fn end(agent: &mut Agent, awaited: OperationId) -> Result<Answer, HostError> {
    loop {
        if let Report::Done { operation, outcome } = agent.hopvine.next_report().expect("the loop goes on")
            && operation == awaited
        {
            return outcome;
        }
    }
}

fn value(agent: &mut Agent, function: &str) -> Value {
    let operation = submit(agent, &call(function, Own::Nothing));
    match end(agent, operation) {
        Ok(Answer::Value(value)) => value,
        other => panic!("{function}: {other:?}"),
    }
}

/// Waits until the call is at it, then cancels it.
fn cancel(agent: &mut Agent, function: &str, own: Own) -> OperationId {
    let operation = submit(agent, &call(function, own));
    loop {
        match agent.hopvine.next_report().expect("the loop goes on") {
            Report::Said { said: Said::Output(_, bytes), .. } if bytes.starts_with(b"at it") => break,
            Report::Done { outcome, .. } => panic!("{function}: {outcome:?}"),
            _ => {}
        }
    }
    agent.hopvine.controller_mut().cancel(operation, clock::now());
    let error = end(agent, operation).expect_err("it was cancelled");
    assert!(matches!(error.kind, HostErrorKind::Interrupted), "{function}: {error:?}");
    operation
}

fn stops_and_the_next_call_runs_in_the_same_agent(function: &str, own: Own) {
    let mut agent = open();
    let before = value(&mut agent, "os:getpid");
    cancel(&mut agent, function, own);
    let cancelled = clock::now();
    assert_eq!(value(&mut agent, "os:getpid"), before, "{function}: another agent");
    assert!(clock::now() - cancelled < Duration::from_secs(2), "{function}: took too long");
    // A process of its own ends beside the calls of the main thread.
    loop {
        let left = value(&mut agent, "stubborn:children");
        if *left.node(left.root()) == Node::List(Vec::new()) {
            break;
        }
        assert!(clock::now() - cancelled < Duration::from_secs(2), "{function}: {left:?} is left");
    }
    assert_eq!(value(&mut agent, "os:getpid"), before);
    agent.hopvine.close_all().expect("it ends");
}

#[test]
fn a_sleep() {
    stops_and_the_next_call_runs_in_the_same_agent("stubborn:sleeps", Own::Nothing);
}

#[test]
fn a_busy_loop() {
    stops_and_the_next_call_runs_in_the_same_agent("stubborn:computes", Own::Nothing);
}

#[test]
fn a_long_command() {
    stops_and_the_next_call_runs_in_the_same_agent("stubborn:waits_for_a_command", Own::Nothing);
}

#[test]
fn a_child_deaf_to_sigterm_in_its_own_session() {
    stops_and_the_next_call_runs_in_the_same_agent("stubborn:waits_for_a_deaf_child", Own::Nothing);
}

#[test]
fn a_lock_that_nobody_will_release() {
    let mut agent = open();
    let interruptible = value(&mut agent, "stubborn:locks_can_be_interrupted");
    agent.hopvine.close_all().expect("it ends");
    if interruptible.is_true(interruptible.root()) {
        stops_and_the_next_call_runs_in_the_same_agent("stubborn:waits_for_a_lock", Own::Nothing);
    } else {
        ends_its_agent("stubborn:waits_for_a_lock", Own::Nothing);
    }
}

#[test]
fn whatever_it_is_in_a_process_of_its_own() {
    for function in ["stubborn:sleeps", "stubborn:holds_the_interpreter", "stubborn:is_deaf"] {
        stops_and_the_next_call_runs_in_the_same_agent(function, Own::Process);
    }
}

/// The user is told, and what else ran there fails with the reason.
fn ends_its_agent(function: &str, own: Own) {
    let mut agent = open();
    cancel(&mut agent, function, own);
    let next = submit(&mut agent, &call("stubborn:sleeps", Own::Nothing));
    let error = end(&mut agent, next).expect_err("the agent is lost");
    assert!(matches!(error.kind, HostErrorKind::LinkLost { why: Loss::Stuck }), "{function}: {error:?}");
    let warnings = agent.hopvine.take_warnings();
    assert!(warnings.iter().any(|told| told.text.contains("its state is lost")), "{warnings:?}");
    agent.hopvine.close_all().expect("nothing is left");
}

#[test]
fn a_call_that_holds_the_interpreter_costs_its_agent() {
    ends_its_agent("stubborn:holds_the_interpreter", Own::Nothing);
}

#[test]
fn a_call_in_a_thread_of_its_own_costs_its_agent() {
    ends_its_agent("stubborn:computes", Own::Thread);
}

#[test]
fn a_call_that_goes_on_whatever_happens_costs_its_agent() {
    ends_its_agent("stubborn:is_deaf", Own::Nothing);
}
