//! The controller without processes: commands and reports, and a clock that jumps.

use super::operation::{Request, Run};
use super::*;
use crate::hosts::target::Target;
use crate::link::LinkEvent;
use crate::payload;
use crate::proto::frame::Kind;
use crate::proto::message::ChildHello;
use crate::transport::OWN_LANGUAGE;

const TIMEOUT: Duration = Duration::from_secs(5);

fn controller() -> Controller {
    Controller::new(Settings { title: "title".into(), timeout: Some(TIMEOUT), ..Settings::default() })
}

fn run() -> Request {
    Request::Run(Run { words: vec![b"true".to_vec()], ..Run::default() })
}

/// A context whose child has been started as link 7, and an operation of it.
fn started(controller: &mut Controller, now: Instant) -> (ContextId, OperationId) {
    let target = Target::parse("ssh:web1").expect("a target");
    let context = controller.connect(&target, &[[0; RANDOM_BYTES]], now).expect("a plan");
    let operation = controller.submit(context, &run(), now);
    controller.handle_started(context, Ok(LinkId(7)));
    (context, operation)
}

fn failure(controller: &mut Controller) -> Option<(OperationId, HostErrorKind)> {
    match controller.poll_report()? {
        Report::Done { operation, outcome: Err(error) } => Some((operation, error.kind)),
        report => panic!("{report:?}"),
    }
}

#[test]
fn what_is_asked_leaves_with_the_start() {
    let mut controller = controller();
    started(&mut controller, crate::sys::clock::now());
    let commands: Vec<_> = std::iter::from_fn(|| controller.poll_command()).collect();
    assert!(matches!(commands[0], Command::Start { .. }));
    let opened =
        commands.iter().filter(|command| matches!(command, Command::Send(frame) if frame.kind == Kind::Open));
    assert_eq!(
        opened.count(),
        5,
        "the watchdog, what makes it a subreaper, the part that reads input, the part that runs commands, and the command"
    );
}

#[test]
fn a_child_that_does_not_answer_in_time_is_given_up() {
    let (mut controller, now) = (controller(), crate::sys::clock::now());
    let (_, operation) = started(&mut controller, now);
    assert_eq!(controller.poll_timeout(), Some(now + Duration::from_secs(30)));
    while controller.poll_command().is_some() {}
    controller.handle_timeout(now + Duration::from_secs(30));
    assert!(matches!(controller.poll_command(), Some(Command::Abort(LinkId(7), Cause::TooSlow))));
    let (stderr, noise) = (vec!["last words".into()], Vec::new());
    let end = End { cause: Cause::TooSlow, started: false, exit: None, stderr, noise };
    controller.handle_link(LinkId(7), LinkEvent::Ended(end), now);
    let Some((failed, HostErrorKind::ConnectTimeout { .. })) = failure(&mut controller) else {
        panic!("no error")
    };
    assert_eq!((failed, controller.poll_timeout()), (operation, None));
}

#[test]
fn the_time_for_the_work_begins_when_the_context_is_open() {
    let (mut controller, now) = (controller(), crate::sys::clock::now());
    let (_, operation) = started(&mut controller, now);
    let open = now + Duration::from_secs(20);
    let hello = ChildHello { version: 1, pid: 1, python: 0 };
    controller.handle_link(LinkId(7), LinkEvent::Ready(hello), open);
    assert_eq!(controller.poll_timeout(), Some(open + TIMEOUT));
    controller.handle_timeout(open + TIMEOUT);
    assert!(
        matches!(failure(&mut controller), Some((late, HostErrorKind::TimedOut { .. })) if late == operation)
    );
    let reset = std::iter::from_fn(|| controller.poll_command());
    assert!(
        reset.into_iter().any(|command| matches!(command, Command::Send(frame) if frame.kind == Kind::Reset))
    );
}

#[test]
fn a_program_that_cannot_be_run_fails_what_was_asked() {
    let (mut controller, now) = (controller(), crate::sys::clock::now());
    let target = Target::parse("local:").expect("a target");
    let context = controller.connect(&target, &[[0; RANDOM_BYTES]], now).expect("a plan");
    let operation = controller.submit(context, &run(), now);
    controller.handle_started(context, Err(std::io::ErrorKind::NotFound.into()));
    assert!(
        matches!(failure(&mut controller), Some((failed, HostErrorKind::SpawnFailed { .. })) if failed == operation)
    );
    assert_eq!(controller.poll_timeout(), None);
}

#[test]
fn a_context_that_goes_on_with_what_was_cancelled_is_ended() {
    let (mut controller, now) = (controller(), crate::sys::clock::now());
    let (context, operation) = started(&mut controller, now);
    let hello = ChildHello { version: 1, pid: 1, python: 0 };
    controller.handle_link(LinkId(7), LinkEvent::Ready(hello), now);
    let other = controller.submit(context, &run(), now);
    controller.cancel(operation, now);
    assert!(matches!(failure(&mut controller), Some((_, HostErrorKind::Interrupted))));
    while controller.poll_command().is_some() {}
    let late = controller.poll_timeout().expect("patience has an end");
    controller.handle_timeout(late);
    assert!(matches!(controller.poll_command(), Some(Command::Abort(LinkId(7), Cause::Stuck))));
    assert!(controller.take_notes().iter().any(|note| note.weight == Weight::Warning));
    let (stderr, noise) = (Vec::new(), Vec::new());
    let end = End { cause: Cause::Stuck, started: true, exit: None, stderr, noise };
    controller.handle_link(LinkId(7), LinkEvent::Ended(end), late);
    let lost = failure(&mut controller);
    assert!(matches!(lost, Some((lost, HostErrorKind::LinkLost { why: Loss::Stuck })) if lost == other));
}

#[test]
fn a_context_that_stops_what_was_cancelled_goes_on() {
    let (mut controller, now) = (controller(), crate::sys::clock::now());
    let (context, operation) = started(&mut controller, now);
    let hello = ChildHello { version: 1, pid: 1, python: 0 };
    controller.handle_link(LinkId(7), LinkEvent::Ready(hello), now);
    controller.cancel(operation, now);
    let commands: Vec<_> = std::iter::from_fn(|| controller.poll_command()).collect();
    let reset = commands.into_iter().find_map(|command| match command {
        Command::Send(frame) if frame.kind == Kind::Reset => Some(frame),
        _ => None,
    });
    let reset = reset.expect("the agent is told");
    let settled = Frame { to: ContextId::CONTROLLER, from: context, ..reset };
    controller.handle_link(LinkId(7), LinkEvent::Frame(settled), now);
    assert_eq!(controller.poll_timeout(), None);
}

#[test]
fn a_context_is_let_go_when_what_was_cancelled_there_has_ended_or_had_its_time() {
    for settles in [true, false] {
        let (mut controller, now) = (controller(), crate::sys::clock::now());
        let (context, operation) = started(&mut controller, now);
        let hello = ChildHello { version: 1, pid: 1, python: 0 };
        controller.handle_link(LinkId(7), LinkEvent::Ready(hello), now);
        controller.cancel(operation, now);
        controller.close(context);
        controller.close_all();
        let last = now + Duration::from_millis(700);
        controller.give_up_by(last);
        let commands: Vec<_> = std::iter::from_fn(|| controller.poll_command()).collect();
        assert!(!commands.iter().any(|command| matches!(command, Command::Close(_))));
        assert!(controller.is_leaving(context) && !controller.is_usable(context));
        assert_eq!(controller.poll_timeout(), Some(last));
        if settles {
            let reset = commands.into_iter().find_map(|command| match command {
                Command::Send(frame) if frame.kind == Kind::Reset => Some(frame),
                _ => None,
            });
            let reset = reset.expect("the agent is told");
            let settled = Frame { to: ContextId::CONTROLLER, from: context, ..reset };
            controller.handle_link(LinkId(7), LinkEvent::Frame(settled), now);
        } else {
            controller.handle_timeout(last);
        }
        let commands: Vec<_> = std::iter::from_fn(|| controller.poll_command()).collect();
        assert!(matches!(commands[..], [Command::Close(LinkId(7))]), "{commands:?}");
        assert!(controller.take_notes().iter().all(|note| note.weight == Weight::Detail));
        assert_eq!(controller.poll_timeout(), None);
    }
}

#[test]
fn each_way_is_run_as_it_was_typed() {
    let controller = controller();
    let asking = Asking { token: "TOKEN", ssh: Questions::Refused };
    let by_sh = payload::through_sh("SCRIPT");
    let octal = |script: &str| script.replace('$', "\\044").replace('"', "\\042");
    let rows = [
        ("local:", "/bin/sh -c SCRIPT".to_owned()),
        (
            "web1",
            format!(
                "ssh -T -o BatchMode=yes -o ControlMaster=no -o PermitLocalCommand=no -o ClearAllForwardings=yes \
                 -- web1 {by_sh}"
            ),
        ),
        ("sudo:", format!("sudo -p TOKEN -u root -- sh -c {OWN_LANGUAGE}SCRIPT")),
        ("sudo:app?home=yes&keep=yes", format!("sudo -p TOKEN -u app -H -E -- sh -c {OWN_LANGUAGE}SCRIPT")),
        (
            "sudo:app?login=yes",
            format!("sudo -p TOKEN -u app -i -- sh -c eval \"`printf '{}SCRIPT'`\"", octal(OWN_LANGUAGE)),
        ),
        ("su:app", format!("su app -c exec sh -c 'exec <&3 >&3 3>&-;{OWN_LANGUAGE}SCRIPT'")),
        ("su:?login=yes", format!("su - root -c exec sh -c 'exec <&3 >&3 3>&-;{OWN_LANGUAGE}SCRIPT'")),
        ("doas:app", format!("doas -u app sh -c {OWN_LANGUAGE}SCRIPT")),
        ("docker:app?user=me", "docker exec -i --user=me app sh -c SCRIPT".into()),
        (
            "docker:?image=py:3",
            format!(
                "sh -c {} hopvine=TOKEN docker run -i --rm --label=hopvine=TOKEN --init --entrypoint=sh py:3 -c SCRIPT",
                payload::THROWAWAY
            ),
        ),
        (
            "podman:app?image=py:3&user=me&rm=no",
            "podman run -i --name=app --user=me --entrypoint=sh py:3 -c SCRIPT".into(),
        ),
        (
            "kubectl:app?namespace=prod&container=web&context=eu",
            "kubectl exec -i --context=eu --namespace=prod --container=web app -- sh -c SCRIPT".into(),
        ),
        ("lxc:c", "lxc-attach -n c -- sh -c SCRIPT".into()),
        ("lxd:c", "lxc exec c -T -- sh -c SCRIPT".into()),
        ("incus:c", "incus exec c -T -- sh -c SCRIPT".into()),
        ("nsenter:1", "nsenter -t 1 -a -- sh -c SCRIPT".into()),
        ("machinectl:m", "systemd-run --machine=m --pipe --quiet --wait --collect -- sh -c SCRIPT".into()),
        ("jail:j", "jexec j sh -c SCRIPT".into()),
    ];
    for (typed, expected) in rows {
        let target = Target::parse(typed).expect("a target");
        let plan = plan_with(&target.hops[0], &controller.settings, &asking, Wording::by_sh("SCRIPT".into()));
        assert_eq!(plan.expect("a plan").argv.join(" "), expected, "{typed}");
    }
}

#[test]
fn a_path_that_is_too_long_is_refused_with_its_hops() {
    let target = Target::parse("bastion/sudo:/docker:app").expect("a target");
    let mut controller = Controller::new(Settings { max_hops: 2, ..controller().settings });
    let random = [[0; RANDOM_BYTES]; 3];
    let error = controller.connect(&target, &random, crate::sys::clock::now()).expect_err("too far");
    assert_eq!(error.to_string(), "3 hops, and the limit is 2: ssh:bastion -> sudo:root -> docker:app");
}

#[test]
fn beyond_the_limit_of_contexts_nothing_is_started_and_what_was_begun_on_the_way_goes() {
    let now = crate::sys::clock::now();
    let mut controller = Controller::new(Settings { max_contexts: 2, ..controller().settings });
    let connect = |controller: &mut Controller, path: &str| {
        controller.connect(&Target::parse(path).expect("a target"), &[[0; RANDOM_BYTES]; 3], now)
    };
    let first = connect(&mut controller, "ssh:a").expect("the first");
    controller.handle_started(first, Ok(LinkId(7)));
    let error = connect(&mut controller, "ssh:a/sudo:/ssh:b").expect_err("one too many");
    assert!(matches!(error.kind, HostErrorKind::TooManyContexts { limit: 2 }), "{error}");
    assert!(controller.is_usable(first), "it is somebody's");
    let sudo = controller.children[&first].first().copied().expect("until its relay has told of its end");
    assert!(!controller.is_usable(sudo), "nobody's");

    while controller.poll_command().is_some() {}
    controller.close(first);
    assert!(matches!(controller.poll_command(), Some(Command::Close(LinkId(7)))));
    let (cause, stderr, noise) = (Cause::Asked, Vec::new(), Vec::new());
    let end = End { cause, started: false, exit: None, stderr, noise };
    controller.handle_link(LinkId(7), LinkEvent::Ended(end), now);
    assert!(connect(&mut controller, "ssh:c/sudo:").is_ok(), "there is room again");
}

#[test]
fn who_is_left_behind_keeps_his_time_and_after_an_end_is_not_asked_again() {
    let (mut controller, now) = (controller(), crate::sys::clock::now());
    let transfer = operation::Transfer { tree: false, keep: false, packed: false };
    let put =
        operation::Put { path: None, mode: None, stdin: operation::Feed::Nothing, foreign: false, transfer };
    let rules = fleet::Rules { fanout: 1, serial: None, max_failures: None, fail_fast: false, retries: 0 };
    let target = Target::parse("ssh:web1").expect("a target");
    let mut fleet = fleet::Fleet::new(vec![target], Request::Put(put), rules, None);
    let places = fleet.take_turns(1, now);
    let started = fleet.start(&places, &mut controller, &[[0; RANDOM_BYTES]], now);
    let first = started.begun[0].operation;

    let left = Some(now + Duration::from_millis(1));
    let again = fleet.alone(first, left, &mut controller, now)[0].operation;
    assert_eq!(controller.poll_timeout(), left);
    assert_eq!(fleet.running(), [(0, now)]);
    controller.handle_timeout(now + Duration::from_millis(1));
    assert!(matches!(failure(&mut controller), Some((of, HostErrorKind::TimedOut { .. })) if of == again));

    fleet.stop(&mut controller, now);
    let report = Report::LeftBehind { operation: again, deadline: None };
    let news = fleet.handle_report(&mut controller, report, 0, now);
    let Some(fleet::News::Done { outcome: Err(error), .. }) = news else { panic!("{news:?}") };
    assert!(matches!(error.kind, HostErrorKind::Interrupted));
    assert!(fleet.is_done());
}
