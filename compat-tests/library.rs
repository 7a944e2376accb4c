//! The program as a library: what its callers get, and what they get when something fails.

use hopvine::api::{Arguments, Hopvine, Tunnel};
use hopvine::controller::Settings;
use hopvine::controller::operation::{Answer, Report, Request, no_arguments};
use hopvine::error::{Failure, HostErrorKind};
use hopvine::modules::Library;
use hopvine::proto::json;
use hopvine::proto::value::Value;
use nix::sys::signal::{Signal, raise};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

fn hopvine() -> Hopvine {
    let remote = Path::new(env!("CARGO_MANIFEST_DIR")).join("compat-tests/remote");
    let library = Library::new(vec![remote]).expect("the folder of the remote modules");
    Hopvine::new(Settings { library, ..Settings::default() }).expect("a loop")
}

fn open<const N: usize>(hopvine: &mut Hopvine, targets: [&str; N]) -> [Tunnel; N] {
    targets.map(|target| hopvine.open(target).expect("a target"))
}

fn told(value: &Value) -> String {
    json::to_json(value, 1000).expect("short")
}

fn kind(failure: Failure) -> HostErrorKind {
    let Failure::Host(error) = failure else { panic!("{failure:?} is not of a host") };
    error.kind
}

#[test]
fn a_call_returns_a_value_and_a_generator_a_list() {
    let mut hopvine = hopvine();
    let [tunnel] = open(&mut hopvine, ["local:"]);
    let words = Arguments::default().json("[3, 1, 2]").named("reverse", true);
    let sorted = hopvine.call(tunnel, "builtins:sorted", &words).expect("it is sorted");
    assert_eq!(told(&sorted), "[3,2,1]");
    let items = sorted.items(sorted.root()).expect("a list");
    assert_eq!(items.iter().filter_map(|id| sorted.int(*id)).collect::<Vec<_>>(), [3, 2, 1]);
    let counted = hopvine.call(tunnel, "yielding:count", &Arguments::of([3])).expect("it is counted");
    assert_eq!(told(&counted), "[0,1,2]");
    hopvine.close_all().expect("it ends");
}

#[test]
fn what_is_raised_is_an_error_of_that_host_and_the_tunnel_goes_on() {
    let mut hopvine = hopvine();
    let [tunnel] = open(&mut hopvine, ["local:"]);
    let failed = hopvine.call(tunnel, "operator:truediv", &Arguments::of([1, 0])).expect_err("by zero");
    let HostErrorKind::Exception(exception) = kind(failed) else { panic!("is an exception") };
    assert_eq!(exception.class, "ZeroDivisionError");
    let again = hopvine.call(tunnel, "operator:floordiv", &Arguments::of([6, 2])).expect("it goes on");
    assert_eq!(again.as_int(), Some(3));
    hopvine.close_all().expect("it ends");
}

#[test]
fn one_host_that_fails_harms_no_other() {
    let mut hopvine = hopvine();
    let all = open(&mut hopvine, ["local:a", "local:none?python=no-such-python", "local:b"]);
    let group = hopvine.call_all(&all, "math:sqrt", &Arguments::of([4])).expect("a group");
    let names: Vec<_> = group.iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(names, ["local:a", "local:none", "local:b"]);
    assert_eq!(group.successful().filter(|(_, root)| root.as_float() == Some(2.0)).count(), 2);
    let failed: Vec<_> = group.failures().map(|(name, error)| (name, error.word())).collect();
    assert_eq!(failed, [("local:none", "no_python")]);
    assert!(group.get("local:b").is_some_and(Result::is_ok) && group.get("b").is_none());
    hopvine.close_all().expect("it ends");
}

#[test]
fn a_command_has_a_status_and_two_outputs() {
    let mut hopvine = hopvine();
    let [tunnel] = open(&mut hopvine, ["local:"]);
    let ran = hopvine.run(tunnel, "echo out; echo err >&2; exit 7").expect("it ran");
    assert_eq!((ran.status, &ran.stdout[..], &ran.stderr[..]), (7, &b"out\n"[..], &b"err\n"[..]));
    hopvine.close_all().expect("it ends");
}

#[test]
fn files_and_trees_go_there_and_come_back() {
    let mut hopvine = hopvine();
    let both = open(&mut hopvine, ["local:a", "local:b"]);
    let folder = tempfile::tempdir().expect("a folder");
    let (tree, big) = (folder.path().join("tree"), folder.path().join("tree/big"));
    fs::create_dir(&tree).expect("a folder in it");
    fs::write(&big, vec![b'x'; 3 << 20]).expect("a file in that");
    fs::write(tree.join("small"), "small").expect("another");
    let copy = folder.path().join("copy");
    let put = hopvine.put(&both[..1], &tree, Some(&copy)).expect("a group");
    let (_, put) = put.into_iter().next().expect("of one");
    assert_eq!(put.expect("it is put").text_of("remote_path").as_deref(), copy.to_str());
    let back = folder.path().join("back");
    let fetched = hopvine.fetch(both[1], &copy.join("big"), &back, false).expect("it is fetched");
    assert_eq!(fetched.get("size").and_then(|id| fetched.int(id)), Some(3 << 20));
    assert_eq!(fs::read(&back).expect("it is here"), fs::read(&big).expect("it is there"));
    assert_eq!(fs::read(copy.join("small")).expect("it came with it"), b"small");
    hopvine.close_all().expect("it ends");
}

#[test]
fn a_file_that_is_not_here_is_an_error_of_each_host() {
    let mut hopvine = hopvine();
    let both = open(&mut hopvine, ["local:a", "local:b"]);
    let put = hopvine.put(&both, Path::new("/no/such/file"), None).expect("a group");
    let words: Vec<_> = put.failures().map(|(_, error)| error.word()).collect();
    assert_eq!(words, ["file", "file"]);
    let failed = hopvine.put(&both, Path::new("/etc/passwd"), Some(Path::new("")));
    assert!(matches!(failed, Err(Failure::RemoteName)));
    hopvine.close_all().expect("it ends");
}

#[test]
fn what_is_under_way_meanwhile_is_told_when_it_is_asked_for() {
    let mut hopvine = hopvine();
    let both = open(&mut hopvine, ["local:a", "local:b"]);
    let early = hopvine.submit(both[0], &Request::call("os:getpid", no_arguments())).expect("it is open");
    hopvine.call_all(&both, "os:getpid", &Arguments::default()).expect("a group");
    let put = hopvine.put(&both, Path::new("/etc/passwd"), None).expect("a group");
    for (tunnel, (_, put)) in both.into_iter().zip(put) {
        let path = put.expect("it is put").text_of("remote_path").expect("a path");
        hopvine.call(tunnel, "os:remove", &Arguments::of([path])).expect("it was there");
    }
    let Report::Done { operation, outcome: Ok(Answer::Value(_)) } =
        hopvine.next_report().expect("it is kept")
    else {
        panic!("is done")
    };
    assert_eq!(operation, early);
    hopvine.close_all().expect("it ends");
}

#[test]
fn what_is_closed_or_written_wrong_is_told() {
    let mut hopvine = hopvine();
    let [tunnel, other] = open(&mut hopvine, ["local:a", "local:b"]);
    hopvine.close(tunnel);
    assert!(hopvine.name(tunnel).is_none() && hopvine.name(other) == Some("local:b"));
    for closed in [&[tunnel][..], &[other, tunnel]] {
        let failed = hopvine.call_all(closed, "os:getpid", &Arguments::default());
        assert!(matches!(failed, Err(Failure::Closed)), "{failed:?}");
    }
    assert!(matches!(hopvine.open("nowhere:x"), Err(Failure::Name(_))));
    hopvine.call(other, "os:getpid", &Arguments::default()).expect("the other is open");
    hopvine.close_all().expect("it ends");
}

#[test]
fn signals_fail_what_waits_and_end_the_process_again_when_nobody_is_left_to_wait() {
    const NAME: &str = "signals_fail_what_waits_and_end_the_process_again_when_nobody_is_left_to_wait";
    if std::env::var_os(NAME).is_none() {
        let itself = std::env::current_exe().expect("this program");
        let ended = Command::new(itself).args([NAME, "--exact"]).env(NAME, "1").output().expect("it runs");
        assert_eq!(ended.status.signal(), Some(Signal::SIGINT as i32), "{ended:?}");
        return;
    }
    let mut hopvine = hopvine();
    let [tunnel] = open(&mut hopvine, ["local:"]);
    raise(Signal::SIGTERM).expect("it is sent");
    let failed = hopvine.call(tunnel, "time:sleep", &Arguments::of([1000]));
    assert!(matches!(failed, Err(Failure::Stopped)), "{failed:?}");
    hopvine.close_all().expect("it ends");
    raise(Signal::SIGINT).expect("it is sent");
}
