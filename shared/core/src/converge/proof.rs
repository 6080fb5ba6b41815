//! What a search of the other pool is worth: what of it is remembered, and whether the proof that a
//! listing showed still stands.

use super::Run;
use crate::account::{Account, Status};
use crate::entry::Entry;
use crate::facts::{Field, Reading, Value};
use crate::fault::Fault;
use crate::fingerprint::Print;
use crate::law::Rule;
use crate::limits;
use crate::mapping;
use crate::plan::View;
use crate::policy::{MatchBy, Provision};
use crate::ports::Ports;
use crate::side::Side;
use crate::verdict::Reason;

/// What the last search came to, where it need not be repeated.
pub(super) enum Remembered {
    /// Nobody was found.
    Nobody,
    /// Nothing is done for this reason: somebody was found without a proof, or nobody could get in.
    Held(Reason),
}

impl<P: Ports> Run<'_, P> {
    /// The fingerprint of what a search goes by, to know when it changed.
    pub(super) fn search_key(&self, entry: &Entry, view: &View) -> Print {
        let text = |text: &str| Reading::Held(Value::Text(text.to_owned()));
        // No attribute has that name, so this fingerprint is no other field's.
        let by_name =
            || Some((Field::from_name("username")?, text(view.account.username.reveal())));
        let (field, reading) = match &self.bridge.policy.match_by {
            _ if view.account.federated() => by_name()?,
            MatchBy::Email => (Field::Email, view.facts.get(&Field::Email)),
            MatchBy::Phone => (Field::Phone, view.facts.get(&Field::Phone)),
            MatchBy::Username => by_name()?,
            MatchBy::OldSub(name) => {
                let said = view.account.attributes.get(name).map(String::as_str);
                (Field::Attribute(name.clone()), text(said.unwrap_or_default()))
            }
        };
        entry.print(self.bridge.keys, &field, &reading)
    }

    /// What the last search came to, if it need not be repeated. A search costs two listings, the tightest quota there is, and whoever is
    /// found on the other side later has changes, and a search, of their own.
    pub(super) fn remembered(
        &self,
        entry: &Entry,
        to: Side,
        unfit: Option<Reason>,
        key: Print,
    ) -> Option<Remembered> {
        let miss = entry.miss.as_ref().filter(|miss| miss.key == key)?;
        if self.now().since(miss.at) >= limits::MISS_REMEMBERED {
            return None;
        }
        if let Some(doubt @ (Reason::Unproven | Reason::Ambiguous | Reason::CannotBeSearched)) =
            entry.reason
        {
            return Some(Remembered::Held(doubt));
        }
        match self.bridge.policy.provision.get(to) {
            Provision::Lazy => Some(Remembered::Nobody),
            // A person who can get in there is created, and looked for once more before it.
            Provision::Eager => unfit.map(Remembered::Held),
        }
    }

    /// The account that a search found on the other side, as it is: a listing may be far behind, and
    /// an address that was proved when it was listed may be somebody else's by now (invariant 16).
    /// `None`: it is gone, or does not say so itself.
    pub(super) async fn still_proved(
        &mut self,
        side: Side,
        view: &View,
        account: &Account,
    ) -> Result<Option<View>, Fault> {
        self.report.account_reads += 1;
        let found = self.bridge.look(side.other(), &account.handle()).await?;
        // The search went by the kind of account, which the listing may show too late as well.
        let found = found.filter(|it| it.account.federated() == view.account.federated());
        if view.account.federated() {
            // The username that was read is the identity that was searched for.
            return Ok(found);
        }
        let field = match &self.bridge.policy.match_by {
            MatchBy::Email => Field::Email,
            MatchBy::Phone => Field::Phone,
            // Found by a direct read, if at all.
            MatchBy::Username | MatchBy::OldSub(_) => return Ok(found),
        };
        let proves = |found: &View| {
            found.account.status != Status::Unconfirmed
                && mapping::verified(&found.account, &field)
                && found.facts.get(&field) == view.facts.get(&field)
        };
        let proof = self.keeps(Rule::LinkWithProof);
        Ok(found.filter(|found| !proof || proves(found)))
    }
}
