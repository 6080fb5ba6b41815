//! What a search of the other pool proves: which results are remembered, and whether the proof that
//! a listing showed is still true.

use super::Run;
use crate::account::{Account, Status};
use crate::error::PortError;
use crate::fingerprint::Fingerprint;
use crate::limits;
use crate::mapping;
use crate::outcome::Reason;
use crate::plan::Observation;
use crate::policy::{MatchBy, Provision};
use crate::ports::Ports;
use crate::profile::{Field, FieldState, Value};
use crate::record::PersonRecord;
use crate::rules::Rule;
use crate::side::Side;

/// The result of the last search, if it need not be repeated.
pub(super) enum Remembered {
    /// No account was found.
    NotFound,
    /// Nothing is done: an account without proof was found, or the person could not sign in.
    Held(Reason),
}

impl<P: Ports> Run<'_, P> {
    /// The fingerprint of the searched value, to detect when it changed.
    pub(super) fn search_key(
        &self,
        record: &PersonRecord,
        observation: &Observation,
    ) -> Option<Fingerprint> {
        let text = |text: &str| FieldState::Present(Value::Text(text.to_owned()));
        // No attribute has that name, so no other field has this fingerprint.
        let by_name =
            || Some((Field::from_name("username")?, text(observation.account.username.reveal())));
        let (field, reading) = match &self.bridge.policy.match_by {
            _ if observation.account.federated() => by_name()?,
            MatchBy::Email => (Field::Email, observation.profile.get(&Field::Email)),
            MatchBy::Phone => (Field::Phone, observation.profile.get(&Field::Phone)),
            MatchBy::Username => by_name()?,
            MatchBy::OldSub(name) => {
                let said = observation.account.attributes.get(name).map(String::as_str);
                (Field::Attribute(name.clone()), text(said.unwrap_or_default()))
            }
        };
        record.fingerprint(self.bridge.keys, &field, &reading)
    }

    /// The result of the last search, if it need not be repeated. A search costs two listings,
    /// which have the tightest quota of all. A matching account that appears in the other pool
    /// later has change events, and so a search, of its own.
    pub(super) fn remembered(
        &self,
        record: &PersonRecord,
        to: Side,
        unfit: Option<Reason>,
        key: Option<Fingerprint>,
    ) -> Option<Remembered> {
        let failed_lookup =
            record.failed_lookup.as_ref().filter(|failed_lookup| failed_lookup.key == key)?;
        if self.now().since(failed_lookup.at) >= limits::FAILED_LOOKUP_REMEMBERED {
            return None;
        }
        if let Some(doubt @ (Reason::Unproven | Reason::Ambiguous | Reason::CannotBeSearched)) =
            record.reason
        {
            return Some(Remembered::Held(doubt));
        }
        match self.bridge.policy.provision.get(to) {
            Provision::Lazy => Some(Remembered::NotFound),
            // A person who can sign in there is created, after one more search.
            Provision::Eager => unfit.map(Remembered::Held),
        }
    }

    /// The account that a search found in the other pool, read directly. A listing may be very
    /// stale, and an address that was verified when it was listed may belong to another person by
    /// now (invariant 16). `None`: the account is gone, or does not show the proof itself.
    pub(super) async fn still_proved(
        &mut self,
        side: Side,
        observation: &Observation,
        account: &Account,
    ) -> Result<Option<Observation>, PortError> {
        self.report.account_reads += 1;
        let found = self.bridge.observe(side.other(), &account.account_ref()).await?;
        // The search depended on the kind of account, which the listing may also show too late.
        let found = found.filter(|it| it.account.federated() == observation.account.federated());
        if observation.account.federated() {
            // The username that was read is the identity that was searched for.
            return Ok(found);
        }
        let field = match &self.bridge.policy.match_by {
            MatchBy::Email => Field::Email,
            MatchBy::Phone => Field::Phone,
            // If such an account was found, a direct read found it.
            MatchBy::Username | MatchBy::OldSub(_) => return Ok(found),
        };
        let proves = |found: &Observation| {
            found.account.status != Status::Unconfirmed
                && mapping::verified(&found.account, &field)
                && found.profile.get(&field) == observation.profile.get(&field)
        };
        let evidence = self.keeps(Rule::LinkWithProof);
        Ok(found.filter(|found| !evidence || proves(found)))
    }
}
