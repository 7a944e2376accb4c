//! Containers and their like: anything that runs a command in a room of its own on the same machine
//! and passes standard input and output on as they are.
//!
//! Each is a line of data. `{word}` stands for what the target says; a word of the line that has
//! nothing to stand for is left out. None gets a terminal: that would change bytes.

use super::{Plan, Terminal};

pub const DOCKER: &str = "docker exec -i --user={user} {name} sh -c {script}";
pub const PODMAN: &str = "podman exec -i --user={user} {name} sh -c {script}";
/// The agent is the only thing that runs in a throwaway, and ends with its standard input: so the
/// container goes even where the client is killed. docker's own init reaps what the agent's children
/// leave; podman takes its init from a package that need not be there, so the watchdog reaps.
///
/// Before it runs, only its label tells whose it is: a name may be another's. `{guard}` removes what has that.
pub const DOCKER_RUN: &str = "sh -c {guard} hopvine={token} docker run -i --rm --label=hopvine={token} --init \
                              --name={name} --user={user} --entrypoint=sh {image} -c {script}";
pub const PODMAN_RUN: &str = "sh -c {guard} hopvine={token} podman run -i --rm --label=hopvine={token} \
                              --name={name} --user={user} --entrypoint=sh {image} -c {script}";
/// Those that are to stay.
pub const DOCKER_KEPT: &str =
    "docker run -i --init --name={name} --user={user} --entrypoint=sh {image} -c {script}";
pub const PODMAN_KEPT: &str = "podman run -i --name={name} --user={user} --entrypoint=sh {image} -c {script}";
pub const KUBECTL: &str = "kubectl exec -i --context={context} --namespace={namespace} \
                           --container={container} {name} -- sh -c {script}";
pub const LXC: &str = "lxc-attach -n {name} -- sh -c {script}";
pub const LXD: &str = "lxc exec {name} -T -- sh -c {script}";
pub const INCUS: &str = "incus exec {name} -T -- sh -c {script}";
pub const NSENTER: &str = "nsenter -t {name} -a -- sh -c {script}";
/// `machinectl shell` needs a terminal, and tells no exit status. systemd-run hands our pipes to a
/// unit of the machine's own manager; `--collect` forgets the unit also where it has failed.
pub const MACHINECTL: &str = "systemd-run --machine={name} --pipe --quiet --wait --collect -- sh -c {script}";
pub const JAIL: &str = "jexec {name} sh -c {script}";

/// Values that a line may ask for, where the target says them.
pub type Values<'a> = &'a [(&'static str, Option<&'a str>)];

pub fn plan(line: &str, values: Values<'_>, script: &str) -> Plan {
    let argv = line.split(' ').filter_map(|word| fill(word, values, script)).collect();
    Plan { argv, terminal: Terminal::None }
}

/// A word of a line with its value, unless that is missing.
fn fill(word: &str, values: Values<'_>, script: &str) -> Option<String> {
    let Some((before, rest)) = word.split_once('{') else { return Some(word.to_owned()) };
    let (asked, after) = rest.split_once('}').unwrap_or((rest, ""));
    let value = match values.iter().find(|(name, _)| *name == asked) {
        Some((_, value)) => (*value)?,
        None if asked == "script" => script,
        None => return None,
    };
    Some(format!("{before}{value}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: (&str, Option<&str>) = ("name", Some("app"));

    #[test]
    fn every_command_line_is_what_a_user_would_type() {
        let pod = [NAME, ("namespace", Some("prod")), ("container", Some("web")), ("context", Some("eu"))];
        let (guard, token) = (("guard", Some("GUARD")), ("token", Some("12ab")));
        let throwaway = [NAME, ("user", Some("1000")), ("image", Some("python:3.12")), guard, token];
        let image = [("name", None), ("image", Some("python:3.12"))];
        let rows: [(&str, Values<'_>, &str); 16] = [
            (DOCKER, &[NAME], "docker exec -i app sh -c SCRIPT"),
            (DOCKER, &[NAME, ("user", Some("me"))], "docker exec -i --user=me app sh -c SCRIPT"),
            (PODMAN, &[NAME, ("user", Some("me"))], "podman exec -i --user=me app sh -c SCRIPT"),
            (
                DOCKER_RUN,
                &throwaway,
                "sh -c GUARD hopvine=12ab docker run -i --rm --label=hopvine=12ab --init --name=app --user=1000 \
                 --entrypoint=sh python:3.12 -c SCRIPT",
            ),
            (DOCKER_KEPT, &image, "docker run -i --init --entrypoint=sh python:3.12 -c SCRIPT"),
            (PODMAN_KEPT, &image, "podman run -i --entrypoint=sh python:3.12 -c SCRIPT"),
            (
                PODMAN_RUN,
                &throwaway,
                "sh -c GUARD hopvine=12ab podman run -i --rm --label=hopvine=12ab --name=app --user=1000 \
                 --entrypoint=sh python:3.12 -c SCRIPT",
            ),
            (KUBECTL, &[NAME], "kubectl exec -i app -- sh -c SCRIPT"),
            (
                KUBECTL,
                &pod,
                "kubectl exec -i --context=eu --namespace=prod --container=web app -- sh -c SCRIPT",
            ),
            (LXC, &[NAME], "lxc-attach -n app -- sh -c SCRIPT"),
            (LXD, &[NAME], "lxc exec app -T -- sh -c SCRIPT"),
            (INCUS, &[NAME], "incus exec app -T -- sh -c SCRIPT"),
            (NSENTER, &[("name", Some("4711"))], "nsenter -t 4711 -a -- sh -c SCRIPT"),
            (
                MACHINECTL,
                &[NAME],
                "systemd-run --machine=app --pipe --quiet --wait --collect -- sh -c SCRIPT",
            ),
            (JAIL, &[NAME], "jexec app sh -c SCRIPT"),
            (JAIL, &[("name", Some("an {image} of it"))], "jexec an {image} of it sh -c SCRIPT"),
        ];
        for (line, values, expected) in rows {
            let plan = plan(line, values, "SCRIPT");
            assert_eq!((plan.argv.join(" ").as_str(), plan.terminal), (expected, Terminal::None));
        }
    }

    #[test]
    fn a_value_is_one_word_whatever_it_holds() {
        let plan = plan(JAIL, &[("name", Some("a b {script}"))], "for n in 1 2");
        assert_eq!(plan.argv, ["jexec", "a b {script}", "sh", "-c", "for n in 1 2"]);
    }
}
