//! A search of a pool (`ListUsers` with a filter): what it asks, what it answers, and which accounts hold
//! the value.

use std::fmt;

use crate::account::{Account, Shape};
use crate::limits;
use crate::names::{AttributeName, Username};

/// What a search of a pool goes by.
#[derive(Clone, PartialEq, Eq)]
pub enum Search {
    /// Accounts whose `email` is this.
    Email(String),
    /// Accounts whose `phone_number` is this.
    Phone(String),
    /// Accounts whose `preferred_username` is this.
    PreferredUsername(String),
    /// The account of this username.
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

/// What a pool answers to a search.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SearchAnswer {
    /// Every account that holds the value in any spelling. The caller decides whether case counts.
    Accounts(Vec<Account>),
    /// The pool cannot be asked for this value: it refuses the filter, or more accounts match the filter
    /// than are read (`limits::FOUND_ACCOUNTS_MAX`). Another attempt gets the same answer.
    CannotBeSearched,
}

impl Search {
    /// The search by that attribute; `None` where people do not sign in by it.
    pub fn by(attribute: &AttributeName, value: String) -> Option<Self> {
        match attribute.as_str() {
            "email" => Some(Self::Email(value)),
            "phone_number" => Some(Self::Phone(value)),
            "preferred_username" => Some(Self::PreferredUsername(value)),
            _ => None,
        }
    }

    /// What `ListUsers` calls the attribute.
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

    /// The filter of `ListUsers`: `attribute = "value"`. Its page wants quotation marks escaped by a
    /// backslash; a backslash is escaped as well, so that none swallows the closing mark.
    ///
    /// `ListUsers` refuses a filter of more than 256 characters, and escaping counts. A value that is too
    /// long for it is searched for by its longest beginning that fits: `attribute ^= "beginning"`. That
    /// lists every account that holds the value, and perhaps others: [`Search::finds`] tells them apart.
    pub fn filter(&self) -> String {
        let whole = filter(self.attribute(), "=", self.value());
        if fits(&whole) {
            return whole;
        }
        filter(self.attribute(), "^=", self.beginning())
    }

    /// Whether a filter holds the whole value.
    pub fn fits_filter(&self) -> bool {
        fits(&filter(self.attribute(), "=", self.value()))
    }

    /// The longest beginning of the value that a filter holds.
    pub fn beginning(&self) -> &str {
        let value = self.value();
        let ends = value.char_indices().map(|(at, letter)| at + letter.len_utf8());
        let held = |end: &usize| fits(&filter(self.attribute(), "^=", &value[..*end]));
        value.get(..ends.take_while(held).last().unwrap_or(0)).unwrap_or_default()
    }

    /// Whether the pool has to be asked: no account of that shape holds a value that is longer than its
    /// schema allows. What a filter holds whole is asked for in any case.
    pub fn is_worth_asking(&self, shape: &Shape) -> bool {
        self.fits_filter() || self.can_match(shape)
    }

    /// Whether any account of a pool of that shape can hold the value at all.
    fn can_match(&self, shape: &Shape) -> bool {
        let length = self.value().chars().count();
        let longest = match self {
            Self::Username(_) => limits::USERNAME_MAX,
            Self::Email(_) | Self::Phone(_) | Self::PreferredUsername(_) => {
                let named =
                    shape.attributes.iter().find(|(name, _)| name.as_str() == self.attribute());
                named.and_then(|(_, shape)| shape.longest).unwrap_or(limits::ATTRIBUTE_MAX)
            }
        };
        length <= longest
    }

    /// Whether an account that was listed holds the value. `exact`: case counts.
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

    /// The spellings under which a pool may hold the value, for a bridge where case does not count.
    ///
    /// `ListUsers` compares usernames exactly, and other values by the pool's own rule. A pool that folds
    /// case shows lower case. In a pool that does not (`case_sensitive`) any spelling can exist: the ones
    /// that people type are searched, which are lower case and a capital first letter.
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

/// Whether `ListUsers` takes the filter. The unit of its limit is not published: UTF-16 units are never
/// fewer than characters.
fn fits(filter: &str) -> bool {
    filter.encode_utf16().count() <= limits::SEARCH_FILTER_MAX
}

/// A filter of `ListUsers`, its value escaped.
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
    use crate::account::{AttributeShape, Status};
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
    fn filter_has_blanks_around_its_operator_and_marks_around_its_value() {
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
    fn value_that_no_filter_holds_is_searched_for_by_its_beginning() {
        let long = email(&"a".repeat(300));
        let beginning = "a".repeat(256 - r#"email ^= """#.len());
        assert_eq!(long.filter(), format!(r#"email ^= "{beginning}""#));
        assert_eq!(long.beginning(), beginning);
        // Neither an escaped letter nor one of several units is cut in two.
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
        assert!(!email(&"a".repeat(301)).finds(&pat, false), "it only begins like the other");
    }

    #[test]
    fn value_longer_than_the_schema_allows_matches_no_account() {
        let mut shape = Shape::default();
        assert!(email(&"a".repeat(2048)).can_match(&shape));
        assert!(!email(&"a".repeat(2049)).can_match(&shape));
        let short = AttributeShape { longest: Some(20), ..AttributeShape::default() };
        shape.attributes.insert(AttributeName::try_from("email").unwrap(), short);
        assert!(email(&"a".repeat(20)).can_match(&shape));
        assert!(!email(&"a".repeat(21)).can_match(&shape));
        assert!(named(&"a".repeat(128)).can_match(&shape));
    }

    #[test]
    fn case_counts_only_where_it_is_asked_for() {
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
