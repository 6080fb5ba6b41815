//! `ListUsers` filters for one account and for a part of a pool. core makes the filters of
//! searches.

use poolbridge_core::names::Sub;
use poolbridge_core::search::filter;

/// The filter for one account by its `sub`.
pub(super) fn of_sub(sub: &Sub) -> String {
    filter("sub", "=", sub.as_str())
}

/// The filter for the accounts whose `sub` begins with these characters.
pub(super) fn of_prefix(letters: &str) -> String {
    filter("sub", "^=", letters)
}

/// Whether two usernames are equal; `exact` means that the pool is case-sensitive.
pub(super) fn same(one: &str, other: &str, exact: bool) -> bool {
    one == other || (!exact && one.to_lowercase() == other.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sub_is_searched_for_unchanged() {
        assert_eq!(of_sub(&Sub::try_from("s-1").unwrap()), r#"sub = "s-1""#);
    }

    #[test]
    fn case_counts_only_in_a_case_sensitive_pool() {
        assert!(same("Pat", "pat", false) && !same("Pat", "pat", true));
    }
}
