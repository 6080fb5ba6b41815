//! The scheduled function: compares both pools with the baseline, and checks that the triggers are
//! still attached.
// The SDK's futures nest deeper than the compiler's default recursion limit.
#![recursion_limit = "256"]

mod handler;
mod lines;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use poolbridge_core::time::Time;
use serde_json::Value;

use handler::SweepHandler;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let handler = &SweepHandler::start();
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        // Milliseconds since the epoch, as the runtime's header says.
        let end = Time(i64::try_from(event.context.deadline).unwrap_or(i64::MAX));
        handler.tick(end).await;
        Ok::<_, Error>(Value::Null)
    }))
    .await
}
