//! Two other people with the first human's address: a federated account, and a local account that
//! has not verified the address.

use std::collections::{BTreeMap, BTreeSet};

use poolbridge_core::account::Status;
use poolbridge_core::names::Username;
use poolbridge_core::side::Side;

use super::initial_state::{Setting, add, origins, set_initial};
use super::parameters::WorldParameters;
use crate::world::WorldState;
use crate::world::accounts::{Password, attribute};
use crate::world::edits::Human;
pub use crate::world::write_checks::FEDERATED;

/// The number of the person with an unverified address that is not theirs.
pub const CLAIMANT: Human = Human(900);

/// Adds them, if the profile asks for some.
pub fn add_accounts(state: &mut WorldState, setting: &mut Setting, parameters: &WorldParameters) {
    let same_address_accounts = parameters.same_address_accounts;
    if parameters.claimant || (same_address_accounts && state.chooser.choose(4, "a claimant") == 1)
    {
        claimant(state, setting);
    }
    if same_address_accounts && state.chooser.choose(4, "a federated account") == 1 {
        federated(state, setting);
    }
}

/// Adds an account to the new pool with the first human's address, unverified. Where usernames are
/// addresses, Cognito refuses such an account, so none is added.
fn claimant(state: &mut WorldState, setting: &mut Setting) {
    let side = Side::New;
    let Some(first_human) = setting.humans.first().copied() else { return };
    if state.pools.get(side).by_address() {
        return;
    }
    let values = BTreeMap::from([(attribute("name"), "impostor".to_owned())]);
    state.fault_injection.count("claimed address");
    add(state, CLAIMANT, side, values, true, BTreeSet::new());
    set_initial(state, CLAIMANT, side, |body| {
        body.attributes.insert(attribute("email"), format!("h{}@example.com", first_human.0));
        body.attributes.insert(attribute("email_verified"), "false".to_owned());
    });
    setting.humans.push(CLAIMANT);
    origins(state, setting, CLAIMANT);
}

/// The first human's address in an account of an identity provider, which says that it is verified.
fn federated(state: &mut WorldState, setting: &mut Setting) {
    let side = Side::BOTH[state.chooser.choose(2, "which pool is federated")];
    let Some(first_human) = setting.humans.first().copied() else { return };
    let values = BTreeMap::from([(attribute("name"), "federated".to_owned())]);
    state.fault_injection.count("federated account");
    add(state, FEDERATED, side, values, true, BTreeSet::new());
    set_initial(state, FEDERATED, side, |body| {
        body.attributes.insert(attribute("email"), format!("h{}@example.com", first_human.0));
        (body.status, body.password) = (Status::ExternalProvider, Password::Unknown);
    });
    let pool = state.pools.get_mut(side);
    let sub = pool.of(FEDERATED).map(|account| account.sub.clone());
    if let Some(account) = sub.and_then(|sub| pool.get_mut(&sub)) {
        account.username = Username::try_from("Provider_700").expect("it is short and printable");
    }
    setting.humans.push(FEDERATED);
    origins(state, setting, FEDERATED);
}
