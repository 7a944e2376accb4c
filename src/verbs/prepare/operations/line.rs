//! What a line of a queue asks for, as far as the line alone tells it.

use super::super::files::{destination_there, destinations, path_there};
use super::super::{INPUT, arguments_of, is_name};
use super::Work;
use crate::cli;
use crate::controller::operation::{Feed, Fetch, Put, Request, Run, Transfer, Words};
use crate::controller::queue::Task;
use crate::error::{OperationError, UsageError};
use crate::files::Source;
use crate::hosts::target::Target;
use crate::proto::json;
use crate::proto::message::Own;
use crate::proto::value::{Builder, Value};
use crate::transfers::Plan;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value as Json};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

pub(super) type Fields = Map<String, Json>;

const VERBS: &[&str] = &["call", "run", "put", "fetch", "connect"];
const COMMON: &[&str] = &["on", "id", "after"];
const HOW: &[&str] = &["recursive", "preserve", "compress"];
/// Longer ones are kept for nobody.
const MAX_ID_BYTES: usize = 256;
const BYTE_ORDER_MARK: &str = "\u{feff}";

pub(super) fn fields(line: &[u8]) -> Result<Fields, OperationError> {
    let line = str::from_utf8(line).map_err(|error| OperationError::Json(error.to_string()))?;
    let line = line.trim_start_matches(BYTE_ORDER_MARK);
    let fields = serde_json::from_str(line).map_err(|error| OperationError::Json(told(&error)))?;
    serde_json::from_str::<Once>(line).map_err(|error| OperationError::Repeated(told(&error)))?;
    Ok(fields)
}

/// JSON in which no object has a key twice: serde_json's own objects keep what comes last.
struct Once;

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

/// Numbers of arbitrary precision come as objects with one key.
impl<'de> Visitor<'de> for Once {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while let Some(Self) = items.next_element()? {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Self, A::Error> {
        let mut known = HashSet::new();
        while let Some(key) = pairs.next_key::<String>()? {
            if let Some(key) = known.replace(key) {
                return Err(A::Error::custom(format!("{key:?}")));
            }
            let Self = pairs.next_value()?;
        }
        Ok(self)
    }
}

/// What kind of operation it is; it has no fields that this does not know.
pub(super) fn verb(fields: &Fields) -> Result<&'static str, OperationError> {
    let said: Vec<_> = VERBS.iter().copied().filter(|verb| fields.contains_key(*verb)).collect();
    let [verb] = said[..] else {
        let others = fields.keys().filter(|name| said.is_empty() && !COMMON.contains(&name.as_str()));
        let others = others.map(|name| format!("{name:?}")).collect();
        return Err(OperationError::What { known: VERBS, said, others });
    };
    check_fields(fields, verb)?;
    Ok(verb)
}

/// Those of a line that it repeats in its results.
pub(super) fn id_of(fields: &Fields) -> Result<Option<String>, OperationError> {
    fields.get("id").filter(|id| !id.is_null()).map(|id| id_text(id, "id")).transpose()
}

/// The ids of what has to go well before.
pub(super) fn after(fields: &Fields) -> Result<Vec<String>, OperationError> {
    match fields.get("after") {
        None | Some(Json::Null) => Ok(Vec::new()),
        Some(Json::Array(ids)) => ids.iter().map(|id| id_text(id, "after")).collect(),
        Some(one) => Ok(vec![id_text(one, "after")?]),
    }
}

/// As JSON.
fn id_text(json: &Json, field: &'static str) -> Result<String, OperationError> {
    let text = match json {
        Json::String(text) => Some(json::text_or_bytes(text.as_bytes())),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    };
    text.filter(|text| text.len() <= MAX_ID_BYTES)
        .ok_or(value(field, "a number, or a text of at most 254 bytes"))
}

/// What a call is given, and what it has for itself.
pub(super) fn arguments(fields: &Fields) -> Result<(Value, Own), OperationError> {
    let own = match fields.get("own").map(|own| own.as_str()) {
        None => Own::Nothing,
        Some(Some("thread")) => Own::Thread,
        Some(Some("process")) => Own::Process,
        Some(_) => return Err(value("own", "\"thread\" or \"process\"")),
    };
    let mut builder = Builder::default();
    let positional = match fields.get("args") {
        None => Vec::new(),
        Some(Json::Array(items)) => items.iter().map(|item| json::from_json(item, &mut builder)).collect(),
        Some(_) => return Err(value("args", "a list")),
    };
    let mut named = Vec::new();
    match fields.get("kw") {
        None => {}
        Some(Json::Object(pairs)) if pairs.keys().all(|name| is_name(name)) => {
            for (name, item) in pairs {
                named.push((builder.text(name), json::from_json(item, &mut builder)));
            }
        }
        Some(_) => return Err(value("kw", "an object whose keys are names of arguments")),
    }
    let arguments = arguments_of(positional, named, builder);
    arguments
        .map(|arguments| (arguments, own))
        .ok_or(value("args", "what a call can be given: it is nested too deep"))
}

pub(super) fn run(fields: &Fields) -> Result<Work, OperationError> {
    const WANTED: &str = "a command line, or a list of words";
    let (words, interpreter) = match &fields["run"] {
        Json::String(line) => (vec![line.clone()], Words::Shell),
        list => (texts(list, "run", WANTED)?, Words::Exact),
    };
    if words.first().is_none_or(|word| word.trim().is_empty()) {
        return Err(value("run", WANTED));
    }
    if words.iter().any(|word| word.contains('\0')) {
        return Err(UsageError::CommandNul.into());
    }
    let label = words.join(" ");
    let words = words.into_iter().map(String::into_bytes).collect();
    let task = Task::Ask(Box::new(Request::Run(Run { words, interpreter, ..Run::default() })));
    Ok(Work { task, files: Plan::None, root: None, label })
}

pub(super) fn put(fields: &Fields) -> Result<Work, OperationError> {
    let (local, remote) = paths(fields, "put", "[LOCAL] or [LOCAL, REMOTE]")?;
    if local == INPUT {
        return Err(OperationError::InputTwice);
    }
    let transfer = transfer(fields)?;
    let mode = match fields.get("mode") {
        None => None,
        Some(_) if transfer.keep => return Err(value("mode", "of use beside \"preserve\"")),
        Some(mode) => {
            let mode = mode.as_str().and_then(|mode| cli::mode(mode).ok());
            Some(mode.ok_or_else(|| value("mode", "an octal mode in quotes, such as \"0644\""))?)
        }
    };
    let path = destination_there(Path::new(&local), remote.as_deref().map(OsStr::new))?;
    let put = Put { path, mode, stdin: Feed::Nothing, foreign: false, transfer };
    let label = format!("put {local}");
    let source = Source::Local { path: local.into(), tree: transfer.tree };
    let task = Task::Ask(Box::new(Request::Put(put)));
    Ok(Work { task, files: Plan::Put(source, transfer), root: None, label })
}

pub(super) fn fetch<'a>(
    fields: &Fields,
    targets: impl Iterator<Item = &'a Target>,
) -> Result<Work, OperationError> {
    let (remote, template) = paths(fields, "fetch", "[REMOTE] or [REMOTE, TEMPLATE]")?;
    if template.as_deref() == Some(INPUT) {
        return Err(value("fetch", "possible to standard output, where results go"));
    }
    let transfer = transfer(fields)?;
    let path = path_there(OsStr::new(&remote))?;
    let roots =
        destinations(OsStr::new(&remote), template.as_deref().map(Path::new), transfer.tree, targets)?;
    let task = Task::Ask(Box::new(Request::Fetch(Fetch { path, transfer })));
    Ok(Work { task, files: Plan::Fetch(roots, transfer), root: None, label: format!("fetch {remote}") })
}

pub(super) fn connect(fields: &Fields) -> Result<Work, OperationError> {
    match fields["connect"] {
        Json::Bool(true) => {
            Ok(Work { task: Task::Connect, files: Plan::None, root: None, label: "connect".to_owned() })
        }
        _ => Err(value("connect", "true")),
    }
}

fn check_fields(fields: &Fields, verb: &'static str) -> Result<(), OperationError> {
    let own: &[&str] = match verb {
        "call" => &["args", "kw", "own"],
        "put" => &["mode"],
        _ => &[],
    };
    let how = if verb == "put" || verb == "fetch" { HOW } else { &[] };
    let known: Vec<_> = [&[verb], own, how, COMMON].concat();
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(OperationError::Field { name: name.clone(), verb, known }),
        None => Ok(()),
    }
}

fn transfer(fields: &Fields) -> Result<Transfer, OperationError> {
    let [tree, keep, packed] = ["recursive", "preserve", "compress"].map(|field| match fields.get(field) {
        None => Ok(false),
        Some(Json::Bool(bool)) => Ok(*bool),
        Some(_) => Err(value(field, "true or false")),
    });
    Ok(Transfer { tree: tree?, keep: keep?, packed: packed? })
}

fn paths(
    fields: &Fields,
    field: &'static str,
    wanted: &'static str,
) -> Result<(String, Option<String>), OperationError> {
    let mut paths = texts(&fields[field], field, wanted)?.into_iter();
    match (paths.next(), paths.next(), paths.next()) {
        (Some(first), second, None) if !first.is_empty() && second.as_deref() != Some("") => {
            Ok((first, second))
        }
        _ => Err(value(field, wanted)),
    }
}

pub(super) fn texts(
    json: &Json,
    field: &'static str,
    wanted: &'static str,
) -> Result<Vec<String>, OperationError> {
    match json {
        Json::Array(items) => items.iter().map(|item| text(item, field, wanted).map(str::to_owned)).collect(),
        one => Ok(vec![text(one, field, wanted)?.to_owned()]),
    }
}

pub(super) fn text<'a>(
    json: &'a Json,
    field: &'static str,
    wanted: &'static str,
) -> Result<&'a str, OperationError> {
    json.as_str().ok_or(value(field, wanted))
}

pub(super) fn value(field: &'static str, wanted: &'static str) -> OperationError {
    OperationError::Value { field, wanted }
}

/// What serde_json says: its line is always the first.
fn told(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", ", column ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Fields {
        fields(text.as_bytes()).expect("an object")
    }

    #[test]
    fn an_id_is_a_number_or_a_short_text_and_harmless() {
        for (line, id) in [
            (r#"{"id":7}"#, Some("7")),
            (r#"{"id":"a b"}"#, Some(r#""a b""#)),
            (r#"{"id":"\u009b31m"}"#, Some(r#""\u009b31m""#)),
            (r#"{"id":null}"#, None),
            ("{}", None),
        ] {
            assert_eq!(id_of(&parsed(line)).expect("right").as_deref(), id, "{line}");
        }
        let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(MAX_ID_BYTES));
        for line in [r#"{"id":[]}"#, r#"{"id":true}"#, &long] {
            assert!(id_of(&parsed(line)).is_err(), "{line}");
        }
    }

    #[test]
    fn a_line_does_one_thing_and_has_no_other_fields() {
        assert_eq!(verb(&parsed(r#"{"run":"x","on":"a","id":1,"after":[]}"#)).ok(), Some("run"));
        for line in [r#"{}"#, r#"{"runn":"x"}"#, r#"{"run":"x","call":"a:b"}"#, r#"{"run":"x","args":[]}"#] {
            assert!(verb(&parsed(line)).is_err(), "{line}");
        }
        let told = verb(&parsed(r#"{"runn":"x","on":"a"}"#)).expect_err("wrong").to_string();
        assert!(told.contains(r#""runn""#) && !told.contains(r#""on""#), "{told}");
    }

    #[test]
    fn a_key_that_is_there_twice_is_refused_at_any_depth() {
        for line in [
            r#"{"on":"a","run":"x","on":"b"}"#,
            r#"{"call":"m:f","kw":{"x":1.5e3,"x":2}}"#,
            r#"{"call":"m:f","args":[0,[{"x":null,"\u0078":true}]]}"#,
        ] {
            let told = fields(line.as_bytes()).expect_err("refused").to_string();
            let key = if line.contains('x') && !line.contains("on") {
                r#""x", column "#
            } else {
                r#""on", column "#
            };
            assert!(told.starts_with(key), "{told}");
        }
        let numbers = format!("[1,-1,0.5,-2e9,1e999,1{},-1{}]", "0".repeat(40), "0".repeat(19));
        let line = format!(r#"{{"a":[{{"x":{numbers}}},{{"x":-2e9}}],"b":{{"a":{{"a":"a"}},"n":null}}}}"#);
        assert!(fields(line.as_bytes()).is_ok(), "{line}");
    }

    #[test]
    fn a_mark_of_another_system_is_no_part_of_the_line() {
        assert!(fields("\u{feff}{}".as_bytes()).is_ok());
        assert!(fields(b"\xff{}").is_err());
    }
}
