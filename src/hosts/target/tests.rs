use super::*;
use proptest::prelude::*;

fn hop(typed: &str) -> Hop {
    Target::parse(typed).unwrap_or_else(|error| panic!("{error}")).hops.remove(0)
}

fn wrong(typed: &str) -> Wrong {
    Target::parse(typed).expect_err("is wrong").wrong
}

fn way(typed: &str) -> Way {
    hop(typed).way
}

fn sudo(user: &str, surroundings: Surroundings) -> Way {
    Way::Become(Become { user: user.into(), method: Method::Sudo(surroundings) })
}

fn inside(name: &str, engine: Engine) -> Way {
    Way::Inside(Inside { name: name.into(), engine })
}

fn throwaway(image: &str, afterwards: Afterwards) -> Container {
    Container { user: None, image: Some(Image { name: image.into(), afterwards }) }
}

proptest! {
    #[test]
    fn any_path_is_a_target_or_an_error(typed in "((ssh|sudo|docker|nsenter)?:?[a-z%?=/&-]{0,8}/?){0,4}") {
        drop(Target::parse(&typed));
    }

    #[test]
    fn any_text_is_a_target_or_an_error(typed in "\\PC{0,40}") {
        drop(Target::parse(&typed));
    }
}

#[test]
fn a_bare_name_is_a_host() {
    assert_eq!(hop("web1"), hop("ssh:web1"));
    assert_eq!(Target::parse("ssh:web1?port=22").map(|target| target.name), Ok("web1".into()));
    assert_eq!(Target::parse("local:").map(|target| target.name), Ok("local".into()));
}

#[test]
fn options_are_decoded() {
    let hop = hop("ssh:db%3A1?user=corp%5Cme&port=2222&opt=StrictHostKeyChecking=no&python=/opt/py");
    let Way::Ssh(ssh) = hop.way else { panic!("not ssh") };
    assert_eq!((ssh.host.as_str(), ssh.user.as_deref(), ssh.port), ("db:1", Some("corp\\me"), Some(2222)));
    assert_eq!(ssh.options, ["StrictHostKeyChecking=no"]);
    assert_eq!(hop.python.as_deref(), Some("/opt/py"));
}

#[test]
fn no_name_can_smuggle_an_option_or_a_command() {
    for name in ["-oProxyCommand=id", "ssh:-oProxyCommand=id", "-x@host", "a%20b", "$(id)", "h;id", "a%0ab"] {
        assert!(matches!(wrong(name), Wrong::Name(_)), "{name}");
    }
    assert!(matches!(wrong("h?user=-x"), Wrong::Name(_)));
}

#[test]
fn what_is_wrong_is_named() {
    assert_eq!(wrong("telnet:x"), Wrong::Transport("telnet".into()));
    assert_eq!(wrong("h?port=70000"), Wrong::Port("70000".into()));
    assert_eq!(wrong("h?user"), Wrong::OptionValue("user".into()));
    assert_eq!(wrong("ssh:"), Wrong::NoHost);
    assert_eq!(wrong("a//b"), Wrong::NoHost);
    assert_eq!(wrong("docker:"), Wrong::NoName("docker"));
    assert_eq!(wrong("nsenter:init"), Wrong::Process("init".into()));
    assert_eq!(wrong("nsenter:0"), Wrong::Process("0".into()));
    assert_eq!(wrong("sudo:?keep=maybe"), Wrong::Switch { name: "keep", value: "maybe".into() });
    assert_eq!(wrong("sudo:?keep=yes&login=yes"), Wrong::Together("login", "keep"));
    assert_eq!(wrong("docker:app?rm=yes"), Wrong::Without("rm", "image"));
    assert_eq!(wrong("h%2"), Wrong::Percent);
}

#[test]
fn what_there_is_instead_is_listed() {
    let said = |typed: &str| Target::parse(typed).expect_err("is wrong").to_string();
    assert!(said("telnet:x").contains("there are ssh:, local:, exec:, sudo:, su:, doas:, docker:"));
    assert!(
        said("h?colour=red")
            .ends_with("ssh: has no option \"colour\"; there are user, port, config, opt, python")
    );
    assert!(said("a/docker:b?login=yes").ends_with("there are user, image, rm, python"));
    assert!(said("jail:b?user=me").ends_with("there are python"));
}

#[test]
fn a_path_has_a_hop_for_each_slash() {
    let target = Target::parse("ssh:bastion/sudo:deploy/db1?port=2222/ssh:db2/docker:app").expect("a path");
    let hops: Vec<String> = target.hops.iter().map(ToString::to_string).collect();
    assert_eq!(hops, ["ssh:bastion", "sudo:deploy", "ssh:db1 port 2222", "ssh:db2", "docker:app"]);
    assert_eq!(target.name, "bastion/sudo:deploy/db1/db2/docker:app");
    assert_eq!(Target::parse("web1/sudo:").map(|target| target.name), Ok("web1/sudo".into()));
}

#[test]
fn a_slash_in_an_option_belongs_to_it_unless_a_transport_follows() {
    let target = Target::parse("a?python=/usr/bin/python3/sudo:root").expect("two hops");
    assert_eq!(target.hops.len(), 2);
    assert_eq!(target.hops[0].python.as_deref(), Some("/usr/bin/python3"));
    let image = inside("", Engine::Docker(throwaway("ghcr.io/me/python:3.12", Afterwards::Removed)));
    assert_eq!(way("docker:?image=ghcr.io/me/python:3.12"), image);
}

#[test]
fn every_transport_is_read() {
    let plain = Surroundings::Given { home: false, keep: false };
    let su = |login| Way::Become(Become { user: "app".into(), method: Method::Su { login } });
    let user = |user: &str| Container { user: Some(user.into()), image: None };
    let pod =
        Pod { namespace: Some("prod".into()), container: Some("web".into()), context: Some("eu".into()) };
    let rows = [
        ("local:c1", Way::Local { name: "c1".into() }),
        ("exec:box", Way::Exec { name: "box".into() }),
        ("sudo:", sudo("root", plain)),
        ("sudo:deploy?login=yes", sudo("deploy", Surroundings::Login)),
        ("sudo:?home=yes&keep=yes", sudo("root", Surroundings::Given { home: true, keep: true })),
        ("sudo:?login=no", sudo("root", plain)),
        ("su:app", su(false)),
        ("su:app?login=yes", su(true)),
        ("doas:", Way::Become(Become { user: "root".into(), method: Method::Doas })),
        ("docker:app", inside("app", Engine::Docker(Container::default()))),
        ("docker:app?user=1000:1000", inside("app", Engine::Docker(user("1000:1000")))),
        ("podman:?image=img", inside("", Engine::Podman(throwaway("img", Afterwards::Removed)))),
        ("podman:a?image=img&rm=true", inside("a", Engine::Podman(throwaway("img", Afterwards::Removed)))),
        ("docker:a?image=img&rm=false", inside("a", Engine::Docker(throwaway("img", Afterwards::Kept)))),
        ("kubectl:deploy%2Fweb", inside("deploy/web", Engine::Kubectl(Pod::default()))),
        ("kubectl:p?namespace=prod&container=web&context=eu", inside("p", Engine::Kubectl(pod))),
        ("lxc:c", inside("c", Engine::Lxc)),
        ("lxd:c", inside("c", Engine::Lxd)),
        ("incus:c", inside("c", Engine::Incus)),
        ("nsenter:4711", inside("4711", Engine::Nsenter)),
        ("machinectl:m", inside("m", Engine::Machinectl)),
        ("jail:j", inside("j", Engine::Jail)),
    ];
    for (typed, expected) in rows {
        assert_eq!(way(typed), expected, "{typed}");
        let named = format!("{typed}{}python=/opt/py", if typed.contains('?') { '&' } else { '?' });
        assert_eq!(hop(&named).python.as_deref(), Some("/opt/py"), "{named}");
    }
}

#[test]
fn no_name_of_any_transport_can_be_an_option_or_hold_a_control_character() {
    let rows = [
        "sudo:-i",
        "su:-",
        "doas:-s",
        "docker:--privileged",
        "podman:a%0ab",
        "kubectl:-n",
        "lxc:-x",
        "lxd:%1b%5B2J",
        "incus:-x",
        "machinectl:-x",
        "jail:-x",
        "exec:-x",
        "local:%1b",
        "docker:a?user=-x",
        "docker:?image=-v",
        "docker:-x?image=i",
        "kubectl:a?context=%07",
    ];
    for typed in rows {
        assert!(matches!(wrong(typed), Wrong::Name(_)), "{typed}");
    }
}

#[test]
fn what_stands_for_several_is_no_target() {
    for (typed, several) in
        [("a,b", ','), ("gw[1-2]", '['), ("a]", ']'), ("a/local:b^c", '^'), ("a!b?port=1", '!')]
    {
        assert_eq!(wrong(typed), Wrong::Several(several), "{typed}");
    }
    assert!(matches!(way("local:a%2Cb"), Way::Local { name } if name == "a,b"));
    assert!(Target::parse("a?opt=Ciphers=x,y&port=2").is_ok());
}
