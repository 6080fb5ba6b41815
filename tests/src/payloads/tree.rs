//! JSON as a tree that can hold what no parser keeps: a name twice, numbers outside any type, half
//! an escape.

use serde_json::Value;

/// A piece of JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// A string, a number or a word, as it is written.
    Raw(String),
    /// A list.
    List(Vec<Self>),
    /// An object: names as they are written, quotes included, in order.
    Object(Vec<(String, Self)>),
}

impl Node {
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Array(values) => Self::List(values.iter().map(Self::of).collect()),
            Value::Object(fields) => {
                let field = |(name, value): (&String, &Value)| (quoted(name), Self::of(value));
                Self::Object(fields.iter().map(field).collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Self::Raw(value.to_string())
            }
        }
    }

    /// The number of nodes, including this one.
    pub(super) fn size(&self) -> usize {
        1 + match self {
            Self::Raw(_) => 0,
            Self::List(nodes) => nodes.iter().map(Self::size).sum(),
            Self::Object(fields) => fields.iter().map(|(_, node)| node.size()).sum(),
        }
    }

    /// The node with that number, counted from zero at this one, and the name of its field.
    pub(super) fn find(&mut self, number: &mut usize, name: &str) -> Option<(String, &mut Self)> {
        if *number == 0 {
            return Some((name.to_owned(), self));
        }
        *number -= 1;
        match self {
            Self::Raw(_) => None,
            // An element has the name of its list.
            Self::List(nodes) => nodes.iter_mut().find_map(|node| node.find(number, name)),
            Self::Object(fields) => {
                fields.iter_mut().find_map(|(name, node)| node.find(number, name))
            }
        }
    }

    pub(super) fn write(&self, text: &mut String) {
        match self {
            Self::Raw(raw) => text.push_str(raw),
            Self::List(nodes) => {
                text.push('[');
                for (at, node) in nodes.iter().enumerate() {
                    text.push_str(if at == 0 { "" } else { "," });
                    node.write(text);
                }
                text.push(']');
            }
            Self::Object(fields) => {
                text.push('{');
                for (at, (name, node)) in fields.iter().enumerate() {
                    text.push_str(if at == 0 { "" } else { "," });
                    text.push_str(name);
                    text.push(':');
                    node.write(text);
                }
                text.push('}');
            }
        }
    }
}

/// A text as JSON writes it.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tree_is_written_as_it_was_read_and_every_node_is_found() {
        let value = json!({"a": [1, "x\n", null], "b": {"c": {}}});
        let mut tree = Node::of(&value);
        let mut text = String::new();
        tree.write(&mut text);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert_eq!(tree.size(), 7);
        let names: Vec<String> =
            (0..7).map(|number| tree.find(&mut { number }, "top").expect("the node").0).collect();
        assert_eq!(names, ["top", "\"a\"", "\"a\"", "\"a\"", "\"a\"", "\"b\"", "\"c\""]);
        assert!(tree.find(&mut { 7 }, "top").is_none());
    }
}
