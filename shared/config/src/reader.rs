//! Reads a TOML document table by table, remembers every error with its line, and never stops at
//! the first.

use std::cell::RefCell;
use std::time::Duration;

use jiff::SignedDuration;
use toml::de::{DeTable, DeValue};

use super::config_error::{ConfigError, nearest};

pub(crate) struct RawValue<T> {
    pub(crate) value: T,
    pub(crate) line: usize,
}

/// Collects errors while the document is read.
pub(crate) struct DocumentReader<'t> {
    /// The offset at which each line begins.
    starts: Vec<usize>,
    config_errors: RefCell<Vec<ConfigError>>,
    text: &'t str,
}

impl<'t> DocumentReader<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let ends = text.match_indices('\n').map(|(place, _)| place + 1);
        let starts = std::iter::once(0).chain(ends).collect();
        Self { starts, config_errors: RefCell::default(), text }
    }

    /// The document. Invalid TOML becomes errors.
    pub(crate) fn document(&self) -> DeTable<'t> {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let line = error.span().map(|span| self.line(span.start));
            let what = error.message().lines().next().unwrap_or("this is not TOML").to_owned();
            self.config_error(line, what, "write it as TOML says: `key = \"value\"`, `[table]`");
        }
        document.into_inner()
    }

    /// The line of that byte offset, counted from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset).max(1)
    }

    pub(crate) fn config_error(
        &self,
        line: Option<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let config_error = ConfigError { line, message: message.into(), hint: hint.into() };
        self.config_errors.borrow_mut().push(config_error);
    }

    /// Whether any error was found so far.
    pub(crate) fn found_any(&self) -> bool {
        !self.config_errors.borrow().is_empty()
    }

    /// All errors in the order of lines; those without a line come first.
    pub(crate) fn config_errors(self) -> Vec<ConfigError> {
        let mut config_errors = self.config_errors.into_inner();
        config_errors.sort();
        config_errors.dedup();
        config_errors
    }
}

/// One table of the document.
pub(crate) struct Section<'r, 't> {
    pub(crate) reader: &'r DocumentReader<'t>,
    /// The table's name in messages: `[old] `, or empty for the top level.
    pub(crate) name: String,
    /// The line of its header; `None` for the top level.
    pub(crate) line: Option<usize>,
    pub(crate) table: &'r DeTable<'t>,
}

impl<'r, 't> Section<'r, 't> {
    /// Declares the known keys: any other key is an error.
    pub(crate) fn knows(&self, known: &[&str]) {
        for key in self.table.keys() {
            let word = key.get_ref().as_ref();
            if known.contains(&word) {
                continue;
            }
            let hint = nearest(word, known.iter().copied()).map_or_else(
                || format!("known here: {}", known.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            let shown: String = word.chars().take(64).collect();
            let line = self.reader.line(key.span().start);
            self.mistake_at(line, format!("`{}{shown}` is not known", self.name), hint);
        }
    }

    pub(crate) fn mistake_at(
        &self,
        line: usize,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.reader.config_error(Some(line), message, hint);
    }

    /// The line of `key`, or of the table's header.
    pub(crate) fn line_of(&self, key: &str) -> Option<usize> {
        self.find(key).map(|found| found.line).or(self.line)
    }

    /// Whether the key exists, with a value of any kind.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    pub(crate) fn find(&self, key: &str) -> Option<RawValue<&'r DeValue<'t>>> {
        let (name, value) = self.table.get_key_value(key)?;
        Some(RawValue { value: value.get_ref(), line: self.reader.line(name.span().start) })
    }

    fn wrong_kind(&self, key: &str, line: usize, wanted: &str, found: &DeValue<'_>) {
        let message = format!("`{}{key}` must be {wanted}, not {}", self.name, kind(found));
        self.mistake_at(line, message, format!("write {wanted}"));
    }

    /// A text that is not empty.
    pub(crate) fn text(&self, key: &str) -> Option<RawValue<&'r str>> {
        let found = self.find(key)?;
        let Some(text) = found.value.as_str() else {
            self.wrong_kind(key, found.line, "a text in quotes", found.value);
            return None;
        };
        if text.trim().is_empty() {
            let hint = "write a value, or leave the line out";
            self.mistake_at(found.line, format!("`{}{key}` is empty", self.name), hint);
            return None;
        }
        Some(RawValue { value: text, line: found.line })
    }

    /// A text that may be empty.
    pub(crate) fn any_text(&self, key: &str) -> Option<RawValue<&'r str>> {
        let found = self.find(key)?;
        let text = found.value.as_str();
        if text.is_none() {
            self.wrong_kind(key, found.line, "a text in quotes", found.value);
        }
        text.map(|value| RawValue { value, line: found.line })
    }

    pub(crate) fn required(&self, key: &str, hint: &str) -> Option<RawValue<&'r str>> {
        if !self.has(key) {
            self.reader.config_error(self.line, format!("`{}{key}` is missing", self.name), hint);
        }
        self.text(key)
    }

    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        let found = self.find(key)?;
        let flag = found.value.as_bool();
        if flag.is_none() {
            self.wrong_kind(key, found.line, "true or false", found.value);
        }
        flag
    }

    /// One word of a closed list.
    pub(crate) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let found = self.text(key)?;
        self.one_of(&format!("{}{key}", self.name), &found, words)
    }

    /// The meaning of one word of a closed list.
    pub(crate) fn one_of<T: Copy>(
        &self,
        shown: &str,
        found: &RawValue<&str>,
        words: &[(&str, T)],
    ) -> Option<T> {
        let meaning = words.iter().find(|(word, _)| *word == found.value);
        if meaning.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let hint = nearest(found.value, known.iter().copied()).map_or_else(
                || format!("one of: {}", known.join(", ")),
                |near| format!("did you mean \"{near}\"?"),
            );
            let value: String = found.value.chars().take(64).collect();
            self.mistake_at(found.line, format!("`{shown}` cannot be \"{value}\""), hint);
        }
        meaning.map(|(_, meaning)| *meaning)
    }

    /// A duration, such as `10s`, `500ms`, `2m` or `1h`.
    pub(crate) fn span(&self, key: &str) -> Option<RawValue<Duration>> {
        let found = self.text(key)?;
        let span = duration(found.value);
        if span.is_none() {
            let value: String = found.value.chars().take(64).collect();
            let message = format!("`{}{key}` is no span of time: \"{value}\"", self.name);
            self.mistake_at(found.line, message, "write a whole number and ms, s, m or h: \"10s\"");
        }
        span.map(|value| RawValue { value, line: found.line })
    }

    /// A list of texts. If `single` is set, one text counts as a list of one.
    pub(crate) fn texts(&self, key: &str, single: bool) -> Vec<RawValue<&'r str>> {
        let Some(found) = self.find(key) else { return Vec::new() };
        if single && let Some(value) = found.value.as_str() {
            return vec![RawValue { value, line: found.line }];
        }
        let Some(array) = found.value.as_array() else {
            self.wrong_kind(key, found.line, "a list of texts", found.value);
            return Vec::new();
        };
        let mut texts = Vec::new();
        for element in array {
            let line = self.reader.line(element.span().start);
            match element.get_ref().as_str() {
                Some(value) => texts.push(RawValue { value, line }),
                None => self.wrong_kind(key, line, "a list of texts", element.get_ref()),
            }
        }
        texts
    }

    pub(crate) fn section(&self, key: &str) -> Option<Section<'r, 't>> {
        let found = self.find(key)?;
        let Some(table) = found.value.as_table() else {
            self.wrong_kind(key, found.line, "a table", found.value);
            return None;
        };
        let name =
            if self.name.is_empty() { format!("[{key}] ") } else { format!("{}{key}.", self.name) };
        Some(Section { reader: self.reader, name, line: Some(found.line), table })
    }

    /// Every table of a list of tables, written `[[key]]`.
    pub(crate) fn sections(&self, key: &str) -> Vec<Section<'r, 't>> {
        let Some(found) = self.find(key) else { return Vec::new() };
        let Some(array) = found.value.as_array() else {
            let message = format!("`{key}` must be a list of tables, not {}", kind(found.value));
            self.mistake_at(found.line, message, format!("write it as [[{key}]]"));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for element in array {
            let line = self.reader.line(element.span().start);
            let Some(table) = element.get_ref().as_table() else {
                let message = format!("`{key}` must be a list of tables");
                self.mistake_at(line, message, format!("write it as [[{key}]]"));
                continue;
            };
            let name = format!("[[{key}]] ");
            sections.push(Section { reader: self.reader, name, line: Some(line), table });
        }
        sections
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A span of time such as `90s`, `5m`, `1h 30m` or `500ms`, as jiff's friendly format has it, from
/// milliseconds to hours. `None` if the text is none, or is negative.
pub fn duration(text: &str) -> Option<Duration> {
    let span: SignedDuration = text.parse().ok()?;
    span.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_number_and_a_unit() {
        assert_eq!(duration("10s"), Some(Duration::from_secs(10)));
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Some(Duration::from_mins(2)));
        assert_eq!(duration("1h"), Some(Duration::from_hours(1)));
        assert_eq!(duration("1h 30m"), Some(Duration::from_mins(90)));
        for wrong in ["", "s", "10", "-1s", "1s ago", "10d", "99999999999999999999s"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
        assert_eq!(duration("18446744073709551615h"), None);
    }

    #[test]
    fn lines_are_counted_from_one() {
        let reader = DocumentReader::new("a\nb\n\nc");
        let lines: Vec<usize> = [0, 1, 2, 4, 5, 6, 999].map(|at| reader.line(at)).to_vec();
        assert_eq!(lines, [1, 1, 2, 3, 4, 4, 4]);
    }
}
