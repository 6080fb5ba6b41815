//! Canonical forms of values: which values count as the same in both pools.

/// A country whose national phone numbers can be read: ISO code, calling code, trunk prefix.
///
/// Cognito holds E.164 numbers only. National forms occur if an older pool kept numbers in a custom
/// or unverified attribute. Listed are countries where a trunk prefix is enough.
const COUNTRIES: [(&str, &str, &str); 42] = [
    ("AR", "54", "0"),
    ("AT", "43", "0"),
    ("AU", "61", "0"),
    ("BE", "32", "0"),
    ("BR", "55", "0"),
    ("CA", "1", "1"),
    ("CH", "41", "0"),
    ("CL", "56", ""),
    ("CN", "86", "0"),
    ("CO", "57", ""),
    ("CZ", "420", ""),
    ("DE", "49", "0"),
    ("DK", "45", ""),
    ("EG", "20", "0"),
    ("ES", "34", ""),
    ("FI", "358", "0"),
    ("FR", "33", "0"),
    ("GB", "44", "0"),
    ("GR", "30", ""),
    ("HK", "852", ""),
    ("HU", "36", "06"),
    ("ID", "62", "0"),
    ("IE", "353", "0"),
    ("IL", "972", "0"),
    ("IN", "91", "0"),
    ("IT", "39", ""),
    ("JP", "81", "0"),
    ("KR", "82", "0"),
    ("MX", "52", ""),
    ("NG", "234", "0"),
    ("NL", "31", "0"),
    ("NO", "47", ""),
    ("NZ", "64", "0"),
    ("PL", "48", ""),
    ("PT", "351", ""),
    ("SE", "46", "0"),
    ("SG", "65", ""),
    ("TR", "90", "0"),
    ("TW", "886", "0"),
    ("UA", "380", "0"),
    ("US", "1", "1"),
    ("ZA", "27", "0"),
];

/// A default country for national phone numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Country(usize);

impl Country {
    /// The country with that ISO 3166 code, if its numbers can be read.
    pub fn from_code(code: &str) -> Option<Self> {
        COUNTRIES.iter().position(|(known, _, _)| *known == code).map(Self)
    }

    /// The ISO code.
    pub fn code(self) -> &'static str {
        COUNTRIES[self.0].0
    }

    /// Every known code, for the hint of an error.
    pub fn codes() -> impl Iterator<Item = &'static str> {
        COUNTRIES.iter().map(|(code, _, _)| *code)
    }
}

/// The number in E.164 form, or `None` if the text is no number.
pub fn e164(text: &str, country: Country) -> Option<String> {
    let (_, calling, trunk) = COUNTRIES[country.0];
    let text = text.trim();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let allowed = |letter: char| letter.is_ascii_digit() || " +-./()\u{a0}".contains(letter);
    if !text.chars().all(allowed) || text.chars().skip(1).any(|letter| letter == '+') {
        return None;
    }
    let international = if text.starts_with('+') {
        digits
    } else if let Some(rest) = digits.strip_prefix("00") {
        rest.to_owned()
    } else {
        let national = digits.strip_prefix(trunk).unwrap_or(&digits);
        format!("{calling}{national}")
    };
    // E.164 allows at most 15 digits. No subscriber number has fewer than 7.
    let length = international.len();
    let plausible = (7..=15).contains(&length) && !international.starts_with('0');
    plausible.then(|| format!("+{international}"))
}

/// A decimal number without leading zeros, trailing zeros or plus sign; `None` if it is none.
pub fn number(text: &str) -> Option<String> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |run: &str| run.chars().all(|letter| letter.is_ascii_digit());
    if (whole.is_empty() && part.is_empty()) || !plain(whole) || !plain(part) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let part = part.trim_end_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let sign = if whole == "0" && part.is_empty() { "" } else { sign };
    Some(if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") })
}

/// A date as `yyyy-mm-dd`, read from that form or from `mm/dd/yyyy` (the form of the CSV import);
/// `None` if the text has neither form.
pub fn date(text: &str) -> Option<String> {
    let text = text.trim();
    let split = |by: char| -> Option<[u32; 3]> {
        let parts: Vec<u32> =
            text.split(by).map(|part| part.parse().ok()).collect::<Option<_>>()?;
        parts.try_into().ok()
    };
    let (year, month, day) = if text.contains('/') {
        let [month, day, year] = split('/')?;
        (year, month, day)
    } else {
        let [year, month, day] = split('-')?;
        (year, month, day)
    };
    let real = (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    real.then(|| format!("{year:04}-{month:02}-{day:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_phone_number_have_one_canonical_form() {
        let germany = Country::from_code("DE").unwrap();
        let states = Country::from_code("US").unwrap();
        for text in ["+49 30 1234567", "0049 30/1234567", "(030) 123 4567"] {
            assert_eq!(e164(text, germany).as_deref(), Some("+49301234567"), "{text}");
        }
        for text in ["206-555-1212", "1 206 555 1212", "+1 (206) 555.1212"] {
            assert_eq!(e164(text, states).as_deref(), Some("+12065551212"), "{text}");
        }
        for text in ["", "call me", "+", "12", "+1206555121212345", "1+2065551212"] {
            assert_eq!(e164(text, states), None, "{text}");
        }
    }

    /// A national number of each country, and the same in E.164 form.
    const NATIONAL: [(&str, &str, &str); 42] = [
        ("AR", "011 4123-4567", "+541141234567"),
        ("AT", "01 234567", "+431234567"),
        ("AU", "(02) 5550 1234", "+61255501234"),
        ("BE", "02 123 45 67", "+3221234567"),
        ("BR", "(011) 2345-6789", "+551123456789"),
        ("CA", "1 204 234 5678", "+12042345678"),
        ("CH", "021 234 56 78", "+41212345678"),
        ("CL", "2 2123 4567", "+56221234567"),
        ("CN", "010 1234 5678", "+861012345678"),
        ("CO", "601 234 5678", "+576012345678"),
        ("CZ", "212 345 678", "+420212345678"),
        ("DE", "030 123456", "+4930123456"),
        ("DK", "32 12 34 56", "+4532123456"),
        ("EG", "02 34567890", "+20234567890"),
        ("ES", "810 12 34 56", "+34810123456"),
        ("FI", "013 123 4567", "+358131234567"),
        ("FR", "01 23 45 67 89", "+33123456789"),
        ("GB", "0121 234 5678", "+441212345678"),
        ("GR", "21 2345 6789", "+302123456789"),
        ("HK", "2123 4567", "+85221234567"),
        ("HU", "06 1 234 5678", "+3612345678"),
        ("ID", "021 8350 123", "+62218350123"),
        ("IE", "022 12345", "+3532212345"),
        ("IL", "02-123-4567", "+97221234567"),
        ("IN", "074104 10123", "+917410410123"),
        // An Italian number keeps its zero.
        ("IT", "02 1234 5678", "+390212345678"),
        ("JP", "03-1234-5678", "+81312345678"),
        ("KR", "02-212-3456", "+8222123456"),
        ("MX", "200 123 4567", "+522001234567"),
        ("NG", "01 804 0123", "+23418040123"),
        ("NL", "010 123 4567", "+31101234567"),
        ("NO", "21 23 45 67", "+4721234567"),
        ("NZ", "03-234 5678", "+6432345678"),
        ("PL", "12 345 67 89", "+48123456789"),
        ("PT", "21 234 5678", "+351212345678"),
        ("SE", "08-12 34 56", "+468123456"),
        ("SG", "6123 4567", "+6561234567"),
        ("TR", "(0212) 345 67 89", "+902123456789"),
        ("TW", "02 2123 4567", "+886221234567"),
        ("UA", "044 123 4567", "+380441234567"),
        ("US", "(206) 555-0100", "+12065550100"),
        ("ZA", "010 123 4567", "+27101234567"),
    ];

    #[test]
    fn a_national_number_of_each_country_is_read_by_the_rule_of_that_country() {
        let codes: Vec<&str> = NATIONAL.iter().map(|(code, _, _)| *code).collect();
        assert_eq!(codes, Country::codes().collect::<Vec<_>>());
        for (code, national, international) in NATIONAL {
            let country = Country::from_code(code).unwrap();
            assert_eq!(e164(national, country).as_deref(), Some(international), "{code}");
            assert_eq!(e164(international, country).as_deref(), Some(international), "{code}");
        }
    }

    #[test]
    fn canonical_forms_stay_as_they_are() {
        let states = Country::from_code("US").unwrap();
        assert_eq!(e164("+12065551212", states).as_deref(), Some("+12065551212"));
        for text in ["007", "+7", "7.0", "7."] {
            assert_eq!(number(text).as_deref(), Some("7"), "{text}");
        }
        assert_eq!(number("-0.50").as_deref(), Some("-0.5"));
        assert_eq!(number("-0").as_deref(), Some("0"));
        for text in ["", ".", "1e3", "seven", "--1"] {
            assert_eq!(number(text), None, "{text}");
        }
        assert_eq!(date("7/4/1990").as_deref(), Some("1990-07-04"));
        assert_eq!(date("1990-07-04").as_deref(), Some("1990-07-04"));
        assert_eq!(date("1990-13-04"), None);
        assert_eq!(date("yesterday"), None);
    }
}
