//! What the sweep asks of the table: whose accounts these are, and its own progress.

use poolbridge_core::change::Evidence;
use poolbridge_core::error::ErrorKind;
use poolbridge_core::names::Sub;
use poolbridge_core::ports::Ledger as _;
use poolbridge_core::side::{BySide, Side};
use poolbridge_sweep_core::pass::{Cursor, Partition, PartitionResult};
use poolbridge_sweep_core::ports::{RecordOwner, RecordReader as _};
use poolbridge_sweep_core::shard::Prefix;

use super::{NOON, TableFixture, kind, known, new_record, sub};
use crate::contract::{Case, cases};

pub(super) fn cases<S: TableFixture>() -> Vec<Case<S>> {
    cases![
        many_accounts_are_returned_in_their_order,
        accounts_with_a_pending_change_are_returned,
        a_cursor_has_one_writer_at_a_time,
    ]
}

async fn many_accounts_are_returned_in_their_order<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let (mut subs, mut people) = (Vec::new(), Vec::new());
    for number in 0..12 {
        let mut record = new_record(&fixture, Side::Old);
        if number % 2 == 0 {
            record.accounts.new = Some(known(&fixture));
        }
        fixture.ledger().begin(&record).await?;
        subs.extend(record.accounts.old.as_ref().map(|known| known.sub.clone()));
        subs.push(sub(&fixture));
        people.push(record);
    }
    // Listed twice, as by a wrong listing.
    subs.push(subs[0].clone());
    let found = fixture.records().people(Side::Old, &subs).await?;
    assert_eq!(found.len(), subs.len());
    for (place, record) in people.iter().enumerate() {
        assert_eq!(found[2 * place], RecordOwner::Person(Box::new(record.clone())));
        assert_eq!(found[2 * place + 1], RecordOwner::Unknown);
    }
    assert_eq!(found.last(), found.first());
    assert_eq!(fixture.records().people(Side::New, &subs[..1]).await?, [RecordOwner::Unknown]);
    let many: Vec<Sub> = (0..250).map(|_| sub(&fixture)).collect();
    assert_eq!(fixture.records().people(Side::Old, &many).await?, vec![RecordOwner::Unknown; 250]);
    assert_eq!(fixture.records().person(&people[3].id).await?.as_ref(), Some(&people[3]));
    Ok(())
}

async fn accounts_with_a_pending_change_are_returned<S: TableFixture>(
    fixture: S,
) -> anyhow::Result<()> {
    let change = super::change(&fixture, &sub(&fixture), 0, Evidence::Hint, false);
    let has_pending = || fixture.records().has_pending(Side::Old, &change.sub);
    assert!(!has_pending().await?);
    fixture.ledger().store_pending(&change).await?;
    assert!(has_pending().await?);
    assert!(!fixture.records().has_pending(Side::New, &change.sub).await?);
    Ok(())
}

async fn a_cursor_has_one_writer_at_a_time<S: TableFixture>(fixture: S) -> anyhow::Result<()> {
    let mut cursor = fixture.cursor().await?;
    let next = |cursor: &mut Cursor| {
        cursor.revision += 1;
        cursor.writer = fixture.nonce();
    };
    cursor.begin(NOON, BySide { old: Some(1_000_000), new: None }, BySide { old: 9, new: 9 });
    next(&mut cursor);
    fixture.put_cursor(&cursor).await?;
    assert_eq!(fixture.cursor().await?, cursor);
    let before = cursor.clone();
    cursor.finish(
        &Partition::Accounts(Side::Old, Prefix::new("0f")),
        &PartitionResult::default(),
        NOON,
    );
    next(&mut cursor);
    fixture.put_cursor(&cursor).await?;
    assert_eq!(fixture.cursor().await?, cursor);
    // A worker that read the same revision comes too late.
    let mut late = before;
    next(&mut late);
    assert_eq!(kind(fixture.put_cursor(&late).await), ErrorKind::Lost);
    assert_eq!(fixture.cursor().await?, cursor);
    Ok(())
}
