//! Federated accounts: they link only by provider and provider user id, and settle in every pool.

use std::collections::BTreeSet;

use poolbridge_core::account::Status;
use poolbridge_core::change::Evidence;
use poolbridge_core::limits;
use poolbridge_core::mapping::Mapping;
use poolbridge_core::outcome::{Outcome, Reason};
use poolbridge_core::policy::{Deletes, MatchBy, Provision};
use poolbridge_core::record::PersonState;
use poolbridge_core::side::Side;
use poolbridge_tests::simulation::setup::Setup;
use poolbridge_tests::world::accounts::{Body, attribute};

use super::{change_schema, federated, folding, linked, named};

const PAT: &str = "pat@example.com";

#[test]
fn federated_account_never_links_to_local_account() {
    for (local_side, match_by) in [
        (Side::Old, MatchBy::Email),
        (Side::New, MatchBy::Email),
        (Side::Old, MatchBy::Username),
        (Side::Old, MatchBy::OldSub(attribute("custom:old_sub"))),
    ] {
        let mut setup = Setup::new(Provision::Lazy);
        setup.policy.match_by = match_by;
        let there = local_side.other();
        // The local person has the same username in this pool as the federated one in the other.
        let local = named(&setup, local_side, 1, "Google_1", PAT);
        let federated_account = federated(&setup, there, 1, "Google_1", PAT);
        setup.set(there, &federated_account, "custom:old_sub", local.as_str());
        setup.wait(limits::SETTLE * 12);
        for (side, sub) in [(local_side, &local), (there, &federated_account)] {
            let outcomes = setup.captured(side, sub);
            let record = setup.record(side, sub);
            let why = format!("{:?}, {outcomes:?}", setup.policy.match_by);
            assert_eq!(record.accounts.get(side.other()), &None, "linked by {why}");
            assert_eq!((record.state, record.reason), (PersonState::only(side), None), "{why}");
        }
    }
}

#[test]
fn local_account_does_not_name_federated_account_by_its_old_sub() {
    let mut setup = Setup::new(Provision::Lazy);
    let name = attribute("custom:old_sub");
    setup.policy.match_by = MatchBy::OldSub(name.clone());
    setup.policy.mapping =
        Mapping::new(Vec::new(), &BTreeSet::from([name.clone()]), false, true).unwrap();
    let federated_account = federated(&setup, Side::Old, 1, "Google_1", PAT);
    let local = setup.account(Side::New, 1, PAT, true);
    setup.set(Side::New, &local, name.as_str(), federated_account.as_str());
    setup.wait(limits::SETTLE * 12);
    setup.captured(Side::New, &local);
    assert_eq!(setup.record(Side::New, &local).accounts.old, None);
}

#[test]
fn federated_accounts_link_by_provider_and_provider_user_id() {
    for by_address in [false, true] {
        let mut setup = Setup::new(Provision::Lazy);
        if by_address {
            let email = || BTreeSet::from([attribute("email")]);
            change_schema(&setup, Side::New, |schema| schema.username_attributes = email());
        }
        // Other addresses; and the same address at another provider.
        let old = federated(&setup, Side::Old, 1, "Google_1", "one@example.com");
        let new = federated(&setup, Side::New, 1, "Google_1", "two@example.com");
        let other_federated = federated(&setup, Side::New, 2, "Okta_1", "one@example.com");
        setup.wait(limits::SETTLE * 12);
        setup.captured(Side::Old, &old);
        assert!(linked(&setup, &old, &new), "by address: {by_address}");
        setup.captured(Side::New, &other_federated);
        assert_eq!(setup.record(Side::New, &other_federated).accounts.old, None);
    }
}

#[test]
fn federated_accounts_of_one_provider_link_across_spellings() {
    let mut setup = Setup::new(Provision::Lazy);
    setup.policy.mapping = folding();
    change_schema(&setup, Side::New, |schema| schema.case_sensitive = false);
    let old = federated(&setup, Side::Old, 1, "Google_1", PAT);
    // A case-insensitive pool shows lower case.
    let new = federated(&setup, Side::New, 1, "google_1", "two@example.com");
    setup.wait(limits::SETTLE * 12);
    setup.captured(Side::New, &new);
    assert!(linked(&setup, &old, &new));
}

/// What happens to the person's own account when their federated account is deleted.
fn after_federated_deletion(deletes: Deletes) -> (Body, Vec<Outcome>) {
    let mut setup = Setup::new(Provision::Lazy);
    setup.policy.deletes = deletes;
    for (human, address) in [(8, "eight@example.com"), (9, "nine@example.com")] {
        setup.account(Side::New, human, address, true);
    }
    let local = setup.account(Side::Old, 1, PAT, true);
    let federated_account = federated(&setup, Side::New, 1, "Google_1", PAT);
    setup.wait(limits::SETTLE * 12);
    setup.captured(Side::Old, &local);
    setup.captured(Side::New, &federated_account);
    // The team links the provider to a new local account, for which it must delete the profile.
    setup.edit(Side::New, &federated_account, |body| body.exists = false);
    setup.account(Side::New, 2, PAT, true);
    let outcomes = setup.deleted(Side::New, &federated_account);
    (setup.body(Side::Old, &local), outcomes)
}

#[test]
fn deleting_a_federated_profile_disables_no_local_account() {
    let (body, outcomes) = after_federated_deletion(Deletes::Disable);
    assert!(body.enabled, "the person's own account was disabled: {outcomes:?}");
}

#[test]
fn deleting_a_federated_profile_deletes_no_local_account() {
    let (body, outcomes) = after_federated_deletion(Deletes::Delete);
    assert!(body.exists, "the person's own account was deleted: {outcomes:?}");
}

#[test]
fn federated_account_does_not_make_a_local_account_ambiguous() {
    for federated_side in Side::BOTH {
        let mut setup = Setup::new(Provision::Lazy);
        let old = setup.account(Side::Old, 1, PAT, true);
        federated(&setup, federated_side, 1, "Google_1", PAT);
        let new = setup.account(Side::New, 1, PAT, true);
        setup.wait(limits::SETTLE * 12);
        let outcomes = setup.captured(Side::Old, &old);
        assert!(
            linked(&setup, &old, &new),
            "federated account in the {federated_side} pool: {outcomes:?}"
        );
    }
}

#[test]
fn federated_account_does_not_block_the_address_of_a_local_account() {
    let mut setup = Setup::new(Provision::Lazy);
    let email = || BTreeSet::from([attribute("email")]);
    change_schema(&setup, Side::New, |schema| schema.alias_attributes = email());
    let (old, new) = setup.pair();
    federated(&setup, Side::New, 1, "Google_1", "two@example.com");
    setup.set(Side::Old, &old, "email", "two@example.com");
    let outcomes = setup.captured(Side::Old, &old);
    let there = setup.attribute(Side::New, &new, "email");
    assert_eq!(there.as_deref(), Some("two@example.com"), "{outcomes:?}");
}

#[test]
fn federated_account_is_never_created() {
    let mut setup = Setup::new(Provision::Eager);
    let federated_account = federated(&setup, Side::Old, 1, "Google_1", PAT);
    let outcomes = setup.captured(Side::Old, &federated_account);
    assert_eq!(setup.living(Side::New), 0, "{outcomes:?}");
    assert_eq!(setup.record(Side::Old, &federated_account).reason, Some(Reason::Federated));
}

#[test]
fn local_account_is_created_although_a_federated_one_exists() {
    let mut setup = Setup::new(Provision::Eager);
    let local = setup.account(Side::Old, 1, PAT, true);
    federated(&setup, Side::New, 1, "Google_1", PAT);
    setup.wait(limits::SETTLE * 12);
    let outcomes = setup.captured(Side::Old, &local);
    assert_eq!(setup.living(Side::New), 2, "{outcomes:?}");
}

#[test]
fn federated_account_in_a_pool_of_addresses_settles() {
    let mut setup = Setup::new(Provision::Lazy);
    let email = || BTreeSet::from([attribute("email")]);
    change_schema(&setup, Side::New, |schema| schema.username_attributes = email());
    let old = federated(&setup, Side::Old, 1, "Google_1", PAT);
    let new = federated(&setup, Side::New, 1, "Google_1", PAT);
    setup.wait(limits::SETTLE * 12);
    // The person's own first sign-in in the other pool.
    let sign_up = setup.change(Side::New, &new, Evidence::Confirmed);
    setup.wait(limits::SETTLE);
    setup.process(&sign_up);
    assert!(linked(&setup, &old, &new));
    setup.capture(Side::Old, &old);
    for _ in 0..200 {
        setup.wait(limits::SETTLE);
        let change = setup.change(Side::Old, &old, Evidence::Hint);
        setup.wait(limits::SETTLE);
        let outcome = setup.process(&change).outcome;
        assert!(!matches!(outcome, Outcome::Retry(..)), "{outcome:?}");
    }
    assert!(setup.world.lock().table.pending_changes.is_empty(), "a pending change is left");
    // A change travels to an account that no call by `sub` reaches.
    setup.set(Side::Old, &old, "name", "Pat");
    setup.captured(Side::Old, &old);
    assert_eq!(setup.attribute(Side::New, &new, "name").as_deref(), Some("Pat"));
}

#[test]
fn pool_of_federated_accounts_has_canary_accounts() {
    let mut setup = Setup::new(Provision::Lazy);
    let email = || BTreeSet::from([attribute("email")]);
    change_schema(&setup, Side::New, |schema| schema.username_attributes = email());
    let old = federated(&setup, Side::Old, 1, "Google_1", PAT);
    let new = federated(&setup, Side::New, 1, "Google_1", PAT);
    federated(&setup, Side::New, 2, "Google_2", "two@example.com");
    setup.wait(limits::SETTLE * 12);
    setup.captured(Side::Old, &old);
    assert!(linked(&setup, &old, &new));
    setup.edit(Side::New, &new, |body| body.exists = false);
    let outcomes = setup.deleted(Side::New, &new);
    assert_eq!(setup.record(Side::Old, &old).state, PersonState::Deleted, "{outcomes:?}");
    assert!(!setup.body(Side::Old, &old).enabled);
}

#[test]
fn account_that_becomes_local_is_matched_like_one() {
    let mut setup = Setup::new(Provision::Lazy);
    let local = setup.account(Side::Old, 1, PAT, true);
    let federated_account = federated(&setup, Side::New, 1, "Google_1", PAT);
    setup.wait(limits::SETTLE * 12);
    setup.captured(Side::New, &federated_account);
    assert_eq!(setup.record(Side::New, &federated_account).accounts.old, None);
    // An administrator sets a password, which makes it a local account.
    setup.edit(Side::New, &federated_account, |body| body.status = Status::Confirmed);
    setup.captured(Side::New, &federated_account);
    assert!(
        linked(&setup, &local, &federated_account),
        "a failed search counted for another kind of account"
    );
}
