//! Every value of a person that a test used, to search for it where none may be.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::ensure;

/// A shorter value would occur by chance, in a `sub` or in encrypted text.
const LETTERS_MIN: usize = 6;

/// The values of all people of a run, shared by everything that acts for them.
#[derive(Clone, Debug, Default)]
pub struct Values {
    known: Arc<Mutex<BTreeSet<String>>>,
}

impl Values {
    /// Records a value. A value that is too short to search for is an error of the test.
    pub fn note(&self, value: &str) -> anyhow::Result<()> {
        if matches!(value, "" | "true" | "false") {
            return Ok(());
        }
        ensure!(value.len() >= LETTERS_MIN, "a value is too short to be looked for: {value}");
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(value.to_lowercase());
        let digits: String = value.chars().filter(char::is_ascii_digit).collect();
        let national = digits.trim_start_matches('0');
        // A phone number may occur in any of its forms, but always with these digits.
        if value.chars().all(|letter| !letter.is_alphabetic()) && national.len() >= LETTERS_MIN {
            known.insert(national.to_owned());
        }
        Ok(())
    }

    /// How many values are recorded.
    pub fn count(&self) -> usize {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The first value that occurs in `text`, ignoring case.
    pub fn found_in(&self, text: &str) -> Option<String> {
        let text = text.to_lowercase();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|value| text.contains(value.as_str())).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_in_any_case_and_a_number_in_any_form() {
        let values = Values::default();
        values.note("Marlene").unwrap();
        values.note("030 9018-2031").unwrap();
        assert_eq!(values.found_in(r#"{"x":"mArLeNe"}"#).as_deref(), Some("marlene"));
        assert_eq!(values.found_in("tel:+493090182031").as_deref(), Some("3090182031"));
        assert_eq!(values.found_in("Marlen, 030"), None);
    }

    #[test]
    fn a_value_that_would_be_found_by_chance_is_refused() {
        let values = Values::default();
        assert!(values.note("Mia").is_err());
        values.note("true").unwrap();
        assert_eq!(values.count(), 0);
    }
}
