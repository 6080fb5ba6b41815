//! What AWS does and the local stack cannot show: pools with aliases, federated accounts, second
//! factors, and constraints that no answer names. These cases run on the fakes only.
//!
//! Each case follows a page of Cognito's API reference or developer guide, or a user's report where
//! no page covers it. The comment names the source.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use poolbridge_core::account::{Account, AccountRef, Status};
use poolbridge_core::error::ErrorKind;
use poolbridge_core::names::{AttributeName, GroupName, Username};
use poolbridge_core::ports::Pool as _;
use poolbridge_core::profile::Factor;
use poolbridge_core::step::Action;

use super::Fake;
use crate::contract::pool::{PoolFixture as _, create, kind, read, request, setting, write};
use crate::contract::{Case, cases};
use crate::world::accounts::attribute;
use crate::world::fault_injection::{FaultInjection, FaultRates};

pub(super) fn cases() -> Vec<Case<Fake>> {
    cases![
        an_account_of_a_pool_with_aliases_is_found_by_a_listing_that_lags,
        a_federated_account_is_found_by_its_username_and_not_by_its_sub,
        a_factor_whose_codes_have_no_address_is_refused,
        factors_of_one_call_are_refused_together,
        a_constraint_that_the_schema_does_not_show_refuses_creations_and_updates,
        a_list_of_groups_may_answer_not_found_for_an_existing_account,
    ]
}

impl Fake {
    fn rates(&self, rates: FaultRates) {
        self.world.lock().fault_injection = FaultInjection::new(rates);
    }

    fn edit(&self, account_ref: &AccountRef, edit: impl FnOnce(&mut crate::world::accounts::Body)) {
        self.pass(Duration::from_millis(1));
        let mut state = self.world.lock();
        let now = state.now;
        if let Some(account) = state.pools.get_mut(self.side).get_mut(&account_ref.sub) {
            account.change(now, edit);
        }
    }
}

/// In a pool with aliases, a call by `sub` finds no account ("username or any alias; in a non-alias
/// pool also sub", page of `AdminGetUser`). So the adapter lists the username first, and listings
/// lag.
async fn an_account_of_a_pool_with_aliases_is_found_by_a_listing_that_lags(
    fixture: Fake,
) -> anyhow::Result<()> {
    let aliases = |aliases| fixture.world.lock().pools.new.schema.alias_attributes = aliases;
    if fixture.by_email() {
        return Ok(());
    }
    aliases(BTreeSet::from([attribute("email")]));
    let (_, wanted) = request(&fixture);
    fixture.pass(Duration::from_millis(1));
    let account_ref = create(&fixture, &wanted).await?;
    let nameless = AccountRef { username: None, ..account_ref.clone() };
    fixture.rates(FaultRates { stale_one_in: 1, stale_max: 1, ..FaultRates::none() });
    assert_eq!(fixture.pool().read(&nameless).await?, None, "the listing does not show it yet");
    fixture.rates(FaultRates { stale_one_in: 1, stale_max: 1, ..FaultRates::none() });
    let groups = fixture.pool().groups(&nameless).await;
    assert_eq!(kind(groups), ErrorKind::AccountGone);
    fixture.rates(FaultRates::none());
    assert_eq!(read(&fixture, &nameless).await?.sub, account_ref.sub);
    assert_eq!(
        read(&fixture, &account_ref).await?.sub,
        account_ref.sub,
        "the name needs no listing"
    );
    aliases(BTreeSet::new());
    Ok(())
}

/// "The username, or the sub of a *local* user" (page of `AdminGetUser`). The username of a
/// federated account consists of its provider's name and its id there.
async fn a_federated_account_is_found_by_its_username_and_not_by_its_sub(
    fixture: Fake,
) -> anyhow::Result<()> {
    let (_, wanted) = request(&fixture);
    fixture.pass(Duration::from_millis(1));
    let account_ref = create(&fixture, &wanted).await?;
    fixture.edit(&account_ref, |body| body.status = Status::ExternalProvider);
    let name = Username::try_from(format!("google_{}", fixture.nonce() & 0xffff).as_str());
    let name = name.expect("it is short");
    {
        let mut state = fixture.world.lock();
        let pool = state.pools.get_mut(fixture.side);
        pool.get_mut(&account_ref.sub).expect("it was created above").username = name.clone();
    }
    let found = read(&fixture, &AccountRef { username: Some(name), ..account_ref.clone() }).await?;
    assert_eq!(
        (found.sub.clone(), found.status),
        (account_ref.sub.clone(), Status::ExternalProvider)
    );
    // By `sub` alone, the account is found only if a listing shows it.
    let nameless = AccountRef { username: None, ..account_ref.clone() };
    assert_eq!(read(&fixture, &nameless).await?, found);
    fixture.rates(FaultRates { stale_one_in: 1, stale_max: 1, ..FaultRates::none() });
    assert_eq!(fixture.pool().read(&nameless).await?, None);
    fixture.rates(FaultRates::none());
    if fixture.by_email() {
        let as_local = Username::try_from(account_ref.sub.as_str()).ok();
        let asked = fixture.pool().read(&AccountRef { username: as_local, ..account_ref }).await?;
        assert_eq!(asked, None, "a sub is no name of a federated account");
    }
    Ok(())
}

/// "User does not have delivery config set to turn on `SMS_MFA`" (reported of
/// `AdminSetUserMFAPreference`, `InvalidParameterException`).
async fn a_factor_whose_codes_have_no_address_is_refused(fixture: Fake) -> anyhow::Result<()> {
    let (_, wanted) = request(&fixture);
    let account_ref = create(&fixture, &wanted).await?;
    let factors = BTreeSet::from([Factor::Sms, Factor::Email]);
    fixture.world.lock().pools.get_mut(fixture.side).schema.factors = factors;
    let sms = Action::SetFactors(BTreeMap::from([(Factor::Sms, true)]));
    assert_eq!(kind(write(&fixture, &account_ref, &sms).await), ErrorKind::Invalid);
    let phone = setting(&[("phone_number", "+12065550100"), ("phone_number_verified", "true")]);
    write(&fixture, &account_ref, &phone).await?;
    write(&fixture, &account_ref, &sms).await?;
    assert_eq!(read(&fixture, &account_ref).await?.factors, Some(BTreeSet::from([Factor::Sms])));
    fixture.world.lock().pools.get_mut(fixture.side).schema.factors = BTreeSet::new();
    Ok(())
}

/// One call sets every factor. If one factor cannot be set, the pool refuses all of them.
async fn factors_of_one_call_are_refused_together(fixture: Fake) -> anyhow::Result<()> {
    let (_, wanted) = request(&fixture);
    let account_ref = create(&fixture, &wanted).await?;
    let factors = BTreeSet::from([Factor::Sms, Factor::Email]);
    fixture.world.lock().pools.get_mut(fixture.side).schema.factors = factors;
    let both = Action::SetFactors(BTreeMap::from([(Factor::Sms, true), (Factor::Email, true)]));
    assert_eq!(kind(write(&fixture, &account_ref, &both).await), ErrorKind::Invalid);
    assert_eq!(read(&fixture, &account_ref).await?.factors, Some(BTreeSet::new()));
    let email = Action::SetFactors(BTreeMap::from([(Factor::Email, true)]));
    write(&fixture, &account_ref, &email).await?;
    assert_eq!(read(&fixture, &account_ref).await?.factors, Some(BTreeSet::from([Factor::Email])));
    fixture.world.lock().pools.get_mut(fixture.side).schema.factors = BTreeSet::new();
    Ok(())
}

/// Constraints of the schema (minimum lengths, ranges of numbers) apply at creation and at update.
/// The refusal names no attribute (`InvalidParameterException`).
async fn a_constraint_that_the_schema_does_not_show_refuses_creations_and_updates(
    fixture: Fake,
) -> anyhow::Result<()> {
    let short = |name: &AttributeName, value: &str| name.as_str() == "nickname" && value.len() < 3;
    fixture.world.lock().pools.get_mut(fixture.side).unsaid = Some(short);
    let (_, wanted) = request(&fixture);
    let mut short = wanted.clone();
    short.attributes.insert(attribute("nickname"), "x".to_owned());
    assert_eq!(kind(create(&fixture, &short).await), ErrorKind::Invalid);
    let account_ref = create(&fixture, &wanted).await?;
    let before = read(&fixture, &account_ref).await?;
    let action = setting(&[("nickname", "x"), ("given_name", "Bea")]);
    assert_eq!(kind(write(&fixture, &account_ref, &action).await), ErrorKind::Invalid);
    assert_eq!(read(&fixture, &account_ref).await?, before);
    write(&fixture, &account_ref, &setting(&[("nickname", "")])).await?;
    write(&fixture, &account_ref, &setting(&[("nickname", "xyz")])).await?;
    fixture.world.lock().pools.get_mut(fixture.side).unsaid = None;
    Ok(())
}

/// "Group add intermittently answers `UserNotFoundException`" (aws-amplify/amplify-cli 9869). So
/// the answer of a group operation proves nothing about the account.
async fn a_list_of_groups_may_answer_not_found_for_an_existing_account(
    fixture: Fake,
) -> anyhow::Result<()> {
    let (_, wanted) = request(&fixture);
    let account_ref = create(&fixture, &wanted).await?;
    fixture.rates(FaultRates { groups_gone_one_in: 1, groups_gone_max: 1, ..FaultRates::none() });
    assert_eq!(kind(fixture.pool().groups(&account_ref).await), ErrorKind::AccountGone);
    let found: Account = read(&fixture, &account_ref).await?;
    assert_eq!(found.sub, account_ref.sub);
    let none: BTreeSet<GroupName> = BTreeSet::new();
    assert_eq!(fixture.pool().groups(&account_ref).await?, none);
    Ok(())
}
