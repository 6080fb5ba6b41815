//! The function `capture`. It runs inside people's sign-ups and sign-ins, so its own work fails
//! open and has a time limit.
//!
//! Only two things make it answer with an error. One is the chained function: capture returns its
//! answer, errors included, and also the failure to call it. The other is the sign-up guard, if it
//! refuses a sign-up.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, SystemTime};

use aws_config::{Region, SdkConfig};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use futures_util::FutureExt as _;
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::guard::GuardDecision;
use poolbridge_core::limits;
use poolbridge_core::ports::Clock;
use poolbridge_core::side::Side;
use serde_json::value::RawValue;

use crate::chain::{Chain, ChainAnswer, FunctionError};
use crate::guard::SignUpGuard;
use crate::lines;
use crate::recent::Recent;
use crate::triggers::{Heading, NotAChange, request};
use poolbridge_aws::bridge::{queue_client, table};
use poolbridge_aws::client::sdk_config;
use poolbridge_aws::clock::SystemClock;
use poolbridge_aws::dynamodb::DynamoLedger;
use poolbridge_aws::sqs::SqsOutbox;
use poolbridge_config::{
    self as config, ChainedFunction, Component, ConfigErrors, Configuration, DeclaredTriggers,
    Environment, GuardFailure, TriggerSlot, unqualified,
};
use poolbridge_telemetry::{self as telemetry, CaptureMetrics, Output, Telemetry};

/// The longest time for one attempt. A warm call answers in milliseconds, and two attempts with a
/// pause between them stay within [`limits::CAPTURE_TIME_MAX`].
const ATTEMPT_TIME_MAX: Duration = Duration::from_millis(800);

/// A person is waiting: one retry, and no more.
const ATTEMPTS_MAX: u32 = 2;

const FIRST_BACK_OFF: Duration = Duration::from_millis(50);

const _: () = assert!(
    ATTEMPT_TIME_MAX.as_millis() * ATTEMPTS_MAX as u128 + 2 * FIRST_BACK_OFF.as_millis()
        < limits::CAPTURE_TIME_MAX.as_millis()
);

/// The message for a sign-up with an identity that the other pool holds.
const TAKEN: &str = "there is an account for this already: sign in instead of signing up";

/// The message if the guard cannot decide and `signup_guard_failure` is `closed`.
const NOT_JUDGED: &str = "this sign-up cannot be checked right now: try again in a moment";

/// The trigger as Lambda calls it.
#[derive(Debug)]
pub struct CaptureHandler {
    services: Result<CaptureServices, ConfigErrors>,
    /// Known even if the rest of the configuration is invalid.
    triggers: DeclaredTriggers,
    chain: Chain,
    /// The name of this function, so that it never calls itself.
    own_name: Option<String>,
    pub(crate) clock: Arc<SystemClock>,
    telemetry: Telemetry,
    /// Captures that were neither stored nor sent, and that the table does not know yet. "Drained"
    /// depends on them (`DrainedMeansEmpty`).
    pub(crate) lost_captures: AtomicU32,
    pub(crate) recent: Recent,
}

#[derive(Debug)]
pub(crate) struct CaptureServices {
    pub(crate) configuration: Configuration,
    pub(crate) ledger: DynamoLedger,
    pub(crate) outbox: SqsOutbox,
    guard: Option<SignUpGuard>,
}

/// The platform's data about one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invocation<'a> {
    /// When the platform ends the call, in milliseconds since the epoch by its own clock.
    pub deadline: u64,
    /// The ARN that was called.
    pub function_arn: &'a str,
}

#[derive(Debug, Default)]
struct Own {
    metrics: CaptureMetrics,
    /// The error that refuses the sign-up.
    refusal: Option<FunctionError>,
}

#[derive(Debug, Default)]
struct FromChained {
    /// The answer, if it is not the event itself.
    answer: Option<ChainAnswer>,
    failed: bool,
}

impl CaptureHandler {
    /// Reads the configuration and the environment, and creates every client now: a starting
    /// function has a full processor and no person waits yet. It never fails and makes no call.
    pub async fn start() -> Self {
        telemetry::start(Output::Standard);
        let clock = SystemClock::new();
        let sdk = sdk_config(&clock).await;
        let (services, triggers, name) = match config::load(Component::Capture) {
            Ok((configuration, environment)) => {
                let triggers = DeclaredTriggers::of(&configuration);
                let name = configuration.name.clone();
                let services = CaptureServices::new(&sdk, &clock, configuration, environment).await;
                (Ok(services), triggers, name)
            }
            Err(config_errors) => {
                telemetry::config_errors(&config_errors);
                let name = config::name_without_configuration(&config_errors);
                (Err(config_errors), config::declared_triggers(), name)
            }
        };
        Self {
            services,
            chain: Chain::new(&sdk, triggers.functions()),
            triggers,
            own_name: std::env::var("AWS_LAMBDA_FUNCTION_NAME").ok(),
            clock,
            telemetry: Telemetry::new(name, Output::Standard),
            lost_captures: AtomicU32::new(0),
            recent: Recent::default(),
        }
    }

    /// Answers a trigger's event with the event itself, or with the chained function's answer.
    /// capture does its own work at the same time. Any failure in that work is logged and counted,
    /// and the person signs in anyway.
    pub async fn answer(&self, event: Box<RawValue>, invocation: &Invocation<'_>) -> ChainAnswer {
        let heading = Heading::of(event.get());
        let (own, chained) = tokio::join!(
            self.own_work(&heading, event.get()),
            self.chained(&heading, event.get(), invocation),
        );
        let answer = match (own.refusal, chained.answer) {
            (Some(refusal), _) => Err(refusal),
            (None, Some(answer)) => answer,
            (None, None) => Ok(event),
        };
        let mut metrics = own.metrics;
        metrics.chain_failed = u64::from(chained.failed);
        metrics.errors_answered = u64::from(answer.is_err());
        self.telemetry.publish(self.clock.now(), &metrics);
        answer
    }

    /// Captures the event or guards the sign-up, and measures the time. It also catches panics.
    async fn own_work(&self, heading: &Heading, event: &str) -> Own {
        let began = self.clock.now();
        let work = async {
            match &self.services {
                Ok(services) if heading.slot == Some(TriggerSlot::PreSignUp) => {
                    self.guarded(services, heading, event).await
                }
                Ok(services) => {
                    let metrics = self.record(services, heading, event, began).await;
                    Own { metrics, refusal: None }
                }
                Err(config_errors) => {
                    telemetry::config_errors(config_errors);
                    self.broken(heading)
                }
            }
        };
        let mut own = unharmed(Box::pin(work)).await.unwrap_or_else(|| self.broken(heading));
        own.metrics.duration.push(self.clock.now().since(began));
        own
    }

    /// The result if capture could do nothing.
    fn broken(&self, heading: &Heading) -> Own {
        let mut own = match self.triggers.guard.filter(|_| heading.signs_up) {
            Some(failure) => not_judged(failure),
            None => Own::default(),
        };
        own.metrics.failed = 1;
        own
    }

    /// Runs the guard, if a person signs up and the configuration wants a guard.
    async fn guarded(&self, services: &CaptureServices, heading: &Heading, event: &str) -> Own {
        let Some(guard) = services.guard.as_ref().filter(|_| heading.signs_up) else {
            return Own::default();
        };
        let pools = services.configuration.pool_ids();
        let pool = heading.user_pool_id.as_deref();
        let Some((side, _)) = pools.into_iter().find(|(_, id)| Some(*id) == pool) else {
            lines::not_captured(NotAChange::OtherPool);
            return Own { metrics: CaptureMetrics { failed: 1, ..<_>::default() }, refusal: None };
        };
        let judged = match request(event, side) {
            Some(request) => guard.decide(&request).await,
            None => Err(PortError::new(ErrorKind::Unreadable, "PreSignUp")),
        };
        sentence(services.configuration.signup_guard_failure, side, &judged)
    }

    /// Calls the chained function, if one is declared for this slot of this pool.
    async fn chained(
        &self,
        heading: &Heading,
        event: &str,
        invocation: &Invocation<'_>,
    ) -> FromChained {
        let Some(slot) = heading.slot else { return FromChained::default() };
        let arn = match self.triggers.chained(heading.user_pool_id.as_deref(), slot) {
            ChainedFunction::Nothing => return FromChained::default(),
            ChainedFunction::Function(arn) if !self.is_own(arn, invocation) => arn,
            ChainedFunction::Function(_) | ChainedFunction::Unknown => {
                return without_function(slot);
            }
        };
        match self.chain.call(arn, event, patience(invocation.deadline)).await {
            Ok(answer) => FromChained { answer: Some(answer), failed: false },
            Err(error) => {
                lines::not_invoked(slot, &error);
                let answer = Some(Err(FunctionError::not_invoked(&error)));
                FromChained { answer, failed: true }
            }
        }
    }

    /// Whether the ARN is this function's own. Calling it would never end.
    fn is_own(&self, arn: &str, invocation: &Invocation<'_>) -> bool {
        let called = unqualified(arn);
        let name = called.rsplit(':').next();
        let same_name = self.own_name.is_some() && name == self.own_name.as_deref();
        // Two accounts may each have a function with this name. The ARN, if known, tells them
        // apart.
        let known = invocation.function_arn.starts_with("arn:");
        if known { called == unqualified(invocation.function_arn) } else { same_name }
    }
}

impl CaptureServices {
    async fn new(
        sdk: &SdkConfig,
        clock: &Arc<SystemClock>,
        configuration: Configuration,
        environment: Environment,
    ) -> Self {
        let sdk = impatient(sdk);
        let home = at_home(&sdk, environment.home_region);
        let ledger = table(&home, clock, &environment.table);
        let guard = if configuration.signup_guard {
            Some(Box::pin(SignUpGuard::new(&sdk, clock, &configuration, ledger.clone())).await)
        } else {
            None
        };
        Self {
            guard,
            outbox: SqsOutbox::new(queue_client(&home, clock), environment.queue_url),
            ledger,
            configuration,
        }
    }
}

/// The answer if a chained function may be declared but cannot be called: the configuration is
/// unreadable, or the function is capture itself.
///
/// A function that runs before an action may exist to refuse it, or to decide what a token grants.
/// Without its consent the action must not pass, so it fails. A function that runs after an action
/// can no longer refuse it, and a failure would lock people out for no reason. The function before
/// a message refuses nothing either: without it the pool sends its own text, and people get their
/// codes.
fn without_function(slot: TriggerSlot) -> FromChained {
    lines::unknown_function(slot);
    let answer = match slot {
        TriggerSlot::PreSignUp | TriggerSlot::PreTokenGeneration => {
            let message = "the function behind this trigger is not known";
            Some(Err(FunctionError::unexpected(message)))
        }
        TriggerSlot::PostConfirmation
        | TriggerSlot::PostAuthentication
        | TriggerSlot::CustomMessage => None,
    };
    FromChained { answer, failed: true }
}

fn sentence(failure: GuardFailure, side: Side, judged: &Result<GuardDecision, PortError>) -> Own {
    lines::decided(side, failure, judged);
    match judged {
        Ok(GuardDecision::Passes) => Own::default(),
        Ok(GuardDecision::Refused) => refused(TAKEN),
        Err(_) => not_judged(failure),
    }
}

fn refused(message: &str) -> Own {
    let error =
        FunctionError { error_type: "SignUpRefused".to_owned(), error_message: message.to_owned() };
    let metrics = CaptureMetrics { guard_refused: 1, ..CaptureMetrics::default() };
    Own { metrics, refusal: Some(error) }
}

fn not_judged(failure: GuardFailure) -> Own {
    match failure {
        GuardFailure::Closed => refused(NOT_JUDGED),
        GuardFailure::Open => {
            let metrics = CaptureMetrics { guard_failed_open: 1, ..CaptureMetrics::default() };
            Own { metrics, refusal: None }
        }
    }
}

/// How long capture waits for the chained function: all the time left, minus the time to report a
/// timeout.
fn patience(deadline: u64) -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let left = Duration::from_millis(deadline).checked_sub(now);
    left.map_or(limits::CHAIN_TIME_MAX, |left| left.saturating_sub(limits::CHAIN_ANSWER_TIME))
}

/// The future's result, or `None` if it panicked. The panic hook logs the place.
async fn unharmed<T>(future: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(future).catch_unwind().await.ok()
}

/// The same clients for the Region of the table and the queues.
fn at_home(sdk: &SdkConfig, region: Option<String>) -> SdkConfig {
    match region {
        Some(region) => sdk.to_builder().region(Region::new(region)).build(),
        None => sdk.clone(),
    }
}

/// The same clients with short time limits, because a person waits.
fn impatient(sdk: &SdkConfig) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(ATTEMPT_TIME_MAX)
        .operation_attempt_timeout(ATTEMPT_TIME_MAX)
        .operation_timeout(limits::CAPTURE_TIME_MAX)
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS_MAX)
        .with_initial_backoff(FIRST_BACK_OFF)
        .with_max_backoff(FIRST_BACK_OFF * 2);
    sdk.to_builder().timeout_config(timeouts).retry_config(retries).build()
}

#[cfg(test)]
mod tests;
