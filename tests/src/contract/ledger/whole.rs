//! A person record with every field filled, the control item, and the counters.

use std::collections::{BTreeMap, BTreeSet};

use poolbridge_core::control::Control;
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::fingerprint::Fingerprint;
use poolbridge_core::names::{AttributeName, GroupName, PersonId};
use poolbridge_core::outcome::Reason;
use poolbridge_core::ports::Ledger;
use poolbridge_core::profile::{Factor, Field};
use poolbridge_core::record::{
    Apart, Baseline, BaselineField, BlockedField, CreationIntent, Decision, DecisionKind,
    DirectionChanges, FailedLookup, IntendedWrite, KnownAccount, Passwords, PersonRecord,
    PersonState, RepeatedFailure, WriteIntent,
};
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;
use poolbridge_core::tombstone::{Owed, Tombstone};
use tokio::task::JoinSet;

use super::{TableFixture, account, found, held, known};
use crate::contract::{Case, cases};

/// How many are counted at the same moment.
const AT_ONCE: i64 = 16;

pub(super) fn cases<S: TableFixture>() -> Vec<Case<S>> {
    cases![
        a_record_is_read_back_with_every_field,
        a_bridge_without_a_control_item_is_at_the_default,
        counters_add_up,
    ]
}

fn fields() -> Vec<Field> {
    let attribute = AttributeName::try_from("custom:dept é").expect("a name");
    let group = GroupName::try_from("staff # of \"all\" kinds").expect("a name");
    let factors = [Factor::Sms, Factor::Email, Factor::Totp].map(Field::Factor);
    let others = [
        Field::Enabled,
        Field::Email,
        Field::Phone,
        Field::Attribute(attribute),
        Field::Group(group),
    ];
    others.into_iter().chain(factors).collect()
}

fn fingerprint(byte: u8) -> Option<Fingerprint> {
    // Every third one says "absent", which differs from a missing one.
    (!byte.is_multiple_of(3)).then_some(Fingerprint { key: byte, bytes: [byte; 16] })
}

fn by_field<T>(make: impl Fn(u8) -> T) -> BTreeMap<Field, T> {
    fields().into_iter().zip(0..).map(|(field, at)| (field, make(at))).collect()
}

fn base(at: u8) -> BaselineField {
    BaselineField { fingerprint: fingerprint(at), rule: u32::MAX - u32::from(at) }
}

/// Accounts of both pools from which an operator separated a person.
fn apart(fixture: &impl TableFixture) -> Apart {
    let mut apart = Apart::default();
    for side in [Side::Old, Side::New, Side::New] {
        apart.note(side, known(fixture).sub);
    }
    apart
}

/// Every field filled, and every word of each closed list used once.
fn filled(fixture: &impl TableFixture, record: &PersonRecord) -> PersonRecord {
    let gone =
        KnownAccount { written: Some(Time(-5)), gone: Some(Time(i64::MAX)), ..known(fixture) };
    let reasons = Reason::PLAIN.into_iter().chain([Reason::PortError(ErrorKind::Throttled)]);
    let decisions = reasons.enumerate().map(|(at, reason)| Decision {
        at: Time(i64::try_from(at).unwrap_or_default()),
        kind: DecisionKind::ALL[at % DecisionKind::ALL.len()],
        fields: fields().iter().take(at % 4).map(ToString::to_string).collect(),
        side: [None, Some(Side::Old), Some(Side::New)][at % 3],
        reason: (at % 5 != 0).then_some(reason),
    });
    PersonRecord {
        id: record.id.clone(),
        salt: PersonId::from_nonce(fixture.nonce()),
        revision: u64::MAX - 1,
        accounts: BySide { old: record.accounts.old.clone(), new: Some(gone.clone()) },
        baseline: Some(Baseline {
            fields: by_field(base),
            rules: BTreeSet::from([0, 7, u32::MAX]),
        }),
        intent: Some(WriteIntent {
            fields: by_field(|at| IntendedWrite {
                side: Side::BOTH[usize::from(at) % 2],
                wanted: fingerprint(at),
                was: fingerprint(at + 1),
                rule: u32::from(at),
                answered: at % 3 == 0,
            }),
            modified: BySide { old: None, new: Some(Time(3)) },
            at: Time(1),
            until: Time(2),
        }),
        creation: Some(CreationIntent {
            side: Side::New,
            username: gone.username,
            fields: by_field(base),
            rules: BTreeSet::new(),
            at: Time(4),
            until: Time(5),
        }),
        owes_password: Some(Side::New),
        tombstone: Some(Tombstone { side: Side::New, at: Time(15), owed: Some(Owed::Delete) }),
        lease: record.lease.clone(),
        not_before: Time(6),
        state: PersonState::Conflict,
        reason: Some(Reason::PortError(ErrorKind::Unreadable)),
        blocked_fields: by_field(|at| BlockedField {
            reason: Reason::PLAIN[usize::from(at)],
            value: fingerprint(at),
            side: Side::Old,
            since: Time(7),
        }),
        failure: Some(RepeatedFailure {
            operation: "AdminCreateUser".to_owned(),
            kind: ErrorKind::AccountGone,
            count: 3,
            first: Time(16),
            last: Time(17),
        }),
        passwords: Passwords {
            set: BySide { old: Some(Time(8)), new: None },
            closed: BySide { old: None, new: Some(Time(9)) },
            owes_sign_out: BySide { old: false, new: true },
            unproven: BySide { old: Some(Time(16)), new: None },
            counted: BySide { old: None, new: Some(Time(17)) },
            open: BySide { old: Some(Reason::NoRecovery), new: None },
            reset: BySide { old: Some(false), new: Some(true) },
        },
        local_factors: BySide { old: true, new: false },
        failed_lookup: Some(FailedLookup { at: Time(10), key: fingerprint(1) }),
        direction_changes: by_field(|at| DirectionChanges {
            to: Side::New,
            count: u8::MAX - at,
            since: Time(11),
        }),
        decisions: decisions.collect(),
        apart: apart(fixture),
        linked: Some(Time(12)),
        created: Time(13),
        updated: Time(14),
    }
}

async fn a_record_is_read_back_with_every_field<S: TableFixture>(fixture: S) -> anyhow::Result<()> {
    let (record, lease) = held(&fixture, Side::Old).await?;
    let full = filled(&fixture, &record);
    fixture.ledger().join(&full, &lease.owner, Side::New).await?;
    for side in Side::BOTH {
        assert_eq!(found(&fixture, side, &account(&full, side)).await?.as_ref(), Some(&full));
    }
    for state in PersonState::ALL {
        let (record, lease) = held(&fixture, Side::New).await?;
        let bare = PersonRecord { state, revision: 2, lease: None, ..record };
        fixture.ledger().store(&bare, &lease.owner).await?;
        assert_eq!(fixture.person(&bare.id).await?.as_ref(), Some(&bare));
    }
    Ok(())
}

async fn a_bridge_without_a_control_item_is_at_the_default<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    assert_eq!(fixture.ledger().control().await?, Control::default());
    Ok(())
}

async fn counters_add_up<S: TableFixture>(fixture: S) -> anyhow::Result<()> {
    let count =
        |counted: &BTreeMap<PersonState, i64>, state| counted.get(&state).copied().unwrap_or(0);
    let before = fixture.counted().await?;
    let mut counts = JoinSet::new();
    for _ in 0..AT_ONCE {
        let fixture = fixture.clone();
        counts.spawn(async move {
            fixture.ledger().count(None, Some(PersonState::OnlyOld)).await?;
            fixture.ledger().count(Some(PersonState::OnlyOld), Some(PersonState::Synced)).await?;
            fixture.ledger().count(Some(PersonState::Synced), Some(PersonState::Synced)).await?;
            fixture.ledger().count(None, Some(PersonState::Held)).await?;
            fixture.ledger().count(Some(PersonState::Held), None).await?;
            fixture.ledger().count(None, Some(PersonState::OnlyOld)).await?;
            Ok::<_, PortError>(())
        });
    }
    while let Some(done) = counts.join_next().await {
        done??;
    }
    let after = fixture.counted().await?;
    for (state, by) in
        [(PersonState::OnlyOld, AT_ONCE), (PersonState::Synced, AT_ONCE), (PersonState::Held, 0)]
    {
        let counted = count(&after, state) - count(&before, state);
        assert_eq!(counted, by, "{}", state.name());
    }
    Ok(())
}
