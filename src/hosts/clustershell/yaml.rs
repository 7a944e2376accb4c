//! The two levels of YAML that files of groups have: sources, and their groups. What else YAML knows
//! is an error and never read in some other way.

use super::{ClustershellError, Groups, refuse_control, without_comment};
use std::collections::BTreeMap;

/// Reads a file of sources and their groups.
///
/// # Errors
///
/// More of YAML than that.
pub fn yaml(text: &str) -> Result<BTreeMap<String, Groups>, ClustershellError> {
    let mut sources: BTreeMap<String, Groups> = BTreeMap::new();
    // The source with the indentation of its groups, and the group whose list is being read.
    let (mut source, mut group): (Option<(String, Option<usize>)>, Option<String>) = (None, None);
    for (line, text) in (1..).zip(text.lines()) {
        let wrong = || ClustershellError::Yaml { line };
        let content = text.trim();
        if content.is_empty() || content.starts_with('#') || content == "---" || content == "..." {
            continue;
        }
        refuse_control(content, line)?;
        let indent = text.len() - text.trim_start_matches(' ').len();
        if text[indent..].starts_with('\t') {
            return Err(wrong());
        }
        let item =
            content.strip_prefix("- ").or_else(|| content.strip_prefix('-').filter(|rest| rest.is_empty()));
        if let Some(item) = item {
            let (Some((source, _)), Some(group)) = (&source, &group) else { return Err(wrong()) };
            let nodes = sources.entry(source.clone()).or_default().entry(group.clone()).or_default();
            nodes.push_str(&scalar(item.trim()).ok_or_else(wrong)?);
            nodes.push('\n');
            continue;
        }
        let (key, value) = pair(content).ok_or_else(wrong)?;
        if indent == 0 {
            if !matches!(scalar(value).as_deref(), Some("")) && value != "{}" {
                return Err(wrong());
            }
            sources.entry(key.clone()).or_default();
            (source, group) = (Some((key, None)), None);
            continue;
        }
        let (name, indentation) = source.as_mut().ok_or_else(wrong)?;
        if *indentation.get_or_insert(indent) != indent {
            return Err(wrong());
        }
        let nodes = nodes(value).ok_or_else(wrong)?;
        group = Some(key.clone()).filter(|_| nodes.is_empty());
        sources.entry(name.clone()).or_default().insert(key, nodes);
    }
    Ok(sources)
}

/// The sources that a file names which holds more than is read.
pub fn sources(text: &str) -> Vec<String> {
    let first = text.lines().filter(|line| !line.starts_with([' ', '\t', '#', '-', '.']));
    first.filter_map(|line| pair(line.trim_end())).map(|(name, _)| name).collect()
}

/// `key: value`, with the quotes of the key taken off.
fn pair(content: &str) -> Option<(String, &str)> {
    let (key, rest) = match content.chars().next()? {
        quote @ ('"' | '\'') => {
            let (key, rest) = content[1..].split_once(quote)?;
            (key, rest.trim_start().strip_prefix(':')?)
        }
        _ => {
            let ends = content.find(": ").or_else(|| content.ends_with(':').then(|| content.len() - 1))?;
            (&content[..ends], &content[ends + 1..])
        }
    };
    let plain = !key.is_empty() && !key.starts_with(['?', '[', '{', '&', '*', '!', '|', '>', '%', '@', '`']);
    (plain && !key.contains('#')).then(|| (key.trim().to_owned(), rest.trim()))
}

/// One text, or a list `[a, b]`.
fn nodes(value: &str) -> Option<String> {
    let Some(mut rest) = value.strip_prefix('[') else { return scalar(value) };
    let mut items = Vec::new();
    loop {
        rest = rest.trim_start();
        // Quotes keep commas and brackets together; without them `[` is more of YAML.
        let (item, after) = match rest.chars().next()? {
            ']' => break,
            quote @ ('"' | '\'') => rest.split_at(rest[1..].find(quote)? + 2),
            _ => rest.split_at(rest.find([',', ']'])?),
        };
        items.push(scalar(item.trim()).filter(|_| !item.contains(" #"))?);
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None if rest.starts_with(']') => {}
            None => return None,
        }
    }
    without_comment(&rest[1..]).trim().is_empty().then(|| items.join("\n"))
}

/// A text with or without quotes, of one line; what is `null` is empty.
fn scalar(value: &str) -> Option<String> {
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let (text, after) = value[1..].split_once(quote)?;
            // Escapes are for what no name of a node holds.
            let plain = !(quote == '"' && text.contains('\\')) && without_comment(after).trim().is_empty();
            plain.then(|| text.to_owned())
        }
        Some('|' | '>' | '&' | '*' | '!' | '{' | '[' | '%' | '@' | '`') => None,
        _ => match without_comment(value).trim() {
            "~" | "null" => Some(String::new()),
            // A list, which would begin on a line of its own.
            text if text == "-" || text.starts_with("- ") || text.starts_with("-\t") => None,
            text if text.contains(": ") || text.ends_with(':') => None,
            text => Some(text.to_owned()),
        },
    }
}
