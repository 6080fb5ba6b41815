//! Searches of a pool: the filter that `ListUsers` takes, and a second look at what it returns.

use poolbridge_core::account::Account;
use poolbridge_core::names::Sub;
use poolbridge_core::ports::Search;

/// The filter for a search.
pub(super) fn of_search(search: &Search) -> String {
    match search {
        Search::Email(address) => equals("email", address),
        Search::Phone(number) => equals("phone_number", number),
        Search::PreferredUsername(name) => equals("preferred_username", name),
        Search::Username(name) => equals("username", name.reveal()),
    }
}

/// The filter for one account by its `sub`.
pub(super) fn of_sub(sub: &Sub) -> String {
    equals("sub", sub.as_str())
}

/// The filter for the accounts whose `sub` begins with these letters.
pub(super) fn of_prefix(letters: &str) -> String {
    compares("sub", "^=", letters)
}

fn equals(attribute: &str, value: &str) -> String {
    compares(attribute, "=", value)
}

/// `attribute = "value"`. The page of `ListUsers` wants quotation marks escaped by a backslash; a
/// backslash is escaped as well, so that none can swallow the closing mark.
fn compares(attribute: &str, by: &str, value: &str) -> String {
    let mut filter = format!("{attribute} {by} \"");
    for letter in value.chars() {
        if matches!(letter, '"' | '\\') {
            filter.push('\\');
        }
        filter.push(letter);
    }
    filter.push('"');
    filter
}

/// Whether an account that was listed is what the search asked for. The pages of Cognito do not
/// agree on whether a search folds case, so the pool's own rule is applied here.
pub(super) fn finds(search: &Search, account: &Account, case_sensitive: bool) -> bool {
    let holds = |name: &str, wanted: &str, exact: bool| {
        let mut attributes = account.attributes.iter();
        attributes.any(|(key, value)| key.as_str() == name && same(value, wanted, exact))
    };
    match search {
        Search::Email(address) => holds("email", address, case_sensitive),
        Search::Phone(number) => holds("phone_number", number, true),
        Search::PreferredUsername(name) => holds("preferred_username", name, case_sensitive),
        Search::Username(name) => same(account.username.reveal(), name.reveal(), case_sensitive),
    }
}

/// Whether two names are one in a pool that tells case apart, or does not.
pub(super) fn same(one: &str, other: &str, exact: bool) -> bool {
    one == other || (!exact && one.to_lowercase() == other.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cognito::account::tests::account;
    use poolbridge_core::names::Username;

    fn email(address: &str) -> Search {
        Search::Email(address.to_owned())
    }

    #[test]
    fn a_filter_has_blanks_around_its_operator_and_marks_around_its_value() {
        assert_eq!(of_search(&email("ada@example.com")), r#"email = "ada@example.com""#);
        let name = Search::Username(Username::try_from("ada").unwrap());
        assert_eq!(of_search(&name), r#"username = "ada""#);
        assert_eq!(of_sub(&Sub::try_from("s-1").unwrap()), r#"sub = "s-1""#);
    }

    #[test]
    fn no_value_ends_its_filter_early() {
        assert_eq!(of_search(&email(r#"a" or "b"#)), r#"email = "a\" or \"b""#);
        assert_eq!(of_search(&email(r"a\")), r#"email = "a\\""#);
        assert_eq!(of_search(&email(r#"\""#)), r#"email = "\\\"""#);
    }

    #[test]
    fn case_counts_only_in_a_pool_where_it_does() {
        let pat = account(&[("email", "Pat@example.com")]);
        assert!(finds(&email("pat@example.com"), &pat, false));
        assert!(!finds(&email("pat@example.com"), &pat, true));
        assert!(finds(&email("Pat@example.com"), &pat, true));
        assert!(!finds(&Search::Phone("Pat@example.com".to_owned()), &pat, false));
    }
}
