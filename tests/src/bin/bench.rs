//! `make bench`: see `poolbridge_tests::bench`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    poolbridge_tests::bench::run().await
}
