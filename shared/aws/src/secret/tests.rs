use poolbridge_core::profile::{Field, FieldState, Value};

use super::*;

const LONG: &str = "abcdefghijklmnopqrstuvwxyz0123456789";

fn ring(keys: &[(u8, &str)]) -> Secret {
    let keys: Vec<String> = keys
        .iter()
        .map(|(id, material)| format!(r#"{{"id":{id},"material":"{material}"}}"#))
        .collect();
    Secret::from_text(&format!(r#"{{"keys":[{}]}}"#, keys.join(","))).unwrap()
}

fn person(nonce: u128) -> PersonId {
    PersonId::from_nonce(nonce)
}

fn username() -> Username {
    Username::try_from("someone@example.com").unwrap()
}

#[test]
fn a_seal_opens_only_for_its_person() {
    let sealer = Secret::from_text(LONG).unwrap().sealer();
    let seal = sealer.seal(&person(1), &username());
    assert!(!seal.contains("someone") && seal.starts_with("1:"));
    assert_eq!(sealer.open(&person(1), &seal), Ok(username()));
    assert_eq!(sealer.open(&person(2), &seal), Err(UnsealError::Closed));
}

#[test]
fn equal_usernames_have_different_seals() {
    let sealer = Secret::from_text(LONG).unwrap().sealer();
    assert_ne!(sealer.seal(&person(1), &username()), sealer.seal(&person(1), &username()));
}

#[test]
fn a_damaged_seal_is_an_error_and_never_a_panic() {
    let sealer = Secret::from_text(LONG).unwrap().sealer();
    let seal = sealer.seal(&person(1), &username());
    for cut in 0..seal.len() {
        assert!(sealer.open(&person(1), &seal[..cut]).is_err(), "{cut} characters opened");
    }
    for text in ["", ":", "1:", "x:00", "1:zz", "1:é", "300:00", "1:000"] {
        assert_eq!(sealer.open(&person(1), text), Err(UnsealError::NotASeal), "{text}");
    }
    let mut letters: Vec<char> = seal.chars().collect();
    let last = letters.len() - 1;
    letters[last] = if letters[last] == '0' { '1' } else { '0' };
    let damaged: String = letters.into_iter().collect();
    assert_eq!(sealer.open(&person(1), &damaged), Err(UnsealError::Closed));
}

#[test]
fn an_old_key_still_opens_and_a_missing_key_is_named() {
    let before = ring(&[(1, LONG)]);
    let after = ring(&[(2, &LONG.to_uppercase()), (1, LONG)]);
    let sealed = before.sealer().seal(&person(1), &username());
    assert_eq!(after.sealer().open(&person(1), &sealed), Ok(username()));
    let newer = after.sealer().seal(&person(1), &username());
    assert!(newer.starts_with("2:"));
    assert_eq!(before.sealer().open(&person(1), &newer), Err(UnsealError::UnknownKey(2)));

    let value = FieldState::Present(Value::Text("x".to_owned()));
    let fingerprint = before.keyring().reading(&person(1), &Field::Email, &value);
    assert!(after.keyring().is(&person(1), &Field::Email, &value, fingerprint));
    let newer = after.keyring().reading(&person(1), &Field::Email, &value);
    assert_eq!(newer.map(|fingerprint| fingerprint.key), Some(2));
}

#[test]
fn plain_text_equals_key_one_of_a_ring() {
    let sealed = Secret::from_text(LONG).unwrap().sealer().seal(&person(1), &username());
    assert_eq!(ring(&[(1, LONG)]).sealer().open(&person(1), &sealed), Ok(username()));
}

#[test]
fn the_two_derived_keys_differ_and_follow_rfc_5869() {
    let material = LONG.as_bytes();
    assert_ne!(derive(material, FINGERPRINTS), derive(material, SEALS));
    // RFC 5869, appendix A.1: the first 32 bytes of the output keying material.
    let extracted = authenticate(&bytes_of("000102030405060708090a0b0c").unwrap(), &[&[0x0b; 22]]);
    let expanded = authenticate(&extracted, &[&bytes_of("f0f1f2f3f4f5f6f7f8f9").unwrap(), &[1]]);
    let published = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf";
    assert_eq!(digits_of(&expanded), published);
}

#[test]
fn an_invalid_key_is_refused_and_not_repeated() {
    let refused = [
        ("short", SecretError::TooShort),
        ("{", SecretError::NotARing),
        ("{}", SecretError::NotARing),
        (r#"{"keys":[]}"#, SecretError::NotARing),
        (r#"{"keys":[{"id":0,"material":"x"}]}"#, SecretError::NotARing),
        (r#"{"keys":[{"id":256,"material":"x"}]}"#, SecretError::NotARing),
        (r#"{"keys":[{"id":1,"material":"hush"}]}"#, SecretError::TooShort),
        (r#"{"password":"abcdefghijklmnopqrstuvwxyz0123456789"}"#, SecretError::NotARing),
    ];
    for (text, expected) in refused {
        let error = Secret::from_text(text).unwrap_err();
        assert_eq!(error, expected, "{text}");
        assert!(error.to_string().contains("hint: "));
        assert!(!format!("{error} {error:?}").contains("hush"));
    }
    let twice =
        format!(r#"{{"keys":[{{"id":1,"material":"{LONG}"}},{{"id":1,"material":"{LONG}"}}]}}"#);
    assert_eq!(Secret::from_text(&twice).unwrap_err(), SecretError::NotARing);
}

#[test]
fn a_hex_key_needs_sixty_four_digits() {
    assert!(Secret::from_hex(&"a0".repeat(32)).is_ok());
    assert!(Secret::from_hex(&"a0".repeat(40)).is_ok());
    for digits in [String::new(), "a0".repeat(31), "g0".repeat(32), "a".repeat(65)] {
        assert_eq!(Secret::from_hex(&digits).unwrap_err(), SecretError::NotHex);
    }
}

#[tokio::test]
async fn the_source_is_checked_before_any_fetch() {
    let sdk = SdkConfig::builder().build();
    let hex = format!("hex:{}", "a0".repeat(32));
    let of = async |source: &str, allow_hex| Secret::from_source(source, allow_hex, &sdk).await;
    assert!(of(&hex, true).await.is_ok());
    assert_eq!(of(&hex, false).await.unwrap_err(), SecretError::HexNotAllowed);
    assert_eq!(of("key", false).await.unwrap_err(), SecretError::NoSource);
    for source in ["", "arn:aws:kms:eu-west-1:1:key/1", "arn:aws:secretsmanager::1:secret:x"] {
        assert_eq!(of(source, true).await.unwrap_err(), SecretError::NoSource, "{source}");
    }
}

#[test]
fn invariant_09_no_key_is_printed() {
    let secret = ring(&[(1, LONG)]);
    let printed = format!("{secret:?} {:?} {:?}", secret.keyring(), secret.sealer());
    assert!(!printed.contains(LONG) && printed.len() < 120, "{printed}");
}

#[test]
fn the_region_comes_from_the_arn() {
    let arn = "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:acme-AbCdEf";
    assert_eq!(region_of(arn).as_deref(), Some("us-gov-west-1"));
}

#[test]
fn without_a_key_every_username_is_one_fixed_word() {
    let person = PersonId::try_from("p1").unwrap();
    let seal = Secret::from_text(&"k".repeat(64)).unwrap().sealer();
    let sealed = seal.seal(&person, &Username::try_from("ada").unwrap());
    assert_eq!(Sealer::blind().open(&person, &sealed).unwrap().reveal(), "sealed");
    assert_eq!(Sealer::blind().open(&person, "damaged"), Err(UnsealError::NotASeal));
}
