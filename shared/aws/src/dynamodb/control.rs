//! The control item: one for the whole bridge, read with each claim. The operator writes it. apply
//! opens the breaker in it. The trail stores in it that a pool was restored or deleted.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use poolbridge_core::breaker::Breaker;
use poolbridge_core::control::{ConfigurationStamp, Control, Phase};
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::restore::{AfterRestore, Restore, RestoreStage, TimedDecision};
use poolbridge_core::side::{BySide, Side};
use poolbridge_core::time::Time;

use super::DynamoLedger;
use super::attribute::{
    Item, ItemError, ItemReader, VERSION, by_side, check_version, flag, map, number, text, time,
    with_some,
};
use super::key::ItemKey;
use crate::error::port_error;

/// How many times a change of the control item is tried if another operator was faster.
const ROUNDS_MAX: usize = 4;

impl DynamoLedger {
    pub(super) async fn read_control(&self) -> Result<Control, PortError> {
        let item = self.get(&ItemKey::control()).await?;
        let control = item.map_or(Ok(Control::default()), |item| read(&item));
        control.map_err(|error| error.port_error("GetItem"))
    }

    /// Changes the control item, and starts over if another writer changed it meanwhile. `change`
    /// may run several times. This function counts the revision. Returns the stored item.
    pub async fn change_control(
        &self,
        change: impl Fn(&mut Control) + Send + Sync,
    ) -> Result<Control, PortError> {
        let mut round = 0;
        loop {
            let seen = self.read_control().await?;
            let mut wanted = seen.clone();
            change(&mut wanted);
            wanted.revision = seen.revision;
            if wanted == seen {
                return Ok(seen);
            }
            round += 1;
            match self.set_control(&wanted).await {
                Err(error) if error.kind == ErrorKind::Lost && round < ROUNDS_MAX => {}
                outcome => return outcome,
            }
        }
    }

    /// Stores what an event reported about one pool's restore or deletion, and opens the breaker if
    /// accounts changed in bulk. An event that changes nothing writes nothing.
    pub async fn note_restore(
        &self,
        side: Side,
        stage: RestoreStage,
        at: Time,
    ) -> Result<(), PortError> {
        let note = |control: &mut Control| {
            let before = control.restores.get(side);
            let Some(changed) = Restore::after_event(before.as_ref(), stage, at) else { return };
            *control.restores.get_mut(side) = Some(changed);
            if stage.opens_breaker() {
                control.breaker.get_or_insert_with(|| Breaker::restored(side, stage, at));
            }
        };
        self.change_control(note).await.map(drop)
    }

    /// Writes the control item if the stored one still has `control.revision` (0: no item yet), and
    /// increments the revision. `Lost` if it does not. Returns the stored item.
    pub async fn set_control(&self, control: &Control) -> Result<Control, PortError> {
        const OPERATION: &str = "UpdateItem";
        let written = Control { revision: control.revision + 1, ..control.clone() };
        // An update, not a put: other parts of the bridge keep attributes in this item, and these
        // stay.
        let always = ["v", "revision", "phase", "active", "closing"];
        let mut set: Vec<&str> = always.to_vec();
        let mut removed: Vec<&str> = Vec::new();
        let mut request = self.update(&ItemKey::control());
        let configuration = written.configuration.as_ref().map(stamp);
        let restores = written.restores;
        let any = restores.old.is_some() || restores.new.is_some();
        let possible = [
            ("restores", any.then(|| by_side(&restores, restore))),
            ("paused", written.paused.clone().map(text)),
            ("breaker", written.breaker.as_ref().map(breaker)),
            ("configuration", configuration),
        ];
        for (name, value) in possible {
            if let Some(value) = value {
                set.push(name);
                request = request.expression_attribute_values(format!(":{name}"), value);
            } else {
                removed.push(name);
            }
        }
        let condition = if control.revision == 0 {
            "attribute_not_exists(#v)"
        } else {
            request = request.expression_attribute_values(":seen", number(control.revision));
            "#v = :v AND #revision = :seen"
        };
        for name in set.iter().chain(&removed).copied() {
            request = request.expression_attribute_names(format!("#{name}"), name);
        }
        let answer = request
            .update_expression(update_expression(&set, &removed))
            .condition_expression(condition)
            .expression_attribute_values(":v", number(VERSION))
            .expression_attribute_values(":revision", number(written.revision))
            .expression_attribute_values(":phase", text(written.phase.name()))
            .expression_attribute_values(":active", text(written.phase.active().name()))
            .expression_attribute_values(":closing", flag(written.closing))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = answer else { return Ok(written) };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                stands(failed.item(), written, OPERATION)
            }
            _ => Err(port_error(OPERATION, &error)),
        }
    }
}

fn update_expression(set: &[&str], removed: &[&str]) -> String {
    let set: Vec<String> = set.iter().map(|name| format!("#{name} = :{name}")).collect();
    let removed: Vec<String> = removed.iter().map(|name| format!("#{name}")).collect();
    let remove = if removed.is_empty() { "" } else { " REMOVE " };
    format!("SET {}{remove}{}", set.join(", "), removed.join(", "))
}

/// Interprets a failed condition: either a repeated write of poolbridge's own that succeeded, or
/// another writer's. Two operators who wrote exactly the same both succeed.
fn stands(
    item: Option<&Item>,
    written: Control,
    operation: &'static str,
) -> Result<Control, PortError> {
    match item.map(read) {
        Some(Ok(there)) if there == written => Ok(written),
        Some(Err(ItemError::Newer)) => Err(ItemError::Newer.port_error(operation)),
        Some(_) | None => Err(PortError::new(ErrorKind::Lost, operation)),
    }
}

fn stamp(value: &ConfigurationStamp) -> AttributeValue {
    map([
        ("hash", text(&value.hash)),
        ("since", time(value.since)),
        ("pools", map([("old", text(&value.pools.old)), ("new", text(&value.pools.new))])),
    ])
}

fn restore(value: &Restore) -> AttributeValue {
    let decided = value
        .decided
        .as_ref()
        .map(|decided| map([("what", text(decided.what.name())), ("at", time(decided.at))]));
    let note = map([("stage", text(value.stage.name())), ("since", time(value.since))]);
    with_some(note, "decided", decided)
}

fn read_restore(reader: ItemReader<'_>) -> Result<Restore, ItemError> {
    let decided = |reader: ItemReader<'_>, name| {
        let decided = reader.map(name)?;
        let what = decided.word("what", AfterRestore::from_name)?;
        Ok(TimedDecision { what, at: decided.time("at")? })
    };
    Ok(Restore {
        stage: reader.word("stage", RestoreStage::from_name)?,
        since: reader.time("since")?,
        decided: reader.optional("decided", decided)?,
    })
}

fn read_restores(reader: ItemReader<'_>) -> Result<BySide<Option<Restore>>, ItemError> {
    let of = |name| reader.optional(name, |reader, name| read_restore(reader.map(name)?));
    Ok(BySide { old: of("old")?, new: of("new")? })
}

fn breaker(value: &Breaker) -> AttributeValue {
    map([("since", time(value.since)), ("reason", text(&value.reason))])
}

fn read_breaker(reader: ItemReader<'_>) -> Result<Breaker, ItemError> {
    Ok(Breaker { since: reader.time("since")?, reason: reader.text("reason")?.to_owned() })
}

fn read(item: &Item) -> Result<Control, ItemError> {
    check_version(item)?;
    let reader = ItemReader(item);
    let stamp = |reader: ItemReader<'_>, name| {
        let stamp = reader.map(name)?;
        let hash = stamp.text("hash")?.to_owned();
        let pools = stamp.map("pools")?;
        let pool = |name| pools.text(name).map(str::to_owned);
        let pools = BySide { old: pool("old")?, new: pool("new")? };
        Ok(ConfigurationStamp { hash, since: stamp.time("since")?, pools })
    };
    Ok(Control {
        phase: reader.word("phase", Phase::from_name)?,
        closing: reader.flag("closing")?,
        paused: reader.optional("paused", ItemReader::text)?.map(str::to_owned),
        breaker: reader.optional("breaker", |r, name| read_breaker(r.map(name)?))?,
        restores: reader
            .optional("restores", |r, name| read_restores(r.map(name)?))?
            .unwrap_or_default(),
        configuration: reader.optional("configuration", stamp)?,
        revision: reader.number("revision")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item() -> Item {
        let stamp = ConfigurationStamp {
            hash: "abc".to_owned(),
            since: Time(7),
            pools: BySide { old: "r_o".to_owned(), new: "r_n".to_owned() },
        };
        Item::from([
            ("v".to_owned(), number(1)),
            ("phase".to_owned(), text("follow")),
            ("closing".to_owned(), flag(true)),
            ("paused".to_owned(), text("maintenance")),
            ("configuration".to_owned(), super::stamp(&stamp)),
            ("revision".to_owned(), number(3)),
            ("breaker".to_owned(), breaker(&Breaker::removals(poolbridge_core::time::Time(9)))),
        ])
    }

    #[test]
    fn a_control_item_is_read_completely_or_not_at_all() {
        let control = read(&item()).unwrap();
        assert_eq!((control.phase, control.closing, control.revision), (Phase::Follow, true, 3));
        assert_eq!(control.paused.as_deref(), Some("maintenance"));
        assert_eq!(control.breaker.as_ref().map(|it| it.since.0), Some(9));
        let configuration = control.configuration.unwrap();
        assert_eq!((configuration.hash.as_str(), configuration.since), ("abc", Time(7)));
        assert_eq!(configuration.pools, BySide { old: "r_o".to_owned(), new: "r_n".to_owned() });
        for name in ["v", "phase", "closing", "revision"] {
            let mut item = item();
            item.remove(name);
            assert_eq!(read(&item), Err(ItemError::Missing(name)));
        }
        for (name, value) in
            [("phase", text("later")), ("closing", text("true")), ("breaker", text("open"))]
        {
            let mut item = item();
            item.insert(name.to_owned(), value);
            assert_eq!(read(&item), Err(ItemError::Wrong(name)));
        }
    }

    #[test]
    fn a_restore_reads_back_unchanged() {
        let note = |stage, decided| Restore { stage, since: Time(5), decided };
        let decided = |what| Some(TimedDecision { what, at: Time(9) });
        for stage in RestoreStage::ALL {
            for decision in [None, decided(AfterRestore::Heal), decided(AfterRestore::Propagate)] {
                let restores = BySide { old: None, new: Some(note(stage, decision)) };
                let mut item = item();
                item.insert("restores".to_owned(), by_side(&restores, restore));
                assert_eq!(read(&item).map(|control| control.restores), Ok(restores));
            }
        }
        assert_eq!(read(&item()).map(|control| control.restores), Ok(BySide::default()));
    }

    #[test]
    fn a_failed_condition_counts_as_done_only_if_the_item_is_equal() {
        let control = read(&item()).unwrap();
        let kind = |item: Option<&Item>, written: &Control| {
            stands(item, written.clone(), "UpdateItem").map_err(|error| error.kind)
        };
        assert_eq!(kind(Some(&item()), &control), Ok(control.clone()));
        let other = Control { closing: false, ..control.clone() };
        assert_eq!(kind(Some(&item()), &other), Err(ErrorKind::Lost));
        assert_eq!(kind(None, &control), Err(ErrorKind::Lost));
        let mut newer = item();
        newer.insert("v".to_owned(), number(2));
        assert_eq!(kind(Some(&newer), &control), Err(ErrorKind::Newer));
    }
}
