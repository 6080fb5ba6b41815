//! `[[attribute]]` tables: attributes with another name or form in the other pool, and attributes
//! that are left out.

use std::collections::{BTreeMap, BTreeSet};

use poolbridge_core::mapping::{AttributeRule, Mapping, Normal, RuleError, STANDARD};
use poolbridge_core::names::AttributeName;
use poolbridge_core::normalise::Country;
use poolbridge_core::side::{BySide, Side};

use super::config_error::nearest;
use super::reader::{RawValue, Section};

const KEYS: [&str; 10] = [
    "old",
    "new",
    "field",
    "prefix",
    "values",
    "normalise",
    "country",
    "default",
    "constant",
    "drop",
];

/// A rule with the line of its table, for errors that only all rules together show.
struct Placed {
    rule: AttributeRule,
    line: usize,
}

/// Reads every `[[attribute]]` and builds the mapping. Case folding is decided later, from the
/// pools' own settings.
pub(crate) fn mapping(top: &Section<'_, '_>, groups: bool) -> Option<Mapping> {
    let mut rules = Vec::new();
    let mut dropped = BTreeSet::new();
    for section in top.sections("attribute") {
        section.knows(&KEYS);
        if section.flag("drop") == Some(true) {
            dropped.extend(drop(&section));
        } else if let Some(rule) = rule(&section) {
            rules.push(Placed { rule, line: section.line.unwrap_or(1) });
        }
    }
    combine(top, rules, &dropped, groups)
}

/// `Mapping::new` stops at the first invalid rule. This removes that rule and tries again, so that
/// all errors are reported together.
fn combine(
    top: &Section<'_, '_>,
    mut rules: Vec<Placed>,
    dropped: &BTreeSet<AttributeName>,
    groups: bool,
) -> Option<Mapping> {
    loop {
        let plain = rules.iter().map(|placed| placed.rule.clone()).collect();
        match Mapping::new(plain, dropped, false, groups) {
            Ok(mapping) => return Some(mapping),
            Err((place, error)) => {
                let line = rules.get(place).map(|placed| placed.line);
                top.reader.config_error(line, format!("[[attribute]] {error}"), hint(error));
                if place >= rules.len() {
                    return None;
                }
                rules.remove(place);
            }
        }
    }
}

const fn hint(error: RuleError) -> &'static str {
    match error {
        RuleError::PoolsOwn => "take the rule out; verified flags travel with their address",
        RuleError::AddressRenamed => "write `field = \"email\"`; what differs can be a `prefix`",
        RuleError::ConstantPlace => "name the one side that has the attribute: `old` or `new`",
        RuleError::MissingSide => "name both `old` and `new`, or `field` where they are the same",
        RuleError::Twice => "keep one rule for each attribute",
    }
}

/// The names that a `drop = true` leaves out.
fn drop(section: &Section<'_, '_>) -> Vec<AttributeName> {
    let mut names = Vec::new();
    for key in KEYS {
        match key {
            "drop" => {}
            "old" | "new" | "field" => names.extend(name(section, key)),
            _ if section.has(key) => {
                let message = format!("`{}{key}` cannot stand together with `drop`", section.name);
                section.reader.config_error(section.line_of(key), message, "take one of them out");
            }
            _ => {}
        }
    }
    if !["old", "new", "field"].iter().any(|key| section.has(key)) {
        let message = format!("`{}drop` does not say what", section.name);
        section.reader.config_error(section.line, message, "name it: `field = \"nickname\"`");
    }
    names
}

fn rule(section: &Section<'_, '_>) -> Option<AttributeRule> {
    let mut found = BySide::from_fn(|side: Side| name(section, side.name()));
    if let Some(field) = name(section, "field") {
        if section.has("old") || section.has("new") {
            let message =
                format!("`{}field` cannot stand together with `old` and `new`", section.name);
            let hint = "write `field` where both sides have the same name, else `old` and `new`";
            section.reader.config_error(section.line_of("field"), message, hint);
            return None;
        }
        found = BySide { old: Some(field.clone()), new: Some(field) };
    }
    let named = ["old", "new", "field"].iter().filter(|key| section.has(key)).count();
    let understood = [&found.old, &found.new].into_iter().flatten().count();
    if named > understood {
        // The unreadable name was reported already. Errors that follow from it are left out.
        return None;
    }
    let mut rule = AttributeRule::between(found.old, found.new);
    let normal = normal(section);
    if !normal.is_empty() {
        rule.normal = normal;
    }
    rule.prefix = prefix(section);
    rule.values = values(section);
    rule.default = section.text("default").map(|found| found.value.to_owned());
    rule.constant = section.text("constant").map(|found| found.value.to_owned());
    Some(rule)
}

/// The name of an attribute that a Cognito pool can have.
fn name(section: &Section<'_, '_>, key: &str) -> Option<AttributeName> {
    let found = section.text(key)?;
    let line = found.line;
    let Ok(name) = AttributeName::try_from(found.value) else {
        let message = format!("`{}{key}` is no attribute's name", section.name);
        section.mistake_at(line, message, "1 to 64 printable characters: \"custom:department\"");
        return None;
    };
    let text = name.as_str();
    let own = text.starts_with("cognito:")
        || ["sub", "identities", "email_verified", "phone_number_verified"].contains(&text);
    let custom = text.starts_with("custom:") || text.starts_with("dev:");
    if !own && !custom && !STANDARD.contains(&text) {
        let hint = nearest(text, STANDARD).map_or_else(
            || format!("custom attributes bear their prefix: \"custom:{text}\""),
            |near| format!("did you mean \"{near}\" or \"custom:{text}\"?"),
        );
        section.mistake_at(line, format!("no pool has an attribute named \"{text}\""), hint);
        return None;
    }
    Some(name)
}

fn normal(section: &Section<'_, '_>) -> Vec<Normal> {
    let country = country(section);
    let mut normal = Vec::new();
    let shown = format!("{}normalise", section.name);
    for found in section.texts("normalise", true) {
        let words = [
            ("e164", None),
            ("lowercase", Some(Normal::Lowercase)),
            ("trim", Some(Normal::Trim)),
            ("number", Some(Normal::Number)),
            ("date", Some(Normal::Date)),
        ];
        match section.one_of(&shown, &found, &words) {
            Some(Some(word)) => normal.push(word),
            Some(None) => normal.extend(e164(section, &found, country)),
            None => {}
        }
    }
    let phone = normal.iter().any(|normal| matches!(normal, Normal::E164(_)));
    if country.is_some() && !phone {
        let message = format!("`{}country` says nothing without `normalise`", section.name);
        let hint = "add `normalise = \"e164\"`, or take `country` out";
        section.reader.config_error(section.line_of("country"), message, hint);
    }
    normal
}

fn e164(
    section: &Section<'_, '_>,
    found: &RawValue<&str>,
    country: Option<Country>,
) -> Option<Normal> {
    if !section.has("country") {
        let message = format!("`{}normalise` needs a `country`", section.name);
        let hint = "say whose national numbers are meant: `country = \"US\"`";
        section.mistake_at(found.line, message, hint);
    }
    country.map(Normal::E164)
}

fn country(section: &Section<'_, '_>) -> Option<Country> {
    let found = section.text("country")?;
    let country = Country::from_code(found.value);
    if country.is_none() {
        let value: String = found.value.chars().take(64).collect();
        let codes: Vec<&str> = Country::codes().collect();
        let message = format!("`{}country` \"{value}\" is not known", section.name);
        section.mistake_at(found.line, message, format!("one of: {}", codes.join(", ")));
    }
    country
}

fn prefix(section: &Section<'_, '_>) -> BySide<String> {
    if section.find("prefix").is_some_and(|found| found.value.as_str().is_some()) {
        let message = format!("`{}prefix` does not say on which side", section.name);
        let hint = "write `prefix = { old = \"..\" }`, or `new`, or both";
        section.reader.config_error(section.line_of("prefix"), message, hint);
        return BySide::default();
    }
    let Some(table) = section.section("prefix") else { return BySide::default() };
    table.knows(&["old", "new"]);
    BySide::from_fn(|side: Side| {
        table.any_text(side.name()).map_or_else(String::new, |found| found.value.to_owned())
    })
}

fn values(section: &Section<'_, '_>) -> BTreeMap<String, String> {
    let Some(table) = section.section("values") else { return BTreeMap::new() };
    let words = table.table.keys().map(|key| key.get_ref().as_ref());
    words
        .filter_map(|word| {
            let found = table.text(word)?;
            Some((word.to_owned(), found.value.to_owned()))
        })
        .collect()
}
