//! Breaks a sample: one to four of the things that a sender's next version, a faulty proxy or an
//! attacker could do to it.
//!
//! It never moves a person's value to the place of a `sub`, because every reader of the event takes
//! what is there as the `sub`.

use serde_json::Value;

use super::tree::{Node, quoted};
use crate::world::chance::Chooser as _;
use crate::world::chance::Seeded;

/// Replacement texts. None is a value of a person.
const JUNK_TEXTS: [&str; 7] = ["", " ", "x", "junk", "null", "00000000-0000-0000", "../../junk"];

/// Replacement values, as JSON text.
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

/// Replacement names, as JSON text.
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

/// Names of fields that hold a `sub`. No other value replaces theirs.
const SUB_NAMES: [&str; 3] = ["\"sub\"", "\"userSub\"", "\"UserSub\""];

/// The depth of a nested value: a reader that recurses per level overflows its stack.
const DEPTH: usize = 60_000;

/// More than any event: `EventBridge` and Lambda carry less.
const LONG: usize = 1024 * 1024;

/// Whether a text is a replacement text.
pub(super) fn is_junk(text: &str) -> bool {
    // A later step may have shortened the text.
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
        // A long text is never a known `sub`.
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

/// Repeats a name: with another value, before or after.
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

/// Swaps two values. A `sub` keeps its own.
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

/// Cuts a text short, or ends it with half an escape.
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
