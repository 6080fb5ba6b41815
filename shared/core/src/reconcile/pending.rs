//! The pending changes of one run. Each is read before the first observation of its account, and
//! only an observation that settles it clears it.

use std::time::Duration;

use super::Run;
use crate::account::Status;
use crate::change::{ChangeEvent, Evidence};
use crate::error::PortError;
use crate::names::Sub;
use crate::plan::Observation;
use crate::ports::{Ledger, Ports};
use crate::rules::Rule;
use crate::side::Side;
use crate::time::Time;

impl<P: Ports> Run<'_, P> {
    pub(super) async fn read_pending(&mut self, side: Side) -> Result<(), PortError> {
        let sub = self.change.sub.clone();
        self.read_pending_of(side, &sub).await
    }

    pub(super) async fn read_pending_of(&mut self, side: Side, sub: &Sub) -> Result<(), PortError> {
        *self.pending_changes.get_mut(side) = self.ledger().read_pending(side, sub).await?;
        Ok(())
    }

    /// The newest change of `side` by its pending change: its time and its evidence.
    fn has_pending(&self, side: Side) -> Option<(Time, Evidence)> {
        self.pending_changes.get(side).as_ref().map(|pending| (pending.last, pending.evidence))
    }

    /// The same by the message.
    fn reported(&self, side: Side) -> Option<(Time, Evidence)> {
        (side == self.change.side).then_some((self.change.at, self.change.evidence))
    }

    /// The newest change that an observation of `side` must show: its time and its evidence.
    pub(super) fn newest_event(&self, side: Side) -> Option<(Time, Evidence)> {
        match (self.has_pending(side), self.reported(side)) {
            (Some(pending), Some(reported)) if pending.0 >= reported.0 => Some(pending),
            (pending, reported) => reported.or(pending),
        }
    }

    /// From when on a listing of the other pool shows its state at the time of the newest change in
    /// `side`. A hint does not count as a change.
    pub(super) fn listing_shows(&self, side: Side) -> Time {
        let action = self.newest_event(side).filter(|(_, evidence)| *evidence != Evidence::Hint);
        action.map_or(Time::ZERO, |(at, _)| at + self.bridge.policy.listing_bound())
    }

    /// Whether evidence of a change in that pool was captured, and not only a hint.
    pub(super) fn captured(&self, side: Side) -> bool {
        self.has_pending(side)
            .into_iter()
            .chain(self.reported(side))
            .any(|(_, evidence)| evidence != Evidence::Hint)
    }

    /// From when on an observation of `side` shows the newest change; `None` if this one does
    /// (`SettleBeforeClearing`). The evidence of the pending change counts alone for it: the owner
    /// of another account could have sent the message.
    pub(super) fn unsettled(&self, side: Side, observation: &Observation) -> Option<Time> {
        if !self.keeps(Rule::SettleBeforeClearing) {
            return None;
        }
        let (pending, reported) = (self.has_pending(side), self.reported(side));
        let reported = reported.filter(|(at, _)| pending.is_none_or(|(last, _)| *at > last));
        // An account leaves UNCONFIRMED once: an observation after that shows all before it.
        let confirmed = observation.account.status != Status::Unconfirmed;
        let open = |(at, evidence): &(Time, Evidence)| {
            let shows = *at + self.bound();
            let seen = *evidence == Evidence::Confirmed && confirmed;
            (!seen && observation.began < shows).then_some(shows)
        };
        pending.iter().chain(&reported).filter_map(open).max()
    }

    /// How long a hint waits. No change is proved, and an observation that cannot settle the hint
    /// would only cost a second read, which makes the person a billed user of that pool. Any other
    /// event of its pending change has its own message, or is found later by this one.
    pub(super) fn hint_waits(&self) -> Option<Duration> {
        let (now, shows) = (self.now(), self.change.at + self.bound());
        let hint = self.change.evidence == Evidence::Hint;
        (hint && now < shows && self.keeps(Rule::SettleBeforeClearing)).then(|| shows.since(now))
    }

    /// Clears the pending changes that these observations settle, if no event was stored since
    /// (`PendingReadFirst`, `ClearOnlyObservedSides`). Returns how long to wait if one of the
    /// observations may still be too old.
    pub(super) async fn clear_pending_changes(
        &mut self,
        observations: &[(Side, &Observation)],
        next: Time,
    ) -> Result<Option<Duration>, PortError> {
        let mut wait = None;
        for (side, observation) in observations {
            if let Some(shows) = self.unsettled(*side, observation) {
                // The pending change of the other pool has a message of its own, or the sweep's.
                if *side == self.change.side {
                    wait = Some(shows.max(next).since(self.now()));
                }
                continue;
            }
            self.clear(*side, &observation.account.sub).await?;
        }
        Ok(wait)
    }

    pub(super) async fn clear(&mut self, side: Side, sub: &Sub) -> Result<(), PortError> {
        #[cfg(feature = "planted")]
        self.read_pending_late(side, sub).await?;
        if let Some(pending) = self.pending_changes.get_mut(side).take() {
            self.ledger().clear_pending(side, sub, pending.token).await?;
        }
        Ok(())
    }

    /// A change event with outcome `retry` must not exist in the queue alone: the pending change
    /// must cover it, its password event included. Returns whether the message may be acknowledged.
    pub(super) async fn keep_pending(&self) -> bool {
        let ChangeEvent { side, sub, .. } = self.change;
        match self.ledger().read_pending(*side, sub).await {
            Ok(Some(pending)) if pending.holds(self.change) => true,
            // A claim of a message stays a claim, unless the account just confirmed it.
            Ok(_) => {
                let change = ChangeEvent { claimed: !self.supported, ..self.change.clone() };
                self.ledger().store_pending(&change).await.is_ok()
            }
            Err(_) => false,
        }
    }
}
