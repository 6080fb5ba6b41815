//! Every limit, in one file, each with the AWS quota or the reason behind it.

use std::time::Duration;

/// How long one call to AWS may take, with all its attempts. Cognito answers in tens of
/// milliseconds; three attempts of two seconds each allow for one slow answer.
pub const CALL_TIME_MAX: Duration = Duration::from_secs(6);

/// How long a write may still land after its last byte was sent. AWS publishes no figure. Five
/// seconds is far above any answer time seen (`LeaseOutlastsWrite`).
pub const LANDING_TIME: Duration = Duration::from_secs(5);

/// How far a clock may be outside the time span that a `Date` header allows before it is corrected.
/// A correct clock stays inside that span. The tolerance is for a service that writes its header a
/// little late.
pub const CLOCK_TOLERANCE: Duration = Duration::from_millis(200);

/// The `Date` header has no fractions: the true time is up to this much later.
pub const CLOCK_HEADER_RESOLUTION: Duration = Duration::from_secs(1);

/// The largest round trip of the fastest answer that a process has had. The service wrote its
/// `Date` at some time between request and answer. Answers from the same Region take some tens of
/// milliseconds, a first answer from another Region half a second.
pub const CLOCK_ROUND_TRIP_MAX: Duration = Duration::from_millis(700);

/// How far a clock may drift between two answers. A crystal with 200 parts per million needs eight
/// minutes for that.
pub const CLOCK_DRIFT_MAX: Duration = Duration::from_millis(100);

/// How wrong one clock of poolbridge may be after its first answer: the sum of the parts above. It
/// limits comparisons with a time that AWS wrote (an account's date of creation).
pub const CLOCK_ERROR_MAX: Duration = CLOCK_TOLERANCE
    .saturating_add(CLOCK_HEADER_RESOLUTION)
    .saturating_add(CLOCK_ROUND_TRIP_MAX)
    .saturating_add(CLOCK_DRIFT_MAX);

/// How far two clocks of poolbridge may be apart: one is fast and the other slow. It is added to
/// every bound that compares times of two processes: the lease, the settle time, `not_before`, and
/// the last moment at which a write or a creation can land.
pub const CLOCK_ALLOWANCE: Duration = CLOCK_ERROR_MAX.saturating_mul(2);

/// How long the work on one person may take. An account usually takes fewer than ten calls.
pub const PERSON_TIME_MAX: Duration = Duration::from_secs(20);

/// How long an invocation of apply may last: the function's timeout (`infra/lib/change-queue.ts`).
pub const INVOCATION_TIME_MAX: Duration = Duration::from_secs(30);

/// The longest lease, from its claim to the landing of its owner's last write.
pub const LEASE_TIME_MAX: Duration = Duration::from_secs(
    INVOCATION_TIME_MAX.as_secs() + LANDING_TIME.as_secs() + CLOCK_ALLOWANCE.as_secs(),
);

/// The server rejects a signed request of this age (Signature Version 4: five minutes). After that,
/// a worker that was suspended between check and send cannot write (`LeaseOutlastsProcess`).
pub const SIGNATURE_LIFE: Duration = Duration::from_mins(5);

/// The settle time (D), an upper bound on how stale a read may be, unless configured otherwise.
pub const SETTLE: Duration = Duration::from_secs(10);

/// Cognito may cut its dates to this resolution. Two changes within it have one date.
pub const DATE_RESOLUTION: Duration = Duration::from_secs(1);

/// A pool's date that is older than a time of poolbridge by this much or less may be the later one:
/// dates are cut to seconds, and the clock of poolbridge may be fast.
pub const DATE_GRACE: Duration = DATE_RESOLUTION.saturating_add(CLOCK_ERROR_MAX);

/// Back-off after a failure that passes by itself.
pub const RETRY_SOON: Duration = Duration::from_secs(5);

/// Back-off after a failure that a person has to repair.
pub const RETRY_SLOWLY: Duration = Duration::from_mins(5);

/// The longest back-off of a pending change: apply processes it at least this often.
pub const RETRY_LONGEST: Duration = Duration::from_hours(1);

/// How long an unsuccessful search of the other pool is remembered. Listings bill no person, but
/// their quota (30 a second) is the tightest that a peak of sign-ins could reach.
pub const FAILED_LOOKUP_REMEMBERED: Duration = Duration::from_hours(4);

/// How long a field may wait for another person to give up an address, before it is held.
pub const ADDRESS_WAIT_MAX: Duration = Duration::from_hours(1);

/// How long a message that comes back may be hidden if a pending change covers its event too. A
/// hidden message blocks its FIFO group, and the next message may be a disable.
pub const GROUP_BLOCKED_MAX: Duration = Duration::from_mins(1);

/// How many times one message is received before its `retry` is acknowledged and only the pending
/// change stays. Well below [`RECEIVES_MAX`], so that no outage fills the dead-letter queue.
pub const LATER_RECEIVES_MAX: u32 = 5;

/// `maxReceiveCount` of the queue. AWS advises at least five.
pub const RECEIVES_MAX: u32 = 12;

/// How many times one change event may start over because another worker was first (revision,
/// link).
pub const ROUNDS_MAX: u32 = 4;

/// How long after the creation of an account its creation intent may be open: the longest lease,
/// including the signature of a suspended worker, the settle time after it, and a few observations.
/// Until then, an account that looks like a creation of poolbridge is not linked to another person.
pub const CREATION_OPEN_MAX: Duration = Duration::from_mins(10);

/// How many times a call about one account may be rejected alike, in a row and D apart, before the
/// person is held. With the slow back-off, the fifth is twenty minutes after the first.
pub const SAME_FAILURES_MAX: u8 = 5;

/// How long such a failure must also have lasted. A permission that is missing for a few minutes
/// holds no person.
pub const SAME_FAILURE_TIME: Duration = Duration::from_mins(15);

/// Failures that are further apart than this are not in one row: longer than the longest back-off.
pub const SAME_FAILURE_GAP: Duration = Duration::from_hours(4);

/// Attempts at one creation, each with fewer attributes: with all of them, without those that an
/// update can add, without one of those that it cannot, and without any of these.
pub const CREATION_TRIES_MAX: usize = 8;

/// Steps in one plan. Attributes travel together, and a person is in at most 100 groups (quota).
pub const STEPS_MAX: usize = 260;

/// Accounts of one pool from which one person can be separated. With 36 characters each, they stay
/// far below the 400 KB that an item may have.
pub const SEPARATIONS_MAX: usize = 20;

/// Decisions kept for `explain`.
pub const DECISIONS_MAX: usize = 12;

/// A larger message is not read. Messages of poolbridge have some 300 bytes; SQS carries 1 MiB.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024;

/// How far ahead of the clock the time of a change in a message may be. AWS rejects a request whose
/// signature is five minutes off, so no sender's clock is further ahead. A later time counts as
/// now: it would only keep the change unsettled (`SettleBeforeClearing`) and hide newer changes
/// behind it.
pub const MESSAGE_AHEAD_MAX: Duration = Duration::from_mins(5);

/// How far the account's last-modified time may be from the time at which a message says that its
/// password was set. capture starts within seconds of the change, pools cut dates to seconds, and
/// two clocks differ by [`CLOCK_ALLOWANCE`].
pub const PASSWORD_CLAIM_WINDOW: Duration = Duration::from_secs(10);

/// The most accounts that one search reads: all pages of [`FIND_PAGES_MAX`]. An attacker can create
/// accounts that claim an address, and must not hide its owner behind one page of them.
pub const FOUND_ACCOUNTS_MAX: usize = 600;

/// The longest filter of `ListUsers`, in characters, escaping included (API reference).
pub const SEARCH_FILTER_MAX: usize = 256;

/// The longest username, in characters (API reference).
pub const USERNAME_MAX: usize = 128;

/// The longest attribute value, in characters, if the schema sets no limit (quota).
pub const ATTRIBUTE_MAX: usize = 2048;

/// A listing may be this many times as stale as a read. AWS publishes no figure: `ListUsers` is
/// eventually consistent. Two minutes with the default D is far above what was seen.
pub const LISTING_LAG: u32 = 12;

/// Shards of the pending changes.
pub const PENDING_SHARDS: u32 = 64;

/// Shards of a counter.
pub const COUNTER_SHARDS: u32 = 16;

/// Changes of direction of one field, without a captured change event, after which it is held.
pub const DIRECTION_CHANGES_MAX: u8 = 6;

/// The window in which changes of direction of a field are counted.
pub const DIRECTION_CHANGES_WINDOW: Duration = Duration::from_hours(24);

/// How long capture waits for the table and the queue together. Cognito gives the trigger 5 seconds
/// in all, including a cold start.
pub const CAPTURE_TIME_MAX: Duration = Duration::from_millis(2_500);

/// How long the sign-up guard may take, including cold clients. A person is waiting, and this time
/// is part of Cognito's 5 seconds.
pub const GUARD_TIME_MAX: Duration = Duration::from_millis(1_500);

/// Searches of the guard for one sign-up: above the 24 that four names in all their forms and
/// spellings need, so that no name is left out. Usually two to four. Each is a `ListUsers`, whose
/// quota is 30 a second.
pub const GUARD_SEARCHES_MAX: usize = 26;

/// How long capture waits for a chained function if the platform does not say how much time capture
/// itself has. Well above Cognito's 5 seconds, so that capture is never the first to give up.
pub const CHAIN_TIME_MAX: Duration = Duration::from_secs(10);

/// How much time capture keeps to report that it stopped waiting for the chained function.
pub const CHAIN_ANSWER_TIME: Duration = Duration::from_millis(100);

/// For how long capture stores only one hint of an account's token creations. Access tokens live
/// for an hour unless the team chooses otherwise, and each device refreshes its own.
pub const HINT_REMEMBERED: Duration = Duration::from_mins(15);

/// Accounts that one process remembers for that, with 16 bytes each.
pub const HINTS_MAX: usize = 8_192;

/// apply stops this long before its own deadline. The outcome of the remaining messages is `retry`.
pub const STOP_BEFORE_DEADLINE: Duration = Duration::from_secs(2);

/// Attempts of one call: the default of AWS.
pub const ATTEMPTS_MAX: u32 = 3;

/// How long one attempt of a read may take; see [`CALL_TIME_MAX`]. A write has one attempt that may
/// use all of that time, because a second attempt could not tell the two answers apart.
pub const ATTEMPT_TIME_MAX: Duration = Duration::from_secs(2);

/// How long a new connection may take, including the handshake.
pub const CONNECT_TIME_MAX: Duration = Duration::from_millis(1_500);

/// How long a pool schema is cached. A new group or attribute is seen after that.
pub const SCHEMA_LIFE: Duration = Duration::from_mins(5);

/// Pages of `ListGroups` with 60 groups each: 10,000 groups in a pool (quota) and some short pages.
pub const GROUP_PAGES_MAX: usize = 200;

/// Groups that apply looks up one by one before memberships end. For more groups, apply reads the
/// whole list. `GetGroup` and `ListGroups` share 5 requests a second and pool (quota).
pub const GROUP_LOOKUPS_MAX: usize = 3;

/// Pages of `AdminListGroupsForUser`: 100 groups of one account (quota) and some short pages.
pub const ACCOUNT_GROUP_PAGES_MAX: usize = 10;

/// Pages of one search. `ListUsers` may return short or empty pages although more follow.
pub const FIND_PAGES_MAX: usize = 10;

/// App clients whose writable attributes poolbridge looks up, at 5 requests a second (quota). In a
/// pool with more, every attribute counts as writable, which only weakens proofs.
pub const APP_CLIENTS_MAX: usize = 60;

/// How long a pool gets no calls after the first throttled one. Doubles with each further one.
pub const THROTTLE_FIRST: Duration = Duration::from_secs(1);

/// The longest time for which a pool gets no calls after a throttled one.
pub const THROTTLE_LONGEST: Duration = Duration::from_mins(1);

/// The window in which removals are counted (invariant 7).
pub const REMOVALS_WINDOW: Duration = Duration::from_hours(1);

/// Removals that one window may hold even if the bridge knows few people. An administrator who
/// cleans up a small pool must not open the breaker.
pub const REMOVALS_LEAST: u64 = 20;

/// One in this many known people may be removed in one window. One percent within an hour is more
/// than the number of people who leave by themselves. A mistake is stopped while nearly every
/// person still has their account.
pub const REMOVALS_ONE_IN: u64 = 100;

/// For how long a decision to heal a restored pool counts. With a sweep every 6 hours, every person
/// is compared many times in that period. The limit keeps it from undoing edits without end.
pub const HEALING_TIME_MAX: Duration = Duration::from_hours(7 * 24);

/// Accounts that the listing for a canary account asks for. One may be the missing account, and a
/// few more may have been deleted since the listing was updated.
pub const CANARY_ACCOUNTS_MAX: usize = 5;

/// The longest lease of a person: the work on one person, the landing of its last write, the
/// difference of two clocks, and the signature of a worker that was suspended
/// (`LeaseOutlastsWrite`, `LeaseOutlastsProcess`).
pub const LEASE_LONGEST: Duration = PERSON_TIME_MAX
    .saturating_add(LANDING_TIME)
    .saturating_add(CLOCK_ALLOWANCE)
    .saturating_add(SIGNATURE_LIFE);

// A creation intent is resolved within the time for which its account is left alone: the lease
// expires, its writes settle, and two observations follow. The date of creation is the pool's.
const _: () = assert!(
    LEASE_LONGEST.as_millis()
        + 2 * (SETTLE.as_millis() + CLOCK_ALLOWANCE.as_millis() + PERSON_TIME_MAX.as_millis())
        + CLOCK_ERROR_MAX.as_millis()
        < CREATION_OPEN_MAX.as_millis()
);
const _: () = assert!(CLOCK_ALLOWANCE.as_millis() >= 2 * CLOCK_ERROR_MAX.as_millis());
const _: () = assert!(
    CLOCK_ERROR_MAX.as_millis()
        >= CLOCK_TOLERANCE.as_millis()
            + CLOCK_HEADER_RESOLUTION.as_millis()
            + CLOCK_ROUND_TRIP_MAX.as_millis()
            + CLOCK_DRIFT_MAX.as_millis()
);
// A worker still has time for one call within the margins of its lease, and one attempt of a read
// is enough to correct a clock.
const _: () = assert!(CLOCK_ROUND_TRIP_MAX.as_millis() < ATTEMPT_TIME_MAX.as_millis());
const _: () = assert!(CLOCK_ALLOWANCE.as_millis() < PERSON_TIME_MAX.as_millis());

/// Calls of `ListUsers` and `ListUsersInGroup` together, a second (quota `UserList`, not
/// adjustable).
pub const LIST_CALLS_PER_SECOND: u64 = 30;

/// Accounts on one page of a listing (quota).
pub const LIST_PAGE: u64 = 60;

/// Pages of one listing, if the estimate of the pool's size is right. A page token expires after an
/// hour ("Managing user accounts"); at half the quota these pages take a few minutes.
pub const LISTING_PAGES: u64 = 3_000;

/// How long one listing should take. An invocation has fifteen minutes, and a listing that is not
/// finished by then starts again.
pub const LISTING_TIME: Duration = Duration::from_mins(5);

/// Pages after which an endless listing is given up: more than an hour at the whole quota.
pub const LISTING_PAGES_MAX: u64 = 120_000;

/// How many times a page is requested again after no answer. Throttled calls do not count: they end
/// with the invocation.
pub const LISTING_ATTEMPTS_MAX: u32 = 3;

/// Parallel listings of one pool. A listing waits for its last page before it requests the next, so
/// one listing alone would not use its share of the quota.
pub const LISTINGS_AT_ONCE: usize = 4;

/// Messages of bulk work that may be outstanding: what apply processes in a minute or two at the
/// update quota (25 a second), so that a backlog is never older than that.
pub const BULK_OUTSTANDING_MAX: u64 = 2_000;

/// How long the counters of the queue may lag. SQS documents up to a minute.
pub const BULK_COUNTERS_LAG: Duration = Duration::from_mins(1);

/// How long to wait before the counters of a full queue are read again.
pub const BULK_ASK_AGAIN: Duration = Duration::from_secs(5);

/// A requested pass begins at least this long after the last one began.
pub const SWEEP_WANTED_EVERY: Duration = Duration::from_hours(1);

/// Accounts created or changed up to this long before the first pass count as newer than the
/// bridge.
pub const SWEEP_LOOKS_BACK: Duration = Duration::from_hours(24);

/// How often an unfiltered listing looks for accounts that no partition of the pool contains.
pub const SWEEP_COVERS_EVERY: Duration = Duration::from_hours(24);

/// Partitions of a pool for accounts whose `sub` is not hexadecimal (unexpected prefixes).
pub const UNEXPECTED_PREFIXES_MAX: usize = 64;

/// Invocations in a row without a finished partition, after which the partitions are made smaller.
pub const SWEEP_FRUITLESS_MAX: u32 = 2;

/// The most buckets into which the sweep divides people, to find whose account is missing.
pub const SWEEP_BUCKETS_MAX: u32 = 1 << 16;

/// The largest share of accounts, in percent, that plausibly disappear between two passes. If more
/// are missing, the sweep does not believe the listing.
pub const SWEEP_MISSING_PERCENT: u64 = 2;

/// The limit for a small pool, in accounts.
pub const SWEEP_MISSING_MIN: u64 = 25;

/// The longest time between two calls of the sweep function, whatever the time between passes:
/// Lambda lets a function run for at most 15 minutes. Each call checks the pools' triggers.
pub const SWEEP_CALL_EVERY: Duration = Duration::from_mins(15);

/// How long before the end of an invocation the sweep stops, for one call and to store its
/// progress.
pub const SWEEP_STOPS_BEFORE: Duration = Duration::from_secs(10);

const _: () = assert!(FOUND_ACCOUNTS_MAX as u64 == FIND_PAGES_MAX as u64 * LIST_PAGE);
const _: () = assert!(LATER_RECEIVES_MAX < RECEIVES_MAX);
const _: () = assert!(RETRY_SOON.as_secs() < GROUP_BLOCKED_MAX.as_secs());
const _: () = assert!(PERSON_TIME_MAX.as_secs() < INVOCATION_TIME_MAX.as_secs());
const _: () = assert!(MESSAGE_AHEAD_MAX.as_secs() <= SIGNATURE_LIFE.as_secs());
const _: () = assert!(
    CAPTURE_TIME_MAX.as_millis() + CLOCK_ALLOWANCE.as_millis() < PASSWORD_CLAIM_WINDOW.as_millis()
);
const _: () = assert!(RETRY_SOON.as_secs() < RETRY_SLOWLY.as_secs());
const _: () = assert!(RETRY_SOON.as_secs() < SAME_FAILURE_TIME.as_secs());
const _: () = assert!(SAME_FAILURES_MAX > 1);
const _: () = assert!(SAME_FAILURE_GAP.as_secs() > RETRY_LONGEST.as_secs());
const _: () = assert!(CREATION_TRIES_MAX > 2);
const _: () = assert!(RETRY_SLOWLY.as_secs() < RETRY_LONGEST.as_secs());
const _: () = assert!(CALL_TIME_MAX.as_secs() < PERSON_TIME_MAX.as_secs());
const _: () = assert!(CAPTURE_TIME_MAX.as_millis() < 5_000);
const _: () = assert!(GUARD_TIME_MAX.as_millis() <= CAPTURE_TIME_MAX.as_millis());
const _: () = assert!(CHAIN_TIME_MAX.as_millis() > 5_000 + CHAIN_ANSWER_TIME.as_millis());
const _: () = assert!(ATTEMPT_TIME_MAX.as_secs() * ATTEMPTS_MAX as u64 <= CALL_TIME_MAX.as_secs());
const _: () = assert!(CONNECT_TIME_MAX.as_millis() < ATTEMPT_TIME_MAX.as_millis());
const _: () = assert!(THROTTLE_FIRST.as_secs() < THROTTLE_LONGEST.as_secs());
const _: () = assert!(SWEEP_STOPS_BEFORE.as_secs() > CALL_TIME_MAX.as_secs());
