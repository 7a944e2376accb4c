//! Bytes of a file as lines and columns, both counted from 1.

/// Line and column of a byte.
pub(super) fn place(text: &str, byte: usize) -> (usize, usize) {
    Cursor::new(text).to(byte)
}

/// The same for many bytes in their order: the file is gone through once.
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    column: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, line: 1, column: 1 }
    }

    /// Goes on to a byte.
    pub(super) fn to(&mut self, byte: usize) -> (usize, usize) {
        let passed = &self.text[self.at..byte];
        match passed.rsplit_once('\n') {
            Some((before, last)) => {
                self.line += before.matches('\n').count() + 1;
                self.column = last.chars().count() + 1;
            }
            None => self.column += passed.chars().count(),
        }
        self.at = byte;
        (self.line, self.column)
    }
}

/// The bytes at which the lines of a TOML text begin, which stands in quotes.
pub(super) fn line_begins(quoted: &str) -> Vec<usize> {
    let bytes = quoted.as_bytes();
    let is_literal = quoted.starts_with('\'');
    let is_long = quoted.starts_with("'''") || quoted.starts_with("\"\"\"");
    let mut at = if is_long { 3 } else { 0 };
    // The first line may begin below the quotes.
    if is_long {
        at += ["\n", "\r\n"].iter().find(|end| quoted[at..].starts_with(**end)).map_or(0, |end| end.len());
    }
    let mut begins = vec![at];
    while let Some(byte) = bytes.get(at) {
        match (byte, bytes.get(at + 1)) {
            (b'\\', Some(b'n')) if !is_literal => {
                at += 2;
                begins.push(at);
            }
            // The text goes on where the next word stands.
            (b'\\', Some(b' ' | b'\t' | b'\r' | b'\n')) if !is_literal => {
                at = quoted.len() - quoted[at + 1..].trim_start().len();
            }
            (b'\\', Some(_)) if !is_literal => at += 2,
            (b'\n', _) => {
                at += 1;
                begins.push(at);
            }
            _ => at += 1,
        }
    }
    begins
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_from_the_last_one_on() {
        let mut cursor = Cursor::new("é=1\n\nb = 2\n");
        assert_eq!(
            [0, 2, 4, 5, 6, 10].map(|byte| cursor.to(byte)),
            [(1, 1), (1, 2), (1, 4), (2, 1), (3, 1), (3, 5)]
        );
    }

    #[test]
    fn lines_begin_where_they_stand_in_the_file() {
        assert_eq!(line_begins("\"a\\\\nb\\nc\""), [0, 8]);
        assert_eq!(line_begins("'a\\nb'"), [0]);
        assert_eq!(line_begins("\"\"\"\na\n b\"\"\""), [4, 6]);
        assert_eq!(line_begins("'''a\nb'''"), [3, 5]);
        assert_eq!(line_begins("\"\"\"\r\na \\\n  b\nc\"\"\""), [5, 13]);
    }
}
