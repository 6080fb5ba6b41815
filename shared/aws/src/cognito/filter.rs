//! The filters of `ListUsers` for one account and for a part of a pool; core makes those of searches.

use poolbridge_core::names::Sub;
use poolbridge_core::search::filter;

/// The filter for one account by its `sub`.
pub(super) fn of_sub(sub: &Sub) -> String {
    filter("sub", "=", sub.as_str())
}

/// The filter for the accounts whose `sub` begins with these letters.
pub(super) fn of_prefix(letters: &str) -> String {
    filter("sub", "^=", letters)
}

/// Whether two names are one in a pool that tells case apart, or does not.
pub(super) fn same(one: &str, other: &str, exact: bool) -> bool {
    one == other || (!exact && one.to_lowercase() == other.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sub_is_searched_for_as_it_is() {
        assert_eq!(of_sub(&Sub::try_from("s-1").unwrap()), r#"sub = "s-1""#);
    }

    #[test]
    fn case_counts_only_in_a_pool_where_it_does() {
        assert!(same("Pat", "pat", false) && !same("Pat", "pat", true));
    }
}
