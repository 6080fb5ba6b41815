//! `make demo`: see `poolbridge_tests::demo`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    poolbridge_tests::demo::run().await
}
