//! The heartbeats of the detection routes, and the request for a sweep. Only the real table stores
//! them: the simulated world has no routes that could fail silently.

use anyhow::ensure;
use poolbridge_aws::dynamodb::{DetectionRoute, RouteHeartbeat};
use poolbridge_core::side::Side;
use poolbridge_core::time::Time;

use super::ledger::TableFixture as _;
use super::services::Service;
use super::{Case, cases};

/// Every case.
pub(super) fn cases() -> Vec<Case<Service>> {
    cases![
        a_route_shows_its_last_heartbeat,
        an_older_heartbeat_changes_nothing,
        a_sweep_request_stays_until_a_later_sweep_begins,
    ]
}

fn note(route: DetectionRoute, side: Side, last: i64, count: i64) -> RouteHeartbeat {
    let metrics = [("accounts".to_owned(), count)].into();
    RouteHeartbeat { route, side, last: Time(last), metrics }
}

async fn a_route_shows_its_last_heartbeat(fixture: Service) -> anyhow::Result<()> {
    let ledger = fixture.ledger();
    let (old, new) = (
        note(DetectionRoute::Sweep, Side::Old, 5, -7),
        note(DetectionRoute::Sweep, Side::New, 6, 8),
    );
    ledger.note_route(&new).await?;
    ledger.note_route(&old).await?;
    let noted = ledger.routes().await?;
    let of_sweep: Vec<_> =
        noted.into_iter().filter(|it| it.route == DetectionRoute::Sweep).collect();
    ensure!(of_sweep == [old, new], "noted: {of_sweep:?}");
    Ok(())
}

async fn an_older_heartbeat_changes_nothing(fixture: Service) -> anyhow::Result<()> {
    let ledger = fixture.ledger();
    let newest = note(DetectionRoute::Trail, Side::Old, 200, 2);
    for (last, count) in [(100, 1), (200, 2), (150, 3), (199, 4)] {
        ledger.note_route(&note(DetectionRoute::Trail, Side::Old, last, count)).await?;
    }
    let noted = ledger.routes().await?;
    ensure!(noted.contains(&newest), "noted: {noted:?}");
    // The latest one may be stored again, with a larger count.
    let again = note(DetectionRoute::Trail, Side::Old, 200, 5);
    ledger.note_route(&again).await?;
    ensure!(ledger.routes().await?.contains(&again), "not noted again");
    Ok(())
}

async fn a_sweep_request_stays_until_a_later_sweep_begins(fixture: Service) -> anyhow::Result<()> {
    let ledger = fixture.ledger();
    ledger.sweep_began(Side::New, Time(1)).await?;
    ensure!(ledger.sweep_wanted(Side::New).await?.is_none(), "a sweep is wanted without a request");
    for at in [300, 400, 350] {
        ledger.want_sweep(Side::New, Time(at)).await?;
    }
    ensure!(ledger.sweep_wanted(Side::New).await? == Some(Time(400)), "another time");
    ensure!(ledger.sweep_wanted(Side::Old).await?.is_none(), "of another side");
    ledger.sweep_began(Side::New, Time(399)).await?;
    ensure!(ledger.sweep_wanted(Side::New).await? == Some(Time(400)), "forgotten too early");
    ledger.sweep_began(Side::New, Time(400)).await?;
    ensure!(ledger.sweep_wanted(Side::New).await?.is_none(), "still wanted");
    Ok(())
}
