use super::*;
use crate::hosts::target::Way;

fn inventory(text: &str) -> Inventory {
    Inventory::parse(text).expect("is an inventory")
}

/// The hops of a name, as they are shown.
fn hops(inventory: &Inventory, typed: &str) -> String {
    match inventory.target(typed, Said::default()) {
        Ok(target) => target.hops.iter().map(ToString::to_string).collect::<Vec<_>>().join("/"),
        Err(error) => format!("{error:?}"),
    }
}

const FLEET: &str = r#"
[hosts]
"web[1-3]" = { via = "bastion", port = 2222 }
web2 = { via = "", user = "admin" }
web3 = { via = "", user = "" }
bastion = "ssh:ops@10.0.0.1?port=99"
app = "web1/docker:app"
db = { target = "ssh:10.0.0.9", become = "sudo:postgres", python = "/opt/py" }
"c[1-2]" = "local:{host}"
round = "trip"
trip = "round/sudo:"

[groups]
web = "web[1-3]"
all = ["@web", "db"]
live = { command = "list-hosts" }

[defaults]
user = "me"
"#;

#[test]
fn command_lines_are_split_as_a_shell_does() {
    let inventory = inventory("[exec]\nbox = \"docker exec -i 'my app'\"\n");
    assert_eq!(inventory.exec("box"), Ok(vec!["docker".into(), "exec".into(), "-i".into(), "my app".into()]));
    assert_eq!(inventory.exec("bux"), Err(ExecError::Unknown { known: vec!["box".into()] }));
}

#[test]
fn names_have_what_is_said_about_them() {
    let fleet = inventory(FLEET);
    assert_eq!(hops(&fleet, "web1"), "ssh:ops@10.0.0.1 port 99/ssh:me@web1 port 2222");
    assert_eq!(hops(&fleet, "web2"), "ssh:admin@web2 port 2222");
    assert_eq!(hops(&fleet, "web3"), "ssh:web3 port 2222");
    assert_eq!(hops(&fleet, "app"), "ssh:ops@10.0.0.1 port 99/ssh:me@web1 port 2222/docker:app");
    assert_eq!(hops(&fleet, "db"), "ssh:me@10.0.0.9/sudo:postgres");
    assert_eq!(hops(&fleet, "c2"), "local:c2");
    assert_eq!(hops(&fleet, "web2/sudo:root"), "ssh:admin@web2 port 2222/sudo:root");
    assert_eq!(hops(&fleet, "other"), "ssh:me@other");
    assert_eq!(hops(&fleet, "you@other"), "ssh:you@other");
    let python = |typed: &str| {
        let target = fleet.target(typed, Said::default()).expect("is a target");
        target.hops.iter().map(|hop| hop.python.clone()).collect::<Vec<_>>()
    };
    assert_eq!(python("db"), [Some("/opt/py".into()), Some("/opt/py".into())]);
}

#[test]
fn the_name_stays_and_a_path_is_taken_as_it_is() {
    let fleet = inventory(FLEET);
    assert_eq!(fleet.target("web1", Said::default()).map(|target| target.name), Ok("web1".into()));
    assert_eq!(fleet.target("app/sudo:", Said::default()).map(|target| target.name), Ok("app/sudo".into()));
    assert_eq!(hops(&fleet, "ssh:web1"), "ssh:web1");
    assert_eq!(hops(&fleet, "ssh:web1?port=5"), "ssh:web1 port 5");
    assert_eq!(hops(&fleet, "ssh:a/web1"), "ssh:a/ssh:web1");
}

#[test]
fn what_is_typed_around_a_name_comes_before_what_is_said_about_it() {
    let fleet = inventory(FLEET);
    let bastion = "ssh:ops@10.0.0.1 port 99";
    assert_eq!(hops(&fleet, "web1?port=5"), format!("{bastion}/ssh:me@web1 port 5"));
    assert_eq!(hops(&fleet, "you@web1"), format!("{bastion}/ssh:you@web1 port 2222"));
    assert_eq!(hops(&fleet, "you@web1?port=5/sudo:"), format!("{bastion}/ssh:you@web1 port 5/sudo:root"));
    assert_eq!(hops(&fleet, "a%40b@web1"), format!("{bastion}/ssh:a@b@web1 port 2222"));
    assert_eq!(hops(&fleet, "web3?user=you"), "ssh:you@web3 port 2222");
    assert_eq!(hops(&fleet, "you@db"), "ssh:you@10.0.0.9/sudo:postgres");
    assert_eq!(hops(&fleet, "you@bastion?port=1"), "ssh:you@10.0.0.1 port 1");
    assert_eq!(hops(&fleet, "app?port=3"), format!("{bastion}/ssh:me@web1 port 3/docker:app"));
    let target = |typed: &str| fleet.target(typed, Said::default());
    let name = |typed: &str| target(typed).map(|target| target.name);
    assert_eq!((name("web1?port=5"), name("you@web1")), (Ok("web1".into()), Ok("you@web1".into())));
    for typed in ["you@c1", "c1?port=5", "c1?opt=A=b"] {
        assert!(matches!(target(typed), Err(ResolveError::NoSsh { .. })), "{typed}");
    }
    let pythons = |typed: &str| {
        let hops = target(typed).expect("is a target").hops;
        hops.into_iter().map(|hop| hop.python.unwrap_or_default()).collect::<Vec<_>>()
    };
    assert_eq!(pythons("c1?python=/a/b"), ["/a/b"]);
    assert_eq!(pythons("db?python=/a/b"), ["/a/b", "/a/b"]);
    let Ok(Way::Ssh(ssh)) =
        target("web2?opt=ProxyCommand=/bin/x").map(|mut target| target.hops.remove(0).way)
    else {
        panic!("no ssh");
    };
    assert_eq!(
        (ssh.user.as_deref(), &ssh.options[..]),
        (Some("admin"), &["ProxyCommand=/bin/x".to_owned()][..])
    );
}

#[test]
fn a_name_may_have_its_user() {
    let fleet = inventory(
        "[hosts]\n\"me@a\" = \"ssh:b\"\nc = \"me@c?port=3\"\nd = { user = \"x\", target = \"c\" }\n",
    );
    assert_eq!(hops(&fleet, "me@a?port=2"), "ssh:me@b port 2");
    assert_eq!(hops(&fleet, "you@a"), "ssh:you@a");
    assert_eq!(hops(&fleet, "you@c"), "ssh:you@c port 3");
    assert_eq!(hops(&fleet, "d?port=4"), "ssh:me@c port 4");
}

#[test]
fn the_defaults_do_not_depend_on_options() {
    let text = "[defaults]\nvia = \"jump\"\nbecome = \"sudo:\"\nuser = \"deploy\"\n";
    let fleet = inventory(text);
    assert_eq!(hops(&fleet, "me@db1"), "ssh:deploy@jump/ssh:me@db1/sudo:root");
    assert_eq!(hops(&fleet, "db1?port=9"), "ssh:deploy@jump/ssh:deploy@db1 port 9/sudo:root");
    assert_eq!(hops(&fleet, "ssh:db1?port=9"), "ssh:db1 port 9");
}

#[test]
fn the_command_line_comes_first() {
    let fleet = inventory(FLEET);
    let said = Said { via: true, become_other: true, python: true };
    let target = fleet.target("db", said).expect("is a target");
    assert_eq!((target.hops.len(), target.hops[0].python.clone()), (1, None));
    assert_eq!(fleet.target("app", said).map(|target| target.hops.len()), Ok(2));
}

#[test]
fn defaults_lead_to_all_but_those_who_lead() {
    let text = "[defaults]\nvia = \"gate\"\nbecome = \"sudo:\"\n[hosts]\ngate = \"10.0.0.1\"\nnear = { via = \"\" }\n";
    let fleet = inventory(text);
    assert_eq!(hops(&fleet, "a"), "ssh:10.0.0.1/ssh:a/sudo:root");
    assert_eq!(hops(&fleet, "near"), "ssh:near/sudo:root");
    assert_eq!(hops(&fleet, "gate"), "ssh:10.0.0.1/sudo:root");
    let way = fleet.way("gate/local:x").map(|hops| hops.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(way, Ok(vec!["ssh:10.0.0.1".into(), "local:x".into()]));
}

#[test]
fn circles_show_their_way() {
    let circle = ["round", "trip", "round"].map(str::to_owned).to_vec();
    let fleet = inventory(FLEET);
    assert_eq!(fleet.target("round", Said::default()), Err(ResolveError::Circle(circle)));
    let fleet =
        inventory("[hosts]\na = { via = \"a\" }\nb = { via = \"me@b\" }\n\"w[1-3]\" = { via = \"w1\" }\n");
    for name in ["a", "b"] {
        let circle = vec![name.to_owned(), name.to_owned()];
        assert_eq!(fleet.target(name, Said::default()), Err(ResolveError::Circle(circle)));
    }
    // Of many that one of them leads to, that one is gone to directly.
    assert_eq!(hops(&fleet, "w1"), "ssh:w1");
    assert_eq!(hops(&fleet, "w2"), "ssh:w1/ssh:w2");
}

#[test]
fn groups_are_expressions_lists_or_commands() {
    let fleet = inventory(FLEET);
    let nodes = |name: &str| fleet.group(name).map(|group| group.nodes.clone());
    let expression = |text: &str, lines: &[(usize, usize)]| {
        Some(Nodes::Expression { text: text.to_owned(), lines: lines.to_vec() })
    };
    assert_eq!(nodes("web"), expression("web[1-3]", &[(14, 7)]));
    assert_eq!(nodes("all"), expression("@web\ndb", &[(15, 8), (15, 16)]));
    assert_eq!(nodes("live"), Some(Nodes::Command("list-hosts".into())));
    assert_eq!(fleet.group("all").map(|group| group.line), Some(15));
}

#[test]
fn each_line_of_a_group_has_its_place() {
    let text =
        "[groups]\nz = [\n  \"a\", \"b\",\n  '''c''',\n]\nm = \"\"\"\nq\n r \\\n  s\n\"\"\"\nn = \"é\\nx\"\n";
    let fleet = inventory(text);
    let lines = |name: &str| match fleet.group(name).map(|group| (&group.nodes, group.line)) {
        Some((Nodes::Expression { lines, .. }, line)) => (line, lines.clone()),
        other => panic!("{other:?}"),
    };
    assert_eq!(lines("z"), (2, vec![(3, 3), (3, 8), (4, 6)]));
    assert_eq!(lines("m"), (6, vec![(7, 1), (8, 1), (10, 1)]));
    assert_eq!(lines("n"), (11, vec![(11, 5), (11, 9)]));
}

#[test]
fn errors_show_line_and_column() {
    let wrong = |text: &str| Inventory::parse(text).expect_err(text);
    let place = |text: &str| (wrong(text).line, wrong(text).column);
    assert_eq!(place("[exec]\nbox = 3\n"), (2, 7));
    assert_eq!(place("[exec\n"), (1, 6));
    assert_eq!(place("[hosts]\na = 3\n"), (2, 5));
    assert_eq!(place("[hosts]\na = { port = 0 }\n"), (2, 14));
    assert_eq!(place("[groups]\na = { command = 3 }\n"), (2, 17));
    assert_eq!(place("[hosts]\n  \"web[1-\" = \"a\"\n"), (2, 3));
    assert_eq!(place("[hosts]\n\"web*\" = \"a\"\n"), (2, 1));
    assert_eq!(place("[hosts]\na = \"telnet:b\"\n"), (2, 5));
    assert_eq!(place("[hosts]\na = { via = \"telnet:b\" }\n"), (2, 13));
    assert_eq!(place("[hosts]\na = { user = \"-oProxyCommand=id\" }\n"), (2, 14));
    assert_eq!(place("[defaults]\nbecome = \"telnet:b\"\n"), (2, 10));
    assert_eq!(wrong("[groups]\n\"a\\u001b[2J\" = \"b\"\n").fault, Fault::Group('\x1b'));
    for (name, odd) in [("a b", ' '), ("a,b", ','), ("@a", '@'), ("s:a", ':'), ("*", '*'), ("a[1]", '[')] {
        assert_eq!(
            wrong(&format!("[groups]\nx = \"y\"\n{name:?} = \"b\"\n")).fault,
            Fault::Group(odd),
            "{name}"
        );
    }
    assert_eq!(wrong("[groups]\n\"\" = \"b\"\n").fault, Fault::NoGroup);
    assert!(Inventory::parse("[groups]\n\"a@b\" = \"b\"\n\"a.b-c%20\" = \"b\"\n").is_ok());
    let no_text = Inventory::read(b"[hosts]\na = \"\xc3\xa9\xff\"\n").expect_err("no UTF-8");
    assert_eq!((no_text.line, no_text.column, no_text.fault), (2, 7, Fault::Utf8));
    assert_eq!(wrong("[hosts]\na = { become = \"root\" }\n").fault, Fault::Become("root".into()));
    assert_eq!(place("[defaults]\nbecome = \"sudo\"\n"), (2, 10));
    assert_eq!(place("[hosts]\nweb1 = \"db[1-2]\"\n"), (2, 8));
    assert_eq!(place("[hosts]\na = { via = \"x,y\" }\n"), (2, 13));
    for text in ["10.0.0.1 = \"a\"", "web1.lan = \"a\"", "web1.lan.via = \"a\"", "a.\"b\" = \"c\""] {
        let fault = wrong(&format!("[hosts]\n{text}\n")).fault;
        assert!(matches!(fault, Fault::Dotted { .. }), "{text}: {fault:?}");
    }
    assert!(matches!(wrong("[groups]\na.b = \"c\"\n").fault, Fault::Dotted { .. }));
    for key in ["ssh:a", "n[1-2]/sudo:", "a?port=2"] {
        assert!(matches!(wrong(&format!("[hosts]\n{key:?} = \"b\"\n")).fault, Fault::Path(_)), "{key}");
    }
    assert!(Inventory::parse("[hosts]\n\"n[1-9/2]\" = \"b\"\na.via = \"b\"\n").is_ok());
    let known = "exec, hosts, groups, defaults";
    assert_eq!(wrong("[host]\n").fault, Fault::Key { key: "host".into(), known });
    assert!(
        matches!(wrong("[hosts]\na = { tarket = \"b\" }\n").fault, Fault::Key { key, .. } if key == "tarket")
    );
}

#[test]
fn ways_that_nobody_means_are_errors_in_no_time() {
    let chain = |count: usize, entry: fn(usize) -> String| {
        let lines: String = (0..count).map(entry).collect();
        inventory(&format!("[hosts]\n{lines}")).target("n0", Said::default())
    };
    let next = |at| format!("n{at} = {{ via = \"n{}\" }}\n", at + 1);
    assert!(matches!(chain(20_000, next), Err(ResolveError::Deep(_))));
    assert_eq!(chain(MAX_NAMES - 1, next).map(|target| target.hops.len()), Ok(MAX_NAMES));
    let twice = |at| format!("n{at} = {{ target = \"n{0}/local:\", via = \"n{0}\" }}\n", at + 1);
    assert!(matches!(chain(40, twice), Err(ResolveError::Long { .. })));
}

#[test]
fn an_empty_text_means_none() {
    let fleet =
        inventory("[defaults]\ntarget = \"local:{host}\"\n[hosts]\na = { target = \"\" }\nb = \"\"\n");
    assert_eq!(hops(&fleet, "a"), "ssh:a");
    assert_eq!(hops(&fleet, "b"), "ssh:b");
    assert_eq!(hops(&fleet, "c"), "local:c");
}
