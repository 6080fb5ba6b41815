//! Every value of a person that anybody used, so that it can be looked for where none may be.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::ensure;

/// A shorter value would be found by chance, in the letters of a `sub` or of something sealed.
const LETTERS_MIN: usize = 6;

/// What the people of a run are, in values. Shared by everybody who acts for one.
#[derive(Clone, Debug, Default)]
pub struct Values {
    known: Arc<Mutex<BTreeSet<String>>>,
}

impl Values {
    /// Remembers a value that is used. One that could not be looked for is a mistake of the run.
    pub fn note(&self, value: &str) -> anyhow::Result<()> {
        if matches!(value, "" | "true" | "false") {
            return Ok(());
        }
        ensure!(value.len() >= LETTERS_MIN, "a value is too short to be looked for: {value}");
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(value.to_lowercase());
        let digits: String = value.chars().filter(char::is_ascii_digit).collect();
        let national = digits.trim_start_matches('0');
        // A phone number may turn up in any of its forms, but never without these.
        if value.chars().all(|letter| !letter.is_alphabetic()) && national.len() >= LETTERS_MIN {
            known.insert(national.to_owned());
        }
        Ok(())
    }

    /// How many values are known.
    pub fn count(&self) -> usize {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The first value that occurs in `text`, in whatever case.
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
