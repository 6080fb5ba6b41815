//! A search of a pool (`ListUsers` with a filter): its filter, its answer, and which accounts hold
//! the value.

use std::fmt;

use crate::account::{Account, PoolSchema};
use crate::limits;
use crate::names::{AttributeName, Username};

/// The attribute and value of a search.
#[derive(Clone, PartialEq, Eq)]
pub enum Search {
    /// Accounts with this `email`.
    Email(String),
    /// Accounts with this `phone_number`.
    Phone(String),
    /// Accounts with this `preferred_username`.
    PreferredUsername(String),
    /// The account with this username.
    Username(Username),
}

impl fmt::Debug for Search {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Email(_) => "Email(…)",
            Self::Phone(_) => "Phone(…)",
            Self::PreferredUsername(_) => "PreferredUsername(…)",
            Self::Username(_) => "Username(…)",
        })
    }
}

/// A pool's answer to a search.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SearchAnswer {
    /// Every account that holds the value in any spelling. The caller decides whether case counts.
    Accounts(Vec<Account>),
    /// The pool cannot be searched for this value: it rejects the filter, or more accounts match
    /// than a search reads (`limits::FOUND_ACCOUNTS_MAX`). Another attempt gets the same answer.
    CannotBeSearched,
}

impl Search {
    /// The search by that attribute; `None` if users do not sign in with it.
    pub fn by(attribute: &AttributeName, value: String) -> Option<Self> {
        match attribute.as_str() {
            "email" => Some(Self::Email(value)),
            "phone_number" => Some(Self::Phone(value)),
            "preferred_username" => Some(Self::PreferredUsername(value)),
            _ => None,
        }
    }

    /// The name of the attribute in `ListUsers`.
    pub const fn attribute(&self) -> &'static str {
        match self {
            Self::Email(_) => "email",
            Self::Phone(_) => "phone_number",
            Self::PreferredUsername(_) => "preferred_username",
            Self::Username(_) => "username",
        }
    }

    /// The value in clear, for the call to the pool. Never for a log.
    pub fn value(&self) -> &str {
        match self {
            Self::Email(text) | Self::Phone(text) | Self::PreferredUsername(text) => text,
            Self::Username(name) => name.reveal(),
        }
    }

    /// The same search for another value; `None` if the value is no username.
    fn with(&self, value: &str) -> Option<Self> {
        Some(match self {
            Self::Email(_) => Self::Email(value.to_owned()),
            Self::Phone(_) => Self::Phone(value.to_owned()),
            Self::PreferredUsername(_) => Self::PreferredUsername(value.to_owned()),
            Self::Username(_) => Self::Username(Username::try_from(value).ok()?),
        })
    }

    /// The filter of `ListUsers`: `attribute = "value"`. Its page requires a backslash before
    /// quotation marks. Backslashes are escaped as well, so that none of them escapes the closing
    /// mark.
    ///
    /// `ListUsers` rejects a filter of more than 256 characters, escaping included. A value that is
    /// too long is searched for by the longest prefix that fits: `attribute ^= "prefix"`. This
    /// lists every account with the value, and perhaps others: [`Search::finds`] separates them.
    pub fn filter(&self) -> String {
        let whole = filter(self.attribute(), "=", self.value());
        if fits(&whole) {
            return whole;
        }
        filter(self.attribute(), "^=", self.beginning())
    }

    /// Whether the whole value fits into a filter.
    pub fn fits_filter(&self) -> bool {
        fits(&filter(self.attribute(), "=", self.value()))
    }

    /// The longest prefix of the value that fits into a filter.
    pub fn beginning(&self) -> &str {
        let value = self.value();
        let ends = value.char_indices().map(|(at, letter)| at + letter.len_utf8());
        let held = |end: &usize| fits(&filter(self.attribute(), "^=", &value[..*end]));
        value.get(..ends.take_while(held).last().unwrap_or(0)).unwrap_or_default()
    }

    /// Whether a call is needed: no account of that pool schema holds a value that is longer than
    /// its schema allows. A value that fits into a filter is always searched for.
    pub fn is_worth_asking(&self, schema: &PoolSchema) -> bool {
        self.fits_filter() || self.can_match(schema)
    }

    /// Whether any account of a pool with that schema can hold the value.
    fn can_match(&self, schema: &PoolSchema) -> bool {
        let length = self.value().chars().count();
        let longest = match self {
            Self::Username(_) => limits::USERNAME_MAX,
            Self::Email(_) | Self::Phone(_) | Self::PreferredUsername(_) => {
                let named =
                    schema.attributes.iter().find(|(name, _)| name.as_str() == self.attribute());
                named.and_then(|(_, schema)| schema.longest).unwrap_or(limits::ATTRIBUTE_MAX)
            }
        };
        length <= longest
    }

    /// Whether a listed account holds the value. `exact`: case counts.
    pub fn finds(&self, account: &Account, exact: bool) -> bool {
        let same = |held: &str, exact: bool| {
            let wanted = self.value();
            held == wanted || (!exact && held.to_lowercase() == wanted.to_lowercase())
        };
        let holds = |exact: bool| {
            let mut attributes = account.attributes.iter();
            attributes.any(|(name, held)| name.as_str() == self.attribute() && same(held, exact))
        };
        match self {
            Self::Email(_) | Self::PreferredUsername(_) => holds(exact),
            Self::Phone(_) => holds(true),
            Self::Username(_) => same(account.username.reveal(), exact),
        }
    }

    /// The spellings under which a pool may hold the value, for a bridge that ignores case.
    ///
    /// `ListUsers` compares usernames exactly, and other values by the pool's own rule. A
    /// case-insensitive pool shows lower case. A pool with `case_sensitive` can hold any spelling.
    /// The search covers lower case, and lower case with a capital first letter, as people type.
    pub fn spellings(&self, case_sensitive: bool) -> Vec<Self> {
        let lower = self.value().to_lowercase();
        let capital = case_sensitive.then(|| capitalised(&lower));
        let mut spellings = vec![self.clone()];
        for spelling in [Some(lower), capital].into_iter().flatten() {
            spellings.extend(self.with(&spelling).filter(|search| !spellings.contains(search)));
        }
        spellings
    }
}

/// The text with a capital first letter.
fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Whether `ListUsers` accepts the filter. The unit of its limit is not published. The number of
/// UTF-16 units is never below the number of characters.
fn fits(filter: &str) -> bool {
    filter.encode_utf16().count() <= limits::SEARCH_FILTER_MAX
}

/// A filter of `ListUsers` with the value escaped.
pub fn filter(attribute: &str, by: &str, value: &str) -> String {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::account::{AttributeSchema, Status};
    use crate::names::Sub;
    use crate::time::Time;

    fn email(address: &str) -> Search {
        Search::Email(address.to_owned())
    }

    fn named(text: &str) -> Search {
        Search::Username(Username::try_from(text).unwrap())
    }

    fn account(name: &str, value: &str) -> Account {
        Account {
            sub: Sub::try_from("s-1").unwrap(),
            username: Username::try_from("Pat").unwrap(),
            attributes: BTreeMap::from([(
                AttributeName::try_from(name).unwrap(),
                value.to_owned(),
            )]),
            enabled: true,
            status: Status::Confirmed,
            groups: None,
            factors: None,
            created: Time(0),
            modified: Time(0),
        }
    }

    #[test]
    fn filter_has_spaces_around_its_operator_and_quotation_marks_around_its_value() {
        assert_eq!(email("ada@example.com").filter(), r#"email = "ada@example.com""#);
        assert_eq!(named("ada").filter(), r#"username = "ada""#);
    }

    #[test]
    fn no_value_ends_its_filter_early() {
        assert_eq!(email(r#"a" or "b"#).filter(), r#"email = "a\" or \"b""#);
        assert_eq!(email(r"a\").filter(), r#"email = "a\\""#);
        assert_eq!(email(r#"\""#).filter(), r#"email = "\\\"""#);
    }

    #[test]
    fn filter_of_256_characters_fits_and_escaping_counts() {
        let around = r#"email = """#.len();
        assert!(email(&"a".repeat(256 - around)).fits_filter());
        assert!(!email(&"a".repeat(257 - around)).fits_filter());
        let around = r#"username = """#.len();
        assert!(named(&"\"".repeat((256 - around) / 2)).fits_filter());
        assert!(!named(&"\"".repeat((256 - around) / 2 + 1)).fits_filter());
    }

    #[test]
    fn value_that_fits_no_filter_is_searched_for_by_its_prefix() {
        let long = email(&"a".repeat(300));
        let beginning = "a".repeat(256 - r#"email ^= """#.len());
        assert_eq!(long.filter(), format!(r#"email ^= "{beginning}""#));
        assert_eq!(long.beginning(), beginning);
        // The prefix never cuts an escaped letter, or a letter of several units, in two.
        for letter in ["\"", "\\", "é", "\u{1f511}"] {
            for before in ["", "x"] {
                let search = named(&format!("{before}{}", letter.repeat(127)));
                let filter = search.filter();
                let units = filter.encode_utf16().count();
                let whole = search.fits_filter();
                assert!(units <= 256 && (whole || units > 254), "{letter}: {units}");
                assert_eq!(filter.starts_with("username = "), whole, "{letter}");
                assert!(search.value().starts_with(search.beginning()));
            }
        }
        let pat = account("email", &"a".repeat(300));
        assert!(long.finds(&pat, true));
        assert!(!email(&"a".repeat(301)).finds(&pat, false), "it only starts like the other");
    }

    #[test]
    fn value_longer_than_the_schema_allows_matches_no_account() {
        let mut schema = PoolSchema::default();
        assert!(email(&"a".repeat(2048)).can_match(&schema));
        assert!(!email(&"a".repeat(2049)).can_match(&schema));
        let short = AttributeSchema { longest: Some(20), ..AttributeSchema::default() };
        schema.attributes.insert(AttributeName::try_from("email").unwrap(), short);
        assert!(email(&"a".repeat(20)).can_match(&schema));
        assert!(!email(&"a".repeat(21)).can_match(&schema));
        assert!(named(&"a".repeat(128)).can_match(&schema));
    }

    #[test]
    fn case_counts_only_in_an_exact_search() {
        let pat = account("email", "Pat@example.com");
        assert!(email("pat@example.com").finds(&pat, false));
        assert!(!email("pat@example.com").finds(&pat, true));
        assert!(email("Pat@example.com").finds(&pat, true));
        assert!(!Search::Phone("Pat@example.com".to_owned()).finds(&pat, false));
        assert!(named("pat").finds(&pat, false) && !named("pat").finds(&pat, true));
        let by_name = Search::PreferredUsername("PAT".to_owned());
        assert!(by_name.finds(&account("preferred_username", "pat"), false));
    }

    #[test]
    fn spellings_are_those_that_people_type() {
        let found = |address: &str, case_sensitive| {
            let spellings = email(address).spellings(case_sensitive);
            spellings.iter().map(|search| search.value().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(found("pat@example.com", false), ["pat@example.com"]);
        assert_eq!(found("PAT@example.com", false), ["PAT@example.com", "pat@example.com"]);
        assert_eq!(found("pat@example.com", true), ["pat@example.com", "Pat@example.com"]);
        let all = ["PAT@example.com", "pat@example.com", "Pat@example.com"];
        assert_eq!(found("PAT@example.com", true), all);
        assert_eq!(Search::Phone("+15550100".to_owned()).spellings(true).len(), 1);
    }
}
