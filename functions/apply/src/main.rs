//! The consumer: takes a batch of change events off the queue, brings the pools in step, and names
//! the messages that must come back.
// The SDK's futures nest deeper than the compiler's default recursion limit.
#![recursion_limit = "256"]

mod deliveries;
mod handler;
mod lines;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use poolbridge_core::time::Time;
use serde_json::Value;

use handler::ApplyHandler;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let handler = &ApplyHandler::start();
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        // Milliseconds since the epoch, as the runtime's header says.
        let end = Time(i64::try_from(event.context.deadline).unwrap_or(i64::MAX));
        if deliveries::asks_to_resend(&event.payload) {
            handler.resend().await;
            return Ok::<_, Error>(deliveries::answer(&[]));
        }
        let failed = handler
            .batch(deliveries::received(&event.payload, handler.bulk_queue_url()), end)
            .await;
        Ok::<_, Error>(deliveries::answer(&failed))
    }))
    .await
}
