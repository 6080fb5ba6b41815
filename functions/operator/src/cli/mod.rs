//! The command line: commands, arguments and their help texts.

mod values;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use poolbridge_core::names::Sub;
use poolbridge_core::record::PersonState;
use poolbridge_core::side::Side;

pub(crate) use values::{NamedAccount, RestoreChoice, RestoreDecision, Sides};

/// Keeps two Amazon Cognito user pools in step while a team moves from one to the other.
///
/// Reads the path of bridge.toml from POOLBRIDGE_CONFIG, and the names of deployed resources from
/// POOLBRIDGE_TABLE, POOLBRIDGE_QUEUE_URL, POOLBRIDGE_BULK_QUEUE_URL, POOLBRIDGE_DEAD_LETTER_URL,
/// POOLBRIDGE_KEY, POOLBRIDGE_CAPTURE_OLD and POOLBRIDGE_CAPTURE_NEW. The stack's outputs hold
/// these names. Region and credentials come from the usual AWS settings.
///
/// Exit codes: 0 done, 1 error or answered no, 2 not done yet or refused, 64 usage.
#[derive(Debug, Parser)]
#[expect(clippy::doc_markdown, reason = "clap prints the text as it is written here")]
#[command(name = "poolbridge", version, term_width = 100, subcommand_required = true)]
pub(crate) struct Cli {
    /// Print JSON to standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Skip the confirmation question before a change
    #[arg(long, global = true)]
    pub(crate) yes: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// One command.
#[derive(Debug, Subcommand)]
#[expect(clippy::doc_markdown, reason = "clap prints the text as it is written here")]
pub(crate) enum Command {
    /// Check bridge.toml and show its settings
    ///
    /// Reads this one file. Calls no AWS service, and needs no credentials and no other variable.
    /// Lists all mistakes with their lines, and exits with 1 if there are any. --json prints what
    /// the CDK app reads: format, name, hash, old, new, match_attribute, groups, deletes,
    /// signup_guard, sweep_every_seconds.
    Check(CheckArgs),
    /// Show the state of the bridge, its people and its queues
    ///
    /// The line `drained` shows one check. `poolbridge drain` checks for 60 s, because the counters
    /// of SQS lag. --json prints: name, at, phase, active, closing, paused, breaker, restores,
    /// configuration, people, pending, queue, drained, blockers, throttled, lost_captures,
    /// passwords_kept_open, journal_last.
    Status(StatusArgs),
    /// List the people in one state, least recently changed first
    People(PeopleArgs),
    /// Show one person's accounts, decisions and next steps
    ///
    /// Reads both accounts and writes nothing. Prints names of fields, never their values.
    Explain(ExplainArgs),
    /// Wait until every captured change is applied
    ///
    /// Sends every pending change again at once. Then checks every 3 s, until for 60 s no change
    /// from before the start is left. Changes that are captured meanwhile may still be pending: the
    /// bridge is then drained up to the start of the command. Without such changes, both queues
    /// must be empty for those 60 s. Pending changes of held and conflicting people are counted
    /// separately. When the time is up, prints the next step for each blocker and exits with 2.
    Drain(DrainArgs),
    /// Clear blocked fields and failures, and process people again
    ///
    /// Stores a pending change for both accounts of each person and sends it. Without arguments:
    /// all people in the states waiting, conflict and held.
    Retry(RetryArgs),
    /// Link two accounts that belong to one person
    ///
    /// Reads and shows both accounts, and writes only the state table. apply then merges both
    /// accounts by the rules of a first link. Reverts an earlier unlink of these two accounts.
    Link(LinkArgs),
    /// Separate two accounts that were linked by mistake
    ///
    /// Each account becomes a person of its own, and no search links the two again. Writes only the
    /// state table: copied values stay, and an account that the link disabled stays disabled. A
    /// later deletion of one account does not change the other.
    Unlink(UnlinkArgs),
    /// Stop writes to both pools; changes are still captured
    ///
    /// One kind of write continues: apply still disables the other account of a disabled account.
    Pause(PauseArgs),
    /// End a pause, activate bridge.toml, and process pending changes
    ///
    /// An open circuit breaker stays open without --breaker. After a point-in-time recovery of a
    /// pool, apply writes only disables until --after-restore says what follows from it.
    Resume(ResumeArgs),
    /// Attach capture to the pools' triggers
    ///
    /// Changes only the triggers that bridge.toml asks for, and writes every other setting back
    /// unchanged. If another function holds such a trigger, attach replaces it only if bridge.toml
    /// names that function under [old.triggers] or [new.triggers] and you have deployed this
    /// bridge.toml: capture then calls that function too. Stores a sealed settings backup first,
    /// and compares all settings afterwards. Needs the ARNs of the capture functions from the
    /// stack's outputs. Exits with 2 if it refuses a pool.
    Attach(AttachArgs),
    /// Remove capture from the pools' triggers
    ///
    /// Changes only triggers that hold capture. Each gets the function that bridge.toml names for
    /// it, else the function in the settings backup. Clears the trigger if there was none before.
    Detach(DetachArgs),
    /// Show detection coverage per API operation
    ///
    /// Shows which route detects each operation on this bridge, and the worst-case delay. Reads
    /// both pools' triggers, and when trail and sweep last ran. Exits with 2 if a route is missing.
    Coverage,
    /// Run apply as a process until it is stopped
    ///
    /// SIGINT and SIGTERM let it finish the current batch. Logs and metrics go to standard error.
    ///
    /// It starts only under a role that `operator_roles` of the deployed bridge.toml or
    /// POOLBRIDGE_OWN_ROLES names: if another role sets a random password, trail takes it for one
    /// that the person chose. On a local stack it does not check the role.
    Worker,
    /// Print shell completions
    Completions(CompletionsArgs),
}

/// `check`.
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// Path of bridge.toml [default: POOLBRIDGE_CONFIG, else bridge.toml]
    #[arg(long, value_name = "PATH")]
    #[expect(clippy::doc_markdown, reason = "clap prints the text as it is written here")]
    pub(crate) config: Option<PathBuf>,
}

/// `status`.
#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    /// Repeat until interrupted
    #[arg(long)]
    pub(crate) watch: bool,

    /// Set the time between two prints of --watch
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = values::duration)]
    pub(crate) every: Duration,
}

/// `people`.
#[derive(Args, Debug)]
pub(crate) struct PeopleArgs {
    /// Select: only-old, only-new, waiting, conflict, held or deleted
    #[arg(long, value_parser = values::state)]
    pub(crate) state: PersonState,

    /// Limit the number of people
    #[arg(long, value_name = "COUNT", default_value = "50", value_parser = values::limit)]
    pub(crate) limit: usize,
}

/// `explain`.
#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// `sub` of an account; old:SUB or new:SUB names the pool
    #[arg(value_parser = values::account, value_name = "SUB")]
    pub(crate) account: NamedAccount,
}

/// `drain`.
#[derive(Args, Debug)]
pub(crate) struct DrainArgs {
    /// Limit the time to wait
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = values::duration)]
    pub(crate) timeout: Duration,

    /// Reset the count of captures without a pending change first
    ///
    /// These captures stored no pending change and sent no message. The sweep, a later change or
    /// retry finds the accounts. The sweep does not find new passwords.
    #[arg(long)]
    pub(crate) waive_lost_captures: bool,
}

/// `retry`.
#[derive(Args, Debug)]
pub(crate) struct RetryArgs {
    /// `sub`s of accounts; old:SUB or new:SUB names the pool
    #[arg(value_parser = values::account, value_name = "SUB")]
    pub(crate) accounts: Vec<NamedAccount>,

    /// Select: only-old, only-new, waiting, conflict or held
    #[arg(long, value_parser = values::state, conflicts_with = "accounts")]
    pub(crate) state: Option<PersonState>,
}

/// `link`.
#[derive(Args, Debug)]
pub(crate) struct LinkArgs {
    /// `sub` of the account in the old pool
    #[arg(long, value_name = "SUB", value_parser = values::sub)]
    pub(crate) old: Sub,

    /// `sub` of the account in the new pool
    #[arg(long, value_name = "SUB", value_parser = values::sub)]
    pub(crate) new: Sub,

    /// Link a federated account to a local one or another identity
    ///
    /// The address that the provider asserts then travels as verified.
    #[arg(long)]
    pub(crate) federated: bool,
}

/// `unlink`.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct UnlinkArgs {
    /// `sub` of the person's account in the old pool
    #[arg(long, value_name = "SUB", value_parser = values::sub)]
    pub(crate) old: Option<Sub>,

    /// `sub` of the person's account in the new pool
    #[arg(long, value_name = "SUB", value_parser = values::sub)]
    pub(crate) new: Option<Sub>,
}

impl UnlinkArgs {
    /// The named account.
    pub(crate) fn account(&self) -> Option<(Side, &Sub)> {
        let old = self.old.as_ref().map(|sub| (Side::Old, sub));
        old.or_else(|| self.new.as_ref().map(|sub| (Side::New, sub)))
    }
}

/// `pause`.
#[derive(Args, Debug)]
pub(crate) struct PauseArgs {
    /// Reason, shown by status; it must not name a person
    #[arg(default_value = "no reason given")]
    pub(crate) reason: String,
}

/// `attach`.
#[derive(Args, Debug)]
pub(crate) struct AttachArgs {
    /// Select the pool
    #[arg(long, value_enum, default_value_t = Sides::Both)]
    pub(crate) side: Sides,

    /// Print the lines for the pool's own template; change nothing
    #[arg(long)]
    pub(crate) print: bool,
}

/// `detach`.
#[derive(Args, Debug)]
pub(crate) struct DetachArgs {
    /// Select the pool
    #[arg(long, value_enum, default_value_t = Sides::Both)]
    pub(crate) side: Sides,

    /// Restore all settings, not only the triggers
    ///
    /// Writes back the newest settings backup without capture. Use it after attach or detach
    /// reported that another setting has changed.
    #[arg(long)]
    pub(crate) whole: bool,
}

/// `resume`.
#[derive(Args, Debug)]
pub(crate) struct ResumeArgs {
    /// Close the circuit breaker and process what it held
    ///
    /// Shows how many people the breaker holds, closes it and processes them. They do not count
    /// toward the hourly limit. `[policy] deletes` says whether their other accounts are disabled
    /// or deleted.
    #[arg(long)]
    pub(crate) breaker: bool,

    /// Decide what follows from a point-in-time recovery that has ended
    ///
    /// heal: the other pool is right. propagate: the restored pool is right. none: no pool was
    /// restored. old=heal or new=heal names the pool if both were restored.
    #[arg(long, value_name = "DECISION", value_parser = values::restore_decision)]
    pub(crate) after_restore: Option<RestoreDecision>,
}

/// `completions`.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// Name of the shell
    pub(crate) shell: clap_complete::Shell,
}

/// Prints help, the version or an error of usage. An invalid command line exits with 64, as in
/// `sysexits.h`.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let printed = error.print();
    if error.use_stderr() {
        crate::terminal::message("hint: `poolbridge help` lists every command");
        return ExitCode::from(64);
    }
    if printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn command_line_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    /// The help texts are public, so a change of them is reviewed. `POOLBRIDGE_WRITE_GOLDEN=1`
    /// writes them again.
    #[test]
    fn help_texts_match_the_golden_files() {
        let mut command = Cli::command();
        command.build();
        let mut pages = vec![("poolbridge".to_owned(), command.render_long_help().to_string())];
        for sub in command.get_subcommands_mut() {
            let page = sub.render_long_help().to_string();
            pages.push((sub.get_name().to_owned(), page));
        }
        for (name, page) in pages.iter().filter(|(name, _)| name != "help") {
            crate::render::golden(&format!("help-{name}"), page);
        }
    }

    #[test]
    fn first_line_of_every_help_text_is_under_70_characters() {
        for command in Cli::command().get_subcommands() {
            let arguments = command.get_arguments().filter_map(clap::Arg::get_help);
            for help in command.get_about().into_iter().chain(arguments) {
                let help = help.to_string();
                assert!(help.chars().count() < 70, "{}: {help}", command.get_name());
            }
        }
    }

    #[test]
    fn invalid_arguments_are_usage_errors() {
        for line in [
            "poolbridge",
            "poolbridge stauts",
            "poolbridge people --state synced",
            "poolbridge drain --timeout soon",
            "poolbridge people --state held --limit 0",
            "poolbridge retry a --state held",
            "poolbridge attach --side left",
            "poolbridge link --old a",
            "poolbridge unlink",
            "poolbridge unlink --old a --new b",
            "poolbridge resume --after-restore undo",
            "poolbridge resume --after-restore left=heal",
        ] {
            let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
            assert!(error.use_stderr(), "{line}");
        }
        let cli = Cli::try_parse_from(["poolbridge", "retry", "--yes", "--json", "old:a"]).unwrap();
        assert!(cli.yes && cli.json);
    }
}
