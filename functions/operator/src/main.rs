//! `poolbridge`: how an operator asks a bridge how it stands, and steers it.
// The SDK's futures nest deeper than the compiler looks by itself.
#![recursion_limit = "256"]

mod cli;
mod commands;
mod failure;
mod render;
mod terminal;

use std::process::ExitCode;

use clap::Parser as _;
use poolbridge_telemetry::{self as telemetry, Output};

use cli::Cli;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    telemetry::start(Output::Terminal);
    match commands::run(cli).await {
        Ok(command_result) => command_result.into(),
        Err(error) => {
            terminal::error(&error);
            commands::CommandResult::Failed.into()
        }
    }
}

/// A command line that was not understood ends in 64, as `sysexits.h` has it; help and version in
/// 0.
fn usage(error: &clap::Error) -> ExitCode {
    let shown = error.print();
    if error.use_stderr() {
        terminal::say("hint: `poolbridge help` lists every command");
        return ExitCode::from(64);
    }
    if shown.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
