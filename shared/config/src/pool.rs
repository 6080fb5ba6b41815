//! `[old]` and `[new]`: how to reach each pool.

use poolbridge_core::side::Side;

use super::reader::Section;

/// How to reach one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// The pool, such as `eu-west-1_AbCdEfGhI`.
    pub user_pool_id: String,
    /// The Region. If it is missing, the part of the pool's id before `_`.
    pub region: Option<String>,
    /// The role to assume if the pool is in another account.
    pub role_arn: Option<String>,
    /// The endpoint to use instead of AWS: a local stack.
    pub endpoint_url: Option<String>,
    /// poolbridge's own app client, for password proofs.
    pub client_id: Option<String>,
}

impl PoolConfig {
    /// The pool's Region, if it is known.
    pub fn region(&self) -> Option<&str> {
        let from_id = || self.user_pool_id.split_once('_').map(|(region, _)| region);
        self.region.as_deref().or_else(from_id).filter(|region| !region.is_empty())
    }
}

const KEYS: [&str; 6] =
    ["user_pool_id", "client_id", "region", "role_arn", "endpoint_url", "triggers"];

/// Reads the table of one pool.
pub(crate) fn settings(top: &Section<'_, '_>, side: Side) -> Option<PoolConfig> {
    if !top.has(side.name()) {
        let hint = format!("add [{side}] with its `user_pool_id`");
        top.reader.config_error(None, format!("`[{side}]` is missing"), hint);
    }
    let section = top.section(side.name())?;
    section.knows(&KEYS);
    let hint = "it stands in the pool's overview: user_pool_id = \"eu-west-1_AbCdEfGhI\"";
    // Everything is read before any return, so that all errors are found.
    let id = section.required("user_pool_id", hint);
    let region_of_id = id.as_ref().and_then(|id| region_of(id.value));
    if let Some(id) = id.as_ref().filter(|_| region_of_id.is_none()) {
        let message = format!("`[{side}] user_pool_id` is not a pool's id");
        section.mistake_at(id.line, message, hint);
    }
    let region = section.text("region").map(|found| found.value.to_owned());
    let client_id = client_id(&section);
    let role_arn = role_arn(&section);
    let endpoint_url = endpoint_url(&section);
    region_of_id?;
    let user_pool_id = id?.value.to_owned();
    Some(PoolConfig { user_pool_id, region, role_arn, endpoint_url, client_id })
}

/// Only the pool's id, if it is valid; for callers that read nothing else of the table.
pub(crate) fn user_pool_id(section: &Section<'_, '_>) -> Option<String> {
    let found = section.text("user_pool_id")?;
    region_of(found.value).map(|_| found.value.to_owned())
}

/// Checks that the two pools differ.
pub(crate) fn distinct(top: &Section<'_, '_>, old: Option<&PoolConfig>, new: Option<&PoolConfig>) {
    let (Some(old), Some(new)) = (old, new) else { return };
    if old.user_pool_id == new.user_pool_id {
        let line = top.line_of("new");
        let message = "`[old]` and `[new]` name the same user pool";
        top.reader.config_error(line, message, "name the pool that you move to in [new]");
    }
}

/// Whether this machine serves the pool, so that there is only one clock. An `endpoint_url` alone
/// does not show that: a private endpoint of AWS has one too.
pub(crate) fn on_this_machine(pool: &PoolConfig) -> bool {
    let Some((_, rest)) = pool.endpoint_url.as_deref().and_then(|url| url.split_once("://")) else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    if authority.contains('@') {
        return false;
    }
    let bare = authority.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let host = bare.map_or_else(|| authority.split(':').next().unwrap_or(""), |(host, _)| host);
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The Region at the start of a pool's id: `<region>_<letters and digits>`, as `CreateUserPool`
/// returns it.
fn region_of(id: &str) -> Option<&str> {
    let (region, own) = id.split_once('_')?;
    let plain = |letter: char| letter.is_ascii_alphanumeric();
    let good = id.len() <= 55
        && !region.is_empty()
        && !own.is_empty()
        && region.chars().all(|letter| plain(letter) || letter == '-')
        && own.chars().all(plain);
    good.then_some(region)
}

fn client_id(section: &Section<'_, '_>) -> Option<String> {
    let found = section.text("client_id")?;
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_+".contains(letter);
    if found.value.len() > 128 || !found.value.chars().all(plain) {
        let message = format!("`{}client_id` is not an app client's id", section.name);
        section.mistake_at(found.line, message, "letters and digits, as the pool's app list shows");
        return None;
    }
    Some(found.value.to_owned())
}

/// Whether a text can be a role's name with its path. A wildcard cannot: the functions are allowed
/// to assume the role of that very ARN.
fn is_role_name(text: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_+=,.@/-".contains(letter);
    !text.is_empty() && text.chars().all(plain)
}

fn role_arn(section: &Section<'_, '_>) -> Option<String> {
    let found = section.text("role_arn")?;
    let parts: Vec<&str> = found.value.splitn(6, ':').collect();
    let good = matches!(
        parts.as_slice(),
        ["arn", partition, "iam", "", account, role]
            if !partition.is_empty()
                && account.len() == 12
                && account.chars().all(|digit| digit.is_ascii_digit())
                && role.strip_prefix("role/").is_some_and(is_role_name)
    );
    if !good {
        let message = format!("`{}role_arn` is not the ARN of an IAM role", section.name);
        section.mistake_at(
            found.line,
            message,
            "such as arn:aws:iam::111122223333:role/poolbridge",
        );
        return None;
    }
    Some(found.value.to_owned())
}

fn endpoint_url(section: &Section<'_, '_>) -> Option<String> {
    let found = section.text("endpoint_url")?;
    let rest = found.value.strip_prefix("http://").or_else(|| found.value.strip_prefix("https://"));
    let good = rest.is_some_and(|rest| {
        !rest.is_empty() && !rest.starts_with('/') && !rest.contains(char::is_whitespace)
    });
    if !good {
        let message = format!("`{}endpoint_url` is not a web address", section.name);
        section.mistake_at(found.line, message, "such as http://127.0.0.1:4566");
        return None;
    }
    Some(found.value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Configuration;

    /// A file whose old pool has these further lines.
    fn config_errors(lines: &str) -> String {
        let text = format!(
            "name = \"acme\"\n[identity]\nmatch = \"email\"\n[new]\n\
             user_pool_id = \"eu-west-1_B\"\n[old]\nuser_pool_id = \"eu-west-1_A\"\n{lines}\n"
        );
        Configuration::parse("bridge.toml", &text).unwrap_err().to_string()
    }

    #[test]
    fn each_mistake_in_a_pool_has_its_line() {
        for (lines, expected) in [
            ("region = 7", "line 8: `[old] region` must be a text in quotes, not a number"),
            ("[old.branding]", "line 8: `[old] branding` is not known"),
            ("triggers = \"none\"", "line 8: `[old] triggers` must be a table, not a text"),
            ("role_arn = \"root\"", "line 8: `[old] role_arn` is not the ARN of an IAM role"),
            (
                "role_arn = \"arn:aws:iam::111122223333:role/*\"",
                "line 8: `[old] role_arn` is not the ARN of an IAM role",
            ),
        ] {
            let found = config_errors(lines);
            assert!(found.contains(expected), "{lines}\n{found}");
        }
    }

    #[test]
    fn pools_that_are_missing_are_all_named() {
        let text = "name = \"acme\"\n[identity]\nmatch = \"email\"\n";
        let found = Configuration::parse("bridge.toml", text).unwrap_err().to_string();
        assert!(found.contains("`[old]` is missing") && found.contains("`[new]` is missing"));
        let text = format!("policy = \"lazy\"\n{text}");
        let found = Configuration::parse("bridge.toml", &text).unwrap_err().to_string();
        assert!(found.contains("line 1: `policy` must be a table, not a text"), "{found}");
    }

    #[test]
    fn a_pool_id_begins_with_its_region() {
        assert_eq!(region_of("eu-west-1_AbCdEfGhI"), Some("eu-west-1"));
        assert_eq!(region_of("local_3xK9"), Some("local"));
        for wrong in ["", "_", "eu-west-1", "eu-west-1_", "_AbC", "eu west_Ab", "a_b-c", "a_b_c"] {
            assert_eq!(region_of(wrong), None, "{wrong}");
        }
    }
}
