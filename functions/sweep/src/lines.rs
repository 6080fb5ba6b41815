//! The sweep's log lines.

use poolbridge_config::TriggerSlot;
use poolbridge_core::error::PortError;
use poolbridge_core::outcome::Reason;
use poolbridge_core::side::Side;
use poolbridge_sweep_core::Tick;
use poolbridge_sweep_core::pass::{Doubt, Partition, PartitionResult, Summary};

/// Logs that one part of a pass is finished.
pub(crate) fn part_swept(partition: &Partition, done: &PartitionResult, left: usize) {
    let (kind, side, part) = match partition {
        Partition::Accounts(side, prefix) => ("accounts", side, prefix.as_str().to_owned()),
        Partition::Members(side, bucket) => ("groups", side, bucket.to_string()),
        Partition::Cover(side) => ("cover", side, String::new()),
    };
    let counts = &done.counts;
    tracing::info!(
        sweep.kind = kind,
        sweep.side = side.name(),
        sweep.partition = part,
        sweep.left = left,
        pages = counts.pages,
        accounts = counts.accounts,
        memberships = counts.memberships,
        differing = counts.differing,
        news = counts.news,
        unknown = counts.unknown,
        unreadable = counts.unreadable,
        has_pending = counts.has_pending,
        sent = counts.sent,
        unexpected = counts.unexpected,
        "a partition of the {side} pool is finished, {left} are left",
    );
}

/// Logs the result of a pass.
pub(crate) fn pass_ended(summary: &Summary) {
    let missing = summary.missing.old + summary.missing.new;
    let doubt = summary.doubt.or(summary.members_doubt).map(Doubt::name);
    let accounts = summary.counts.old.accounts + summary.counts.new.accounts;
    let hint = doubt.map(|_| {
        "this pass concludes nothing from missing accounts; if it stays so, compare the pools' own \
         estimates"
    });
    tracing::info!(
        sweep.pass = summary.number,
        accounts,
        estimate.old = summary.estimate.old,
        estimate.new = summary.estimate.new,
        missing,
        missing_memberships = summary.missing_memberships.old + summary.missing_memberships.new,
        groups_unread = summary.groups_unread,
        doubt,
        hint,
        duration_seconds = summary.ended.since(summary.began).as_secs(),
        "a pass of the sweep has ended",
    );
}

/// Logs the result of one invocation of the sweep.
pub(crate) fn swept(tick: &Tick) {
    match tick {
        Tick::NotDue(next) => tracing::info!(next = next.0, "no pass of the sweep is due"),
        Tick::Barred(reason) => tracing::info!(
            reason = reason.name(),
            hint = reason.hint(),
            "the sweep waits: apply could process nothing that it finds",
        ),
        Tick::Worked(worked) => {
            for error in &worked.errors {
                tracing::warn!(
                    error = %error,
                    hint = Reason::PortError(error.kind).hint(),
                    "a partition failed; the next invocation starts it again",
                );
            }
            tracing::info!(
                finished = worked.finished,
                left = worked.left,
                ended = worked.ended.is_some(),
                no_room = worked.no_room,
                errors = worked.errors.len(),
                "the sweep continued its pass",
            );
        }
    }
}

/// Logs that the sweep could not continue at all.
pub(crate) fn not_swept(error: &PortError) {
    tracing::error!(
        error = %error,
        hint = Reason::PortError(error.kind).hint(),
        "the sweep failed; the next invocation tries again",
    );
}

/// Logs that poolbridge's function is not attached where the configuration wants it.
pub(crate) fn trigger_missing(side: Side, slot: TriggerSlot, other: bool) {
    tracing::error!(
        trigger.side = side.name(),
        trigger.slot = slot.name(),
        trigger.taken = other,
        hint = "run `poolbridge attach`, or set it in the pool's own template",
        "capture is not attached to a trigger of the {side} pool",
    );
}
