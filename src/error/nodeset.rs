//! What is wrong with an expression for names.

use crate::hosts::nodeset::{LookupError, MAX_BYTES, MAX_NAMES, NodesetError, RangeFault, Wrong};
use std::fmt;

/// Longer expressions are shown in part.
const SHOWN_CHARS: usize = 60;

impl fmt::Display for NodesetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        write!(f, "{}, column {}: {}", excerpt(&self.expression, self.column), self.column, self.wrong)
    }
}

/// The expression in quotes, of a long one what stands around a column.
fn excerpt(expression: &str, column: usize) -> String {
    let chars: Vec<char> = expression.trim_end().chars().collect();
    let begins = (column - 1).saturating_sub(SHOWN_CHARS / 2).min(chars.len().saturating_sub(SHOWN_CHARS));
    let ends = chars.len().min(begins + SHOWN_CHARS);
    let text = format!("{:?}", chars[begins..ends].iter().collect::<String>());
    let dots = |cut: bool| if cut { "..." } else { "" };
    format!("{}{text}{}", dots(begins > 0), dots(ends < chars.len()))
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(operator) => write!(f, "a name is missing beside {operator:?}"),
            Self::Open => f.write_str("this [ has no ]"),
            Self::Close => f.write_str("this ] has no ["),
            Self::Nested => f.write_str("brackets within brackets; close the first before"),
            Self::Range { text, fault } => write!(f, "{text:?} is no range: {fault}"),
            Self::TooMany => write!(f, "more than {MAX_NAMES} names; use smaller ranges"),
            Self::Control(char) => write!(f, "a name cannot hold {char:?}"),
            Self::TooLong => write!(f, "names of more than {} MiB; use shorter ones", MAX_BYTES >> 20),
            Self::NoName('^') => f.write_str("the path of a file is missing behind \"^\""),
            Self::NoName(mark) => write!(f, "a name is missing behind \"{mark}\""),
            Self::Lookup { operand, error } => match error {
                LookupError::Failed { .. } => error.fmt(f),
                LookupError::Group { .. } => write!(f, "no group {operand:?}; {error}"),
                LookupError::Source { .. } => write!(f, "no source of groups for {operand:?}; {error}"),
                LookupError::NotHere => write!(f, "{operand:?} has no meaning here; {error}"),
            },
            Self::Circle(path) => write!(f, "it holds itself: {}", path.join(" -> ")),
            Self::Deep(path) => write!(f, "nested too deep: ... {}", path.join(" -> ")),
        }
    }
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group { known } | Self::Source { known } if known.is_empty() => {
                f.write_str("[groups] of hopvine.toml and ClusterShell's files name some")
            }
            Self::Group { known } => write!(f, "there are {}", listed(known, "@")),
            Self::Source { known } => write!(f, "there are {}", listed(known, "")),
            Self::NotHere => f.write_str("only names and ranges have"),
            Self::Failed { what, why } => write!(f, "{what}: {why}"),
        }
    }
}

/// As many as help.
fn listed(names: &[String], mark: &str) -> String {
    const SHOWN: usize = 20;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("{mark}{name}")).collect();
    let more = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
    shown.join(", ") + &more
}

impl fmt::Display for RangeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a number is missing; examples: [1-20,30], [01-10/2]",
            Self::Digits => "only digits; examples: [1-20,30], [01-10/2]",
            Self::Long => "a number of more than 18 digits",
            Self::Backwards => "the first number is the lower one",
            Self::Step => "a step is 1 or more, and for ranges only: [1-9/2]",
            Self::Padding => "an end begins with 0, so both have as many digits: [01-99,100], [001-100]",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(expression: &str, column: usize, wrong: Wrong) -> String {
        NodesetError { place: None, expression: expression.into(), column, wrong }.to_string()
    }

    #[test]
    fn errors_name_the_expression_the_column_and_what_to_do() {
        assert_eq!(said("web[1-", 4, Wrong::Open), r#""web[1-", column 4: this [ has no ]"#);
        let backwards = Wrong::Range { text: "3-1".into(), fault: RangeFault::Backwards };
        assert!(said("web[3-1]", 5, backwards).ends_with("the first number is the lower one"));
        assert!(said("web[1-99999999]", 4, Wrong::TooMany).contains("more than 1000000 names"));
        let known = vec!["db".to_owned(), "web".to_owned()];
        let unknown = Wrong::Lookup { operand: "@wen".into(), error: LookupError::Group { known } };
        assert!(said("@wen", 1, unknown).ends_with("no group \"@wen\"; there are @db, @web"));
        let circle = Wrong::Circle(vec!["@a".into(), "@b".into(), "@a".into()]);
        assert!(said("@a", 1, circle).ends_with("it holds itself: @a -> @b -> @a"));
    }

    #[test]
    fn long_expressions_are_shown_in_part() {
        let long = "a,".repeat(500) + "web[1-";
        assert!(said(&long, 1004, Wrong::Open).starts_with("...\"a,a,"));
        assert!(said(&long, 1004, Wrong::Open).contains("web[1-\", column 1004"));
        assert!(said(&long, 1004, Wrong::Open).len() < 120);
    }

    #[test]
    fn the_place_comes_first() {
        let error = NodesetError {
            place: Some("list:2".into()),
            expression: "a]".into(),
            column: 2,
            wrong: Wrong::Close,
        };
        assert_eq!(error.to_string(), r#"list:2: "a]", column 2: this ] has no ["#);
    }
}
