//! One mapping rule: a two-way lens between an attribute of each pool and one field.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::names::AttributeName;
use crate::normalise::{self, Country};
use crate::outcome::Reason;
use crate::profile::Field;
use crate::side::{BySide, Side};

/// Which values count as the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Normal {
    /// A phone number in E.164 form. National forms are read as numbers of that country.
    E164(Country),
    /// Lower case.
    Lowercase,
    /// Without blanks at the start and the end.
    Trim,
    /// A decimal number in its shortest form.
    Number,
    /// A date as `yyyy-mm-dd`.
    Date,
}

/// In which directions a rule carries values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ways {
    /// In both directions.
    Both,
    /// Only into that pool. A change there stays there.
    Only(Side),
}

/// One mapping rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeRule {
    /// The field that it serves.
    pub field: Field,
    /// The attribute in each pool; `None` in the pool for which a constant stands.
    pub attribute: BySide<Option<AttributeName>>,
    /// Which values count as the same. A read applies these in this order.
    pub normal: Vec<Normal>,
    /// Text before the value, in that pool only.
    pub prefix: BySide<String>,
    /// The new pool's word for each word of the old pool. Any other word cannot be expressed.
    pub values: BTreeMap<String, String>,
    /// What an absent value means in both pools. A creation writes it out.
    pub default: Option<String>,
    /// The value of the pool without an attribute.
    pub constant: Option<String>,
}

/// Why a rule is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RuleError {
    /// `sub`, `identities` and `cognito:*` belong to the pool, verified flags to their address.
    #[error("this attribute is the pool's own and never maps")]
    PoolsOwn,
    /// E-mail address and phone number have a verified flag, which no other attribute has.
    #[error("email and phone_number map only to themselves")]
    AddressRenamed,
    /// A rule with a constant needs an attribute in exactly one pool.
    #[error("a constant needs exactly one of `old` and `new`")]
    ConstantPlace,
    /// A rule without a constant needs an attribute in both pools.
    #[error("a rule needs `old` and `new`, or `field`")]
    MissingSide,
    /// Two rules write the same attribute.
    #[error("two rules name the same attribute of one pool")]
    Twice,
}

impl AttributeRule {
    /// The rule that maps the attribute `name` to itself.
    pub fn same(name: &AttributeName) -> Self {
        Self::between(Some(name.clone()), Some(name.clone()))
    }

    /// The rule that maps one attribute to another, unchanged. The field has the new pool's name.
    pub fn between(old: Option<AttributeName>, new: Option<AttributeName>) -> Self {
        let named = new.as_ref().or(old.as_ref()).map_or("", AttributeName::as_str);
        let normal = match named {
            "updated_at" => vec![Normal::Number],
            "birthdate" => vec![Normal::Date],
            _ => Vec::new(),
        };
        let field = Field::from_name(named).unwrap_or(Field::Enabled);
        Self {
            field,
            attribute: BySide { old, new },
            normal,
            prefix: BySide::default(),
            values: BTreeMap::new(),
            default: None,
            constant: None,
        }
    }

    /// In which directions the rule carries values. A constant, and a value map that is not
    /// one-to-one, carry in one direction only.
    pub fn ways(&self) -> Ways {
        if self.constant.is_some() {
            return Ways::Only(if self.attribute.old.is_some() { Side::Old } else { Side::New });
        }
        if self.loses_words() { Ways::Only(Side::New) } else { Ways::Both }
    }

    pub(super) fn check(&self) -> Result<(), RuleError> {
        for name in [&self.attribute.old, &self.attribute.new].into_iter().flatten() {
            let text = name.as_str();
            let own = matches!(text, "sub" | "identities" | "email_verified")
                || text == "phone_number_verified"
                || text.starts_with("cognito:");
            if own {
                return Err(RuleError::PoolsOwn);
            }
            let address = matches!(text, "email" | "phone_number");
            if address && self.attribute.old != self.attribute.new {
                return Err(RuleError::AddressRenamed);
            }
        }
        let sides =
            usize::from(self.attribute.old.is_some()) + usize::from(self.attribute.new.is_some());
        match (&self.constant, sides) {
            (Some(_), 1) | (None, 2) => Ok(()),
            (Some(_), _) => Err(RuleError::ConstantPlace),
            (None, _) => Err(RuleError::MissingSide),
        }
    }

    /// Whether several words of the old pool become one word of the new pool. The field then holds
    /// the new pool's words, because the new pool does not show which old word is meant.
    fn loses_words(&self) -> bool {
        let distinct: BTreeSet<&String> = self.values.values().collect();
        distinct.len() < self.values.len()
    }

    /// The field's value in `side` for the raw value `raw`. `Err` if it cannot be expressed.
    pub(super) fn read(
        &self,
        side: Side,
        raw: Option<&str>,
        fold: bool,
    ) -> Result<Option<String>, Reason> {
        if self.attribute.get(side).is_none() {
            return Ok(self.constant.clone());
        }
        // Cognito uses a blank value for "none".
        let Some(raw) = raw.filter(|raw| !raw.is_empty()) else { return Ok(self.absent()) };
        let prefix = self.prefix.get(side).as_str();
        let bare = raw.strip_prefix(prefix).ok_or(Reason::Unsayable)?;
        let mapped = !self.values.is_empty();
        if mapped && side == Side::New && self.loses_words() {
            let known = self.values.values().any(|word| word == bare);
            return if known { Ok(Some(bare.to_owned())) } else { Err(Reason::Unsayable) };
        }
        let word = if mapped && side == Side::New {
            let mut words = self.values.iter().filter(|(_, new)| *new == bare);
            words.next().map(|(old, _)| old.clone()).ok_or(Reason::Unsayable)?
        } else {
            bare.to_owned()
        };
        let text = self.normalised(word, fold);
        if mapped && side == Side::Old {
            let word = self.values.get(&text).ok_or(Reason::Unsayable)?;
            if self.loses_words() {
                return Ok(Some(word.clone()));
            }
        }
        Ok(if text.is_empty() { self.absent() } else { Some(text) })
    }

    /// What an absent value means.
    fn absent(&self) -> Option<String> {
        let default = self.default.clone()?;
        let word = if self.loses_words() { self.values.get(&default) } else { None };
        Some(word.cloned().unwrap_or(default))
    }

    fn normalised(&self, mut text: String, fold: bool) -> String {
        for normal in &self.normal {
            text = match normal {
                // Text that is no number or date stays as it is, so that it is not lost.
                Normal::E164(country) => normalise::e164(&text, *country).unwrap_or(text),
                Normal::Number => normalise::number(&text).unwrap_or(text),
                Normal::Date => normalise::date(&text).unwrap_or(text),
                Normal::Lowercase => text.to_lowercase(),
                Normal::Trim => text.trim().to_owned(),
            };
        }
        if fold { text.to_lowercase() } else { text }
    }

    /// The raw value that stands for `text` in the pool `side`.
    pub(super) fn write(&self, side: Side, text: &str) -> Result<String, Reason> {
        let word = match side {
            Side::Old | Side::New if self.values.is_empty() => text,
            Side::Old if self.loses_words() => return Err(Reason::Unsayable),
            Side::Old => text,
            Side::New if self.loses_words() => {
                let mut words = self.values.values();
                words.find(|word| *word == text).ok_or(Reason::Unsayable)?
            }
            Side::New => self.values.get(text).ok_or(Reason::Unsayable)?.as_str(),
        };
        Ok(format!("{}{word}", self.prefix.get(side)))
    }

    /// A number that changes with the rule. A baseline made under another rule does not count.
    pub(super) fn revision(&self, fold: bool) -> u32 {
        revision_of(&self.text(fold))
    }

    /// The rule as canonical text, independent of compiler and type names: stored revisions depend
    /// on it. Each part is preceded by its length, so that no two rules give the same text.
    fn text(&self, fold: bool) -> String {
        let part = |text: &str| format!("{}:{text};", text.len());
        let maybe = |text: Option<&str>| text.map_or_else(|| "-;".to_owned(), part);
        let attribute = |side| self.attribute.get(side).as_ref().map(AttributeName::as_str);
        let mut text = part(&self.field.to_string());
        text.extend(Side::BOTH.map(|side| maybe(attribute(side))));
        let normal = |normal: &Normal| match normal {
            Normal::E164(country) => part(&format!("e164 {}", country.code())),
            Normal::Lowercase => part("lowercase"),
            Normal::Trim => part("trim"),
            Normal::Number => part("number"),
            Normal::Date => part("date"),
        };
        text.push_str(&part(&self.normal.iter().map(normal).collect::<String>()));
        text.extend(Side::BOTH.map(|side| part(self.prefix.get(side))));
        let pair = |(old, new): (&String, &String)| part(old) + &part(new);
        text.push_str(&part(&self.values.iter().map(pair).collect::<String>()));
        text.push_str(&maybe(self.default.as_deref()));
        text.push_str(&maybe(self.constant.as_deref()));
        text.push_str(if fold { "fold" } else { "exact" });
        text
    }
}

pub(super) fn revision_of(said: &str) -> u32 {
    let digest = Sha256::digest(said.as_bytes());
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> AttributeRule {
        let name = |text| AttributeName::try_from(text).unwrap();
        let between = AttributeRule::between(Some(name("custom:grade")), Some(name("custom:plan")));
        let values = [("gold", "paying"), ("silver", "paying"), ("none", "free")];
        AttributeRule {
            normal: vec![Normal::Trim, Normal::E164(Country::from_code("IT").unwrap())],
            prefix: BySide { old: String::new(), new: "p-".to_owned() },
            values: values.map(|(old, new)| (old.to_owned(), new.to_owned())).into(),
            default: Some("none".to_owned()),
            ..between
        }
    }

    #[test]
    fn the_text_behind_a_revision_is_pinned() {
        let text = "11:custom:plan;12:custom:grade;11:custom:plan;17:4:trim;7:e164 IT;;0:;2:p-;\
                    48:4:gold;6:paying;4:none;4:free;6:silver;6:paying;;4:none;-;exact";
        assert_eq!(rule().text(false), text);
        assert_eq!(rule().revision(false), 2_064_180_608);
        assert_ne!(rule().revision(false), rule().revision(true));
    }

    #[test]
    fn old_words_that_map_to_one_new_word_are_compared_as_that_word() {
        let rule = AttributeRule { normal: Vec::new(), ..rule() };
        let paying = Ok(Some("paying".to_owned()));
        assert_eq!(rule.read(Side::Old, Some("gold"), false), paying);
        assert_eq!(rule.read(Side::Old, Some("silver"), false), paying);
        assert_eq!(rule.read(Side::New, Some("p-paying"), false), paying);
        assert_eq!(rule.read(Side::New, None, false), Ok(Some("free".to_owned())), "the default");
        assert_eq!(rule.write(Side::New, "paying"), Ok("p-paying".to_owned()));
        assert_eq!(rule.write(Side::Old, "paying"), Err(Reason::Unsayable));
        for (side, raw) in [(Side::Old, "bronze"), (Side::New, "paying"), (Side::New, "p-gold")] {
            assert_eq!(rule.read(side, Some(raw), false), Err(Reason::Unsayable), "{raw}");
        }
    }

    #[test]
    fn standard_dates_and_numbers_are_compared_by_their_meaning() {
        let says = |name: &str, raw: &str| {
            let rule = AttributeRule::same(&AttributeName::try_from(name).unwrap());
            rule.read(Side::Old, Some(raw), false)
        };
        assert_eq!(says("updated_at", "0017"), says("updated_at", "17"));
        assert_eq!(says("birthdate", "1970-1-2"), says("birthdate", "1970-01-02"));
        assert_ne!(says("name", "0017"), says("name", "17"), "a text is compared letter by letter");
    }
}
