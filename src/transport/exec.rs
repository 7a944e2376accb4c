//! A command line of the user's that leads to a shell: anything with binary-safe stdin and stdout.

use super::{Plan, Terminal};

/// Stands for the start command in the user's line.
const PLACE: &str = "{}";

/// `words` with the start command in the place of `{}`, or else followed by `sh -c COMMAND`.
pub fn plan(mut words: Vec<String>, command: String) -> Plan {
    if words.iter().any(|word| word == PLACE) {
        words.iter_mut().filter(|word| *word == PLACE).for_each(|word| word.clone_from(&command));
    } else {
        words.extend(["sh".into(), "-c".into(), command]);
    }
    Plan { argv: words, terminal: Terminal::None }
}

#[cfg(test)]
mod tests {
    use super::plan;

    #[test]
    fn the_command_goes_to_its_place_or_to_a_shell() {
        let words = |line: &[&str]| line.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(plan(words(&["box", "--", "{}"]), "C".into()).argv, ["box", "--", "C"]);
        assert_eq!(
            plan(words(&["docker", "exec", "-i", "app"]), "C".into()).argv,
            ["docker", "exec", "-i", "app", "sh", "-c", "C"]
        );
    }
}
