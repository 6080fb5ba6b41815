//! What must hold for a quiescent world, and whenever the bridge reports "drained".

use std::collections::BTreeSet;

use poolbridge_core::account::Status;
use poolbridge_core::drain::Outstanding;
use poolbridge_core::outcome::Reason;
use poolbridge_core::policy::ConflictRule;
use poolbridge_core::profile::{Field, FieldState, Profile};
use poolbridge_core::record::{PersonRecord, PersonState};
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;

use super::deletions;
use super::initial_state::{Setting, eager};
use super::oracle;
use super::passwords;
use crate::world::WorldState;
use crate::world::accounts::{Body, SimulatedAccount, attribute};
use crate::world::deletions::{creation_intent_expired, has_deleted};
use crate::world::edits::Human;

/// A human whose two accounts belong to one person record.
pub struct Linked<'a> {
    /// The person.
    pub record: &'a PersonRecord,
    /// The accounts.
    pub accounts: BySide<&'a SimulatedAccount>,
    /// The profiles.
    pub profile: BySide<Profile>,
}

/// Both accounts of that human, if they exist and are linked.
pub fn linked<'a>(state: &'a WorldState, setting: &Setting, human: Human) -> Option<Linked<'a>> {
    let (old, new) = (state.pools.old.of(human)?, state.pools.new.of(human)?);
    let record = state.table.find(Side::Old, &old.sub)?;
    let same = state.table.find(Side::New, &new.sub).is_some_and(|other| other.id == record.id);
    let known = |side: Side, account: &SimulatedAccount| {
        record.accounts.get(side).as_ref().is_some_and(|known| known.sub == account.sub)
    };
    let both = same && known(Side::Old, old) && known(Side::New, new);
    let profile = BySide {
        old: setting.profile(&state.pools, Side::Old, old),
        new: setting.profile(&state.pools, Side::New, new),
    };
    both.then_some(Linked { record, accounts: BySide { old, new }, profile })
}

/// The fields in which a linked human's two sides differ, except for held fields.
fn differences(state: &WorldState, setting: &Setting, human: Human) -> Vec<String> {
    let Some(Linked { record, profile, .. }) = linked(state, setting, human) else {
        return Vec::new();
    };
    let BySide { old, new } = profile;
    let held = old.present().chain(new.present()).map(|(field, _)| field);
    let fields: BTreeSet<&Field> = held.collect();
    let differs = |field: &&&Field| {
        let (one, other) = (old.get(field), new.get(field));
        let unread = one == FieldState::Unknown || other == FieldState::Unknown;
        !unread && one != other && !record.blocked_fields.contains_key(**field)
    };
    fields.iter().filter(differs).map(|field| format!("{field} of human {}", human.0)).collect()
}

fn is_blocked(record: &PersonRecord) -> bool {
    matches!(record.state, PersonState::Held | PersonState::Conflict)
}

/// The outstanding work in the table, folded as the adapters fold it.
pub fn outstanding(state: &WorldState, asked: Time) -> Outstanding {
    let mut seen = Outstanding::default();
    for pending in state.table.pending_changes.values() {
        seen.add_pending(pending, state.table.find(pending.side, &pending.sub), asked, state.now);
    }
    for person in state.table.people.values() {
        seen.person(person, asked, state.now);
    }
    seen
}

/// The bridge reported that everything before `asked` is drained. So every earlier change must be
/// applied, except for people who were edited since.
pub fn drained_up_to(
    state: &mut WorldState,
    setting: &Setting,
    under_capture: &BTreeSet<Human>,
    asked: Time,
) {
    let later = state.edits.all().iter().filter(|edit| edit.at > asked);
    let later: BTreeSet<Human> = later.map(|edit| edit.human).collect();
    drained(state, setting, &under_capture.union(&later).copied().collect());
}

/// The bridge reported that everything is drained. So everything that was captured must be applied.
pub fn drained(state: &mut WorldState, setting: &Setting, under_capture: &BTreeSet<Human>) {
    let mut found = Vec::new();
    for &human in &setting.humans {
        let is_checked = state.edits.captured(human) && !under_capture.contains(&human);
        let held = linked(state, setting, human).is_some_and(|it| is_blocked(it.record));
        if is_checked && !held {
            found.extend(differences(state, setting, human));
        }
    }
    if !found.is_empty() {
        state.watch.violated("drained is reported only when it is true", found.join(", "));
    }
}

/// The world is quiescent, and no sweep was needed for what was captured.
pub fn captured_changes_travelled(state: &mut WorldState, setting: &Setting) {
    let mut found = Vec::new();
    for &human in setting.humans.iter().filter(|human| state.edits.captured(**human)) {
        found.extend(differences(state, setting, human));
    }
    if !found.is_empty() {
        state.watch.violated("a captured change needs no sweep", found.join(", "));
    }
}

/// Everything that must hold at the end.
pub fn at_the_end(state: &mut WorldState, setting: &Setting) {
    let mut found: Vec<(&'static str, String)> = Vec::new();
    for &human in &setting.humans {
        let different = differences(state, setting, human);
        found.extend(different.into_iter().map(|detail| ("both sides agree", detail)));
        obstacles_have_causes(state, setting, human, &mut found);
        together(state, setting, human, &mut found);
    }
    if state.watch.writes > 0 {
        let detail = format!("{} writes in a sweep of a world at rest", state.watch.writes);
        found.push(("no echo", detail));
    }
    for record in state.table.people.values().filter(|record| !is_blocked(record)) {
        if record.intent.is_some() || record.creation.is_some() {
            found.push(("no intent is left open", format!("{:?}", record.accounts)));
        }
    }
    pointers(state, &mut found);
    deletions::check_all(state, setting, &mut found);
    no_link_without_proof(state, &mut found);
    passwords::check_all(state, setting, &mut found);
    for (promise, detail) in found {
        state.watch.violated(promise, detail);
    }
    for &human in &setting.humans {
        // An edit of an account that was deleted is gone with it.
        if Side::BOTH.into_iter().any(|side| has_deleted(state, human, side)) {
            continue;
        }
        oracle::check_no_lost_edit(state, setting, human);
    }
}

/// Each account belongs to one person, and each person's accounts point to that person.
fn pointers(state: &WorldState, found: &mut Vec<(&'static str, String)>) {
    for side in Side::BOTH {
        for account in state.pools.get(side).all() {
            let claims = state.table.people.values().filter(|record| {
                record.accounts.get(side).as_ref().is_some_and(|known| known.sub == account.sub)
            });
            let claims: Vec<&PersonRecord> = claims.collect();
            let owner = state.table.find(side, &account.sub).map(|record| &record.id);
            let one = match claims.as_slice() {
                [] => owner.is_none(),
                [only] => owner == Some(&only.id),
                _ => false,
            };
            if !one {
                let detail = format!("{} is claimed by {} people", account.sub, claims.len());
                found.push(("each account belongs to one person", detail));
            }
        }
    }
}

fn verified(body: &Body) -> Option<String> {
    let flag = body.attributes.get(&attribute("email_verified"))?;
    let address = body.attributes.get(&attribute("email"))?;
    (flag == "true").then(|| address.to_lowercase())
}

/// No account was linked without proof.
fn no_link_without_proof(state: &WorldState, found: &mut Vec<(&'static str, String)>) {
    for record in state.table.people.values() {
        let account = |side: Side| {
            let known = record.accounts.get(side).as_ref()?;
            state.account(side, &known.sub)
        };
        let (Some(old), Some(new)) = (account(Side::Old), account(Side::New)) else { continue };
        let addresses = |one: &SimulatedAccount| -> BTreeSet<String> {
            one.versions().iter().filter_map(|version| verified(&version.body)).collect()
        };
        let initial = record.linked == Some(crate::world::WORLD_START);
        let proved = initial
            || old.by_bridge
            || new.by_bridge
            || addresses(old).intersection(&addresses(new)).next().is_some();
        let different_humans = old.human != new.human && !creation_intent_expired(state, old.human);
        if different_humans || !proved {
            let detail = format!("{} and {}", old.sub, new.sub);
            found.push(("no account is linked without proof", detail));
        }
    }
}

/// Every person who can be linked is linked, and every person to be created is created.
fn together(
    state: &WorldState,
    setting: &Setting,
    human: Human,
    found: &mut Vec<(&'static str, String)>,
) {
    let sign_in_address = |account: &SimulatedAccount| {
        let body = account.body();
        let address = verified(body)?;
        let alone = Side::BOTH.into_iter().all(|side| {
            let pool = state.pools.get(side);
            // An unverified address blocks no other account, except where it is the username.
            let counts = |body: &Body| pool.by_address() || verified(body).is_some();
            let others = pool.living().filter(|one| one.human != human).map(SimulatedAccount::body);
            let local = others.filter(|body| body.status != Status::ExternalProvider);
            let mut addresses = local
                .filter(|body| counts(body))
                .filter_map(|body| body.attributes.get(&attribute("email")));
            !addresses.any(|held| held.to_lowercase() == address)
        });
        let travels = !matches!(body.status, Status::Unconfirmed | Status::ExternalProvider);
        (alone && travels).then_some((address, body.enabled))
    };
    let accounts = BySide::from_fn(|side| state.pools.get(side).of(human));
    let ways = BySide::from_fn(|side| accounts.get(side).and_then(sign_in_address));
    let gone = Side::BOTH.into_iter().any(|side| has_deleted(state, human, side));
    match (accounts.old, accounts.new) {
        (Some(_), Some(_)) => {
            let same = matches!((&ways.old, &ways.new), (Some(old), Some(new)) if old.0 == new.0);
            if same && !gone && linked(state, setting, human).is_none() {
                found.push((
                    "every pair that can be linked is linked",
                    format!("human {}", human.0),
                ));
            }
        }
        (Some(_), None) | (None, Some(_)) => {
            let enabled = [ways.old, ways.new].into_iter().flatten().any(|(_, enabled)| enabled);
            if eager(&setting.policy) && enabled && !gone {
                found
                    .push(("every account to be created is created", format!("human {}", human.0)));
            }
        }
        (None, None) => {}
    }
}

/// Every held field must have a cause in the pools, the policy or the person.
fn obstacles_have_causes(
    state: &WorldState,
    setting: &Setting,
    human: Human,
    found: &mut Vec<(&'static str, String)>,
) {
    let Some(Linked { record, accounts, .. }) = linked(state, setting, human) else { return };
    let policy = &setting.policy;
    let unproved = [&accounts.old, &accounts.new].iter().any(|one| verified(one.body()).is_none());
    let email = attribute("email");
    let signs_in = Side::BOTH.iter().any(|side| state.pools.get(*side).schema.signs_in_by(&email));
    let lacking = |field: &Field| {
        let lacks = |side: &Side| {
            let groups = &state.pools.get(*side).schema.groups;
            !groups.iter().any(|group| *field == Field::Group(group.clone()))
        };
        matches!(field, Field::Group(_)) && Side::BOTH.iter().any(lacks)
    };
    let refused = |field: &Field| {
        let refused = |side| {
            let sub = accounts.get(side).sub.clone();
            state.watch.refused.contains(&(side, sub, field.clone()))
        };
        Side::BOTH.into_iter().any(refused)
    };
    for (field, blocked_field) in &record.blocked_fields {
        let reason = blocked_field.reason;
        let is_factor = matches!(field, Field::Factor(_));
        let outdated = record.passwords.stale(record.linked).is_some();
        let fair = (reason == Reason::Conflict && policy.conflicts == ConflictRule::Hold)
            || (reason == Reason::Immutable && *field == Field::Attribute(attribute("nickname")))
            || (reason == Reason::GroupMissing && lacking(field))
            || (reason == Reason::RefusedByPool && refused(field))
            || (reason == Reason::AddressUnverified && field.is_address() && unproved && signs_in)
            || (reason == Reason::LastFactor && is_factor)
            || (reason == Reason::StaleSide && (field.is_address() || is_factor) && outdated);
        if !fair {
            let detail = format!("{field} of human {}: {}", human.0, blocked_field.reason);
            found.push(("nothing is held without a cause", detail));
        }
    }
}
