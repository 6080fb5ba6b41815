//! A mistake in the configuration: where it is, what is wrong, and what to do about it.

use std::fmt;

use thiserror::Error;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// The line of the file, counted from 1; none for what is missing altogether or is no part of
    /// the file.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(formatter, "line {line}: ")?;
        }
        write!(formatter, "{}\n    hint: {}", self.message, self.hint)
    }
}

/// Every mistake of a configuration, together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct Mistakes {
    /// The file, or what else was read.
    pub source_name: String,
    /// The bridge's name, if that much could be read: figures are published under it even so.
    pub name: Option<String>,
    /// The mistakes, in the order of their lines; never empty.
    pub list: Vec<Mistake>,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.list.len() == 1 { "" } else { "s" };
        write!(formatter, "{} has {} mistake{plural}:", self.source_name, self.list.len())?;
        for mistake in &self.list {
            write!(formatter, "\n  {mistake}")?;
        }
        Ok(())
    }
}

/// The known word that is nearest to `word`, if one is near enough to have been meant.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(away, _)| *away <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, left out or replaced to turn one word into the other.
fn distance(one: &str, two: &str) -> usize {
    // Keys are short; anything longer is no misspelling of one, and would only cost time.
    if one.len() > 64 {
        return usize::MAX;
    }
    let two: Vec<char> = two.chars().collect();
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (place, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = place + 1;
        for (column, other) in two.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[two.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_offered_and_a_far_one_is_not() {
        let known = ["provision", "conflicts", "deletes"];
        assert_eq!(nearest("conflict", known), Some("conflicts"));
        assert_eq!(nearest("provison", known), Some("provision"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest(&"x".repeat(100_000), known), None);
    }
}
