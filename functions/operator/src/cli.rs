//! The command line itself: names, arguments and their help.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use poolbridge_core::names::Sub;
use poolbridge_core::record::PersonState;
use poolbridge_core::side::Side;

/// Keeps two Amazon Cognito user pools in step while a team moves from one to the other.
///
/// Reads the path of bridge.toml from POOLBRIDGE_CONFIG, and the names of deployed resources from
/// POOLBRIDGE_TABLE, POOLBRIDGE_QUEUE_URL, POOLBRIDGE_BULK_QUEUE_URL, POOLBRIDGE_DEAD_LETTER_URL,
/// POOLBRIDGE_KEY, POOLBRIDGE_CAPTURE_OLD and POOLBRIDGE_CAPTURE_NEW. The stack's outputs hold
/// these names. Region and credentials come from the usual AWS settings.
///
/// Exit codes: 0 done, 1 error, 2 not done yet or refused, 64 usage.
#[derive(Debug, Parser)]
#[expect(clippy::doc_markdown, reason = "the help shows it as it stands")]
#[command(name = "poolbridge", version, term_width = 100, subcommand_required = true)]
pub(crate) struct Cli {
    /// Print JSON to standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Do not ask for confirmation before a change
    #[arg(long, global = true)]
    pub(crate) yes: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
#[expect(clippy::doc_markdown, reason = "the help shows it as it stands")]
pub(crate) enum Command {
    /// Check bridge.toml, and show what it declares
    ///
    /// Reads one file and nothing else: no AWS service, no credentials, no other variable. Lists
    /// all errors with their lines, and exits with 1 if there are any. --json prints what the CDK
    /// app reads: format, name, hash, old, new, match_attribute, groups, deletes, signup_guard,
    /// sweep_every_seconds.
    Check(CheckArgs),
    /// Show the state of the bridge: phase, people by state, queues
    ///
    /// `drained` rests on one check. `poolbridge drain` checks for a whole minute, because the
    /// counters of SQS lag. --json prints: name, phase, active, closing, paused, breaker,
    /// configuration, people, pending, queue, drained, undrained, throttled, unmarked,
    /// `journal_last`.
    Status(StatusArgs),
    /// List the people in one state, longest unchanged first
    People(PeopleArgs),
    /// Show a person's decisions, differences and next steps
    ///
    /// Reads both accounts and writes nothing. Prints names of fields, never their values.
    Explain(ExplainArgs),
    /// Wait until every change captured so far is applied
    ///
    /// Sends every pending change again at once. Then checks every 3 s until no change from before
    /// the start has been left for 60 s. Changes captured meanwhile may still be under way: then
    /// the bridge is drained up to the moment of the start. Without such changes both queues must
    /// be empty for those 60 s. People who are held or in conflict are counted separately. When the
    /// time is up, prints the next step for each reason and exits with 2.
    Drain(DrainArgs),
    /// Reprocess people at once, including what was held or refused
    ///
    /// Without arguments: everyone who is waiting, held or in conflict.
    Retry(RetryArgs),
    /// Link two accounts that belong to one person
    ///
    /// Reads and shows both accounts, and writes only the state table. apply then brings both
    /// accounts in step by the rules of a first link. Undoes an earlier unlink of these two
    /// accounts.
    Link(LinkArgs),
    /// Separate two accounts that were linked by mistake
    ///
    /// Each account becomes a person of its own, and no search links the two again. Writes only the
    /// state table: copied values stay, and an account that was disabled because of the link stays
    /// disabled. A later deletion of one account does not change the other.
    Unlink(UnlinkArgs),
    /// Stop writing to both pools; changes are still captured
    ///
    /// One kind of change still travels: a disabled person is disabled in the other pool too.
    Pause(PauseArgs),
    /// Resume, activate this bridge.toml, and process what waited
    ///
    /// An open circuit breaker stays open without --breaker. After a point-in-time recovery of a
    /// pool, only disables are written until --after-restore says what to do with its changes.
    Resume(ResumeArgs),
    /// Set capture as the pools' trigger; verify all other settings
    ///
    /// Uses the triggers that bridge.toml asks for. If another function holds one of them, attach
    /// takes it only if bridge.toml names that function under [old.triggers] or [new.triggers] and
    /// you have deployed this bridge.toml: capture then calls that function too. Stores a sealed
    /// backup of all settings first. Needs the ARNs of the capture functions from the stack's
    /// outputs. Exits with 2 if a pool is refused.
    Attach(AttachArgs),
    /// Remove capture from the pools' triggers
    ///
    /// Changes only triggers that still hold capture. Each goes back to the function that
    /// bridge.toml names for it, else to the function in the backup. Clears the trigger if there
    /// was none before.
    Detach(DetachArgs),
    /// Show which route detects each API operation, and how late
    ///
    /// Checks both pools' triggers, and when trail and sweep last ran. Exits with 2 if something is
    /// missing.
    Coverage,
    /// Run apply as a process until it is stopped
    ///
    /// SIGINT and SIGTERM let it finish the current batch. Logs and metrics go to standard error.
    ///
    /// It starts only under a role that `operator_roles` of the deployed bridge.toml or
    /// POOLBRIDGE_OWN_ROLES names. If another role sets a random password, trail takes it for one
    /// that the person chose. On a local stack it does not check.
    Worker,
    /// Print the completions for a shell
    Completions(CompletionsArgs),
}

/// `check`.
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// Path of bridge.toml [default: POOLBRIDGE_CONFIG, else bridge.toml in this folder]
    #[arg(long, value_name = "PATH")]
    #[expect(clippy::doc_markdown, reason = "the help shows it as it stands")]
    pub(crate) config: Option<PathBuf>,
}

/// `status`.
#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    /// Print it again and again until interrupted
    #[arg(long)]
    pub(crate) watch: bool,

    /// How often to print it
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = span)]
    pub(crate) every: Duration,
}

/// `people`.
#[derive(Args, Debug)]
pub(crate) struct PeopleArgs {
    /// only-old, only-new, waiting, conflict, held or deleted; synced people are not listed
    #[arg(long, value_parser = state)]
    pub(crate) state: PersonState,

    /// Maximum number of people
    #[arg(long, value_name = "COUNT", default_value = "50", value_parser = limit)]
    pub(crate) limit: usize,
}

/// `explain`.
#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// `sub` of an account in either pool; old:SUB or new:SUB names the pool
    #[arg(value_parser = who)]
    pub(crate) who: AccountArgs,
}

/// `drain`.
#[derive(Args, Debug)]
pub(crate) struct DrainArgs {
    /// Maximum time to wait
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = span)]
    pub(crate) timeout: Duration,

    /// First forget the captures that stored no pending change and sent no message. A later change,
    /// a retry or the sweep finds these people; the sweep cannot see passwords
    #[arg(long)]
    pub(crate) waive_without_pending: bool,
}

/// `retry`.
#[derive(Args, Debug)]
pub(crate) struct RetryArgs {
    /// `sub` of an account in either pool; old:SUB or new:SUB names the pool
    #[arg(value_parser = who, value_name = "WHO")]
    pub(crate) who: Vec<AccountArgs>,

    /// All people in this state: only-old, only-new, waiting, conflict or held
    #[arg(long, value_parser = state, conflicts_with = "who")]
    pub(crate) state: Option<PersonState>,
}

/// `link`.
#[derive(Args, Debug)]
pub(crate) struct LinkArgs {
    /// `sub` of the account in the old pool
    #[arg(long, value_name = "SUB", value_parser = sub)]
    pub(crate) old: Sub,

    /// `sub` of the account in the new pool
    #[arg(long, value_name = "SUB", value_parser = sub)]
    pub(crate) new: Sub,

    /// Allow a federated account and a local one, or two different identities: the address that the
    /// provider asserts then travels as verified
    #[arg(long)]
    pub(crate) federated: bool,
}

/// `unlink`.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct UnlinkArgs {
    /// `sub` of the person's account in the old pool
    #[arg(long, value_name = "SUB", value_parser = sub)]
    pub(crate) old: Option<Sub>,

    /// `sub` of the person's account in the new pool
    #[arg(long, value_name = "SUB", value_parser = sub)]
    pub(crate) new: Option<Sub>,
}

impl UnlinkArgs {
    /// The account that was named.
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

/// Which pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sides {
    /// Only the old pool
    Old,
    /// Only the new pool
    New,
    /// Both pools
    Both,
}

impl Sides {
    /// The sides themselves.
    pub(crate) fn sides(self) -> Vec<Side> {
        match self {
            Self::Old => vec![Side::Old],
            Self::New => vec![Side::New],
            Self::Both => Side::BOTH.to_vec(),
        }
    }
}

/// `attach`.
#[derive(Args, Debug)]
pub(crate) struct AttachArgs {
    /// Which pool
    #[arg(long, value_enum, default_value_t = Sides::Both)]
    pub(crate) side: Sides,

    /// Change nothing; print the lines for the pool's own template
    #[arg(long)]
    pub(crate) fingerprint: bool,
}

/// `detach`.
#[derive(Args, Debug)]
pub(crate) struct DetachArgs {
    /// Which pool
    #[arg(long, value_enum, default_value_t = Sides::Both)]
    pub(crate) side: Sides,

    /// Restore all settings, not only triggers, from the newest backup without capture. Use it
    /// after attach or detach reported that another setting had changed
    #[arg(long)]
    pub(crate) whole: bool,
}

/// `resume`.
#[derive(Args, Debug)]
pub(crate) struct ResumeArgs {
    /// List the accounts that the open circuit breaker held, close it and process them; they do not
    /// count toward the hourly limit. `[policy] deletes` says whether they are disabled or deleted
    #[arg(long)]
    pub(crate) breaker: bool,

    /// After a point-in-time recovery has ended: heal (the other pool is right), propagate (the
    /// restored pool is right) or none (nothing was restored). old=heal or new=heal names the pool
    /// if both were restored
    #[arg(long, value_name = "DECISION", value_parser = decision)]
    pub(crate) after_restore: Option<RestoreDecision>,
}

/// What follows from a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RestoreChoice {
    /// The other pool is right.
    Heal,
    /// The restored pool is right.
    Propagate,
    /// Nothing was restored.
    None,
}

/// A decision about one pool's restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RestoreDecision {
    /// The pool, if it was said.
    pub(crate) side: Option<Side>,
    /// The decision.
    pub(crate) answer: RestoreChoice,
}

/// `completions`.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// An account, as an operator names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccountArgs {
    /// The pool, if it was said.
    pub(crate) side: Option<Side>,
    /// The account.
    pub(crate) sub: Sub,
}

impl AccountArgs {
    /// The sides on which to look.
    pub(crate) fn sides(&self) -> Vec<Side> {
        self.side.map_or_else(|| Side::BOTH.to_vec(), |side| vec![side])
    }
}

fn who(text: &str) -> Result<AccountArgs, String> {
    let reported = Side::BOTH.into_iter().find_map(|side| {
        let sub = text.strip_prefix(side.name())?.strip_prefix(':')?;
        Some((side, sub))
    });
    let (side, sub) = reported.map_or((None, text), |(side, sub)| (Some(side), sub));
    let sub = Sub::try_from(sub).map_err(|error| error.to_string())?;
    Ok(AccountArgs { side, sub })
}

fn sub(text: &str) -> Result<Sub, String> {
    Sub::try_from(text).map_err(|error| error.to_string())
}

fn decision(text: &str) -> Result<RestoreDecision, String> {
    let reported = Side::BOTH.into_iter().find_map(|side| {
        let answer = text.strip_prefix(side.name())?.strip_prefix('=')?;
        Some((side, answer))
    });
    let (side, answer) = reported.map_or((None, text), |(side, answer)| (Some(side), answer));
    let answer = match answer {
        "heal" => RestoreChoice::Heal,
        "propagate" => RestoreChoice::Propagate,
        "none" => RestoreChoice::None,
        _ => return Err("heal, propagate or none; old=heal where both were restored".to_owned()),
    };
    Ok(RestoreDecision { side, answer })
}

fn state(text: &str) -> Result<PersonState, String> {
    let known = PersonState::ALL.map(PersonState::name).join(", ");
    let state = PersonState::from_name(text).ok_or_else(|| format!("one of: {known}"))?;
    if state == PersonState::Synced {
        return Err("synced people are not listed; `explain` shows one person".to_owned());
    }
    Ok(state)
}

fn span(text: &str) -> Result<Duration, String> {
    let span = poolbridge_config::duration(text);
    span.ok_or_else(|| "write a whole number and ms, s, m or h: 10s".to_owned())
}

fn limit(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=1_000).contains(count));
    count.ok_or_else(|| "a number from 1 to 1000".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    /// The help is a public face: a change of it is seen in review. Run with
    /// `POOLBRIDGE_WRITE_GOLDEN=1` to write it anew.
    #[test]
    fn the_help_is_as_reviewed() {
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
    fn people_are_named_with_or_without_their_pool() {
        let sub = Sub::try_from("a-b").unwrap();
        assert_eq!(who("a-b"), Ok(AccountArgs { side: None, sub: sub.clone() }));
        assert_eq!(who("old:a-b"), Ok(AccountArgs { side: Some(Side::Old), sub: sub.clone() }));
        assert_eq!(who("new:a-b"), Ok(AccountArgs { side: Some(Side::New), sub }));
        assert!(who("").is_err());
        assert!(who("old:").is_err());
    }

    #[test]
    fn what_is_not_understood_is_an_error_of_usage() {
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
