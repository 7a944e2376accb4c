//! Values as JSON and back, in the forms that the command line promises: what JSON has no word for
//! is an object with one key that begins with `$`.

use super::value::{Builder, Node, NodeId, Tag, Value};
use base64::display::Base64Display;
use base64::engine::Engine;
use base64::engine::general_purpose::STANDARD;
use num_bigint::BigInt;
use std::fmt::Write;

/// Integers of more bits than this are written in hexadecimal: decimal would take forever.
const MAX_DECIMAL_BITS: u64 = 65_536;
/// Text of a value that refers to a container around it.
const CIRCULAR: &str = r#"{"$circular":true}"#;

/// Reads an argument as typed: JSON, else text.
pub fn argument(typed: &str, builder: &mut Builder) -> NodeId {
    match serde_json::from_str(typed) {
        Ok(json) => from_json(&json, builder),
        Err(_) => builder.text(typed),
    }
}

/// Adds a JSON value; serde_json has limited its depth.
/// Adds a value that is JSON already.
pub fn from_json(json: &serde_json::Value, builder: &mut Builder) -> NodeId {
    let node = match json {
        serde_json::Value::Null => Node::None,
        serde_json::Value::Bool(bool) => Node::Bool(*bool),
        serde_json::Value::Number(number) => number_node(number),
        serde_json::Value::String(text) => Node::Text(text.as_bytes().to_vec()),
        serde_json::Value::Array(items) => {
            Node::List(items.iter().map(|item| from_json(item, builder)).collect())
        }
        serde_json::Value::Object(pairs) => match special(pairs, builder) {
            Some(node) => node,
            None => Node::Dict(
                pairs.iter().map(|(key, value)| (builder.text(key), from_json(value, builder))).collect(),
            ),
        },
    };
    builder.add(node)
}

/// The forms that [`to_json`] writes for what JSON has no word for.
fn special(pairs: &serde_json::Map<String, serde_json::Value>, builder: &mut Builder) -> Option<Node> {
    let (key, value) = pairs.iter().next().filter(|_| pairs.len() == 1)?;
    match key.as_str() {
        "$timedelta" => {
            let seconds = Node::Text(value.as_number()?.as_str().as_bytes().to_vec());
            Some(Node::Tagged(Tag::TimeDelta, builder.add(seconds)))
        }
        "$bytes" => STANDARD.decode(value.as_str()?).ok().map(Node::Bytes),
        "$float" => value.as_str()?.parse().ok().map(Node::Float),
        "$int" => BigInt::parse_bytes(value.as_str()?.strip_prefix("0x")?.as_bytes(), 16).map(Node::BigInt),
        "$set" => Some(Node::Set(value.as_array()?.iter().map(|item| from_json(item, builder)).collect())),
        "$dict" => {
            let pairs = value.as_array()?.iter().map(|pair| match pair.as_array()?.as_slice() {
                [key, value] => Some((from_json(key, builder), from_json(value, builder))),
                _ => None,
            });
            pairs.collect::<Option<_>>().map(Node::Dict)
        }
        name => {
            let tag = Tag::named(name.strip_prefix('$')?).filter(|tag| *tag != Tag::Record)?;
            let text = builder.text(value.as_str()?);
            Some(Node::Tagged(tag, text))
        }
    }
}

fn number_node(number: &serde_json::Number) -> Node {
    let digits = number.as_str();
    match (digits.parse(), BigInt::parse_bytes(digits.as_bytes(), 10)) {
        (Ok(int), _) => Node::Int(int),
        (_, Some(int)) => Node::BigInt(int),
        _ => Node::Float(digits.parse().unwrap_or(f64::INFINITY)),
    }
}

/// Bytes as JSON: text where they are UTF-8, else `{"$bytes": base64}`.
pub fn text_or_bytes(bytes: &[u8]) -> String {
    let mut out = String::new();
    match std::str::from_utf8(bytes) {
        Ok(text) => write_text(text.as_bytes(), &mut out),
        Err(_) => write_bytes(bytes, &mut out),
    }
    out
}

/// Returns the value as JSON on one line. What it holds several times is written each time, up to
/// `max_bytes`; then `None`.
pub fn to_json(value: &Value, max_bytes: usize) -> Option<String> {
    part_to_json(value, value.root(), max_bytes)
}

/// The same for a part of a value.
pub fn part_to_json(value: &Value, part: NodeId, max_bytes: usize) -> Option<String> {
    let mut out = String::new();
    let mut steps = vec![Step::Node(part)];
    let mut around: Vec<NodeId> = Vec::new();
    while let Some(step) = steps.pop() {
        if out.len() > max_bytes {
            return None;
        }
        match step {
            Step::Text(text) => out.push_str(text),
            Step::Key(id) => write_leaf(value.node(id), &mut out),
            Step::Leave => drop(around.pop()),
            Step::Node(id) if around.contains(&id) => out.push_str(CIRCULAR),
            Step::Node(id) => match value.node(id) {
                Node::List(items) | Node::Tuple(items) => {
                    around.push(id);
                    push_items(&mut steps, "[", items, "]");
                }
                Node::Set(items) | Node::FrozenSet(items) => {
                    around.push(id);
                    push_items(&mut steps, r#"{"$set":["#, items, "]}");
                }
                Node::Dict(pairs) => {
                    around.push(id);
                    push_pairs(&mut steps, value, pairs);
                }
                Node::Tagged(tag, inner) => push_tagged(&mut steps, &mut out, value, *tag, *inner),
                leaf => write_leaf(leaf, &mut out),
            },
        }
    }
    Some(out)
}

enum Step {
    Text(&'static str),
    Node(NodeId),
    /// A text that is an object's key.
    Key(NodeId),
    /// The innermost container is written.
    Leave,
}

fn push_items(steps: &mut Vec<Step>, open: &'static str, items: &[NodeId], close: &'static str) {
    steps.extend([Step::Leave, Step::Text(close)]);
    for (at, item) in items.iter().enumerate().rev() {
        steps.push(Step::Node(*item));
        steps.push(Step::Text(if at == 0 { open } else { "," }));
    }
    if items.is_empty() {
        steps.push(Step::Text(open));
    }
}

fn push_pairs(steps: &mut Vec<Step>, value: &Value, pairs: &[(NodeId, NodeId)]) {
    let special = |key: NodeId| matches!(value.node(key), Node::Text(text) if text.starts_with(b"$"));
    let textual = pairs.iter().all(|(key, _)| matches!(value.node(*key), Node::Text(_)))
        && !matches!(pairs[..], [(key, _)] if special(key));
    let (open, between, close) = if textual { ("{", ":", "}") } else { (r#"{"$dict":["#, ",", "]}") };
    steps.extend([Step::Leave, Step::Text(close)]);
    for (at, (key, item)) in pairs.iter().enumerate().rev() {
        if !textual {
            steps.push(Step::Text("]"));
        }
        steps.extend([Step::Node(*item), Step::Text(between)]);
        steps.push(if textual { Step::Key(*key) } else { Step::Node(*key) });
        if !textual {
            steps.push(Step::Text("["));
        }
        if at > 0 {
            steps.push(Step::Text(","));
        }
    }
    steps.push(Step::Text(open));
}

/// A record looks like a dict of its fields; all else is an object with the type's name.
fn push_tagged(steps: &mut Vec<Step>, out: &mut String, value: &Value, tag: Tag, inner: NodeId) {
    match (tag, value.node(inner)) {
        (Tag::Record, Node::Tuple(pair)) => steps.extend(pair.get(1).map(|fields| Step::Node(*fields))),
        (Tag::TimeDelta, Node::Text(seconds)) => {
            push_fmt(out, format_args!(r#"{{"$timedelta":{}}}"#, String::from_utf8_lossy(seconds)));
        }
        _ => {
            push_fmt(out, format_args!(r#"{{"${}":"#, tag.name()));
            steps.extend([Step::Text("}"), Step::Node(inner)]);
        }
    }
}

fn write_leaf(node: &Node, out: &mut String) {
    match node {
        Node::None => out.push_str("null"),
        Node::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
        Node::Int(int) => push_fmt(out, format_args!("{int}")),
        Node::BigInt(int) if int.bits() <= MAX_DECIMAL_BITS => push_fmt(out, format_args!("{int}")),
        Node::BigInt(int) => push_fmt(out, format_args!(r#"{{"$int":"{int:#x}"}}"#)),
        Node::Float(float) if float.is_nan() => out.push_str(r#"{"$float":"nan"}"#),
        Node::Float(float) if float.is_infinite() => {
            out.push_str(if *float > 0.0 { r#"{"$float":"inf"}"# } else { r#"{"$float":"-inf"}"# });
        }
        Node::Float(float) => push_fmt(out, format_args!("{float:?}")),
        Node::Bytes(bytes) => write_bytes(bytes, out),
        Node::Text(text) => write_text(text, out),
        Node::List(_)
        | Node::Tuple(_)
        | Node::Set(_)
        | Node::FrozenSet(_)
        | Node::Dict(_)
        | Node::Tagged(..) => {
            unreachable!("containers are written step by step")
        }
    }
}

fn push_fmt(out: &mut String, args: std::fmt::Arguments<'_>) {
    out.write_fmt(args).unwrap_or_else(|_| unreachable!("a String takes all that is written"));
}

fn write_bytes(bytes: &[u8], out: &mut String) {
    push_fmt(out, format_args!(r#"{{"$bytes":"{}"}}"#, Base64Display::new(bytes, &STANDARD)));
}

/// Writes UTF-8 with single surrogates as a JSON string; control characters and DEL are escaped.
fn write_text(text: &[u8], out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.windows(3).position(is_surrogate) {
        write_chars(&rest[..at], out);
        let low = u32::from(rest[at + 1] & 0x3f) << 6 | u32::from(rest[at + 2] & 0x3f);
        push_fmt(out, format_args!("\\u{:04x}", 0xd000 | low));
        rest = &rest[at + 3..];
    }
    write_chars(rest, out);
    out.push('"');
}

/// The three bytes of an encoded surrogate, U+D800 to U+DFFF.
fn is_surrogate(bytes: &[u8]) -> bool {
    matches!(bytes, [0xed, 0xa0..=0xbf, 0x80..=0xbf])
}

fn write_chars(text: &[u8], out: &mut String) {
    for char in String::from_utf8_lossy(text).chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control.is_control() => push_fmt(out, format_args!("\\u{:04x}", control as u32)),
            char => out.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(bytes: &[u8]) -> String {
        to_json(&Value::decode(bytes).expect("a value"), 10_000).expect("short enough")
    }

    fn round_trip(typed: &str) -> String {
        let mut builder = Builder::default();
        let root = argument(typed, &mut builder);
        to_json(&builder.finish(root), 10_000).expect("short enough")
    }

    #[test]
    fn arguments_are_json_else_text() {
        for json in [
            "null",
            "true",
            "-12",
            "1.5",
            r#""a\"b\n\u0001""#,
            r#"[1,[],{"a":{}}]"#,
            "123456789012345678901234567890",
        ] {
            assert_eq!(round_trip(json), json);
        }
        assert_eq!(round_trip("web1"), r#""web1""#);
        assert_eq!(round_trip("1 2"), r#""1 2""#);
        assert_eq!(round_trip("1e3"), "1000.0");
    }

    #[test]
    fn what_json_cannot_say_has_its_own_form() {
        for form in
            [r#"{"$bytes":"/w=="}"#, r#"{"$set":[1]}"#, r#"{"$dict":[[null,"x"]]}"#, r#"{"$float":"-inf"}"#]
        {
            assert_eq!(round_trip(form), form);
        }
        assert_eq!(round_trip(r#"{"$set":1}"#), r#"{"$dict":[["$set",1]]}"#);
        for form in [
            r#"{"$datetime":"2026-01-02T03:04:05+01:00"}"#,
            r#"{"$decimal":"1.10"}"#,
            r#"{"$timedelta":-1.5}"#,
        ] {
            assert_eq!(round_trip(form), form);
        }
        assert_eq!(
            json(b"x\0\0\0\x06recordu\0\0\0\x02s\0\0\0\x01PD\0\0\0\x01s\0\0\0\x01xn"),
            r#"{"x":null}"#
        );
        assert_eq!(json(b"b\0\0\0\x01\xff"), r#"{"$bytes":"/w=="}"#);
        assert_eq!(json(b"S\0\0\0\x01i\0\0\0\x011"), r#"{"$set":[1]}"#);
        assert_eq!(json(b"D\0\0\0\x01ns\0\0\0\x01x"), r#"{"$dict":[[null,"x"]]}"#);
        assert_eq!(json(b"d\0\0\0\x03nan"), r#"{"$float":"nan"}"#);
        assert_eq!(json(b"d\0\0\0\x04-inf"), r#"{"$float":"-inf"}"#);
        assert_eq!(json(b"l\0\0\0\x01r\0\0\0\0"), r#"[{"$circular":true}]"#);
    }

    #[test]
    fn a_single_surrogate_becomes_its_escape() {
        assert_eq!(json(b"s\0\0\0\x05a\xed\xb3\xbfb"), r#""a\udcffb""#);
        assert_eq!(json(b"s\0\0\0\x01\xff"), "\"\u{fffd}\"");
    }

    #[test]
    fn shared_parts_cannot_make_the_text_grow_without_end() {
        // l0 = ["x"*8], l1 = [l0]*8, l2 = [l1]*8 ... by references to the list before.
        let mut builder = Builder::default();
        let mut inner = builder.text("xxxxxxxx");
        for _ in 0..20 {
            inner = builder.add(Node::List(vec![inner; 8]));
        }
        assert_eq!(to_json(&builder.finish(inner), 10_000), None);
    }
}
