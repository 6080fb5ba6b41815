//! Federated accounts: they link only by provider and provider user id, and settle in every pool.

use std::collections::BTreeSet;

use poolbridge_core::account::Status;
use poolbridge_core::change::Proof;
use poolbridge_core::entry::State as PersonState;
use poolbridge_core::limits;
use poolbridge_core::mapping::Mapping;
use poolbridge_core::policy::{Deletes, MatchBy, Provision};
use poolbridge_core::side::Side;
use poolbridge_core::verdict::{Reason, Verdict};
use poolbridge_tests::simulation::stage::Stage;
use poolbridge_tests::world::accounts::{Body, attribute};

use super::{federated, folding, linked, named, reshape};

const PAT: &str = "pat@example.com";

#[test]
fn federated_account_never_links_to_local_account() {
    for (local_side, match_by) in [
        (Side::Old, MatchBy::Email),
        (Side::New, MatchBy::Email),
        (Side::Old, MatchBy::Username),
        (Side::Old, MatchBy::OldSub(attribute("custom:old_sub"))),
    ] {
        let mut stage = Stage::new(Provision::Lazy);
        stage.policy.match_by = match_by;
        let there = local_side.other();
        // The local person has the same username in this pool as the federated one in the other.
        let local = named(&stage, local_side, 1, "Google_1", PAT);
        let twin = federated(&stage, there, 1, "Google_1", PAT);
        stage.set(there, &twin, "custom:old_sub", local.as_str());
        stage.wait(limits::SETTLE * 12);
        for (side, sub) in [(local_side, &local), (there, &twin)] {
            let verdicts = stage.captured(side, sub);
            let entry = stage.entry(side, sub);
            let why = format!("{:?}, {verdicts:?}", stage.policy.match_by);
            assert_eq!(entry.accounts.get(side.other()), &None, "linked by {why}");
            assert_eq!((entry.state, entry.reason), (PersonState::only(side), None), "{why}");
        }
    }
}

#[test]
fn local_account_does_not_name_federated_account_by_its_old_sub() {
    let mut stage = Stage::new(Provision::Lazy);
    let name = attribute("custom:old_sub");
    stage.policy.match_by = MatchBy::OldSub(name.clone());
    stage.policy.mapping =
        Mapping::new(Vec::new(), &BTreeSet::from([name.clone()]), false, true).unwrap();
    let twin = federated(&stage, Side::Old, 1, "Google_1", PAT);
    let local = stage.account(Side::New, 1, PAT, true);
    stage.set(Side::New, &local, name.as_str(), twin.as_str());
    stage.wait(limits::SETTLE * 12);
    stage.captured(Side::New, &local);
    assert_eq!(stage.entry(Side::New, &local).accounts.old, None);
}

#[test]
fn federated_accounts_link_by_provider_and_provider_user_id() {
    for by_address in [false, true] {
        let mut stage = Stage::new(Provision::Lazy);
        if by_address {
            let email = || BTreeSet::from([attribute("email")]);
            reshape(&stage, Side::New, |shape| shape.username_attributes = email());
        }
        // Other addresses; and the same address at another provider.
        let old = federated(&stage, Side::Old, 1, "Google_1", "one@example.com");
        let new = federated(&stage, Side::New, 1, "Google_1", "two@example.com");
        let stranger = federated(&stage, Side::New, 2, "Okta_1", "one@example.com");
        stage.wait(limits::SETTLE * 12);
        stage.captured(Side::Old, &old);
        assert!(linked(&stage, &old, &new), "by address: {by_address}");
        stage.captured(Side::New, &stranger);
        assert_eq!(stage.entry(Side::New, &stranger).accounts.old, None);
    }
}

#[test]
fn federated_accounts_of_one_provider_link_across_spellings() {
    let mut stage = Stage::new(Provision::Lazy);
    stage.policy.mapping = folding();
    reshape(&stage, Side::New, |shape| shape.case_sensitive = false);
    let old = federated(&stage, Side::Old, 1, "Google_1", PAT);
    // A case-insensitive pool shows lower case.
    let new = federated(&stage, Side::New, 1, "google_1", "two@example.com");
    stage.wait(limits::SETTLE * 12);
    stage.captured(Side::New, &new);
    assert!(linked(&stage, &old, &new));
}

/// What happens to the person's own account when their federated account is deleted.
fn after_the_twin(deletes: Deletes) -> (Body, Vec<Verdict>) {
    let mut stage = Stage::new(Provision::Lazy);
    stage.policy.deletes = deletes;
    for (human, address) in [(8, "eight@example.com"), (9, "nine@example.com")] {
        stage.account(Side::New, human, address, true);
    }
    let local = stage.account(Side::Old, 1, PAT, true);
    let twin = federated(&stage, Side::New, 1, "Google_1", PAT);
    stage.wait(limits::SETTLE * 12);
    stage.captured(Side::Old, &local);
    stage.captured(Side::New, &twin);
    // The team links the provider to a new local account, for which it must delete the profile.
    stage.edit(Side::New, &twin, |body| body.exists = false);
    stage.account(Side::New, 2, PAT, true);
    let verdicts = stage.deleted(Side::New, &twin);
    (stage.body(Side::Old, &local), verdicts)
}

#[test]
fn deleting_a_federated_profile_disables_no_local_account() {
    let (body, verdicts) = after_the_twin(Deletes::Disable);
    assert!(body.enabled, "the person's own account was disabled: {verdicts:?}");
}

#[test]
fn deleting_a_federated_profile_deletes_no_local_account() {
    let (body, verdicts) = after_the_twin(Deletes::Delete);
    assert!(body.exists, "the person's own account was deleted: {verdicts:?}");
}

#[test]
fn federated_account_does_not_make_its_local_neighbour_ambiguous() {
    for twin_side in Side::BOTH {
        let mut stage = Stage::new(Provision::Lazy);
        let old = stage.account(Side::Old, 1, PAT, true);
        federated(&stage, twin_side, 1, "Google_1", PAT);
        let new = stage.account(Side::New, 1, PAT, true);
        stage.wait(limits::SETTLE * 12);
        let verdicts = stage.captured(Side::Old, &old);
        assert!(linked(&stage, &old, &new), "twin in the {twin_side} pool: {verdicts:?}");
    }
}

#[test]
fn federated_account_blocks_no_address_of_its_local_neighbour() {
    let mut stage = Stage::new(Provision::Lazy);
    let email = || BTreeSet::from([attribute("email")]);
    reshape(&stage, Side::New, |shape| shape.alias_attributes = email());
    let (old, new) = stage.pair();
    federated(&stage, Side::New, 1, "Google_1", "two@example.com");
    stage.set(Side::Old, &old, "email", "two@example.com");
    let verdicts = stage.captured(Side::Old, &old);
    let there = stage.says(Side::New, &new, "email");
    assert_eq!(there.as_deref(), Some("two@example.com"), "{verdicts:?}");
}

#[test]
fn federated_account_is_never_created() {
    let mut stage = Stage::new(Provision::Eager);
    let twin = federated(&stage, Side::Old, 1, "Google_1", PAT);
    let verdicts = stage.captured(Side::Old, &twin);
    assert_eq!(stage.living(Side::New), 0, "{verdicts:?}");
    assert_eq!(stage.entry(Side::Old, &twin).reason, Some(Reason::Federated));
}

#[test]
fn local_account_is_created_although_a_federated_one_exists() {
    let mut stage = Stage::new(Provision::Eager);
    let local = stage.account(Side::Old, 1, PAT, true);
    federated(&stage, Side::New, 1, "Google_1", PAT);
    stage.wait(limits::SETTLE * 12);
    let verdicts = stage.captured(Side::Old, &local);
    assert_eq!(stage.living(Side::New), 2, "{verdicts:?}");
}

#[test]
fn federated_account_in_a_pool_of_addresses_settles() {
    let mut stage = Stage::new(Provision::Lazy);
    let email = || BTreeSet::from([attribute("email")]);
    reshape(&stage, Side::New, |shape| shape.username_attributes = email());
    let old = federated(&stage, Side::Old, 1, "Google_1", PAT);
    let new = federated(&stage, Side::New, 1, "Google_1", PAT);
    stage.wait(limits::SETTLE * 12);
    // The person's own first sign-in in the other pool.
    let sign_up = stage.change(Side::New, &new, Proof::Confirmed);
    stage.wait(limits::SETTLE);
    stage.look(&sign_up);
    assert!(linked(&stage, &old, &new));
    stage.capture(Side::Old, &old);
    for _ in 0..200 {
        stage.wait(limits::SETTLE);
        let change = stage.change(Side::Old, &old, Proof::Hint);
        stage.wait(limits::SETTLE);
        let verdict = stage.look(&change).verdict;
        assert!(!matches!(verdict, Verdict::Later(..)), "{verdict:?}");
    }
    assert!(stage.world.lock().table.marks.is_empty(), "a pending change is left");
    // A change travels to an account that no call by `sub` reaches.
    stage.set(Side::Old, &old, "name", "Pat");
    stage.captured(Side::Old, &old);
    assert_eq!(stage.says(Side::New, &new, "name").as_deref(), Some("Pat"));
}

#[test]
fn pool_of_federated_accounts_has_canary_accounts() {
    let mut stage = Stage::new(Provision::Lazy);
    let email = || BTreeSet::from([attribute("email")]);
    reshape(&stage, Side::New, |shape| shape.username_attributes = email());
    let old = federated(&stage, Side::Old, 1, "Google_1", PAT);
    let new = federated(&stage, Side::New, 1, "Google_1", PAT);
    federated(&stage, Side::New, 2, "Google_2", "two@example.com");
    stage.wait(limits::SETTLE * 12);
    stage.captured(Side::Old, &old);
    assert!(linked(&stage, &old, &new));
    stage.edit(Side::New, &new, |body| body.exists = false);
    let verdicts = stage.deleted(Side::New, &new);
    assert_eq!(stage.entry(Side::Old, &old).state, PersonState::Deleted, "{verdicts:?}");
    assert!(!stage.body(Side::Old, &old).enabled);
}

#[test]
fn account_that_becomes_local_is_matched_like_one() {
    let mut stage = Stage::new(Provision::Lazy);
    let local = stage.account(Side::Old, 1, PAT, true);
    let twin = federated(&stage, Side::New, 1, "Google_1", PAT);
    stage.wait(limits::SETTLE * 12);
    stage.captured(Side::New, &twin);
    assert_eq!(stage.entry(Side::New, &twin).accounts.old, None);
    // An administrator sets a password, which makes it a local account.
    stage.edit(Side::New, &twin, |body| body.status = Status::Confirmed);
    stage.captured(Side::New, &twin);
    assert!(linked(&stage, &local, &twin), "a failed search counted for another kind of account");
}
