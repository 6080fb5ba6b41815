//! Every person record that can be stored, for the properties.

use super::*;

pub(super) fn sides() -> impl Strategy<Value = Side> {
    select(Side::BOTH.to_vec())
}

pub(super) fn times() -> impl Strategy<Value = Time> {
    any::<i64>().prop_map(Time)
}

pub(super) fn fingerprints() -> impl Strategy<Value = Option<Fingerprint>> {
    maybe((any::<u8>(), any::<[u8; 16]>()).prop_map(|(key, bytes)| Fingerprint { key, bytes }))
}

fn fields() -> impl Strategy<Value = Field> {
    let factors = vec![Factor::Sms, Factor::Email, Factor::Totp];
    prop_oneof![
        select(vec![Field::Enabled, Field::Email, Field::Phone]),
        select(factors).prop_map(Field::Factor),
        "custom:[a-z.é]{1,20}"
            .prop_map(|name| { Field::Attribute(AttributeName::try_from(name.as_str()).unwrap()) }),
        "[!-~ñ]{1,128}".prop_map(|name| Field::Group(GroupName::try_from(name.as_str()).unwrap())),
    ]
}

pub(super) fn usernames() -> impl Strategy<Value = Username> {
    "[!-~ü]{1,128}".prop_map(|name| Username::try_from(name.as_str()).unwrap())
}

pub(super) fn reasons() -> impl Strategy<Value = Reason> {
    let mut all = Reason::PLAIN.to_vec();
    all.extend([ErrorKind::Throttled, ErrorKind::Newer].map(Reason::PortError));
    select(all)
}

fn by_sides<T: std::fmt::Debug>(
    make: impl Strategy<Value = T> + Clone,
) -> impl Strategy<Value = BySide<T>> {
    (make.clone(), make).prop_map(|(old, new)| BySide { old, new })
}

fn bases() -> impl Strategy<Value = BaselineField> {
    (fingerprints(), any::<u32>())
        .prop_map(|(fingerprint, rule)| BaselineField { fingerprint, rule })
}

pub(super) fn known() -> impl Strategy<Value = KnownAccount> + Clone {
    ("[!-~]{1,128}", usernames(), times(), maybe(times()), maybe(times()))
        .prop_map(|(sub, username, seen, written, gone)| {
            let sub = Sub::try_from(sub.as_str()).unwrap();
            KnownAccount { sub, username, seen, written, gone }
        })
        .boxed()
}

fn creations() -> impl Strategy<Value = CreationIntent> {
    let bases = btree_map(fields(), bases(), 0..4);
    (sides(), usernames(), bases, btree_set(any::<u32>(), 0..4), times(), times()).prop_map(
        |(side, username, fields, rules, at, until)| CreationIntent {
            side,
            username,
            fields,
            rules,
            at,
            until,
        },
    )
}

fn intents() -> impl Strategy<Value = WriteIntent> {
    let intended = (sides(), fingerprints(), fingerprints(), any::<u32>(), any::<bool>()).prop_map(
        |(side, wanted, was, rule, answered)| IntendedWrite { side, wanted, was, rule, answered },
    );
    let modified = by_sides(maybe(times()).boxed());
    (btree_map(fields(), intended, 0..4), modified, times(), times())
        .prop_map(|(fields, modified, at, until)| WriteIntent { fields, modified, at, until })
}

fn tombstones() -> impl Strategy<Value = Tombstone> {
    let owed = select(vec![Owed::Disable, Owed::Delete]);
    (sides(), times(), maybe(owed)).prop_map(|(side, at, owed)| Tombstone { side, at, owed })
}

fn leases() -> impl Strategy<Value = Lease> {
    (any::<u128>(), times(), times()).prop_map(|(owner, until, free_at)| Lease {
        owner: Owner::from_nonce(owner),
        until,
        free_at,
    })
}

fn decisions() -> impl Strategy<Value = Decision> {
    let named = vec(fields().prop_map(|field| field.to_string()), 0..3);
    let kinds = select(DecisionKind::ALL.to_vec());
    (times(), kinds, named, maybe(sides()), maybe(reasons()))
        .prop_map(|(at, kind, fields, side, reason)| Decision { at, kind, fields, side, reason })
}

type BlockedFields =
    (BTreeMap<Field, BlockedField>, BTreeMap<Field, DirectionChanges>, Vec<Decision>);

fn troubles() -> impl Strategy<Value = BlockedFields> {
    let blocked_field = (reasons(), fingerprints(), sides(), times())
        .prop_map(|(reason, value, side, since)| BlockedField { reason, value, side, since });
    let direction_changes = (sides(), any::<u8>(), times())
        .prop_map(|(to, count, since)| DirectionChanges { to, count, since });
    (
        btree_map(fields(), blocked_field, 0..4),
        btree_map(fields(), direction_changes, 0..3),
        vec(decisions(), 0..5),
    )
}

fn agreements() -> impl Strategy<Value = Baseline> {
    let rules: BoxedStrategy<BTreeSet<u32>> = btree_set(any::<u32>(), 0..5).boxed();
    (btree_map(fields(), bases(), 0..6), rules)
        .prop_map(|(fields, rules)| Baseline { fields, rules })
}

fn separations() -> impl Strategy<Value = Apart> {
    vec((sides(), "[!-~]{1,128}"), 0..4).prop_map(|accounts| {
        let mut apart = Apart::default();
        for (side, sub) in accounts {
            apart.note(side, Sub::try_from(sub.as_str()).unwrap());
        }
        apart
    })
}

/// Every field of a person record, and every word of each closed list.
pub(super) fn records() -> impl Strategy<Value = PersonRecord> {
    let head = (any::<u128>(), any::<u128>(), any::<u64>(), select(PersonState::ALL.to_vec()));
    let work = (
        maybe(agreements()),
        maybe(intents()),
        maybe(creations()),
        maybe(leases()),
        by_sides(maybe(known()).boxed()),
    );
    let times_by_side = || by_sides(maybe(times()).boxed());
    let passwords = (
        (times_by_side(), times_by_side(), times_by_side(), times_by_side()),
        by_sides(any::<bool>().boxed()),
        by_sides(maybe(reasons()).boxed()),
        by_sides(maybe(any::<bool>()).boxed()),
    );
    let passwords = passwords.prop_map(|((set, closed, unproven, counted), out, open, reset)| {
        Passwords { set, closed, owes_sign_out: out, unproven, counted, open, reset }
    });
    let failed_lookup = (times(), fingerprints()).prop_map(|(at, key)| FailedLookup { at, key });
    let failure =
        ("[A-Za-z]{1,30}", select(ErrorKind::ALL.to_vec()), any::<u8>(), times(), times())
            .prop_map(|(operation, kind, count, first, last)| RepeatedFailure {
                operation,
                kind,
                count,
                first,
                last,
            });
    let rest = (
        maybe(sides()),
        maybe(reasons()),
        passwords,
        by_sides(any::<bool>().boxed()),
        maybe(failed_lookup),
        maybe(times()),
        [times().boxed(), times().boxed(), times().boxed()],
        maybe(tombstones()),
        maybe(failure),
        separations(),
    );
    (head, work, troubles(), rest).prop_map(|(head, work, troubles, rest)| {
        let (
            owes_password,
            reason,
            passwords,
            local_factors,
            failed_lookup,
            linked,
            at,
            tombstone,
            failure,
            apart,
        ) = rest;
        PersonRecord {
            id: PersonId::from_nonce(head.0),
            salt: PersonId::from_nonce(head.1),
            revision: head.2,
            state: head.3,
            baseline: work.0,
            intent: work.1,
            creation: work.2,
            lease: work.3,
            accounts: work.4,
            blocked_fields: troubles.0,
            direction_changes: troubles.1,
            decisions: troubles.2,
            apart,
            owes_password,
            tombstone,
            failure,
            reason,
            passwords,
            local_factors,
            failed_lookup,
            linked,
            not_before: at[0],
            created: at[1],
            updated: at[2],
        }
    })
}
