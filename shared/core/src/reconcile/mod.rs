//! `reconcile`: processes one change event. Claim, observe, plan, store intent, write, record: the
//! order is written only here. The architecture page lists the protocol rules; each is named next
//! to the line that keeps it.

mod addresses;
mod carry;
mod conclude;
mod create;
mod creation_plan;
mod deletion;
mod failing;
mod lease;
mod link;
mod membership;
mod merge_records;
mod observe;
pub mod operator;
mod owed;
mod passwords;
mod pending;
mod perform;
#[cfg(feature = "planted")]
mod planted;
mod proof;
mod read_back;
mod recovery;
mod restored;
mod run;
mod search;

use crate::change::ChangeEvent;
use crate::control::ConfigurationStamp;
use crate::error::ErrorKind;
use crate::fingerprint::Keyring;
use crate::limits;
use crate::names::{Owner, PersonId};
use crate::outcome::{Outcome, Reason};
use crate::policy::Policy;
use crate::ports::{Clock, Ports};
use crate::record::Decision;
use crate::rules::Rule;
use crate::side::{BySide, Side};
use crate::time::Time;

use lease::Worker;
use run::{Round, Run, later};

pub use observe::Explanation;

/// The bridge: everything that is the same for every change event.
#[derive(Debug)]
pub struct Bridge<'a, P> {
    /// Pools, table and clock.
    pub ports: &'a P,
    /// The team's choices.
    pub policy: &'a Policy,
    /// Fingerprint keys.
    pub keys: &'a Keyring,
    /// The configuration with which this process was started.
    pub configuration: &'a ConfigurationStamp,
}

impl<P> Clone for Bridge<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Bridge<'_, P> {}

/// The time limits of one piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Work on this person must stop by then.
    pub deadline: Time,
    /// The platform kills the process by then at the latest (`LeaseOutlastsProcess`). A plain
    /// process repeats the deadline here and sets `suspendable`.
    pub invocation_end: Time,
    /// The process can be stopped and resumed between a check and the call that follows it.
    pub suspendable: bool,
}

/// The result of one change event, for the log line and the metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The outcome.
    pub outcome: Outcome,
    /// The person, once known.
    pub person: Option<PersonId>,
    /// The names of the fields that were written, with the pool.
    pub carried: Vec<(Side, String)>,
    /// Account reads. They make the person a billed monthly user of that pool.
    pub account_reads: u32,
    /// Writes to pools, including creations and failed attempts.
    pub pool_writes: u32,
    /// The decisions that were made.
    pub decisions: Vec<Decision>,
    /// For `retry`: whether a pending change stays, so that the message may be deleted.
    pub has_pending: bool,
}

impl<P: Ports> Bridge<'_, P> {
    /// Processes one change event. Never fails: a port error leads to an outcome too, and an event
    /// that is not finished keeps its pending change.
    pub async fn reconcile(&self, change: &ChangeEvent, work: &Work) -> Report {
        let rules = self.policy.rules;
        let nonce = if rules.keeps(Rule::UniqueLeaseOwner) {
            self.ports.clock().nonce()
        } else {
            change.id
        };
        let mut run = self.run_of(change, work, Owner::from_nonce(nonce));
        let mut outcome = Outcome::Retry(limits::RETRY_SOON, Reason::Contended);
        for _ in 0..limits::ROUNDS_MAX {
            match run.round().await {
                Ok(Round::Done(done)) => {
                    outcome = done;
                    break;
                }
                Ok(Round::Again) => {}
                Err(error) => {
                    outcome = run.after_error(&error).await;
                    if error.kind != ErrorKind::Lost {
                        break;
                    }
                }
            }
        }
        if let Outcome::Retry(..) = outcome {
            run.report.has_pending = run.keep_pending().await;
        }
        run.report.outcome = outcome;
        run.report
    }

    /// The work on one change event, before it begins.
    const fn run_of<'a>(
        &'a self,
        change: &'a ChangeEvent,
        work: &'a Work,
        owner: Owner,
    ) -> Run<'a, P> {
        Run {
            bridge: *self,
            change,
            worker: Worker::new(*self, work, owner),
            pending_changes: BySide { old: None, new: None },
            report: Report {
                outcome: Outcome::Unchanged,
                person: None,
                carried: Vec::new(),
                account_reads: 0,
                pool_writes: 0,
                decisions: Vec::new(),
                has_pending: false,
            },
            carried_observation: None,
            password_waits: None,
            supported: false,
            #[cfg(feature = "planted")]
            read_early: None,
        }
    }
}
