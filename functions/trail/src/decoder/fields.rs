//! A JSON object whose fields are decoded one by one, on request.
//!
//! Other fields are skipped without decoding. So a number that no program can hold, or nesting that
//! overflows the stack, does not hide the fields next to it.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// The fields of an object, not decoded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Fields<'a> {
    /// The fields of the object in `text`. If a field appears twice, the last one counts.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    /// A field that is an object.
    pub(crate) fn object(&self, name: &str) -> Option<Self> {
        let value: &'a RawValue = self.0.get(name)?;
        Self::read(value.get())
    }

    /// A field that is a text, or a list with one text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let value = self.0.get(name)?.get();
        let of = |value: &str| serde_json::from_str::<String>(value).ok();
        if !value.starts_with('[') {
            return of(value);
        }
        match serde_json::from_str::<Vec<&RawValue>>(value).ok()?.as_slice() {
            [one] => of(one.get()),
            _ => None,
        }
    }

    /// Whether a field is present and not null.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| value.get() != "null")
    }

    /// Whether a field is `false`, as a boolean or as a text.
    pub(crate) fn is_false(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| matches!(value.get(), "false" | "\"false\""))
    }

    /// Whether a field is `true`, as a boolean or as a text.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| matches!(value.get(), "true" | "\"true\""))
    }
}
