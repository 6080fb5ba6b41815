//! Starts the functions under test as the platform does, and passes one payload after the other.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use poolbridge_capture::{CaptureHandler, Invocation};
use poolbridge_trail::TrailHandler;
use serde_json::value::RawValue;

use super::Payload;

/// The results of the payloads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PayloadCounts {
    /// How many payloads had each result.
    pub to: BTreeMap<&'static str, u64>,
}

impl PayloadCounts {
    fn count(&mut self, to: &'static str) {
        *self.to.entry(to).or_default() += 1;
    }
}

/// Passes the payloads of these numbers to the functions, which take configuration and services
/// from the environment. Fails at the first answer that is not the event.
pub async fn run_payloads(
    seed: u64,
    numbers: impl Iterator<Item = u64>,
) -> anyhow::Result<PayloadCounts> {
    let capture = CaptureHandler::start().await;
    let trail = TrailHandler::start().await;
    let mut came = PayloadCounts::default();
    for number in numbers {
        let payload = Payload::of(seed, number);
        let to = match &payload {
            Payload::Trigger(text) => Box::pin(answered(&capture, text)).await,
            Payload::Trail(text) => match Box::pin(trail.event(text)).await {
                Ok(()) => Ok("heard"),
                Err(error) => Err(error.into()),
            },
        };
        came.count(to.with_context(|| format!("payload {number} of seed {seed}"))?);
    }
    Ok(came)
}

/// Passes an event to capture, and compares the answer byte by byte.
async fn answered(capture: &CaptureHandler, text: &str) -> anyhow::Result<&'static str> {
    // The platform passes on complete JSON only; a truncated event never reaches capture.
    let Ok(event) = RawValue::from_string(text.to_owned()) else { return Ok("no JSON") };
    let expected = event.get().to_owned();
    let function_arn = "arn:aws:lambda:eu-west-1:111122223333:function:acme-capture";
    let invocation = Invocation { deadline: 0, function_arn };
    match capture.answer(event, &invocation).await {
        Ok(answer) => {
            ensure!(answer.get() == expected, "capture answered with another event");
            Ok("answered")
        }
        Err(_) => bail!("capture answered with an error"),
    }
}
