//! The names in ssh's configuration. What is said about them is ssh's own affair.

/// What a line of the configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// Hosts, without patterns.
    Hosts(Vec<String>),
    /// Patterns of paths of other files.
    Include(Vec<String>),
}

/// Returns what is named, in the order of the lines.
pub fn parse(text: &str) -> Vec<Named> {
    text.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<Named> {
    let line = line.trim();
    let ends = line.find(|c: char| c.is_whitespace() || c == '=')?;
    let (keyword, rest) = line.split_at(ends);
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    let words = || words(rest);
    if keyword.eq_ignore_ascii_case("host") {
        Some(Named::Hosts(words().into_iter().filter(|name| !name.contains(['*', '?', '!'])).collect()))
    } else if keyword.eq_ignore_ascii_case("include") {
        Some(Named::Include(words()))
    } else {
        None
    }
}

/// Words with or without double quotes; `#` begins a comment.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_without_patterns_and_files_are_named() {
        let text = "Include config.d/* ~/more\nHost web1 web2 *.lan !db \"a b\" # mine\n  HostName 10.0.0.1\nHOST=db1\n\
                    Match host x\n# Host no\nHostName no\n";
        let hosts = |names: &[&str]| Named::Hosts(names.iter().map(|name| (*name).to_owned()).collect());
        let include = Named::Include(vec!["config.d/*".into(), "~/more".into()]);
        assert_eq!(parse(text), [include, hosts(&["web1", "web2", "a b"]), hosts(&["db1"])]);
    }
}
