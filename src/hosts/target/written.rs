//! A path of hops as text that reads back as the same path.

use super::way::{Afterwards, Become, Container, Engine, Image, Inside, Method, Pod, Surroundings, Way};
use super::{Hop, Target, quoted};

impl Target {
    /// The path with all its options, for [`Target::parse`]; what it is shown as is left out.
    pub fn written(&self) -> String {
        written(&self.hops)
    }
}

/// Hops with all their options, for [`Target::parse`].
pub fn written(hops: &[Hop]) -> String {
    hops.iter().map(hop).collect::<Vec<_>>().join("/")
}

fn hop(hop: &Hop) -> String {
    let (subject, mut options) = way(&hop.way);
    options.extend(hop.python.clone().map(|python| ("python", python)));
    let options: Vec<_> = options.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
    let mark = if options.is_empty() { "" } else { "?" };
    format!("{subject}{mark}{}", options.join("&"))
}

/// What stands before the options, and these.
fn way(way: &Way) -> (String, Vec<(&'static str, String)>) {
    match way {
        Way::Local { name } => (format!("local:{}", quoted(name)), Vec::new()),
        Way::Exec { name } => (format!("exec:{}", quoted(name)), Vec::new()),
        Way::Ssh(ssh) => {
            let port = ssh.port.map(|port| port.to_string());
            let single = [("user", ssh.user.clone()), ("port", port), ("config", ssh.config.clone())];
            let several = ssh.options.iter().map(|option| ("opt", option.clone()));
            (format!("ssh:{}", quoted(&ssh.host)), given(single).into_iter().chain(several).collect())
        }
        Way::Become(Become { user, method }) => {
            let yes = |name, is_so: bool| (name, is_so.then(|| "yes".to_owned()));
            let options = match method {
                Method::Sudo(Surroundings::Login) => given([yes("login", true)]),
                Method::Sudo(Surroundings::Given { home, keep }) => {
                    given([yes("home", *home), yes("keep", *keep)])
                }
                Method::Su { login } => given([yes("login", *login)]),
                Method::Doas => Vec::new(),
            };
            (format!("{}:{}", method.transport(), quoted(user)), options)
        }
        Way::Inside(Inside { name, engine }) => {
            let options = match engine {
                Engine::Docker(container) | Engine::Podman(container) => of_container(container),
                Engine::Kubectl(Pod { namespace, container, context }) => given([
                    ("namespace", namespace.clone()),
                    ("container", container.clone()),
                    ("context", context.clone()),
                ]),
                Engine::Lxc
                | Engine::Lxd
                | Engine::Incus
                | Engine::Nsenter
                | Engine::Machinectl
                | Engine::Jail => Vec::new(),
            };
            (format!("{}:{}", engine.transport(), quoted(name)), options)
        }
    }
}

fn of_container(container: &Container) -> Vec<(&'static str, String)> {
    let image = container.image.as_ref();
    let kept = image.filter(|image| image.afterwards == Afterwards::Kept).map(|_| "no".to_owned());
    given([
        ("user", container.user.clone()),
        ("image", image.map(|Image { name, .. }| name.clone())),
        ("rm", kept),
    ])
}

fn given<const N: usize>(options: [(&'static str, Option<String>); N]) -> Vec<(&'static str, String)> {
    options.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_as_the_same_path() {
        for typed in [
            "web1",
            "ssh:me@web1?port=2222&config=a%26b&opt=IdentityFile=%2Fhome%2Fme%2Fa%20key&opt=Compression=yes",
            "local:",
            "local:a b%2Fc?python=/usr/bin/python3",
            "exec:lab",
            "ssh:%5B::1%5D/sudo:root?login=yes/su:app?login=yes/doas:",
            "sudo:deploy?home=yes&keep=yes",
            "ssh:a/docker:app?user=www/docker:?image=python:3.12&rm=no",
            "podman:x?image=localhost%2Fa:b",
            "kubectl:pod?namespace=n&container=c&context=x",
            "lxc:a/lxd:b/incus:c/nsenter:7/machinectl:d/jail:e",
        ] {
            let target = Target::parse(&typed.replace(' ', "%20")).unwrap_or_else(|error| panic!("{error}"));
            let again = Target::parse(&target.written()).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(again.hops, target.hops, "{typed}: {}", target.written());
        }
    }

    #[test]
    fn options_that_lead_nowhere_else_make_no_other_way() {
        let same = |one: &str, other: &str| {
            let [one, other] =
                [one, other].map(|typed| Target::parse(typed).unwrap_or_else(|error| panic!("{error}")));
            one.leads_as(&other)
        };
        assert!(same("a?opt=Compression=yes&opt=BatchMode%20yes", "ssh:a?opt=ForwardAgent=no"));
        assert!(same("a/sudo:?python=x", "a?opt=Compression=yes/sudo:"));
        for other in
            ["b", "me@a", "a?port=1", "a?config=x", "a?opt=ProxyJump=b", "a?opt=hostname%20b", "a/sudo:"]
        {
            assert!(!same("a", other), "{other}");
        }
    }
}
