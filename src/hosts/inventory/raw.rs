//! The text of an inventory as TOML has it.

use super::place::{Cursor, line_begins, place};
use super::{Fault, Group, InventoryError, Nodes};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

type Key<'a> = Spanned<DeString<'a>>;
type Value<'a> = Spanned<DeValue<'a>>;

/// All that a file says, in the order of its lines.
#[derive(Default)]
pub(super) struct Raw {
    pub(super) exec: Vec<(Placed, Placed)>,
    pub(super) hosts: Vec<(Placed, Options)>,
    pub(super) groups: Vec<(Placed, Group)>,
    pub(super) defaults: Options,
}

/// A text, and the byte that it begins at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) at: usize,
    pub(super) text: String,
}

/// What is said about a host. An empty text means none, whatever is said elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) target: Option<Placed>,
    pub(super) via: Option<Placed>,
    pub(super) become_other: Option<Placed>,
    pub(super) python: Option<Placed>,
    pub(super) user: Option<Placed>,
    pub(super) port: Option<u16>,
}

const TEXT: &str = "a text";
const TABLE: &str = "a table";
const HOST: &str = "a target, or a table of target, via, become, python, user, port";
const NODES: &str = "an expression such as \"web[1-20],@db\", a list of them, or { command = \"...\" }";

/// Reads the tables and the types of their values.
pub(super) fn read(text: &str) -> Result<Raw, InventoryError> {
    let reader = Reader { text };
    let table = DeTable::parse(text).map_err(|error| {
        reader.wrong(error.span().map_or(0, |span| span.start), Fault::Toml(error.message().to_owned()))
    })?;
    let mut raw = Raw::default();
    for (key, value) in table.get_ref() {
        match &**key.get_ref() {
            "exec" => {
                for (key, value) in reader.entries(value)? {
                    raw.exec.push((key, reader.text(value)?));
                }
            }
            "hosts" => {
                for (key, value) in reader.entries(value)? {
                    raw.hosts.push((key, reader.host(value)?));
                }
            }
            "groups" => {
                let mut cursor = Cursor::new(text);
                for (key, value) in reader.entries(value)? {
                    let (line, _) = cursor.to(key.at);
                    raw.groups.push((key, Group { line, nodes: reader.nodes(value, &mut cursor)? }));
                }
            }
            "defaults" => raw.defaults = reader.options(value, TABLE)?,
            _ => return Err(reader.unknown(key, "exec, hosts, groups, defaults")),
        }
    }
    Ok(raw)
}

struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn wrong(&self, at: usize, fault: Fault) -> InventoryError {
        let (line, column) = place(self.text, at);
        InventoryError { line, column, fault }
    }

    fn unknown(&self, key: &Key<'_>, known: &'static str) -> InventoryError {
        let (at, key) = (key.span().start, key.get_ref().to_string());
        let dotted = self.text[..at].trim_end_matches([' ', '\t', '"', '\'']).ends_with('.');
        self.wrong(at, if dotted { Fault::Dotted { key, known } } else { Fault::Key { key, known } })
    }

    fn expected(&self, value: &Value<'_>, wanted: &'static str) -> InventoryError {
        self.wrong(value.span().start, Fault::Type { wanted })
    }

    /// What a table holds, as it stands in the file.
    fn entries<'a, 'i>(&self, value: &'a Value<'i>) -> Result<Vec<(Placed, &'a Value<'i>)>, InventoryError> {
        let table = value.get_ref().as_table().ok_or_else(|| self.expected(value, TABLE))?;
        let entry = |(key, value): (&Key<'_>, &'a Value<'i>)| {
            (Placed { at: key.span().start, text: key.get_ref().to_string() }, value)
        };
        let mut entries: Vec<_> = table.iter().map(entry).collect();
        entries.sort_unstable_by_key(|(key, _)| key.at);
        Ok(entries)
    }

    fn text(&self, value: &Value<'_>) -> Result<Placed, InventoryError> {
        let text = value.get_ref().as_str().ok_or_else(|| self.expected(value, TEXT))?;
        Ok(Placed { at: value.span().start, text: text.to_owned() })
    }

    fn host(&self, value: &Value<'_>) -> Result<Options, InventoryError> {
        match value.get_ref() {
            DeValue::String(_) => Ok(Options { target: Some(self.text(value)?), ..Options::default() }),
            _ => self.options(value, HOST),
        }
    }

    fn options(&self, value: &Value<'_>, wanted: &'static str) -> Result<Options, InventoryError> {
        let table = value.get_ref().as_table().ok_or_else(|| self.expected(value, wanted))?;
        let mut options = Options::default();
        for (key, value) in table {
            match &**key.get_ref() {
                "target" => options.target = Some(self.text(value)?),
                "via" => options.via = Some(self.text(value)?),
                "become" => options.become_other = Some(self.text(value)?),
                "python" => options.python = Some(self.text(value)?),
                "user" => options.user = Some(self.text(value)?),
                "port" => options.port = Some(self.port(value)?),
                _ => return Err(self.unknown(key, "target, via, become, python, user, port")),
            }
        }
        Ok(options)
    }

    fn port(&self, value: &Value<'_>) -> Result<u16, InventoryError> {
        let number = match value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse().ok(),
            _ => None,
        };
        number.filter(|port| *port > 0).ok_or_else(|| self.expected(value, "a port, 1 to 65535"))
    }

    /// What a group holds; the cursor stands before it.
    fn nodes(&self, value: &Value<'_>, cursor: &mut Cursor<'_>) -> Result<Nodes, InventoryError> {
        match value.get_ref() {
            DeValue::String(_) => self.expressions(std::slice::from_ref(value), cursor),
            DeValue::Array(list) => self.expressions(list, cursor),
            DeValue::Table(table) => {
                let mut command = None;
                for (key, value) in table {
                    match &**key.get_ref() {
                        "command" => command = Some(self.text(value)?.text),
                        _ => return Err(self.unknown(key, "command")),
                    }
                }
                command.map(Nodes::Command).ok_or_else(|| self.expected(value, NODES))
            }
            _ => Err(self.expected(value, NODES)),
        }
    }

    /// Texts of one line or of several, as one.
    fn expressions(&self, values: &[Value<'_>], cursor: &mut Cursor<'_>) -> Result<Nodes, InventoryError> {
        let (mut texts, mut lines) = (Vec::new(), Vec::new());
        for value in values {
            let Placed { at, text } = self.text(value)?;
            let begins = line_begins(&self.text[value.span()]);
            // A line that is written as one escape more has the place of the one before.
            let last = begins.last().copied().unwrap_or_default();
            let begins = begins.into_iter().chain(std::iter::repeat(last));
            lines.extend(text.split('\n').zip(begins).map(|(_, begins)| cursor.to(at + begins)));
            texts.push(text);
        }
        Ok(Nodes::Expression { text: texts.join("\n"), lines })
    }
}
