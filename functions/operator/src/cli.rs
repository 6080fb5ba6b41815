//! The command line itself: names, arguments and their help.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use poolbridge_core::entry::State;
use poolbridge_core::names::Sub;
use poolbridge_core::side::Side;

/// Keeps two Amazon Cognito user pools in step while a team moves from one to the other.
///
/// Reads bridge.toml (POOLBRIDGE_CONFIG) and the names of deployed resources (POOLBRIDGE_TABLE,
/// POOLBRIDGE_QUEUE_URL, POOLBRIDGE_DEAD_LETTER_URL, POOLBRIDGE_KEY, and for the pools' triggers
/// POOLBRIDGE_CAPTURE_OLD and POOLBRIDGE_CAPTURE_NEW) from the environment; the stack's outputs name
/// them. Region and credentials come from where every AWS tool takes them.
///
/// Exit codes: 0 done, 1 error, 2 not there yet, 64 usage.
#[derive(Debug, Parser)]
#[expect(clippy::doc_markdown, reason = "the help shows it as it stands")]
#[command(name = "poolbridge", version, term_width = 100, subcommand_required = true)]
pub(crate) struct Cli {
    /// Write JSON to standard output, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Do it without asking
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
    /// all mistakes with their lines and exits with 1 if there are any. --json prints what the CDK
    /// app reads: format, name, hash, old, new, match_attribute, groups, deletes, signup_guard,
    /// sweep_every_seconds.
    Check(Check),
    /// Tell how the bridge stands: phase, people by state, marks, queue
    ///
    /// `drained` is what one look tells; `poolbridge drain` looks twice, as it must be. With
    /// --json: name, phase, active, closing, paused, breaker, configuration, people, pending,
    /// queue, drained, undrained, throttled, unmarked, `journal_last`.
    Status(Status),
    /// List who is in a state, those longest unchanged first
    People(People),
    /// Tell one person's whole story: decisions, differences, what the next apply would do
    ///
    /// Reads both accounts and writes nothing. Names fields, never what is in them.
    Explain(Explain),
    /// Wait until nothing that was captured before is still on its way
    ///
    /// Sends every mark again at once, then looks until nothing from before the drain began is left
    /// for a minute. Changes that are captured meanwhile may be on their way: it is then drained up
    /// to the moment at which it began. Without such changes the queue has to be empty for that
    /// minute. People who are held, or in conflict, are counted apart. Ends with 2, and with the
    /// next step for each reason, when time is up.
    Drain(Drain),
    /// Look at people again at once, and try again what was refused or held
    ///
    /// Without arguments: everybody who is waiting, held or in conflict.
    Retry(Retry),
    /// Link two accounts that you know to be one person's
    ///
    /// Reads both accounts, shows them, and writes the state table alone. The consumer then brings both
    /// accounts in step by the rules of a first link. Takes back an earlier unlink of the two.
    Link(Link),
    /// Separate two accounts that were linked wrongly
    ///
    /// Each account becomes a person of its own, and no search links the two again. Writes the state
    /// table alone: values that travelled stay where they are, and an account that was disabled because
    /// of the link stays disabled. A later deletion of one account does not touch the other.
    Unlink(Unlink),
    /// Stop writing: changes are still captured, and marked
    ///
    /// Only a person who was disabled is disabled on the other side all the same.
    Pause(Pause),
    /// Go on after a pause, under the configuration at hand, and look at all that waited
    ///
    /// The breaker stays as it is unless --breaker is given. After a pool was restored to a point in
    /// time nothing is written but disables until --after-restore decides what follows.
    Resume(Resume),
    /// Put capture into the pools' triggers, and prove that nothing else moved
    ///
    /// Takes the slots that bridge.toml asks for. A slot that holds a function of the team's own is
    /// taken only if bridge.toml names it under [old.triggers] or [new.triggers], and was deployed
    /// so: then capture calls it beside its own work. Keeps a sealed dump of all settings first.
    /// Needs the ARNs of the capture functions, which the stack's outputs name. Ends with 2 if a pool
    /// is refused.
    Attach(Attach),
    /// Give the pools' triggers back to whoever held them before
    ///
    /// Touches only slots that hold capture still. A slot goes to the function that bridge.toml has
    /// capture call there, else to whoever the dump tells of; to nobody if nobody stood there.
    Detach(Detach),
    /// Tell, for each operation, which route notices it on this bridge, and how late at the worst
    ///
    /// Looks at both pools' triggers and at when the trail and the sweep were last alive. Ends with
    /// 2 if something is missing.
    Coverage,
    /// Work off the queue as a plain process, until it is told to stop
    ///
    /// SIGINT or SIGTERM let it finish the batch at hand. Logs and figures go to standard error.
    ///
    /// It starts only under a role that the deployed `operator_roles` of bridge.toml names, or under a
    /// role of POOLBRIDGE_OWN_ROLES: the trail takes a password that any other role closes for one
    /// that its person chose. On a local stack it does not ask.
    Worker,
    /// Write the completions of a shell to standard output
    Completions(Completions),
}

/// `check`.
#[derive(Args, Debug)]
pub(crate) struct Check {
    /// Path of bridge.toml; if not given, POOLBRIDGE_CONFIG or bridge.toml in this folder
    #[arg(long, value_name = "PATH")]
    #[expect(clippy::doc_markdown, reason = "the help shows it as it stands")]
    pub(crate) config: Option<PathBuf>,
}

/// `status`.
#[derive(Args, Debug)]
pub(crate) struct Status {
    /// Tell again and again, until interrupted
    #[arg(long)]
    pub(crate) watch: bool,

    /// How often
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = span)]
    pub(crate) every: Duration,
}

/// `people`.
#[derive(Args, Debug)]
pub(crate) struct People {
    /// only-old, only-new, waiting, conflict, held or deleted; who is in step is not listed
    #[arg(long, value_parser = state)]
    pub(crate) state: State,

    /// How many at the most
    #[arg(long, value_name = "COUNT", default_value = "50", value_parser = limit)]
    pub(crate) limit: usize,
}

/// `explain`.
#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// The `sub` of an account of either pool; old:SUB or new:SUB says which
    #[arg(value_parser = who)]
    pub(crate) who: Who,
}

/// `drain`.
#[derive(Args, Debug)]
pub(crate) struct Drain {
    /// How long to wait at the most
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = span)]
    pub(crate) timeout: Duration,

    /// First forget the captures that were neither marked nor sent: whoever they were of is found
    /// by nothing but a later change, or by retrying them
    #[arg(long)]
    pub(crate) waive_unmarked: bool,
}

/// `retry`.
#[derive(Args, Debug)]
pub(crate) struct Retry {
    /// The `sub` of an account of either pool; old:SUB or new:SUB says which
    #[arg(value_parser = who, value_name = "WHO")]
    pub(crate) who: Vec<Who>,

    /// Everybody in that state: only-old, only-new, waiting, conflict or held
    #[arg(long, value_parser = state, conflicts_with = "who")]
    pub(crate) state: Option<State>,
}

/// `link`.
#[derive(Args, Debug)]
pub(crate) struct Link {
    /// The `sub` of the account in the old pool
    #[arg(long, value_name = "SUB", value_parser = sub)]
    pub(crate) old: Sub,

    /// The `sub` of the account in the new pool
    #[arg(long, value_name = "SUB", value_parser = sub)]
    pub(crate) new: Sub,

    /// Link a federated account to a local one, or to one of another identity: the address that its
    /// provider asserts then travels as verified
    #[arg(long)]
    pub(crate) federated: bool,
}

/// `unlink`.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Unlink {
    /// The `sub` of the person's account in the old pool
    #[arg(long, value_name = "SUB", value_parser = sub)]
    pub(crate) old: Option<Sub>,

    /// The `sub` of the person's account in the new pool
    #[arg(long, value_name = "SUB", value_parser = sub)]
    pub(crate) new: Option<Sub>,
}

impl Unlink {
    /// The account that was named.
    pub(crate) fn account(&self) -> Option<(Side, &Sub)> {
        let old = self.old.as_ref().map(|sub| (Side::Old, sub));
        old.or_else(|| self.new.as_ref().map(|sub| (Side::New, sub)))
    }
}

/// `pause`.
#[derive(Args, Debug)]
pub(crate) struct Pause {
    /// Why, for whoever asks; name no person
    #[arg(default_value = "no reason given")]
    pub(crate) reason: String,
}

/// Which pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sides {
    /// The old pool alone
    Old,
    /// The new pool alone
    New,
    /// Both
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
pub(crate) struct Attach {
    /// Which pool
    #[arg(long, value_enum, default_value_t = Sides::Both)]
    pub(crate) side: Sides,

    /// Change nothing, and print the lines for the template that the pool is deployed from
    #[arg(long)]
    pub(crate) print: bool,
}

/// `detach`.
#[derive(Args, Debug)]
pub(crate) struct Detach {
    /// Which pool
    #[arg(long, value_enum, default_value_t = Sides::Both)]
    pub(crate) side: Sides,

    /// Write back every setting as the newest dump without capture in any slot has it, not the
    /// triggers alone: for when attach or detach said that something else had moved
    #[arg(long)]
    pub(crate) whole: bool,
}

/// `resume`.
#[derive(Args, Debug)]
pub(crate) struct Resume {
    /// Also close the breaker, and look again at everybody whom it held: the accounts whose other
    /// halves were deleted are disabled or deleted then, as `[policy] deletes` says
    #[arg(long)]
    pub(crate) breaker: bool,

    /// Decide what follows from a pool's restore to a point in time, once it has ended: heal (the
    /// other pool is right), propagate (the restored pool is right) or none (nothing was restored).
    /// old=heal or new=heal names the pool where both were restored
    #[arg(long, value_name = "DECISION", value_parser = decision)]
    pub(crate) after_restore: Option<Decision>,
}

/// What follows from a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The other pool is right.
    Heal,
    /// The restored pool is right.
    Propagate,
    /// Nothing was restored.
    None,
}

/// A decision about one pool's restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// The pool, if it was said.
    pub(crate) side: Option<Side>,
    /// The decision.
    pub(crate) answer: Answer,
}

/// `completions`.
#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// An account, as an operator names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Who {
    /// The pool, if it was said.
    pub(crate) side: Option<Side>,
    /// The account.
    pub(crate) sub: Sub,
}

impl Who {
    /// The sides on which to look.
    pub(crate) fn sides(&self) -> Vec<Side> {
        self.side.map_or_else(|| Side::BOTH.to_vec(), |side| vec![side])
    }
}

fn who(text: &str) -> Result<Who, String> {
    let told = Side::BOTH.into_iter().find_map(|side| {
        let sub = text.strip_prefix(side.name())?.strip_prefix(':')?;
        Some((side, sub))
    });
    let (side, sub) = told.map_or((None, text), |(side, sub)| (Some(side), sub));
    let sub = Sub::try_from(sub).map_err(|error| error.to_string())?;
    Ok(Who { side, sub })
}

fn sub(text: &str) -> Result<Sub, String> {
    Sub::try_from(text).map_err(|error| error.to_string())
}

fn decision(text: &str) -> Result<Decision, String> {
    let told = Side::BOTH.into_iter().find_map(|side| {
        let answer = text.strip_prefix(side.name())?.strip_prefix('=')?;
        Some((side, answer))
    });
    let (side, answer) = told.map_or((None, text), |(side, answer)| (Some(side), answer));
    let answer = match answer {
        "heal" => Answer::Heal,
        "propagate" => Answer::Propagate,
        "none" => Answer::None,
        _ => return Err("heal, propagate or none; old=heal where both were restored".to_owned()),
    };
    Ok(Decision { side, answer })
}

fn state(text: &str) -> Result<State, String> {
    let known = State::ALL.map(State::name).join(", ");
    let state = State::from_name(text).ok_or_else(|| format!("one of: {known}"))?;
    if state == State::Synced {
        return Err("who is in step is not listed; `explain` tells of one person".to_owned());
    }
    Ok(state)
}

fn span(text: &str) -> Result<Duration, String> {
    let span = poolbridge_aws::config::duration(text);
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
        assert_eq!(who("a-b"), Ok(Who { side: None, sub: sub.clone() }));
        assert_eq!(who("old:a-b"), Ok(Who { side: Some(Side::Old), sub: sub.clone() }));
        assert_eq!(who("new:a-b"), Ok(Who { side: Some(Side::New), sub }));
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
