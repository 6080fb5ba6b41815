//! A random password that no person ever learns.

use poolbridge_core::error::{ErrorKind, PortError};

/// Every class of characters that a pool's policy can require. Cognito's page on password policies
/// lists the symbols that count; these are among them, and none needs escaping anywhere.
const CLASSES: [&[u8]; 4] =
    [b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz", b"0123456789", b"-_.!@#%^*+="];

/// The usual length: over 240 bits of randomness.
const LENGTH: usize = 40;

/// The longest password that Cognito accepts.
const LENGTH_MAX: usize = 256;

/// How many passwords are drawn until one has every class; nine in ten have.
const DRAWS_MAX: usize = 64;

/// A password of at least `least` characters with every class in it. It fails only on a system
/// without randomness; the caller then sends nothing.
pub(super) fn random(least: usize, operation: &'static str) -> Result<String, PortError> {
    let alphabet = CLASSES.concat();
    for _ in 0..DRAWS_MAX {
        let drawn = draw(&alphabet, LENGTH.max(least).min(LENGTH_MAX));
        let Some(drawn) = drawn else { break };
        if has_every_class(&drawn) {
            return Ok(drawn);
        }
    }
    Err(PortError { kind: ErrorKind::NotSent, operation, code: Some("NoRandomness".to_owned()) })
}

/// `length` characters of the alphabet, all equally likely.
fn draw(alphabet: &[u8], length: usize) -> Option<String> {
    // Bytes above the last whole multiple would make the first characters likelier than the others.
    let fair = usize::from(u8::MAX) / alphabet.len() * alphabet.len();
    let mut drawn = String::with_capacity(length);
    let mut bytes = [0; 64];
    while drawn.len() < length {
        getrandom::fill(&mut bytes).ok()?;
        let fair_ones = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < fair);
        let letters = fair_ones.map(|byte| char::from(alphabet[byte % alphabet.len()]));
        let missing = length - drawn.len();
        drawn.extend(letters.take(missing));
    }
    bytes.fill(0);
    Some(drawn)
}

fn has_every_class(password: &str) -> bool {
    CLASSES.iter().all(|class| password.bytes().any(|letter| class.contains(&letter)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_password_has_every_class_and_the_required_length() {
        for least in [0, 8, 40, 99, 256, 1_000] {
            let password = random(least, "AdminSetUserPassword").unwrap();
            assert!(has_every_class(&password));
            assert_eq!(password.len(), least.clamp(LENGTH, LENGTH_MAX));
        }
    }

    #[test]
    fn passwords_never_repeat_and_use_every_character() {
        let drawn: BTreeSet<String> = (0..200).map(|_| random(0, "X").unwrap()).collect();
        assert_eq!(drawn.len(), 200);
        let letters: BTreeSet<u8> = drawn.iter().flat_map(|password| password.bytes()).collect();
        assert_eq!(letters.len(), CLASSES.concat().len());
    }

    #[test]
    fn a_missing_class_is_detected() {
        for password in ["abcDEF123", "abc123!", "ABC123!", "abcDEF!", ""] {
            assert!(!has_every_class(password), "{password:?}");
        }
        assert!(has_every_class("aB3!"));
    }
}
