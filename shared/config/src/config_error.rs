//! An error in the configuration: its line, what is wrong, and what to do about it.

use std::fmt;

use thiserror::Error;

/// One error.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigError {
    /// The line of the file, counted from 1; `None` for something that is missing or not part of
    /// the file.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(formatter, "line {line}: ")?;
        }
        write!(formatter, "{}\n    hint: {}", self.message, self.hint)
    }
}

/// Every error of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct ConfigErrors {
    /// The file, or other source, that was read.
    pub source_name: String,
    /// The bridge's name, if it could be read: metrics are published under it even then.
    pub name: Option<String>,
    /// The errors, in the order of their lines; never empty.
    pub list: Vec<ConfigError>,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.list.len() == 1 { "" } else { "s" };
        write!(formatter, "{} has {} mistake{plural}:", self.source_name, self.list.len())?;
        for config_error in &self.list {
            write!(formatter, "\n  {config_error}")?;
        }
        Ok(())
    }
}

/// The known word nearest to `word`, if it is near enough to be a likely misspelling.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Keys are short. A longer word is no misspelling of one and would only cost time.
    if word.len() > 64 {
        return None;
    }
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    let distances = known.into_iter().map(|known| (strsim::osa_distance(word, known), known));
    distances.filter(|(away, _)| *away <= allowed).min().map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_word_is_suggested_and_a_far_one_is_not() {
        let known = ["provision", "conflicts", "deletes"];
        assert_eq!(nearest("conflict", known), Some("conflicts"));
        assert_eq!(nearest("provison", known), Some("provision"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest(&"x".repeat(100_000), known), None);
    }
}
