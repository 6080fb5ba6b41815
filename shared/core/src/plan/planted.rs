//! What a plan is without a rule of the protocol. Only tests build this file. Each function changes
//! nothing while its rule holds.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::PlanInput;
use crate::account::{Account, PoolSchema};
use crate::policy::Policy;
use crate::profile::{Field, FieldKind, FieldState, Profile, Value};
use crate::rules::Rule;
use crate::side::{BySide, Side};

/// `UnknownIsNotAbsent`: an unread list counts as an empty one.
pub(super) fn unread_as_empty(
    policy: &Policy,
    side: Side,
    account: &Account,
    schemas: &BySide<Arc<PoolSchema>>,
    profile: Profile,
) -> Profile {
    let unread = profile.kind_unknown(FieldKind::Groups);
    if policy.rules.keeps(Rule::UnknownIsNotAbsent) || !unread {
        return profile;
    }
    let empty = Account { groups: Some(BTreeSet::new()), ..account.clone() };
    policy.mapping.profile(side, &empty, schemas).0
}

/// `AddressWithFlag`: an address is merged without its flag, so the target's flag stays with the
/// source's address.
pub(super) fn without_flag(
    input: &PlanInput<'_>,
    field: &Field,
    value: FieldState,
    target: &FieldState,
) -> FieldState {
    if input.policy.rules.keeps(Rule::AddressWithFlag) || !field.is_address() {
        return value;
    }
    match (value, target) {
        (
            FieldState::Present(Value::Address { address, verified }),
            FieldState::Present(Value::Address { verified: kept, .. }),
        ) => FieldState::Present(Value::Address { address, verified: verified || *kept }),
        (value, _) => value,
    }
}
