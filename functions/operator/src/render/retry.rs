//! What `retry` came to.

use serde_json::json;

use super::people_count;

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Retried {
    /// People whose obstacles were to be forgotten.
    pub(crate) people: usize,
    /// Those of them who were being worked on, so that nothing was forgotten.
    pub(crate) busy: usize,
    /// Changes sent.
    pub(crate) sent: usize,
}

/// Writes it.
pub(crate) fn show(retried: &Retried, json: bool) -> std::io::Result<()> {
    let Retried { people, busy, sent } = retried;
    let value = json!({ "people": people, "busy": busy, "sent": sent });
    let mut words = format!("{}: {sent} accounts are looked at again\n", people_count(*people));
    if *busy > 0 {
        let who = people_count(*busy);
        words.push_str(&who);
        words.push_str(" being worked on right now keep what was held or refused\n");
    }
    super::show(json, false, &value, &words)
}
