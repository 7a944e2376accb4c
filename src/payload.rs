//! What is sent to start an agent: the embedded `bootstrap/`, stripped and compressed at build time.
//!
//! A start is the remote command (a shell probe for an interpreter around the first stage) and, on
//! the new process's standard input, the second stage, the core, and at once the first frames.

#[cfg(test)]
mod strip;

use flate2::read::DeflateDecoder;
use std::io::Read;

/// The agent's core, compressed by raw deflate.
pub const CORE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/core.z"));
/// All parts, by name.
pub const PARTS: &[Part] = include!(concat!(env!("OUT_DIR"), "/parts.rs"));

/// What the agent itself is called among the modules of its interpreter.
pub const AGENT_MODULE: &str = "hopvine_core";

const PROBE: &str = include_str!("../bootstrap/probe.sh");
/// What the probe does with each candidate.
const PROBE_STEP: &str = "type python$n&&p=python$n";
/// Puts its standard input in the place of `$1`, if that is the build `$2` with the SHA-1 `$3`.
pub const INSTALL: &str = include_str!("../bootstrap/install.sh");
/// Runs a container engine's client, and removes the container of that label should the client be killed: as `sh -c` with
/// the label and the client's command line. Whoever is killed between a container's creation and its start leaves it
/// behind, whatever `--rm` says. So somebody waits for the end of a pipe in a session of its own, beyond the reach of who
/// kills us, and has got there before the client starts; it looks more than once, as the engine may still be at it.
pub const THROWAWAY: &str = include_str!("../bootstrap/throwaway.sh");
const NATIVE: &str = include_str!("../bootstrap/native.sh");
const FIRST_STAGE: &str = include_str!("../bootstrap/first_stage.py");
const SECOND_STAGE: &str = include_str!("../bootstrap/second_stage.py");
/// The names in it, and the same with Python 2 last, which wins.
const PROBE_ORDER: &str = "2.7 2 3.6 3.7 3.8 3.9 3.10 3.11 3.12 3.13 3.14 3;";
const OLDER_FIRST: &str = "3.6 3.7 3.8 3.9 3.10 3.11 3.12 3.13 3.14 3 2.7 2;";
const PROBED: &str =
    "python3, python3.14 to python3.6, python2, python2.7, python, /usr/libexec/platform-python";

/// A piece of the agent that is sent when it is first needed.
#[derive(Debug)]
pub struct Part {
    pub name: &'static str,
    /// Compressed by raw deflate.
    pub packed: &'static [u8],
}

impl Part {
    /// The part as the interpreter sees it.
    pub fn text(&self) -> String {
        inflated(self.packed).split_off(core_text().len())
    }
}

/// Which interpreter starts the agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Interpreter {
    /// The newest Python 3 on the remote PATH, else Python 2, else `platform-python`.
    #[default]
    Probe,
    /// The newest Python 2 there, else Python 3.
    Older,
    /// This one: a name for PATH, an absolute path, or one from the login folder or `~/`.
    Named(String),
}

impl Interpreter {
    /// What is looked for, for the error that says none was found.
    pub fn tried(&self) -> &str {
        match self {
            Self::Probe | Self::Older => PROBED,
            Self::Named(name) => name,
        }
    }
}

/// Tells builds apart that do not speak quite the same: the version, and a sum of what agents and scripts are given.
pub fn build() -> String {
    include_str!(concat!(env!("OUT_DIR"), "/build")).to_owned()
}

/// The core as the interpreter sees it.
pub fn core_text() -> String {
    inflated(&[1, 0, 0, 0xff, 0xff])
}

/// Returns the part of that name.
pub fn part(name: &str) -> Option<&'static Part> {
    PARTS.iter().find(|part| part.name == name)
}

/// The second stage: reads and runs the core.
pub fn second_stage() -> String {
    SECOND_STAGE.replace("@SIZE@", &CORE.len().to_string())
}

/// The command line that starts an agent under any login shell: sh, bash, ksh, zsh, fish, tcsh.
/// At most 256 bytes where the interpreter is probed for.
///
/// # Errors
///
/// The first character of a named interpreter that cannot be quoted for all these shells.
pub fn remote_command(interpreter: &Interpreter) -> Result<String, char> {
    Ok(through_sh(&shell_script(interpreter)?))
}

/// The command line that runs a script by `sh` under any login shell; the script holds no `'`.
pub fn through_sh(script: &str) -> String {
    format!("exec sh -c '{script}'")
}

/// The same for a POSIX shell that is known to be one.
///
/// # Errors
///
/// As [`remote_command`].
pub fn shell_script(interpreter: &Interpreter) -> Result<String, char> {
    let first = FIRST_STAGE.trim_end().replace("@SIZE@", &second_stage().len().to_string());
    Ok(match interpreter {
        Interpreter::Probe => PROBE.trim_end().replace("@FIRST@", &first),
        Interpreter::Older => PROBE.trim_end().replace(PROBE_ORDER, OLDER_FIRST).replace("@FIRST@", &first),
        Interpreter::Named(name) => format!("exec {} -SEc \"{first}\"", quoted(name)?),
    })
}

/// The same, and before it: this binary, where it is installed there and of this build.
///
/// # Errors
///
/// As [`remote_command`].
pub fn relay_script(interpreter: &Interpreter) -> Result<String, char> {
    Ok(format!("{}{}", NATIVE.trim_end().replace("@BUILD@", &build()), shell_script(interpreter)?))
}

/// Starts this binary there, or nothing.
pub fn native_script() -> String {
    format!("{}exit 127", NATIVE.trim_end().replace("@BUILD@", &build()))
}

/// A script that tells what the start of an agent would meet, in lines that begin with `mark`:
/// `input LINE` (the first of standard input), `shell $SHELL|$PATH`, `found` each candidate of the
/// probe, and `chosen` the one that it takes, as `COMMAND|PATH|VERSION`.
///
/// # Errors
///
/// As [`remote_command`].
pub fn survey_script(interpreter: &Interpreter, mark: &str) -> Result<String, char> {
    let choose = match interpreter {
        Interpreter::Probe | Interpreter::Older => PROBE
            .split(";exec ")
            .next()
            .unwrap_or(PROBE)
            .replace(PROBE_STEP, "type python$n>/dev/null 2>&1&&{ p=python$n;s found;}"),
        Interpreter::Named(name) => format!("p={}", quoted(name)?),
    };
    let say = format!("s(){{ w=$(command -v \"$p\");v=$(\"$p\" -V 2>&1);echo \"{mark} $1 $p|$w|$v\";}}");
    let told = format!("read a;echo \"{mark} input $a\";echo \"{mark} shell $SHELL|$PATH\"");
    Ok(format!("{say};{told};{choose};s chosen"))
}

/// The core's text and what follows it: a part, or the empty block that ends the stream.
fn inflated(end: &[u8]) -> String {
    let mut text = String::new();
    let read = DeflateDecoder::new(CORE.chain(end)).read_to_string(&mut text);
    read.expect("what was packed at build time can be unpacked");
    text
}

/// Quotes an interpreter for use inside `sh -c '...'`: a leading `~/` still means the home folder.
fn quoted(name: &str) -> Result<String, char> {
    if let Some(odd) = name.chars().find(|c| c.is_control() || "'\"`$\\!".contains(*c)) {
        return Err(odd);
    }
    Ok(match name.strip_prefix("~/") {
        Some(rest) => format!("~/\"{rest}\""),
        None => format!("\"{name}\""),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_keeps_its_budgets() {
        let command = remote_command(&Interpreter::Probe).expect("the probe is plain");
        assert!(command.len() <= 256, "remote command: {} bytes", command.len());
        let older = remote_command(&Interpreter::Older).expect("the probe is plain");
        assert!(older.len() == command.len() && older != command, "{older}");
        assert!(CORE.len() <= 4600, "core: {} bytes", CORE.len());
    }

    #[test]
    fn the_core_and_its_parts_can_be_shown() {
        let core = core_text();
        assert!(core.ends_with('\n') && core.lines().any(|line| line.starts_with("def ")), "{core}");
        let produce = part("produce").expect("a part").text();
        assert!(
            produce.contains("def produce(") && !produce.contains(&core) && produce.ends_with('\n'),
            "{produce}"
        );
    }

    #[test]
    fn the_command_survives_every_login_shell() {
        let command =
            remote_command(&Interpreter::Named("~/my python/bin/python".into())).expect("can be quoted");
        assert!(command.starts_with("exec sh -c 'exec ~/\"my python/bin/python\" -SEc \"import "));
        for odd in ['!', '\n', '\\', '`'] {
            assert!(!command.contains(odd), "{odd:?} in {command}");
        }
        assert_eq!(command.matches('\'').count(), 2);
    }

    #[test]
    fn the_survey_follows_the_probe_and_survives_every_login_shell() {
        let survey = survey_script(&Interpreter::Probe, "MARK").expect("the probe is plain");
        assert!(survey.contains("s found") && !survey.contains("@FIRST@"), "{survey}");
        for odd in ['!', '\n', '\\', '`', '\''] {
            assert!(!survey.contains(odd), "{odd:?} in {survey}");
        }
    }

    #[test]
    fn an_interpreter_that_cannot_be_quoted_is_refused() {
        assert_eq!(remote_command(&Interpreter::Named("py'thon".into())), Err('\''));
        assert_eq!(remote_command(&Interpreter::Named("python$x".into())), Err('$'));
    }
}
