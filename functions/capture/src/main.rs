//! The function `capture`, as Lambda starts it.
// The SDK's futures nest deeper than the compiler's default recursion limit.
#![recursion_limit = "256"]

use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use poolbridge_capture::{CaptureHandler, FunctionError, Invocation};
use serde_json::value::RawValue;

/// An error that capture returns as its answer.
#[derive(Debug)]
struct Refused(FunctionError);

impl From<Refused> for Diagnostic {
    fn from(Refused(error): Refused) -> Self {
        Self { error_type: error.error_type, error_message: error.error_message }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let handler = &CaptureHandler::start().await;
    // capture passes on the text without parsing it, so no number is rounded and no field is
    // reordered or lost.
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Box<RawValue>>| async move {
        let LambdaEvent { payload, context } = event;
        let function_arn = &context.invoked_function_arn;
        let invocation = Invocation { deadline: context.deadline, function_arn };
        handler.answer(payload, &invocation).await.map_err(Refused)
    }))
    .await
}
