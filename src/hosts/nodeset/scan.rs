//! An expression into its operands. No look-ups, no ranges.

use super::Wrong;

/// Files that are standard input, which can be read once.
const INPUT_FILES: &[&str] = &["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];

/// How an operand meets what stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Union,
    Difference,
    Intersection,
    SymmetricDifference,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `-`, and `^` with one of [`INPUT_FILES`].
    Input,
    /// `^PATH`
    File,
    /// `@NAME`
    Group,
    /// `*` or `?`, which begins no options.
    Wildcard,
    Name,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operand<'a> {
    pub(super) operator: Operator,
    pub(super) kind: Kind,
    /// Without what its kind is known by at its beginning.
    pub(super) text: &'a str,
    /// The byte that it begins at.
    pub(super) begins: usize,
    /// The byte that `text` begins at.
    pub(super) at: usize,
}

/// What is wrong, and at which byte.
pub(super) type Fault = (usize, Wrong);

/// Splits an expression; blanks between operands join them as `,` does. Nothing but blanks is no operand.
pub(super) fn operands(expression: &str) -> Result<Vec<Operand<'_>>, Fault> {
    let mut operands = Vec::new();
    let mut operator = None;
    let mut at = skip_blanks(expression, 0);
    while at < expression.len() {
        let (operand, end) =
            operand(expression, at, operator.map_or(Operator::Union, |(_, operator)| operator))?;
        operands.push(operand);
        at = skip_blanks(expression, end);
        operator = None;
        // Blanks have joined them: `a ^FILE` is what `a,^FILE` is.
        if at > end && names_file(&expression[at..]) {
            continue;
        }
        operator = expression[at..].chars().next().and_then(|c| operator_of(c).map(|operator| (c, operator)));
        if let Some((char, _)) = operator {
            let next = skip_blanks(expression, at + 1);
            if next == expression.len() {
                return Err((at, Wrong::Missing(char)));
            }
            at = next;
        }
    }
    Ok(operands)
}

/// `^` directly before a name.
fn names_file(rest: &str) -> bool {
    let name = rest.strip_prefix('^').and_then(|rest| rest.chars().next());
    name.is_some_and(|first| !first.is_whitespace() && operator_of(first).is_none())
}

fn operator_of(char: char) -> Option<Operator> {
    Some(match char {
        ',' => Operator::Union,
        '!' => Operator::Difference,
        '&' => Operator::Intersection,
        '^' => Operator::SymmetricDifference,
        _ => return None,
    })
}

fn skip_blanks(expression: &str, at: usize) -> usize {
    expression.len() - expression[at..].trim_start().len()
}

/// The operand that begins at a byte, and where it ends.
fn operand(expression: &str, at: usize, operator: Operator) -> Result<(Operand<'_>, usize), Fault> {
    let rest = &expression[at..];
    let named = |kind, mark: char, length: usize| {
        let text = &rest[1..length];
        let operand = Operand { operator, kind, text, begins: at, at: at + 1 };
        if text.is_empty() { Err((at, Wrong::NoName(mark))) } else { Ok((operand, at + length)) }
    };
    match rest.chars().next() {
        Some('^') => {
            let ends = |c: char| operator_of(c).is_some() || c.is_whitespace();
            let length = rest[1..].find(ends).map_or(rest.len(), |length| length + 1);
            let kind = if INPUT_FILES.contains(&&rest[1..length]) { Kind::Input } else { Kind::File };
            named(kind, '^', length)
        }
        Some('@') => named(Kind::Group, '@', term(rest, at)?.0),
        Some(char) if operator_of(char).is_some() => Err((at, Wrong::Missing(char))),
        _ => {
            let (length, wild) = term(rest, at)?;
            let text = &rest[..length];
            let kind = match text {
                "-" => Kind::Input,
                _ if wild => Kind::Wildcard,
                _ => Kind::Name,
            };
            Ok((Operand { operator, kind, text, begins: at, at }, at + length))
        }
    }
}

/// How long a term is, and whether it has wildcards. Within the options of a target, `&` joins the
/// next one.
fn term(rest: &str, at: usize) -> Result<(usize, bool), Fault> {
    let (mut bracket, mut options, mut wild) = (None, false, false);
    for (offset, char) in rest.char_indices() {
        let place = at + offset;
        match char {
            char if char.is_control() && !char.is_whitespace() => return Err((place, Wrong::Control(char))),
            '[' if bracket.is_some() => return Err((place, Wrong::Nested)),
            '[' => bracket = Some(place),
            ']' if bracket.take().is_none() => return Err((place, Wrong::Close)),
            _ if bracket.is_some() => {}
            '?' if is_option(&rest[offset + 1..]) => options = true,
            '&' if options && is_option(&rest[offset + 1..]) => {}
            '*' | '?' if !options => wild = true,
            char if operator_of(char).is_some() || char.is_whitespace() => return Ok((offset, wild)),
            _ => {}
        }
    }
    match bracket {
        Some(place) => Err((place, Wrong::Open)),
        None => Ok((rest.len(), wild)),
    }
}

/// Without what `#` begins at the beginning or behind a blank; elsewhere it is a part of a name.
pub(in crate::hosts) fn without_comment(line: &str) -> &str {
    let mut marks = line.match_indices('#').map(|(at, _)| &line[..at]);
    marks.find(|before| before.is_empty() || before.ends_with(char::is_whitespace)).unwrap_or(line)
}

/// Whether `?name=` stands in a term.
pub(super) fn has_options(term: &str) -> bool {
    term.match_indices('?').any(|(at, _)| is_option(&term[at + 1..]))
}

/// `name=`
fn is_option(rest: &str) -> bool {
    let name = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
    name > 0 && rest[name..].starts_with('=')
}
