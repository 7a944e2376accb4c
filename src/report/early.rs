//! What is printed by itself: nothing else is under way, and to wait for the reader is fine.

use super::terminal;
use crate::error::{Unwritten, UsageError};
use crate::sys::stdio::{self, Stream};
use std::io::{self, Write};

/// Prints bytes of ours; a reader that has gone is no error.
///
/// # Errors
///
/// When standard output cannot be written.
pub fn bytes(bytes: &[u8]) -> io::Result<()> {
    match io::stdout().write_all(bytes).and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|error| io::Error::new(error.kind(), Unwritten(error))),
    }
}

/// Prints names, one on each line or as one JSON list.
///
/// # Errors
///
/// When standard output cannot be written.
pub fn names<'a>(names: impl Iterator<Item = &'a str>, json: bool) -> io::Result<()> {
    if json {
        let list = serde_json::Value::from_iter(names);
        return bytes(format!("{list}\n").as_bytes());
    }
    bytes(lines(names, stdio::is_terminal(Stream::Out)).as_bytes())
}

/// One on each line; on a terminal, names that others have chosen are shown harmless.
fn lines<'a>(names: impl Iterator<Item = &'a str>, terminal: bool) -> String {
    let shown = |name: &str| if terminal { terminal::one_line(name) } else { name.to_owned() };
    names.map(|name| shown(name) + "\n").collect()
}

/// Says what is wrong with the command line.
pub fn usage(error: &UsageError) {
    error.complaints().iter().for_each(|text| complain(text));
}

/// Prints a help of ours where it was not asked for.
pub fn help(text: &str) {
    write!(io::stderr(), "{text}").ok();
}

/// Says something on standard error before anything has been started.
pub fn complain(text: &str) {
    // Where even standard error is closed, the exit status has to do.
    writeln!(io::stderr(), "hopvine: {}", terminal::harmless_text(text)).ok();
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn names_are_harmless_on_a_terminal_and_as_they_are_elsewhere() {
        let names = ["a\u{202e}b", "c"];
        assert_eq!(lines(names.into_iter(), true), "a\\x202eb\nc\n");
        assert_eq!(lines(names.into_iter(), false), "a\u{202e}b\nc\n");
    }
}
