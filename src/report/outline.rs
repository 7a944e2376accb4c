//! A value as lines for people and their grep: `key.key: leaf`, in the order of the keys.

use super::terminal;
use crate::proto::value::{Node, NodeId, Value};

/// Deeper or longer, and the value is not one to be read so.
const MAX_DEPTH: usize = 20;
const MAX_STEPS: usize = 100_000;
const MAX_CHILDREN: usize = 10_000;
const MAX_KEY_CHARS: usize = 200;
const LEFT_OUT: &str = "...";
/// Stands for nothing: an unknown value, an empty list.
const NOTHING: &str = "-";

/// Each item of a list is a line of its own, under the key of the list; a container in a list has
/// its number for a key.
pub(super) fn outline(value: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let mut todo = vec![(String::new(), value.root(), 0)];
    let mut steps = 0;
    while let Some((key, id, depth)) = todo.pop() {
        steps += 1;
        if steps > MAX_STEPS {
            lines.push(LEFT_OUT.to_owned());
            break;
        }
        let children = children(value, &key, id);
        match children {
            Some(children) if children.is_empty() => lines.push(line(&key, NOTHING)),
            Some(_) if depth == MAX_DEPTH => lines.push(line(&key, LEFT_OUT)),
            Some(children) => {
                todo.extend(children.into_iter().rev().map(|(key, child)| (key, child, depth + 1)));
            }
            None => lines.push(line(&key, &leaf(value.node(id)))),
        }
    }
    lines
}

/// The values of a dict but for those keys, in its order.
pub(super) fn in_one_line(value: &Value, without: &[&str]) -> String {
    let Node::Dict(pairs) = value.node(value.root()) else { return String::new() };
    let shown = pairs.iter().filter(|(key, _)| !without.contains(&leaf(value.node(*key)).as_str()));
    shown.map(|(_, item)| leaf(value.node(*item))).collect::<Vec<_>>().join(" ")
}

/// What a container holds, by key; `None` for a leaf.
fn children(value: &Value, key: &str, id: NodeId) -> Option<Vec<(String, NodeId)>> {
    let key_of = |name| leaf(value.node(name)).chars().take(MAX_KEY_CHARS).collect::<String>();
    let below = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
    match value.node(id) {
        Node::List(items) | Node::Tuple(items) | Node::Set(items) | Node::FrozenSet(items) => {
            let item = |(at, item): (usize, &NodeId)| match is_leaf(value.node(*item)) {
                true => (key.to_owned(), *item),
                false => (below(&at.to_string()), *item),
            };
            Some(items.iter().take(MAX_CHILDREN).enumerate().map(item).collect())
        }
        Node::Dict(pairs) => {
            let mut pairs: Vec<_> =
                pairs.iter().take(MAX_CHILDREN).map(|(name, item)| (below(&key_of(*name)), *item)).collect();
            pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
            Some(pairs)
        }
        _ => None,
    }
}

fn is_leaf(node: &Node) -> bool {
    !matches!(node, Node::List(_) | Node::Tuple(_) | Node::Set(_) | Node::FrozenSet(_) | Node::Dict(_))
}

fn leaf(node: &Node) -> String {
    match node {
        Node::Bool(bool) => bool.to_string(),
        Node::Int(int) => int.to_string(),
        Node::BigInt(int) => format!("{int:#x}"),
        Node::Float(float) => format!("{float:?}"),
        Node::Text(text) | Node::Bytes(text) if !text.is_empty() => {
            terminal::one_line(&String::from_utf8_lossy(text))
        }
        _ => NOTHING.to_owned(),
    }
}

fn line(key: &str, text: &str) -> String {
    if key.is_empty() { text.to_owned() } else { format!("{key}: {text}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::json;
    use crate::proto::value::Builder;

    fn lines(json: &str) -> Vec<String> {
        let mut builder = Builder::default();
        let root = json::argument(json, &mut builder);
        outline(&builder.finish(root))
    }

    #[test]
    fn leaves_have_dotted_keys_in_order() {
        assert_eq!(
            lines(
                r#"{"os":{"name":"Debian","like":[]},"cpus":2,"ip":null,"groups":["a","b c"],"root":true}"#
            ),
            ["cpus: 2", "groups: a", "groups: b c", "ip: -", "os.like: -", "os.name: Debian", "root: true"]
        );
    }

    #[test]
    fn containers_in_a_list_are_numbered() {
        assert_eq!(lines(r#"{"routes":[{"to":"x"},["y"]]}"#), ["routes.0.to: x", "routes.1: y"]);
        assert_eq!(lines("1.5"), ["1.5"]);
    }

    #[test]
    fn no_text_can_look_like_another_line() {
        assert_eq!(lines(r#"{"a\nb: 1":"c\nd: 2\u001b[2J"}"#), [r"a\nb: 1: c\nd: 2^[[2J"]);
    }

    #[test]
    fn a_value_in_itself_ends() {
        // A list that holds a list of itself, twice.
        let value = Value::decode(b"l\0\0\0\x02r\0\0\0\0r\0\0\0\0").expect("a value");
        let lines = outline(&value);
        assert!(lines.len() <= MAX_STEPS && lines.iter().all(|line| line.ends_with(LEFT_OUT)));
    }
}
