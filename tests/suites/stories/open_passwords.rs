//! Outdated passwords that stay open: the person could not set a new one, or the circuit breaker
//! stops the closing.

use std::time::Duration;

use poolbridge_core::breaker::Breaker;
use poolbridge_core::limits;
use poolbridge_core::names::Sub;
use poolbridge_core::outcome::Reason;
use poolbridge_core::policy::Provision;
use poolbridge_core::profile::Factor;
use poolbridge_core::record::{DecisionKind, PersonState};
use poolbridge_core::side::Side;
use poolbridge_tests::simulation::setup::Setup;
use poolbridge_tests::world::accounts::attribute;

use super::passwords::{closed, decided, new_password, noted, settled};

/// A pair in which the person could not set a new password for the new account.
fn locked_in(lock: impl FnOnce(&mut Setup, &Sub)) {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.wait(Duration::from_hours(1));
    lock(&mut setup, &new);
    let change = new_password(&mut setup, Side::Old, &old);
    let outcomes = settled(&mut setup, &change);
    assert_eq!(closed(&setup, &new), 0, "the person is locked out: {outcomes:?}");
    let record = setup.record(Side::Old, &old);
    assert_eq!(record.passwords.kept_open(), Some((Side::New, Reason::NoRecovery)));
    assert_eq!((record.state, record.reason), (PersonState::Held, Some(Reason::NoRecovery)));
    assert_eq!(decided(&setup, &old, DecisionKind::Held, Some(Reason::NoRecovery)), 1);
    assert!(record.passwords.counted.new.is_none(), "the circuit breaker counts what is closed");
}

#[test]
fn password_stays_open_where_no_address_is_verified() {
    locked_in(|setup, new| {
        setup.edit(Side::New, new, |body| {
            body.attributes.insert(attribute("email_verified"), "false".to_owned());
        });
    });
}

#[test]
fn password_stays_open_where_only_administrators_recover_accounts() {
    locked_in(|setup, _| {
        setup.world.lock().pools.new.schema.recovery = Some(std::collections::BTreeSet::new());
    });
}

#[test]
fn password_stays_open_where_the_only_channel_is_a_second_factor() {
    locked_in(|setup, new| {
        setup.edit(Side::New, new, |body| {
            body.factors.insert(Factor::Email);
        });
    });
}

#[test]
fn password_is_closed_once_its_person_can_set_a_new_one() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    setup.wait(Duration::from_hours(1));
    setup.world.lock().pools.new.schema.recovery = Some(std::collections::BTreeSet::new());
    let change = new_password(&mut setup, Side::Old, &old);
    settled(&mut setup, &change);
    assert_eq!(closed(&setup, &new), 0);
    setup.world.lock().pools.new.schema.recovery =
        Some(std::collections::BTreeSet::from([attribute("email")]));
    setup.captured(Side::New, &new);
    assert_eq!(closed(&setup, &new), 1);
    let record = setup.record(Side::Old, &old);
    assert_eq!((record.state, record.passwords.kept_open()), (PersonState::Synced, None));
}

#[test]
fn password_closings_open_the_circuit_breaker() {
    let mut setup = Setup::new(Provision::Lazy);
    let pairs: Vec<(Sub, Sub)> = (1..=u32::try_from(limits::REMOVALS_LEAST).unwrap() + 1)
        .map(|human| {
            let address = format!("p{human}@example.com");
            let old = setup.account(Side::Old, human, &address, true);
            let new = setup.account(Side::New, human, &address, true);
            setup.captured(Side::Old, &old);
            (old, new)
        })
        .collect();
    // The next clock hour, so that everything falls into one hour.
    let now = setup.world.lock().now.0;
    let hour = 3_600_000;
    setup.wait(Duration::from_millis(u64::try_from(hour - now.rem_euclid(hour)).unwrap()));
    for (old, _) in &pairs {
        let change = new_password(&mut setup, Side::Old, old);
        noted(&mut setup, &change);
    }
    setup.settle();
    let all: usize = pairs.iter().map(|(_, new)| closed(&setup, new)).sum();
    assert_eq!(all, pairs.len() - 1);
    assert!(setup.world.lock().table.control.breaker.is_some());
    let waiting = |setup: &Setup| {
        let held = pairs
            .iter()
            .find(|(old, _)| setup.record(Side::Old, old).reason == Some(Reason::Breaker));
        held.cloned()
    };
    let (old, new) = waiting(&setup).unwrap();
    let open = setup.record(Side::Old, &old).passwords.kept_open();
    assert_eq!(open, Some((Side::New, Reason::Breaker)));
    // An operator closes the breaker and allows one more closing.
    {
        let mut world = setup.world.lock();
        let now = world.now;
        world.table.allow_removals(now, 1);
        world.table.control.breaker = None;
    }
    setup.captured(Side::New, &new);
    assert_eq!((closed(&setup, &new), waiting(&setup)), (1, None));
}

#[test]
fn open_circuit_breaker_closes_no_password() {
    let mut setup = Setup::new(Provision::Lazy);
    let (old, new) = setup.pair();
    let now = setup.world.lock().now;
    setup.world.lock().table.control.breaker = Some(Breaker::removals(now));
    let change = new_password(&mut setup, Side::Old, &old);
    settled(&mut setup, &change);
    assert_eq!(closed(&setup, &new), 0);
    assert_eq!(setup.record(Side::Old, &old).reason, Some(Reason::Breaker));
}
