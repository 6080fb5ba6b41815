//! A person record with every field filled, the control item, and the counters.

use std::collections::{BTreeMap, BTreeSet};

use poolbridge_core::entry::{
    Agreed, Apart, Base, Birth, Decision, DecisionKind, Entry, Flips, Intended, Intent, Known,
    Miss, Obstacle, Passwords, RepeatedFailure, State,
};
use poolbridge_core::facts::{Factor, Field};
use poolbridge_core::fault::{Fault, FaultKind};
use poolbridge_core::fingerprint::{Fingerprint, Print};
use poolbridge_core::names::{AttributeName, GroupName, PersonId};
use poolbridge_core::policy::Control;
use poolbridge_core::ports::Ledger;
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;
use poolbridge_core::tombstone::{Owed, Tombstone};
use poolbridge_core::verdict::Reason;
use tokio::task::JoinSet;

use super::{TableStand, account, found, held, known};
use crate::contract::{Case, cases};

/// How many are counted at the same moment.
const AT_ONCE: i64 = 16;

pub(super) fn cases<S: TableStand>() -> Vec<Case<S>> {
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

fn print(byte: u8) -> Print {
    // Every third one says "absent", which differs from a missing one.
    (!byte.is_multiple_of(3)).then_some(Fingerprint { key: byte, bytes: [byte; 16] })
}

fn by_field<T>(make: impl Fn(u8) -> T) -> BTreeMap<Field, T> {
    fields().into_iter().zip(0..).map(|(field, at)| (field, make(at))).collect()
}

fn base(at: u8) -> Base {
    Base { print: print(at), rule: u32::MAX - u32::from(at) }
}

/// Accounts of both pools from which an operator separated a person.
fn apart(stand: &impl TableStand) -> Apart {
    let mut apart = Apart::default();
    for side in [Side::Old, Side::New, Side::New] {
        apart.note(side, known(stand).sub);
    }
    apart
}

/// Every field filled, and every word of each closed list used once.
fn filled(stand: &impl TableStand, entry: &Entry) -> Entry {
    let gone = Known { written: Some(Time(-5)), gone: Some(Time(i64::MAX)), ..known(stand) };
    let reasons = Reason::PLAIN.into_iter().chain([Reason::Outside(FaultKind::Throttled)]);
    let decisions = reasons.enumerate().map(|(at, reason)| Decision {
        at: Time(i64::try_from(at).unwrap_or_default()),
        kind: DecisionKind::ALL[at % DecisionKind::ALL.len()],
        fields: fields().iter().take(at % 4).map(ToString::to_string).collect(),
        side: [None, Some(Side::Old), Some(Side::New)][at % 3],
        reason: (at % 5 != 0).then_some(reason),
    });
    Entry {
        id: entry.id.clone(),
        salt: PersonId::from_nonce(stand.nonce()),
        revision: u64::MAX - 1,
        accounts: BySide { old: entry.accounts.old.clone(), new: Some(gone.clone()) },
        agreed: Some(Agreed { fields: by_field(base), rules: BTreeSet::from([0, 7, u32::MAX]) }),
        intent: Some(Intent {
            fields: by_field(|at| Intended {
                side: Side::BOTH[usize::from(at) % 2],
                wanted: print(at),
                was: print(at + 1),
                rule: u32::from(at),
                answered: at % 3 == 0,
            }),
            modified: BySide { old: None, new: Some(Time(3)) },
            at: Time(1),
            until: Time(2),
        }),
        birth: Some(Birth {
            side: Side::New,
            username: gone.username,
            fields: by_field(base),
            rules: BTreeSet::new(),
            at: Time(4),
            until: Time(5),
        }),
        owes_password: Some(Side::New),
        tombstone: Some(Tombstone { side: Side::New, at: Time(15), owed: Some(Owed::Delete) }),
        lease: entry.lease.clone(),
        not_before: Time(6),
        state: State::Conflict,
        reason: Some(Reason::Outside(FaultKind::Unreadable)),
        obstacles: by_field(|at| Obstacle {
            reason: Reason::PLAIN[usize::from(at)],
            value: print(at),
            side: Side::Old,
            since: Time(7),
        }),
        failure: Some(RepeatedFailure {
            operation: "AdminCreateUser".to_owned(),
            kind: FaultKind::AccountGone,
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
        miss: Some(Miss { at: Time(10), key: print(1) }),
        flips: by_field(|at| Flips { to: Side::New, count: u8::MAX - at, since: Time(11) }),
        decisions: decisions.collect(),
        apart: apart(stand),
        linked: Some(Time(12)),
        created: Time(13),
        updated: Time(14),
    }
}

async fn a_record_is_read_back_with_every_field<S: TableStand>(stand: S) -> anyhow::Result<()> {
    let (entry, lease) = held(&stand, Side::Old).await?;
    let full = filled(&stand, &entry);
    stand.ledger().join(&full, &lease.owner, Side::New).await?;
    for side in Side::BOTH {
        assert_eq!(found(&stand, side, &account(&full, side)).await?.as_ref(), Some(&full));
    }
    for state in State::ALL {
        let (entry, lease) = held(&stand, Side::New).await?;
        let bare = Entry { state, revision: 2, lease: None, ..entry };
        stand.ledger().store(&bare, &lease.owner).await?;
        assert_eq!(stand.person(&bare.id).await?.as_ref(), Some(&bare));
    }
    Ok(())
}

async fn a_bridge_without_a_control_item_is_at_the_default<S: TableStand>(
    stand: S,
) -> anyhow::Result<()> {
    assert_eq!(stand.ledger().control().await?, Control::default());
    Ok(())
}

async fn counters_add_up<S: TableStand>(stand: S) -> anyhow::Result<()> {
    let count = |counted: &BTreeMap<State, i64>, state| counted.get(&state).copied().unwrap_or(0);
    let before = stand.counted().await?;
    let mut counts = JoinSet::new();
    for _ in 0..AT_ONCE {
        let stand = stand.clone();
        counts.spawn(async move {
            stand.ledger().count(None, Some(State::OnlyOld)).await?;
            stand.ledger().count(Some(State::OnlyOld), Some(State::Synced)).await?;
            stand.ledger().count(Some(State::Synced), Some(State::Synced)).await?;
            stand.ledger().count(None, Some(State::Held)).await?;
            stand.ledger().count(Some(State::Held), None).await?;
            stand.ledger().count(None, Some(State::OnlyOld)).await?;
            Ok::<_, Fault>(())
        });
    }
    while let Some(done) = counts.join_next().await {
        done??;
    }
    let after = stand.counted().await?;
    for (state, by) in [(State::OnlyOld, AT_ONCE), (State::Synced, AT_ONCE), (State::Held, 0)] {
        let counted = count(&after, state) - count(&before, state);
        assert_eq!(counted, by, "{}", state.name());
    }
    Ok(())
}
