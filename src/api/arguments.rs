//! What a call is given.

use crate::error::Failure;
use crate::proto::json;
use crate::proto::value::{Builder, MAX_DEPTH, Node, Value};

/// The arguments of a call, in order, and those with names.
///
/// ```
/// use hopvine::api::Arguments;
///
/// let three = Arguments::default().with("nginx").with(5).json(r#"{"dry": true}"#);
/// let named = Arguments::of([1, 2]).named("key", "len");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    positional: Vec<Value>,
    named: Vec<(String, Value)>,
}

impl Arguments {
    /// Those, in order.
    pub fn of<T: Into<Value>>(values: impl IntoIterator<Item = T>) -> Self {
        Self { positional: values.into_iter().map(T::into).collect(), named: Vec::new() }
    }

    /// One more: a number, a truth, text, bytes, or any [`Value`].
    #[must_use]
    pub fn with(mut self, value: impl Into<Value>) -> Self {
        self.positional.push(value.into());
        self
    }

    /// One more, as it is typed on the command line: JSON, else text.
    #[must_use]
    pub fn json(self, typed: &str) -> Self {
        let mut builder = Builder::default();
        let root = json::argument(typed, &mut builder);
        self.with(builder.finish(root))
    }

    /// One more, by name.
    #[must_use]
    pub fn named(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.named.push((name.to_owned(), value.into()));
        self
    }

    /// A tuple of a tuple and a dict, as a request has it.
    ///
    /// # Errors
    ///
    /// [`Failure::TooDeep`].
    pub fn value(&self) -> Result<Value, Failure> {
        let mut builder = Builder::default();
        let positional = self.positional.iter().map(|value| builder.copy(value)).collect();
        let named =
            self.named.iter().map(|(name, value)| (builder.text(name), builder.copy(value))).collect();
        let both = vec![builder.add(Node::Tuple(positional)), builder.add(Node::Dict(named))];
        let root = builder.add(Node::Tuple(both));
        let value = builder.finish(root);
        if value.depth() > MAX_DEPTH { Err(Failure::TooDeep) } else { Ok(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_a_tuple_and_a_dict() {
        let arguments =
            Arguments::of([1]).with("two").with(true).with(1.5).json("[3, null]").named("key", &b"\xff"[..]);
        let told = arguments.value().ok().and_then(|value| json::to_json(&value, 1000));
        assert_eq!(told.as_deref(), Some(r#"[[1,"two",true,1.5,[3,null]],{"key":{"$bytes":"/w=="}}]"#));
    }

    #[test]
    fn what_is_nested_too_deep_is_refused() {
        let deep = "[".repeat(99) + &"]".repeat(99);
        assert!(matches!(Arguments::default().json(&deep).value(), Err(Failure::TooDeep)));
        assert!(Arguments::default().json(&deep[1..197]).value().is_ok());
    }
}
