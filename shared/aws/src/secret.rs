//! The bridge's secret, and the two keys derived from it: the fingerprint key and the sealing key.
//! No other module sees the secret itself.
//!
//! `POOLBRIDGE_KEY` names it: the ARN of a Secrets Manager secret, or `hex:…` on a local stack. The
//! secret's text is one key's material (key id 1) or a ring, newest first:
//! `{"keys":[{"id":2,"material":"…"},{"id":1,"material":"…"}]}`. Old keys stay readable until
//! everything is recorded again. New fingerprints and seals use the first one.

use std::collections::BTreeMap;
use std::fmt;

use aes_gcm_siv::aead::{Aead, KeyInit as _, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use aws_config::{Region, SdkConfig};
use hmac::{Hmac, Mac};
use poolbridge_core::error::PortError;
use poolbridge_core::fingerprint::Keyring;
use poolbridge_core::names::{PersonId, Username};
use sha2::Sha256;
use thiserror::Error;

/// A key has at least this many characters: 32 random letters and digits hold some 190 bits.
const MATERIAL_CHARACTERS_MIN: usize = 32;

/// A `hex:` key contains 32 bytes.
const HEX_DIGITS_MIN: usize = 64;

/// The most keys in one ring. One is usual, and two while everything is recorded again.
const KEYS_MAX: usize = 8;

/// AES-GCM-SIV's nonce (RFC 8452).
const NONCE_BYTES: usize = 12;

/// Separates poolbridge's keys from any other key that is derived from the same secret.
const SALT: &[u8] = b"poolbridge/1";

const FINGERPRINTS: &[u8] = b"fingerprints";
const SEALS: &[u8] = b"seals";

/// Why there is no key. It never holds any part of the key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SecretError {
    /// `POOLBRIDGE_KEY` is not set, and a key is needed now.
    #[error(
        "POOLBRIDGE_KEY is not set; hint: the stack sets it for its functions and prints it among \
         its outputs"
    )]
    NotSet,
    /// The text is neither an ARN nor `hex:`.
    #[error(
        "reading POOLBRIDGE_KEY: it is neither a Secrets Manager ARN nor `hex:` and digits; \
         hint: set it to the ARN of the stack's secret"
    )]
    NoSource,
    /// A key in clear text outside a local stack.
    #[error(
        "reading POOLBRIDGE_KEY: a `hex:` key is only for a local stack (endpoint_url set); \
         hint: keep the key in Secrets Manager and set POOLBRIDGE_KEY to its ARN"
    )]
    HexNotAllowed,
    /// Too few hexadecimal digits, or other characters.
    #[error(
        "reading POOLBRIDGE_KEY: `hex:` wants an even number of hexadecimal digits, \
         {HEX_DIGITS_MIN} or more; hint: openssl rand -hex 32"
    )]
    NotHex,
    /// The secret could not be fetched.
    #[error(
        "fetching the secret that POOLBRIDGE_KEY names: {0}; \
         hint: check the ARN and the permission secretsmanager:GetSecretValue"
    )]
    NotFetched(PortError),
    /// The secret is binary.
    #[error(
        "reading the secret that POOLBRIDGE_KEY names: it is binary; \
         hint: store text in it (SecretString)"
    )]
    Binary,
    /// Too short to be a key.
    #[error(
        "reading the secret that POOLBRIDGE_KEY names: a key has fewer than \
         {MATERIAL_CHARACTERS_MIN} characters; hint: let Secrets Manager generate 64"
    )]
    TooShort,
    /// Looks like JSON, but is not a ring of keys.
    #[error(
        "reading the secret that POOLBRIDGE_KEY names: it is JSON, but not a ring of keys; \
         hint: write {{\"keys\":[{{\"id\":1,\"material\":\"…\"}}]}} with ids from 1 to 255, newest \
         first, each once, {KEYS_MAX} at most"
    )]
    NotARing,
}

/// The secret as a ring of key material, newest first.
#[derive(Clone)]
pub struct Secret {
    /// Never empty: every constructor checks it.
    keys: Vec<(u8, Vec<u8>)>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Secret({} keys)", self.keys.len())
    }
}

impl Secret {
    /// The secret that `source` (the value of `POOLBRIDGE_KEY`) names. An ARN is fetched once, from
    /// the Region in the ARN. A local stack also accepts a key in clear text, or a secret's name.
    pub async fn from_source(
        source: &str,
        local: bool,
        sdk: &SdkConfig,
    ) -> Result<Self, SecretError> {
        if let Some(digits) = source.strip_prefix("hex:") {
            return if local { Self::from_hex(digits) } else { Err(SecretError::HexNotAllowed) };
        }
        let mut settings = aws_sdk_secretsmanager::config::Builder::from(sdk);
        match region_of(source) {
            Some(region) => settings = settings.region(Region::new(region)),
            // A local stack's template returns a secret's name in place of its ARN.
            None if local && !source.is_empty() && !source.starts_with("arn:") => {}
            None => return Err(SecretError::NoSource),
        }
        let answer = aws_sdk_secretsmanager::Client::from_conf(settings.build())
            .get_secret_value()
            .secret_id(source)
            .send()
            .await
            .map_err(|error| {
                SecretError::NotFetched(crate::error::port_error("GetSecretValue", &error))
            })?;
        Self::from_text(answer.secret_string().ok_or(SecretError::Binary)?)
    }

    /// The secret written in hexadecimal digits.
    fn from_hex(digits: &str) -> Result<Self, SecretError> {
        if digits.len() < HEX_DIGITS_MIN {
            return Err(SecretError::NotHex);
        }
        let material = bytes_of(digits).ok_or(SecretError::NotHex)?;
        Ok(Self { keys: vec![(1, material)] })
    }

    /// The secret as Secrets Manager stores it: plain text, or a ring.
    pub fn from_text(text: &str) -> Result<Self, SecretError> {
        let text = text.trim();
        if text.starts_with('{') {
            return Self::from_ring(text);
        }
        Ok(Self { keys: vec![(1, material(text)?)] })
    }

    fn from_ring(text: &str) -> Result<Self, SecretError> {
        let ring: serde_json::Value =
            serde_json::from_str(text).map_err(|_| SecretError::NotARing)?;
        let listed = ring.get("keys").and_then(|keys| keys.as_array());
        let listed = listed.ok_or(SecretError::NotARing)?;
        if listed.is_empty() || listed.len() > KEYS_MAX {
            return Err(SecretError::NotARing);
        }
        let mut keys: Vec<(u8, Vec<u8>)> = Vec::new();
        for key in listed {
            let id = key.get("id").and_then(serde_json::Value::as_u64);
            let id = id.and_then(|id| u8::try_from(id).ok()).filter(|id| *id > 0);
            let text = key.get("material").and_then(|text| text.as_str());
            let (Some(id), Some(text)) = (id, text) else { return Err(SecretError::NotARing) };
            if keys.iter().any(|(other, _)| *other == id) {
                return Err(SecretError::NotARing);
            }
            keys.push((id, material(text)?));
        }
        Ok(Self { keys })
    }

    /// The keys for fingerprints.
    pub fn keyring(&self) -> Keyring {
        let mut keys = self.derived(FINGERPRINTS);
        let (id, newest) = keys.remove(0);
        keys.into_iter()
            .fold(Keyring::new(id, newest), |ring, (id, older)| ring.with_older(id, older))
    }

    /// The keys that seal usernames and settings.
    pub fn sealer(&self) -> Sealer {
        let keys = self.derived(SEALS);
        Sealer { current: keys[0].0, blind: false, keys: keys.into_iter().collect() }
    }

    fn derived(&self, label: &[u8]) -> Vec<(u8, [u8; 32])> {
        self.keys.iter().map(|(id, material)| (*id, derive(material, label))).collect()
    }
}

fn material(text: &str) -> Result<Vec<u8>, SecretError> {
    if text.chars().count() < MATERIAL_CHARACTERS_MIN {
        return Err(SecretError::TooShort);
    }
    Ok(text.as_bytes().to_vec())
}

/// The Region of a Secrets Manager ARN
/// (`arn:<partition>:secretsmanager:<region>:<account>:secret:…`).
fn region_of(arn: &str) -> Option<String> {
    let mut parts = arn.splitn(6, ':');
    let known = parts.next() == Some("arn")
        && parts.next().is_some_and(|partition| !partition.is_empty())
        && parts.next() == Some("secretsmanager");
    let region = parts.next().filter(|region| known && !region.is_empty())?;
    let _account = parts.next()?;
    parts.next().filter(|rest| rest.starts_with("secret:")).map(|_| region.to_owned())
}

/// HKDF with SHA-256 (RFC 5869), extract and one block of expand, which gives the 32 bytes needed.
fn derive(material: &[u8], label: &[u8]) -> [u8; 32] {
    let extracted = authenticate(SALT, &[material]);
    authenticate(&extracted, &[label, &[1]])
}

fn authenticate(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length (RFC 2104)");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Why a seal cannot be opened. It shows neither the seal nor the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UnsealError {
    /// The text is not a seal.
    #[error("unsealing: the text is no seal")]
    NotASeal,
    /// The seal was made with a key that is not in the ring.
    #[error(
        "unsealing: key {0} is not in the ring; \
         hint: put the old key back into the secret"
    )]
    UnknownKey(u8),
    /// The seal is damaged, belongs to another item, or was made with another key of the same id.
    #[error(
        "unsealing: the seal does not open; \
         hint: is POOLBRIDGE_KEY the secret that this table was written with?"
    )]
    Closed,
}

/// Seals usernames and settings for the table: AES-256-GCM-SIV (RFC 8452) with the person's id or
/// another label as associated data. So a seal that is copied to another item does not open.
#[derive(Clone)]
pub struct Sealer {
    current: u8,
    /// Opens nothing, and returns one word for every username.
    blind: bool,
    keys: BTreeMap<u8, [u8; 32]>,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Sealer(current {}, {} keys)", self.current, self.keys.len())
    }
}

impl Sealer {
    /// Returns one word for every username, to show a person without the key. The table never
    /// writes person records with it.
    pub(crate) const fn blind() -> Self {
        Self { current: 0, blind: true, keys: BTreeMap::new() }
    }

    /// The seal of `username`, as `<key id>:<hexadecimal nonce and ciphertext>`.
    pub fn seal(&self, person: &PersonId, username: &Username) -> String {
        self.seal_text(person.as_str(), username.reveal())
    }

    /// The username in a seal.
    pub fn open(&self, person: &PersonId, sealed: &str) -> Result<Username, UnsealError> {
        if self.blind {
            sealed.split_once(':').ok_or(UnsealError::NotASeal)?;
            return Username::try_from("sealed").map_err(|_| UnsealError::Closed);
        }
        let opened = self.open_text(person.as_str(), sealed)?;
        Username::try_from(opened.as_str()).map_err(|_| UnsealError::Closed)
    }

    /// Seals any text. It opens with the same label only, so a seal that is copied to another item
    /// does not open there.
    pub fn seal_text(&self, label: &str, text: &str) -> String {
        let nonce = random::<NONCE_BYTES>();
        let payload = Payload { msg: text.as_bytes(), aad: label.as_bytes() };
        let sealed = self
            .cipher(self.current)
            .and_then(|cipher| cipher.encrypt(&Nonce::from(nonce), payload).ok());
        let sealed = sealed.expect("the current key is in the ring, and no text here has 64 GiB");
        format!("{}:{}{}", self.current, digits_of(&nonce), digits_of(&sealed))
    }

    /// Opens a seal of [`Sealer::seal_text`].
    pub fn open_text(&self, label: &str, sealed: &str) -> Result<String, UnsealError> {
        let (id, digits) = sealed.split_once(':').ok_or(UnsealError::NotASeal)?;
        let id: u8 = id.parse().map_err(|_| UnsealError::NotASeal)?;
        let bytes = bytes_of(digits).ok_or(UnsealError::NotASeal)?;
        let (nonce, sealed) =
            bytes.split_first_chunk::<NONCE_BYTES>().ok_or(UnsealError::NotASeal)?;
        let cipher = self.cipher(id).ok_or(UnsealError::UnknownKey(id))?;
        let payload = Payload { msg: sealed, aad: label.as_bytes() };
        let opened = cipher.decrypt(&Nonce::from(*nonce), payload);
        let opened = opened.map_err(|_| UnsealError::Closed)?;
        String::from_utf8(opened).map_err(|_| UnsealError::Closed)
    }

    fn cipher(&self, id: u8) -> Option<Aes256GcmSiv> {
        Aes256GcmSiv::new_from_slice(self.keys.get(&id)?).ok()
    }
}

/// New random bytes from the operating system.
pub(crate) fn random<const BYTES: usize>() -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).expect("Linux always has randomness once it has started");
    bytes
}

fn digits_of(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = digits.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}

#[cfg(test)]
mod tests;
