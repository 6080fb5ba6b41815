//! The function `trail`, as Lambda starts it.
// The SDK's futures nest deeper than the compiler's default recursion limit.
#![recursion_limit = "256"]

use lambda_runtime::{Error, LambdaEvent, service_fn};
use poolbridge_trail::TrailHandler;
use serde_json::value::RawValue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let handler = &TrailHandler::start().await;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Box<RawValue>>| async move {
        handler.event(event.payload.get()).await.map_err(Error::from)
    }))
    .await
}
