//! The user pools' trigger: notes that an account may have changed, and answers with the very event
//! that it was given, whatever happens.
// The SDK's futures nest deeper than the compiler looks by itself.
#![recursion_limit = "256"]

use lambda_runtime::{Error, LambdaEvent, service_fn};
use poolbridge_aws::wiring::CaptureLine;
use serde_json::value::RawValue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let line = &CaptureLine::start().await;
    // Unread text in, the same text out: no number is rounded, no field reordered or lost.
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Box<RawValue>>| async move {
        line.capture(event.payload.get()).await;
        Ok::<_, Error>(event.payload)
    }))
    .await
}
