//! Breaks a sample: one to four of the things that a sender's next version, a careless proxy or a
//! malicious hand could do to it.
//!
//! One thing is never done: a person's value is not moved to where a `sub` stands. What stands
//! there *is* the `sub` to everybody who reads the event.

use serde_json::Value;

use super::tree::{Node, quoted};
use crate::world::chance::Chooser as _;
use crate::world::chance::Seeded;

/// Texts that stand where others stood. None is anything of a person's.
const JUNK_TEXTS: [&str; 7] = ["", " ", "x", "junk", "null", "00000000-0000-0000", "../../junk"];

/// What is written in place of a value.
const JUNK: [&str; 17] = [
    "null",
    "true",
    "false",
    "0",
    "-1",
    "1.5",
    "1e400",
    "-0.0e-999",
    "123456789012345678901234567890123456789012345678901234567890",
    "[]",
    "{}",
    "[[]]",
    r#"{"junk":[null,{"x":1}]}"#,
    r#""\ud800""#,
    r#""\udc00\ud800 \u0000""#,
    r#""\u202e\ufeff""#,
    r#"["x","x"]"#,
];

/// Names that stand where others stood, as they are written.
const NAMES: [&str; 8] = [
    "\"\"",
    "\"x\"",
    "\"Detail\"",
    "\"userpoolid\"",
    r#""\ud800""#,
    r#""\u0000""#,
    "\"request\"",
    "\"requestParameters\"",
];

/// Names below which a `sub` may stand, and which therefore nobody's value takes over.
const SUB_NAMES: [&str; 3] = ["\"sub\"", "\"userSub\"", "\"UserSub\""];

/// How deep a nest is: no stack survives reading this level by level.
const DEPTH: usize = 60_000;

/// The largest event of all: `EventBridge` and Lambda carry less.
const LONG: usize = 1024 * 1024;

/// Whether a text is one that the breaking put somewhere.
pub(super) fn is_junk(text: &str) -> bool {
    // A text may have been shortened after it was put there.
    JUNK_TEXTS.iter().any(|junk| junk.starts_with(text)) || text == "\u{202e}\u{feff}"
}

/// The sample's text, broken.
pub(super) fn broken(sample: &Value, chance: &mut Seeded) -> String {
    let mut tree = Node::of(sample);
    for _ in 0..=chance.choose(4, "how often") {
        break_once(&mut tree, chance);
    }
    let mut text = String::new();
    tree.write(&mut text);
    if chance.happens(12, "truncated") {
        let mut end = chance.choose(text.len().max(1), "where");
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

fn break_once(tree: &mut Node, chance: &mut Seeded) {
    let mut number = chance.choose(tree.size(), "which node");
    let Some((name, node)) = tree.find(&mut number, "") else { return };
    match chance.weigh(&[8, 3, 6, 4, 6, 6, 4, 3, 1, 1], "how") {
        0 => *node = Node::Raw(JUNK[chance.choose(JUNK.len(), "junk")].to_owned()),
        1 => {
            let text = JUNK_TEXTS[chance.choose(JUNK_TEXTS.len(), "text")];
            *node = Node::Raw(quoted(text));
        }
        2 => remove(node, chance),
        3 => rename(node, chance),
        4 => repeat(node, chance),
        5 => swap(node, chance),
        6 => *node = Node::List(vec![node.clone()]),
        7 => shorten(node, chance),
        8 if chance.happens(8, "a nest") => *node = Node::Raw(nest(chance)),
        // A long text is no `sub` of ours.
        9 if chance.happens(16, "length") && !SUB_NAMES.contains(&name.as_str()) => {
            *node = Node::Raw(quoted(&"x".repeat(LONG)));
        }
        _ => *node = Node::Object(vec![("\"junk\"".to_owned(), node.clone())]),
    }
}

fn remove(node: &mut Node, chance: &mut Seeded) {
    match node {
        Node::List(nodes) if !nodes.is_empty() => {
            nodes.remove(chance.choose(nodes.len(), "which"));
        }
        Node::Object(fields) if !fields.is_empty() => {
            fields.remove(chance.choose(fields.len(), "which"));
        }
        Node::List(_) | Node::Object(_) | Node::Raw(_) => *node = Node::Raw("null".to_owned()),
    }
}

fn rename(node: &mut Node, chance: &mut Seeded) {
    let Node::Object(fields) = node else { return };
    if fields.is_empty() {
        return;
    }
    let at = chance.choose(fields.len(), "which");
    NAMES[chance.choose(NAMES.len(), "name")].clone_into(&mut fields[at].0);
}

/// A name twice: with another value, before or after.
fn repeat(node: &mut Node, chance: &mut Seeded) {
    let Node::Object(fields) = node else { return };
    if fields.is_empty() {
        return;
    }
    let (name, same) = fields[chance.choose(fields.len(), "which")].clone();
    let other = Node::Raw(JUNK[chance.choose(JUNK.len(), "junk")].to_owned());
    let value = if chance.happens(2, "the same") { same } else { other };
    let at = chance.choose(fields.len() + 1, "where");
    fields.insert(at, (name, value));
}

/// Two values change places. A `sub` keeps its own.
fn swap(node: &mut Node, chance: &mut Seeded) {
    let Node::Object(fields) = node else { return };
    if fields.len() < 2 {
        return;
    }
    let (one, two) = (chance.choose(fields.len(), "one"), chance.choose(fields.len(), "two"));
    let keeps = |at: usize| SUB_NAMES.contains(&fields[at].0.as_str());
    if one == two || keeps(one) || keeps(two) {
        return;
    }
    let value = fields[one].1.clone();
    fields[one].1 = std::mem::replace(&mut fields[two].1, value);
}

/// The beginning of a text, or half an escape of it.
fn shorten(node: &mut Node, chance: &mut Seeded) {
    let Node::Raw(raw) = node else { return };
    let Ok(text) = serde_json::from_str::<String>(raw) else { return };
    let letters = text.chars().count();
    let kept: String = text.chars().take(chance.choose(letters + 1, "letters")).collect();
    let written = quoted(&kept);
    *raw = if chance.happens(4, "half an escape") {
        format!("{}\\ud83d\"", &written[..written.len() - 1])
    } else {
        written
    };
}

fn nest(chance: &mut Seeded) -> String {
    let [open, close] = if chance.happens(2, "objects") { ["{\"x\":", "}"] } else { ["[", "]"] };
    let core = if open.len() > 1 { "0" } else { "" };
    format!("{}{core}{}", open.repeat(DEPTH), close.repeat(DEPTH))
}
