//! Searches for people's values where none may be: the table, the logs, messages, the command line.

use anyhow::bail;

use super::{APPLY, CAPTURE, Deployment, SWEEP, TRAIL};

/// How much was searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Values that were searched for.
    pub values: usize,
    /// Items of the state table.
    pub items: usize,
    /// Lines of the functions' logs.
    pub lines: usize,
    /// Caught messages.
    pub messages: usize,
    /// Outputs of the command line.
    pub answers: usize,
}

impl Deployment {
    /// Fails if it finds a value of any person. `messages` were caught before delivery; `functions`
    /// are functions that the test deployed in addition.
    pub async fn assert_no_personal_data(
        &self,
        messages: &[String],
        functions: &[&str],
    ) -> anyhow::Result<Scanned> {
        let mut scanned = Scanned { values: self.values.count(), ..Scanned::default() };
        for item in self.services.items(&self.names.table).await? {
            self.scan_text("an item of the state table", &item.to_string())?;
            scanned.items += 1;
        }
        for function in [CAPTURE, TRAIL, SWEEP, APPLY].iter().chain(functions) {
            for line in self.services.log(function).await? {
                self.scan_text(&format!("the log of {function}"), &line)?;
                scanned.lines += 1;
            }
        }
        for message in messages {
            self.scan_text("a message", message)?;
            scanned.messages += 1;
        }
        for answer in self.operator.said() {
            self.scan_text("the command line's answer", &answer)?;
            scanned.answers += 1;
        }
        Ok(scanned)
    }

    fn scan_text(&self, place: &str, text: &str) -> anyhow::Result<()> {
        if let Some(value) = self.values.found_in(text) {
            bail!("a person's value, \"{value}\", is in {place}:\n{text}");
        }
        Ok(())
    }
}
