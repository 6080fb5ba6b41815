//! Limits on what the bridge writes. It writes a verified flag only with an address that was
//! verified, and an address only in its own spelling. It never creates a federated account.

use poolbridge_core::profile::Field;
use poolbridge_core::side::Side;

use super::WorldState;
use super::accounts::{Body, SimulatedAccount, attribute};
use super::connection::Call;
use super::departures::{OUTLASTED, outlasted};
use super::edits::Human;

/// The number of the federated person. Only an identity provider creates such an account.
pub const FEDERATED: Human = Human(700);

/// The address and the flag of each kind of address.
const ADDRESSES: [(&str, &str); 2] =
    [("email", "email_verified"), ("phone_number", "phone_number_verified")];

/// The address of that name, in lower case, if it is verified.
fn verified(body: &Body, (address, flag): (&str, &str)) -> Option<String> {
    let proved = body.attributes.get(&attribute(flag)).is_some_and(|flag| flag == "true");
    let address = body.attributes.get(&attribute(address)).filter(|_| proved)?;
    Some(address.to_lowercase())
}

/// A verified flag may be written only with an address that was verified on the other side at some
/// time. Judges the addresses that the call gives (`given`): the others are the person's own.
pub(super) fn judge_flags(
    state: &mut WorldState,
    call: Call,
    side: Side,
    human: Human,
    after: &Body,
    given: impl Fn(&Field) -> bool,
) {
    for (field, kind) in [(Field::Email, ADDRESSES[0]), (Field::Phone, ADDRESSES[1])] {
        if !given(&field) {
            continue;
        }
        let Some(address) = verified(after, kind) else { continue };
        let other = state.pools.get(side.other()).all().iter().filter(|one| one.human == human);
        let mut versions = other.flat_map(SimulatedAccount::versions);
        if !versions.any(|version| verified(&version.body, kind).as_ref() == Some(&address)) {
            if outlasted(state, human) {
                // The account in the other pool is one that the bridge made for another person.
                state.fault_injection.count(OUTLASTED);
                continue;
            }
            let detail = format!("{call}: a flag with {} that was never verified", kind.0);
            state.watch.violated("nothing is weakened", detail);
        }
    }
}

/// In a case-sensitive pool, an address that stays the same keeps its spelling.
pub(super) fn judge_spelling(
    state: &mut WorldState,
    call: Call,
    side: Side,
    before: &Body,
    after: &Body,
) {
    let email = attribute("email");
    let (was, is) = (before.attributes.get(&email), after.attributes.get(&email));
    let (Some(was), Some(is)) = (was, is) else { return };
    let respelled = was != is && was.eq_ignore_ascii_case(is);
    if state.pools.get(side).schema.case_sensitive && respelled {
        state.watch.violated(
            "an address keeps its spelling",
            format!("{call}: the spelling of an address changed"),
        );
    }
}

/// The bridge never creates a federated account: the identity provider does.
pub(super) fn judge_origin(state: &mut WorldState, call: Call, human: Human) {
    if human == FEDERATED {
        state.watch.violated("a federated account is never created", format!("{call}"));
    }
}
