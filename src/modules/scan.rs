//! Which modules a Python source imports, of any version. No parser: `import` and `from` are reserved
//! words in all of them, so a line, `;` or `:` before one starts an import wherever it stands, and
//! brackets need no counting. What makes no sense is stepped over; time is linear.

use std::iter::Peekable;

/// One imported module, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Import {
    /// Leading dots; 0 is absolute (or, in Python 2, a sibling).
    pub(super) level: usize,
    /// Dotted; may be empty after dots.
    pub(super) module: String,
    /// What `from` takes of it, `*` included.
    pub(super) names: Vec<String>,
}

/// The imports of a source, in its order: statements anywhere, and `__import__` or `import_module` of a
/// literal.
pub(super) fn imports(source: &[u8]) -> Vec<Import> {
    let mut scan = Scan { tokens: Tokens::new(source).peekable(), found: Vec::new() };
    let mut fresh = true;
    while let Some(token) = scan.tokens.next() {
        let starts = std::mem::replace(&mut fresh, false);
        match token {
            Token::Newline | Token::Mark(b';' | b':') => fresh = true,
            Token::Word(b"import") if starts => scan.import(),
            Token::Word(b"from") if starts => scan.from(),
            Token::Word(b"import_module" | b"__import__") => scan.call(),
            Token::Word(_) | Token::Text(_) | Token::Mark(_) => {}
        }
    }
    scan.found
}

/// A name that Python could import; no separator, no dot, so a path made of them stays in its root.
pub(super) fn is_identifier(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

struct Scan<'a> {
    tokens: Peekable<Tokens<'a>>,
    found: Vec<Import>,
}

/// Whether a line's end is the statement's.
#[derive(Clone, Copy)]
enum Lines {
    Separate,
    Joined,
}

impl<'a> Scan<'a> {
    /// After `import`: `a.b as c, d`.
    fn import(&mut self) {
        loop {
            let module = self.dotted();
            if module.is_empty() {
                return;
            }
            self.found.push(Import { module, ..Import::default() });
            self.alias(Lines::Separate);
            if !self.takes(b',') {
                return;
            }
        }
    }

    /// After `from`: `..a.b import (c, d as e)`.
    fn from(&mut self) {
        let mut level = 0;
        while self.takes(b'.') {
            level += 1;
        }
        let module = self.dotted();
        if (level == 0 && module.is_empty()) || !self.takes_word(b"import") {
            return;
        }
        let lines = if self.takes(b'(') { Lines::Joined } else { Lines::Separate };
        let mut names = Vec::new();
        loop {
            self.join(lines);
            if self.takes(b'*') {
                names.push("*".to_owned());
            } else if let Some(name) = self.identifier() {
                names.push(name.to_owned());
            } else {
                break;
            }
            self.join(lines);
            self.alias(lines);
            if !self.takes(b',') {
                break;
            }
        }
        self.found.push(Import { level, module, names });
    }

    /// After `import_module`: `('.a.b', package)`.
    fn call(&mut self) {
        if !self.takes(b'(') {
            return;
        }
        self.join(Lines::Joined);
        let Some(Token::Text(Some(name))) = self.tokens.next_if(|token| matches!(token, Token::Text(_)))
        else {
            return;
        };
        self.join(Lines::Joined);
        if !matches!(self.tokens.peek(), Some(Token::Mark(b',' | b')'))) {
            return;
        }
        let Ok(name) = std::str::from_utf8(name) else { return };
        let module = name.trim_start_matches('.');
        if module.split('.').all(is_identifier) {
            let level = name.len() - module.len();
            self.found.push(Import { level, module: module.to_owned(), names: Vec::new() });
        }
    }

    /// As much of a dotted name as there is.
    fn dotted(&mut self) -> String {
        let mut module = String::new();
        while let Some(name) = self.identifier() {
            module.push_str(name);
            if !self.takes(b'.') {
                break;
            }
            module.push('.');
        }
        module.truncate(module.trim_end_matches('.').len());
        module
    }

    fn alias(&mut self, lines: Lines) {
        if self.takes_word(b"as") {
            self.join(lines);
            self.identifier();
            self.join(lines);
        }
    }

    fn join(&mut self, lines: Lines) {
        match lines {
            Lines::Separate => {}
            Lines::Joined => while self.tokens.next_if_eq(&Token::Newline).is_some() {},
        }
    }

    fn identifier(&mut self) -> Option<&'a str> {
        let name = match self.tokens.peek()? {
            Token::Word(b"import" | b"from") | Token::Newline | Token::Text(_) | Token::Mark(_) => None,
            Token::Word(word) => std::str::from_utf8(word).ok().filter(|name| is_identifier(name)),
        };
        if name.is_some() {
            self.tokens.next();
        }
        name
    }

    fn takes(&mut self, mark: u8) -> bool {
        self.tokens.next_if_eq(&Token::Mark(mark)).is_some()
    }

    fn takes_word(&mut self, word: &'a [u8]) -> bool {
        self.tokens.next_if_eq(&Token::Word(word)).is_some()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// A name, a keyword or a number.
    Word(&'a [u8]),
    /// A string; its content where that stands there as it is.
    Text(Option<&'a [u8]>),
    Mark(u8),
    Newline,
}

struct Tokens<'a> {
    source: &'a [u8],
    /// `at <= source.len()`
    at: usize,
}

impl<'a> Tokens<'a> {
    fn new(source: &'a [u8]) -> Self {
        Self { source: source.strip_prefix(b"\xef\xbb\xbf").unwrap_or(source), at: 0 }
    }

    fn peek(&self) -> Option<u8> {
        self.source.get(self.at).copied()
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = &self.source[self.at..];
        let length = rest.iter().position(|byte| !wanted(*byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// A backslash and what it escapes, a line's end of two bytes included.
    fn skip_escape(&mut self) {
        let length = if self.source[self.at..].starts_with(b"\\\r\n") { 3 } else { 2 };
        self.at = (self.at + length).min(self.source.len());
    }

    /// What starts with a letter; a prefix of a string is part of that.
    fn word(&mut self) -> Token<'a> {
        let word = self.skip_while(is_word);
        let prefix = word.len() <= 3 && word.iter().all(|byte| b"rbuftRBUFT".contains(byte));
        match self.peek() {
            Some(quote @ (b'"' | b'\'')) if prefix => {
                let literal = word.iter().all(|byte| b"ruRU".contains(byte));
                Token::Text(self.text(quote).filter(|_| literal))
            }
            _ => Token::Word(word),
        }
    }

    /// A string, up to its end; of one quote, at most up to the line's.
    fn text(&mut self, quote: u8) -> Option<&'a [u8]> {
        let end: &[u8] = if self.source[self.at..].starts_with(&[quote; 3]) { &[quote; 3] } else { &[quote] };
        self.at += end.len();
        let (start, mut plain) = (self.at, true);
        loop {
            self.skip_while(|byte| byte != quote && !matches!(byte, b'\\' | b'\r' | b'\n'));
            match self.peek()? {
                b'\\' => {
                    plain = false;
                    self.skip_escape();
                }
                byte if byte == quote && self.source[self.at..].starts_with(end) => break,
                b'\r' | b'\n' if end.len() == 1 => return None,
                _ => self.at += 1,
            }
        }
        let content = &self.source[start..self.at];
        self.at += end.len();
        plain.then_some(content)
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            match self.peek()? {
                b' ' | b'\t' | b'\x0c' => self.at += 1,
                b'#' => {
                    self.skip_while(|byte| !matches!(byte, b'\r' | b'\n'));
                }
                b'\\' => self.skip_escape(),
                b'\r' | b'\n' => {
                    self.at += 1;
                    return Some(Token::Newline);
                }
                quote @ (b'"' | b'\'') => return Some(Token::Text(self.text(quote))),
                byte if is_word(byte) => return Some(self.word()),
                mark => {
                    self.at += 1;
                    return Some(Token::Mark(mark));
                }
            }
        }
    }
}

/// Bytes above 0x7f may be letters, in whatever encoding.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `..a.b:c,d` for `from ..a.b import c, d`; a space between imports.
    fn shown(source: &[u8]) -> String {
        let show = |import: &Import| {
            let dots = ".".repeat(import.level);
            let names = import.names.join(",");
            let colon = if names.is_empty() { "" } else { ":" };
            format!("{dots}{}{colon}{names}", import.module)
        };
        imports(source).iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_form_of_an_import_is_seen() {
        for (source, expected) in [
            ("import a", "a"),
            ("import a.b as c, d , e.f", "a.b d e.f"),
            ("import a . b", "a.b"),
            ("from a.b import c", "a.b:c"),
            ("from . import x", ".:x"),
            ("from.import x", ".:x"),
            ("from ..a.b import (c, d as e)", "..a.b:c,d"),
            ("from ... import x, y", "...:x,y"),
            ("from .... a import x", "....a:x"),
            ("from a import (\n  b, # one\n\n  c\n  as d,\n)\nimport e", "a:b,c e"),
            ("from a import (b)\nimport c", "a:b c"),
            ("from x import *", "x:*"),
            ("import \\\n a, \\\r\n b\nimport c", "a b c"),
            ("from a \\\n import b", "a:b"),
            ("x = 1; import a; from b import c", "a b:c"),
            ("try: import a\nexcept: import b\nelse: from c import d", "a b c:d"),
            ("def f():\n\timport a\n\tclass B:\n\t\tfrom c import d", "a c:d"),
            ("if x: y(); import a", "a"),
            ("foo(1,\n  [2,\nimport a", "a"),
            ("async def f():\n  from a import b", "a:b"),
            ("import größe", "größe"),
        ] {
            assert_eq!(shown(source.as_bytes()), expected, "{source:?}");
        }
    }

    #[test]
    fn an_import_of_a_literal_by_name_is_seen() {
        for (source, expected) in [
            ("importlib.import_module('a.b')", "a.b"),
            ("m = import_module(\n  u'a', # why\n)", "a"),
            ("importlib.import_module('.a', __package__)", ".a"),
            ("x = __import__(r\"a\", globals())", "a"),
            ("if (__import__('a')): import b", "a b"),
            ("import_module('a' + b)", ""),
            ("import_module('a' 'b')", ""),
            ("import_module(f'a{b}')", ""),
            ("import_module(name)", ""),
            ("import_module('a\\x62')", ""),
            ("import_module('a/b')", ""),
            ("import_module('')", ""),
            ("def import_module(name):\n  import a", "a"),
        ] {
            assert_eq!(shown(source.as_bytes()), expected, "{source:?}");
        }
    }

    #[test]
    fn words_in_strings_and_comments_are_no_imports() {
        for source in [
            "# import a",
            "print \"import a\"",
            "'''\nimport a\n'''",
            "\"\"\" \\\"\"\" \nimport a\n\"\"\"",
            "x = r'\\'; import a'",
            "x = Rb'''\nimport a\n''' u'import b' bR\"import c\"",
            "x = '\\\nimport a'",
            "x = '\\\r\nimport a'",
            "f'''\n{x}\nimport a'''",
            "def g():\n  x = (yield\n    from a)",
            "raise a from b",
            "import_ = 1\nfrom_ = 2\nimported",
            "x.important",
            "",
        ] {
            assert_eq!(shown(source.as_bytes()), "", "{source:?}");
        }
    }

    #[test]
    fn odd_bytes_and_broken_sources_hide_nothing_but_themselves() {
        for (source, expected) in [
            (&b"\xef\xbb\xbfimport a"[..], "a"),
            (b"\x0cimport a\n\x0c\nimport b", "a b"),
            (b"import a\r\nfrom b import (\r\n c,\r\n d)\r\nimport e\r\n", "a b:c,d e"),
            (b"import a\rimport b", "a b"),
            (b"# caf\xe9\nx = 'na\xefve'\nimport a", "a"),
            (b"import caf\xe9, b\nimport a", "a"),
            (b"x = 'unterminated\nimport a", "a"),
            (b"x = 1\0\nimport a", "a"),
            (b"import\nfrom\nfrom .\nfrom x\nfrom x import\nimport a", "x a"),
            (b"from a import (b\nimport c", "a:b"),
            (b"import a.\nimport 1a\nimport b", "a b"),
            (b"import a\n'''import b", "a"),
            (b"import a\n\\", "a"),
            (b"import a\n'\\", "a"),
        ] {
            assert_eq!(shown(source), expected, "{:?}", source.escape_ascii().to_string());
        }
    }

    /// Ends only if no byte is looked at again and again.
    #[test]
    fn large_sources_are_scanned_in_linear_time() {
        for part in
            ["'", "\"\"\"", "\\", "(", "from ", "import a,", "a.", "import_module('", "f'{", "\r\n", "é"]
        {
            imports(format!("import a.{}", part.repeat(300_000)).as_bytes());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_scanned(source in proptest::collection::vec(any::<u8>(), 0..400)) {
            imports(&source);
        }

        #[test]
        fn any_arrangement_of_what_matters_is_scanned(
            parts in proptest::collection::vec(
                proptest::sample::select(vec![
                    "import ", "from ", "a", ".", ",", "(", ")", "'", "\"", "'''", "\\", "\r", "\n", "#",
                    "*", " as ", "f", "rb", "import_module", "__import__", ":", ";", "é",
                ]),
                0..60,
            )
        ) {
            let source = parts.concat();
            for import in imports(source.as_bytes()) {
                prop_assert!(import.module.is_empty() || import.module.split('.').all(is_identifier));
            }
        }
    }
}
