//! `poolbridge`: the command line that shows and controls a bridge.
// The SDK's futures nest deeper than the compiler's default limit.
#![recursion_limit = "256"]

mod attach_plan;
mod cli;
mod commands;
mod coverage_input;
mod failure;
mod render;
mod terminal;
mod wording;

use std::process::ExitCode;

use clap::Parser as _;
use poolbridge_telemetry::{self as telemetry, Output};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return cli::usage(&error),
    };
    telemetry::start(Output::Terminal);
    match commands::run(cli).await {
        Ok(result) => result.into(),
        Err(error) => {
            terminal::error(&error);
            commands::CommandResult::Failed.into()
        }
    }
}
