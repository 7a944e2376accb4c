//! Lists and ranges of names, as clush and pdsh write them: `web[1-20,30]`, `n[01-10/2]`,
//! `rack[1-2]n[1-4]`, joined by commas.

mod fold;

pub use fold::fold;

use std::fmt;

/// More names than this are a slip of the keyboard.
pub const MAX_NAMES: usize = 1_000_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodesetError {
    /// A bracket without its other half, or a bracket within brackets.
    Bracket {
        pattern: String,
    },
    /// Not a number, a range from high to low, a step of 0.
    Range {
        pattern: String,
        range: String,
    },
    /// Nothing between two commas.
    EmptyName {
        pattern: String,
    },
    TooMany {
        pattern: String,
    },
    /// Set algebra, groups and wildcards need an inventory.
    Operator {
        pattern: String,
        operator: char,
    },
}

impl fmt::Display for NodesetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bracket { pattern } => write!(f, "{pattern:?}: brackets do not match"),
            Self::Range { pattern, range } => {
                write!(f, "{pattern:?}: {range:?} is no range; examples: [1-20,30], [01-10/2]")
            }
            Self::EmptyName { pattern } => write!(f, "{pattern:?}: a name is empty"),
            Self::TooMany { pattern } => write!(f, "{pattern:?}: more than {MAX_NAMES} names"),
            Self::Operator { pattern, operator } => {
                write!(
                    f,
                    "{pattern:?}: {operator:?} is not supported here; write it as %{:02X} if it is part of a name",
                    u32::from(*operator)
                )
            }
        }
    }
}

/// Returns the names that `pattern` stands for, in its order, each once.
///
/// # Errors
///
/// What is wrong with the pattern, and where.
pub fn expand(pattern: &str) -> Result<Vec<String>, NodesetError> {
    let mut seen = std::collections::HashSet::new();
    let mut names = Vec::new();
    for item in split_items(pattern)? {
        let item = item.trim();
        if item.is_empty() {
            return Err(NodesetError::EmptyName { pattern: pattern.to_owned() });
        }
        if let Some(operator) = operator_in(item) {
            return Err(NodesetError::Operator { pattern: item.to_owned(), operator });
        }
        for name in expand_item(item)? {
            if seen.insert(name.clone()) {
                names.push(name);
            }
        }
        if names.len() > MAX_NAMES {
            return Err(NodesetError::TooMany { pattern: pattern.to_owned() });
        }
    }
    Ok(names)
}

/// An operator of the set algebra outside the options of a target, which `?` begins.
fn operator_in(item: &str) -> Option<char> {
    let path = item.split('?').next().unwrap_or(item);
    path.chars().find(|c| "!&^*".contains(*c)).or_else(|| item.starts_with('@').then_some('@'))
}

/// Splits at commas outside of brackets.
fn split_items(pattern: &str) -> Result<Vec<&str>, NodesetError> {
    let unbalanced = || NodesetError::Bracket { pattern: pattern.to_owned() };
    let (mut items, mut start, mut inside) = (Vec::new(), 0, false);
    for (at, char) in pattern.char_indices() {
        match char {
            '[' if inside => return Err(unbalanced()),
            '[' => inside = true,
            ']' if !inside => return Err(unbalanced()),
            ']' => inside = false,
            ',' if !inside => {
                items.push(&pattern[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err(unbalanced());
    }
    items.push(&pattern[start..]);
    Ok(items)
}

fn expand_item(item: &str) -> Result<Vec<String>, NodesetError> {
    let mut names = vec![String::new()];
    let mut rest = item;
    while let Some((before, after)) = rest.split_once('[') {
        let Some((ranges, after)) = after.split_once(']') else { break };
        names.iter_mut().for_each(|name| name.push_str(before));
        let numbers = expand_ranges(item, ranges)?;
        if names.len() * numbers.len() > MAX_NAMES {
            return Err(NodesetError::TooMany { pattern: item.to_owned() });
        }
        names = names
            .iter()
            .flat_map(|name| numbers.iter().map(move |number| format!("{name}{number}")))
            .collect();
        rest = after;
    }
    names.iter_mut().for_each(|name| name.push_str(rest));
    Ok(names)
}

fn expand_ranges(item: &str, ranges: &str) -> Result<Vec<String>, NodesetError> {
    let mut numbers = Vec::new();
    for range in ranges.split(',') {
        let wrong = || NodesetError::Range { pattern: item.to_owned(), range: range.to_owned() };
        let (span, step) = range.split_once('/').unwrap_or((range, "1"));
        let (first, last) = span.split_once('-').unwrap_or((span, span));
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if ![first, last, step].into_iter().all(plain) {
            return Err(wrong());
        }
        let parse = |text: &str| text.parse::<usize>().map_err(|_| wrong());
        let (low, high, step) = (parse(first)?, parse(last)?, parse(step)?);
        if low > high || step == 0 {
            return Err(wrong());
        }
        if (high - low) / step >= MAX_NAMES {
            return Err(NodesetError::TooMany { pattern: item.to_owned() });
        }
        // A leading zero asks for padding to the width of the first number.
        let width = if first.starts_with('0') { first.len() } else { 1 };
        numbers.extend((low..=high).step_by(step).map(|number| format!("{number:0width$}")));
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(pattern: &str) -> String {
        expand(pattern).map_or_else(|error| error.to_string(), |names| names.join(" "))
    }

    proptest! {
        #[test]
        fn any_text_is_names_or_an_error(pattern in "[a-z0-9,\\[\\]/!&-]{0,24}") {
            drop(expand(&pattern));
        }
    }

    #[test]
    fn ranges_expand_in_order_and_keep_their_padding() {
        assert_eq!(names("web[1-3,7],db"), "web1 web2 web3 web7 db");
        assert_eq!(names("n[08-11]"), "n08 n09 n10 n11");
        assert_eq!(names("n[01-10/3]"), "n01 n04 n07 n10");
        assert_eq!(names("r[1-2]n[1-2].lan"), "r1n1.lan r1n2.lan r2n1.lan r2n2.lan");
        assert_eq!(names("a,b,a"), "a b");
        assert_eq!(names("local:c[1-2]"), "local:c1 local:c2");
    }

    #[test]
    fn options_of_a_target_may_hold_an_ampersand() {
        assert_eq!(names("ssh:h?user=a&port=2"), "ssh:h?user=a&port=2");
    }

    #[test]
    fn errors_name_the_pattern() {
        assert_eq!(names("web[1-"), r#""web[1-": brackets do not match"#);
        assert!(names("web[3-1]").starts_with(r#""web[3-1]": "3-1" is no range"#));
        assert_eq!(names("a,,b"), r#""a,,b": a name is empty"#);
        assert!(names("web[1-99999999]").contains("more than"));
        assert!(names("a&b").contains("%26"));
    }
}
