//! The result of `retry`.

use serde_json::json;

use super::people_count;

/// What `retry` did.
#[derive(Debug, Default)]
pub(crate) struct RetryReport {
    /// People with a record.
    pub(crate) people: usize,
    /// Those of them who were locked by a worker, so that their blocked fields stay.
    pub(crate) locked: usize,
    /// Accounts that were sent for processing.
    pub(crate) sent: usize,
}

/// Writes it.
pub(crate) fn show(report: &RetryReport, json: bool) -> std::io::Result<()> {
    let RetryReport { people, locked, sent } = report;
    let value = json!({ "people": people, "locked": locked, "sent": sent });
    let mut text = format!("{}: {sent} accounts sent for processing\n", people_count(*people));
    if *locked > 0 {
        let locked = people_count(*locked);
        text.push_str(&locked);
        text.push_str(" locked by a worker: blocked fields and failures were not cleared\n");
    }
    super::show(json, false, &value, &text)
}
