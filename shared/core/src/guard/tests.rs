use std::collections::BTreeSet;

use super::*;
use crate::mapping::{AttributeRule, Normal};
use crate::names::PersonId;
use crate::normalise::Country;
use crate::policy::{ConflictRule, Deletes, Provision, StalePasswords};
use crate::record::{CreationIntent, KnownAccount};
use crate::rules::ProtocolRules;

fn name(text: &str) -> AttributeName {
    AttributeName::try_from(text).unwrap()
}

fn username(text: &str) -> Username {
    Username::try_from(text).unwrap()
}

fn policy(match_by: MatchBy) -> Policy {
    let mut phone = AttributeRule::same(&name("phone_number"));
    phone.normal = vec![Normal::E164(Country::from_code("DE").unwrap())];
    let account_ref =
        AttributeRule::between(Some(name("custom:handle")), Some(name("preferred_username")));
    let dropped = BTreeSet::from([name("preferred_username")]);
    Policy {
        match_by,
        provision: BySide { old: Provision::Lazy, new: Provision::Lazy },
        conflicts: ConflictRule::ActiveWins,
        deletes: Deletes::Disable,
        groups: true,
        stale_passwords: StalePasswords::Close,
        settle: Duration::from_secs(10),
        clock_allowance: Duration::ZERO,
        mapping: Mapping::new(vec![phone, account_ref], &dropped, false, true).unwrap(),
        rules: ProtocolRules::WHOLE,
    }
}

fn request(side: Side, called: &str, attributes: &[(&str, &str)]) -> SignUpRequest {
    let pair = |(key, value): &(&str, &str)| (name(key), (*value).to_owned());
    SignUpRequest {
        side,
        username: (!called.is_empty()).then(|| username(called)),
        attributes: attributes.iter().map(pair).collect(),
    }
}

/// A pool where people choose a username and sign in with nothing else.
fn by_username() -> PoolSchema {
    PoolSchema::default()
}

/// A pool where people sign in with their address and the pool generates the usernames.
fn by_email() -> PoolSchema {
    PoolSchema { username_attributes: BTreeSet::from([name("email")]), ..PoolSchema::default() }
}

fn with_aliases(aliases: &[&str]) -> PoolSchema {
    let aliases = aliases.iter().map(|alias| name(alias)).collect();
    PoolSchema { alias_attributes: aliases, ..PoolSchema::default() }
}

fn searches(policy: &Policy, request: &SignUpRequest, there: &PoolSchema) -> Vec<Search> {
    lookups(policy, request, there).into_iter().map(|lookup| lookup.search).collect()
}

#[test]
fn the_other_pool_is_searched_for_the_matched_identity_and_every_sign_in_name() {
    let email = || Search::Email("pat@example.com".to_owned());
    let phone = || Search::Phone("+49301234567".to_owned());
    let pat = Search::Username(username("pat"));
    let who = request(
        Side::New,
        "pat",
        &[("email", "pat@example.com"), ("phone_number", "+49301234567")],
    );
    let by = |match_by: MatchBy, there: &PoolSchema| searches(&policy(match_by), &who, there);
    assert_eq!(by(MatchBy::Email, &by_email()), [email()]);
    assert_eq!(by(MatchBy::Email, &by_username()), [pat.clone(), email()]);
    assert_eq!(by(MatchBy::Phone, &by_email()), [email(), phone()]);
    assert_eq!(by(MatchBy::Username, &by_email()), [pat.clone(), email()]);
    let old_sub = MatchBy::OldSub(name("custom:old_sub"));
    let aliases = with_aliases(&["phone_number"]);
    assert_eq!(by(old_sub.clone(), &aliases), [pat.clone(), phone()]);
    assert_eq!(by(old_sub, &by_username()), [pat]);
}

#[test]
fn values_are_searched_in_the_other_pools_form_and_unchanged() {
    let policy = policy(MatchBy::Phone);
    let who = request(Side::New, "", &[("phone_number", "030 1234567")]);
    let forms = ["+49301234567", "030 1234567"].map(|form| Search::Phone(form.to_owned()));
    assert_eq!(searches(&policy, &who, &by_email()), forms);
    // A custom attribute in this pool is a sign-in name in the other pool.
    let who = request(Side::Old, "", &[("custom:handle", "Pat")]);
    let there = with_aliases(&["preferred_username"]);
    let forms = ["Pat", "pat"].map(|form| Search::PreferredUsername(form.to_owned()));
    assert_eq!(searches(&policy, &who, &there), forms);
}

#[test]
fn a_username_that_looks_like_an_alias_is_searched_for_as_one() {
    let policy = policy(MatchBy::Email);
    let who = request(Side::New, "Pat@Example.com", &[]);
    let found = searches(&policy, &who, &by_username());
    let name = |text: &str| Search::Username(username(text));
    let email = |text: &str| Search::Email(text.to_owned());
    assert_eq!(
        found,
        [
            name("Pat@Example.com"),
            name("pat@example.com"),
            email("Pat@Example.com"),
            email("pat@example.com"),
        ]
    );
}

#[test]
fn searches_are_limited_and_an_empty_value_is_not_searched_for() {
    let policy = policy(MatchBy::Email);
    let aliases = with_aliases(&["email", "phone_number", "preferred_username"]);
    let who = request(
        Side::Old,
        "+4930 Pat@x",
        &[
            ("email", "Pat@Example.com"),
            ("phone_number", "030 1234567"),
            ("preferred_username", "Patty"),
            ("custom:handle", "Patricia"),
        ],
    );
    let found = searches(&policy, &who, &aliases);
    assert!(found.len() < limits::GUARD_SEARCHES_MAX, "{}", found.len());
    assert_eq!(found.last(), Some(&Search::PreferredUsername("+4930 pat@x".to_owned())));
    let empty = request(Side::New, "", &[("email", ""), ("given_name", "Pat")]);
    assert_eq!(lookups(&policy, &empty, &aliases), []);
}

fn found(status: Status, verified: &str) -> Account {
    let mut account = account(&request(Side::Old, "", &[("email_verified", verified)])).unwrap();
    account.status = status;
    account
}

#[test]
fn unconfirmed_or_federated_account_holds_no_address() {
    let lookup =
        Lookup { search: Search::Email("pat@example.com".to_owned()), verified_only: false };
    for (status, held) in [
        (Status::Confirmed, true),
        (Status::ForceChangePassword, true),
        (Status::ResetRequired, true),
        (Status::Other, true),
        (Status::Unconfirmed, false),
        (Status::ExternalProvider, false),
    ] {
        assert_eq!(holds(&lookup, &found(status, "false")), held, "{status:?}");
    }
}

#[test]
fn an_unverified_alias_blocks_no_sign_up() {
    let who = request(Side::New, "", &[("email", "pat@example.com")]);
    let by_phone = policy(MatchBy::Phone);
    let alias = lookups(&by_phone, &who, &with_aliases(&["email"]));
    assert!(!holds(&alias[0], &found(Status::Confirmed, "false")));
    assert!(holds(&alias[0], &found(Status::Confirmed, "true")));
    // A username belongs to its account, verified or not.
    let own = lookups(&by_phone, &who, &by_email());
    assert!(holds(&own[0], &found(Status::Confirmed, "false")));
    // The identity by which people are matched is only a claim until it is verified.
    for there in [with_aliases(&["email"]), by_username()] {
        let matched = lookups(&policy(MatchBy::Email), &who, &there);
        assert!(!holds(&matched[0], &found(Status::Confirmed, "false")));
        assert!(holds(&matched[0], &found(Status::Confirmed, "true")));
    }
}

#[test]
fn username_of_a_federated_account_is_reserved_for_it() {
    let who = request(Side::New, "Google_1", &[]);
    for there in [by_username(), by_email()] {
        let by_name = lookups(&policy(MatchBy::Email), &who, &there);
        let name = by_name.iter().find(|it| matches!(it.search, Search::Username(_)));
        assert!(name.is_some_and(|it| holds(it, &found(Status::ExternalProvider, "true"))));
    }
}

#[test]
fn other_spellings_are_searched_in_a_case_sensitive_pool() {
    let who = request(Side::New, "pat", &[("email", "pat@example.com")]);
    let there = PoolSchema { case_sensitive: true, ..by_username() };
    let found = searches(&policy(MatchBy::Email), &who, &there);
    let name = |text: &str| Search::Username(username(text));
    let email = |text: &str| Search::Email(text.to_owned());
    let spellings = [name("pat"), name("Pat"), email("pat@example.com"), email("Pat@example.com")];
    assert_eq!(found, spellings);
}

#[test]
fn deleted_and_linked_people_and_open_creations_block_no_sign_up() {
    let known = |sub: &str| KnownAccount {
        sub: Sub::try_from(sub).unwrap(),
        username: username("pat"),
        seen: Time(0),
        written: None,
        gone: None,
    };
    let record = PersonRecord::new(PersonId::from_nonce(1), Side::Old, known("s-1"), Time(0));
    let (now, bound) = (Time(100_000), Duration::from_secs(10));
    let allows = |record: &PersonRecord, side| allows_sign_up(record, side, now, bound);
    assert!(!allows(&record, Side::New));
    let deleted = PersonRecord { state: PersonState::Deleted, ..record.clone() };
    assert!(allows(&deleted, Side::New));
    let mut linked = record.clone();
    linked.accounts.new = Some(known("s-2"));
    assert!(allows(&linked, Side::New));
    let creating = |side, until| PersonRecord {
        creation: Some(CreationIntent {
            side,
            username: username("pat"),
            fields: BTreeMap::new(),
            rules: BTreeSet::new(),
            at: Time(0),
            until: Time(until),
        }),
        ..record.clone()
    };
    assert!(allows(&creating(Side::New, 90_000), Side::New));
    assert!(
        !allows(&creating(Side::New, 89_999), Side::New),
        "the creation intent is no longer open"
    );
    assert!(!allows(&creating(Side::Old, 90_000), Side::New), "it concerns the other pool");
}
