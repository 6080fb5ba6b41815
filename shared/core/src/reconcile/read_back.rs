//! Whether a pool kept a written value. Some pools report success for a write of a custom number
//! attribute and keep another value. If that value counted as the person's edit, it would travel
//! back and undo what the person wrote. So apply reads such attributes back.

use std::collections::{BTreeMap, BTreeSet};

use super::Run;
use super::observe::account_ref;
use super::perform::Performed;
use crate::account::Account;
use crate::names::AttributeName;
use crate::normalise;
use crate::outcome::Reason;
use crate::plan::Observation;
use crate::ports::{Pool, Ports};
use crate::profile::Field;
use crate::record::{IntendedWrite, PersonRecord};
use crate::side::Side;

/// The attributes of one field, as they were written.
type WrittenAttributes = BTreeMap<AttributeName, String>;

/// What a read after a write shows for one field.
enum Shown {
    /// The written value, or the same number in another form.
    WrittenAttributes,
    /// The former value, on an account without a newer date: the read may be older than the write.
    Perhaps,
    /// Another value.
    Other,
}

impl<P: Ports> Run<'_, P> {
    /// Reads the account again after that write, if it wrote an attribute that its pool may coerce.
    /// Costs one account read, and nothing without such an attribute.
    ///
    /// A field whose value the pool did not keep is blocked. If no read has shown the value yet,
    /// the field stays open, and the next observation decides.
    pub(super) async fn read_back(
        &mut self,
        record: &PersonRecord,
        side: Side,
        fields: &BTreeMap<Field, WrittenAttributes>,
        performed: &mut Performed,
    ) {
        let Ok(schemas) = self.bridge.schemas().await else { return };
        let schema = schemas.get(side);
        let coerced =
            |written: &WrittenAttributes| written.keys().any(|name| schema.may_coerce(name));
        let asked: BTreeSet<&Field> =
            fields.iter().filter(|(_, it)| coerced(it)).map(|(field, _)| field).collect();
        let Some(known) = record.accounts.get(side).as_ref().filter(|_| !asked.is_empty()) else {
            return;
        };
        let began = self.now();
        let mut observation = None;
        if began < self.worker.work.deadline {
            self.report.account_reads += 1;
            let read = self.bridge.ports.pool(side).read(&account_ref(known)).await;
            let account = read.ok().flatten().filter(|account| account.sub == known.sub);
            let policy = self.bridge.policy;
            observation =
                account.map(|account| Observation::new(policy, side, account, &schemas, began));
        }
        for field in asked {
            let shown = observation.as_ref().map_or(Shown::Perhaps, |observation| {
                self.shown(record, field, observation, fields.get(field))
            });
            match (shown, &observation) {
                (Shown::WrittenAttributes, _) => continue,
                (Shown::Other, Some(observation)) => {
                    let fingerprint = record.fingerprint(
                        self.bridge.keys,
                        field,
                        &observation.profile.get(field),
                    );
                    performed.kept.insert(field.clone(), fingerprint);
                    performed.refused.insert(field.clone(), Reason::NotKept);
                }
                (Shown::Perhaps | Shown::Other, _) => {
                    performed.not_shown.insert(field.clone());
                    performed.unknown.insert(field.clone());
                }
            }
            performed.done.remove(field);
            let name = field.to_string();
            self.report.carried.retain(|(to, carried)| *to != side || *carried != name);
        }
    }

    fn shown(
        &self,
        record: &PersonRecord,
        field: &Field,
        observation: &Observation,
        written: Option<&WrittenAttributes>,
    ) -> Shown {
        let Some(intent) = &record.intent else { return Shown::Perhaps };
        let Some(IntendedWrite { side, wanted, was, .. }) = intent.fields.get(field) else {
            return Shown::Perhaps;
        };
        let reading = observation.profile.get(field);
        let holds = |fingerprint| self.bridge.keys.is(&record.salt, field, &reading, fingerprint);
        if holds(*wanted)
            || written.is_some_and(|written| same_numbers(written, &observation.account))
        {
            return Shown::WrittenAttributes;
        }
        let before = intent.modified.get(*side);
        let untouched = before.is_none_or(|before| observation.account.modified <= before);
        if holds(*was) && untouched { Shown::Perhaps } else { Shown::Other }
    }
}

/// Whether the account holds the written numbers, perhaps in another form, such as with more zeros.
/// That form travels back, and then both pools hold it.
fn same_numbers(written: &WrittenAttributes, account: &Account) -> bool {
    written.iter().all(|(name, text)| {
        let held = account.attributes.get(name).map(String::as_str);
        let number = normalise::number(text);
        number.is_some() && number == held.and_then(normalise::number)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Status;
    use crate::names::{Sub, Username};
    use crate::time::Time;

    #[test]
    fn one_number_in_another_form_is_the_same_number() {
        let name = AttributeName::try_from("custom:level").unwrap();
        let held = |text: &str| Account {
            sub: Sub::try_from("sub").unwrap(),
            username: Username::try_from("person").unwrap(),
            attributes: [(name.clone(), text.to_owned())].into(),
            enabled: true,
            status: Status::Confirmed,
            groups: None,
            factors: None,
            created: Time::ZERO,
            modified: Time::ZERO,
        };
        let written = |text: &str| WrittenAttributes::from([(name.clone(), text.to_owned())]);
        assert!(same_numbers(&written("007.50"), &held("7.5")));
        assert!(!same_numbers(&written("1"), &held("0")));
        assert!(!same_numbers(&written("x"), &held("x")), "not a number");
        assert!(!same_numbers(&written("1"), &Account { attributes: [].into(), ..held("") }));
    }
}
