//! Every bound, in one file, with the quota or the reason that it comes from.

use std::time::Duration;

/// How long one call to AWS may take, all its attempts together. Cognito's own calls answer in tens of
/// milliseconds; three attempts of two seconds each leave room for one slow answer.
pub const CALL_TIME_MAX: Duration = Duration::from_secs(6);

/// How long after its last byte was sent a write may still land. No figure is published; five seconds
/// is far above any answer time seen (R5).
pub const LANDING_TIME: Duration = Duration::from_secs(5);

/// How far a clock may leave the span of time that a `Date` header allows before it is corrected. A
/// machine that keeps its time stays inside that span; this is for a service that writes its header a
/// little late.
pub const CLOCK_TOLERANCE: Duration = Duration::from_millis(200);

/// The `Date` header has no fractions: the true moment is up to this much later.
pub const CLOCK_HEADER_RESOLUTION: Duration = Duration::from_secs(1);

/// How long the fastest answer that a process has had took, at the most: the service wrote its `Date`
/// at some moment between request and answer. Answers of a Region take some tens of milliseconds, a
/// first one of another Region half a second.
pub const CLOCK_ROUND_TRIP_MAX: Duration = Duration::from_millis(700);

/// How far a clock may move by itself between two answers. A crystal of 200 parts in a million needs
/// eight minutes for it.
pub const CLOCK_DRIFT_MAX: Duration = Duration::from_millis(100);

/// How wrong one clock of ours may be after its first answer: the sum of its parts. It bounds
/// comparisons of our time with a time that AWS wrote (an account's date of creation).
pub const CLOCK_ERROR_MAX: Duration = CLOCK_TOLERANCE
    .saturating_add(CLOCK_HEADER_RESOLUTION)
    .saturating_add(CLOCK_ROUND_TRIP_MAX)
    .saturating_add(CLOCK_DRIFT_MAX);

/// How far two clocks of ours may be apart: one is fast and the other slow. It is added to every
/// bound that compares times of two processes: the lease, the settle time, `not_before` and the last
/// moment at which a write or a creation can land.
pub const CLOCK_ALLOWANCE: Duration = CLOCK_ERROR_MAX.saturating_mul(2);

/// How long work on one person may take. An account's usual way is under ten calls.
pub const PERSON_TIME_MAX: Duration = Duration::from_secs(20);

/// How long an invocation of apply may last: the function's timeout (`infra/lib/change-queue.ts`).
pub const INVOCATION_TIME_MAX: Duration = Duration::from_secs(30);

/// The longest that a lease lasts, from its claim to the landing of its holder's last write.
pub const LEASE_TIME_MAX: Duration = Duration::from_secs(
    INVOCATION_TIME_MAX.as_secs() + LANDING_TIME.as_secs() + CLOCK_ALLOWANCE.as_secs(),
);

/// A signed request is refused by the server once its signature is this old (Signature Version 4:
/// five minutes). A worker that was suspended between check and send cannot land after it (R7).
pub const SIGNATURE_LIFE: Duration = Duration::from_mins(5);

/// The bound on how stale a read may be, unless the configuration says otherwise (D).
pub const SETTLE: Duration = Duration::from_secs(10);

/// Cognito's dates may be cut to this resolution: two changes within it bear one date.
pub const DATE_RESOLUTION: Duration = Duration::from_secs(1);

/// Back-off after something that passes by itself.
pub const RETRY_SOON: Duration = Duration::from_secs(5);

/// Back-off after something that a person has to mend.
pub const RETRY_SLOWLY: Duration = Duration::from_mins(5);

/// The longest back-off of a mark: the sweep looks at it at least this often.
pub const RETRY_LONGEST: Duration = Duration::from_hours(1);

/// How long an unsuccessful search of the other pool is remembered. Listings bill nobody, but their
/// quota (30 a second) is the tightest that a sign-in storm could meet.
pub const MISS_REMEMBERED: Duration = Duration::from_hours(4);

/// How long an address may wait for the person who is about to let it go, before it is held.
pub const ADDRESS_WAIT_MAX: Duration = Duration::from_hours(1);

/// How long a message that comes back may be hidden, where a pending change holds its change too: a
/// hidden message blocks its FIFO group, and the next one may be a disable.
pub const GROUP_BLOCKED_MAX: Duration = Duration::from_mins(1);

/// How often one message is looked at again before `later` is acknowledged and the mark alone stays.
/// Well below [`RECEIVES_MAX`], so that no outage fills the dead-letter queue.
pub const LATER_RECEIVES_MAX: u32 = 5;

/// `maxReceiveCount` of the queue; AWS advises five at least.
pub const RECEIVES_MAX: u32 = 12;

/// How often one change may start over because somebody else was first (a moved revision, a link).
pub const ROUNDS_MAX: u32 = 4;

/// How long after an account was made its birth note may be open: the longest lease, a suspended
/// worker's signature included, the settling after it, and a few looks. An account that looks like one
/// of our making is taken for nobody else's until then.
pub const BIRTH_OPEN_MAX: Duration = Duration::from_mins(10);

/// How often a call about one account may be refused in the same way, in a row and D apart, before
/// the person is held: the fifth look at the slow pace is twenty minutes after the first.
pub const SAME_FAILURES_MAX: u8 = 5;

/// How long such a failure must have lasted besides: a permission that was taken away for a few
/// minutes holds no person.
pub const SAME_FAILURE_TIME: Duration = Duration::from_mins(15);

/// Failures further apart than this are not one row: longer than the longest back-off.
pub const SAME_FAILURE_GAP: Duration = Duration::from_hours(4);

/// Tries of one creation, each with fewer attributes: all of them, without those that an update can
/// bring, without one of those that it cannot, and without any of these.
pub const CREATION_TRIES_MAX: usize = 8;

/// Steps in one plan: attributes travel together, and a person is in 100 groups at most (quota).
pub const STEPS_MAX: usize = 260;

/// Accounts of one pool from which one person can be separated. With 36 characters each they are far from
/// the 400 KB that an item may have.
pub const SEPARATIONS_MAX: usize = 20;

/// Decisions kept for `explain`.
pub const DECISIONS_MAX: usize = 12;

/// A message larger than this is not read: ours have some 300 bytes, SQS carries 1 MiB.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024;

/// How far ahead of our clock a message may say that a deed was done. AWS refuses a request whose
/// signature is five minutes off, so no sender's clock is further ahead. A later time is taken for
/// now: it would only keep the change unsettled (R8) and hide newer deeds behind it.
pub const MESSAGE_AHEAD_MAX: Duration = Duration::from_mins(5);

/// How far the date of an account's last change may be from the moment at which a message says that
/// its password was set. Capture starts within seconds of the deed, pools cut dates to seconds, and
/// two clocks differ by [`CLOCK_ALLOWANCE`].
pub const PASSWORD_CLAIM_WINDOW: Duration = Duration::from_secs(10);

/// Accounts that a search reads at the most: all pages of [`FIND_PAGES_MAX`]. An attacker can make
/// accounts that claim an address, and must not hide its owner behind one page of them.
pub const FOUND_ACCOUNTS_MAX: usize = 600;

/// The longest filter that `ListUsers` takes, in characters, escaping included (API reference).
pub const SEARCH_FILTER_MAX: usize = 256;

/// The longest username, in characters (API reference).
pub const USERNAME_MAX: usize = 128;

/// The longest attribute value, in characters, where the schema names no bound (quota).
pub const ATTRIBUTE_MAX: usize = 2048;

/// A listing may be this many times as stale as a read. AWS publishes no figure: `ListUsers` is
/// eventually consistent. Two minutes with the default D are far above what was seen.
pub const LISTING_LAG: u32 = 12;

/// Shards of the marks.
pub const MARK_SHARDS: u32 = 64;

/// Shards of a counter.
pub const COUNTER_SHARDS: u32 = 16;

/// Changes of direction of one field, with no captured change, after which it is held.
pub const FLIPS_MAX: u8 = 6;

/// How long flips of a field are counted together.
pub const FLIPS_WINDOW: Duration = Duration::from_hours(24);

/// How long capture waits for the table and the queue, together. Cognito gives the trigger 5 seconds
/// in all, a cold start included.
pub const CAPTURE_TIME_MAX: Duration = Duration::from_millis(2_500);

/// How long the sign-up guard may take, cold clients included: somebody is waiting, and the time is
/// gone from Cognito's 5 seconds.
pub const GUARD_TIME_MAX: Duration = Duration::from_millis(1_500);

/// Searches that the guard makes for one sign-up: above the 24 that four names in all their forms and
/// spellings come to, so that no name hides behind the others. Two to four as a rule; each is a
/// `ListUsers`, whose quota is 30 a second.
pub const GUARD_SEARCHES_MAX: usize = 26;

/// How long a team's own function is waited for where the platform does not say how long capture
/// itself has: well above Cognito's 5 seconds, so that it is never capture that gives up.
pub const CHAIN_TIME_MAX: Duration = Duration::from_secs(10);

/// What is left of capture's own time when it stops waiting for the team's function, to say so.
pub const CHAIN_ANSWER_TIME: Duration = Duration::from_millis(100);

/// For how long one account's hints from the making of tokens are noted once only. Access tokens
/// live for an hour unless the team says otherwise, and each device refreshes its own.
pub const HINT_REMEMBERED: Duration = Duration::from_mins(15);

/// Accounts remembered for that by one process: 16 bytes each.
pub const HINTS_MAX: usize = 8_192;

/// apply stops this long before its own deadline and answers `later` for the rest.
pub const STOP_BEFORE_DEADLINE: Duration = Duration::from_secs(2);

/// Attempts of one call: AWS's own default.
pub const ATTEMPTS_MAX: u32 = 3;

/// How long one attempt of a read may take; see [`CALL_TIME_MAX`]. A write has one attempt that may
/// use up all of that time, because a second one could not tell its own answer from the first one's.
pub const ATTEMPT_TIME_MAX: Duration = Duration::from_secs(2);

/// How long making a connection may take, the handshake included.
pub const CONNECT_TIME_MAX: Duration = Duration::from_millis(1_500);

/// How long a pool's shape is kept. A group or an attribute that was just made is seen after that.
pub const SHAPE_LIFE: Duration = Duration::from_mins(5);

/// Pages of `ListGroups`, 60 a page: 10,000 groups in a pool (quota) and some short pages.
pub const GROUP_PAGES_MAX: usize = 200;

/// Groups that are looked up one by one before memberships end; for more, the whole list is read.
/// `GetGroup` and `ListGroups` share 5 requests a second and pool (quota).
pub const GROUP_LOOKUPS_MAX: usize = 3;

/// Pages of `AdminListGroupsForUser`: 100 groups of one account (quota) and some short pages.
pub const ACCOUNT_GROUP_PAGES_MAX: usize = 10;

/// Pages of one search: `ListUsers` may answer short or empty pages though more follow.
pub const FIND_PAGES_MAX: usize = 10;

/// App clients whose writable attributes are looked up, at 5 requests a second (quota). In a pool
/// with more of them, every attribute counts as writable: that proves less, never more.
pub const APP_CLIENTS_MAX: usize = 60;

/// How long a pool is left alone after it throttled us the first time; doubles each time.
pub const THROTTLE_FIRST: Duration = Duration::from_secs(1);

/// The longest time for which a pool is left alone after it throttled us.
pub const THROTTLE_LONGEST: Duration = Duration::from_mins(1);

/// The window in which removals are counted (invariant 7).
pub const REMOVALS_WINDOW: Duration = Duration::from_hours(1);

/// Removals that one window may hold however few people are known: an afternoon's tidying of a small
/// pool is no accident.
pub const REMOVALS_LEAST: u64 = 20;

/// One in so many known people may be removed in one window. One in a hundred within an hour is more
/// than people leave by themselves, and a mistake stops while nearly everybody is still there.
pub const REMOVALS_ONE_IN: u64 = 100;

/// For how long a decision to heal a restored pool counts: with a sweep every 6 hours everybody is
/// compared many times within it, and a bound keeps it from undoing edits for ever.
pub const HEALING_TIME_MAX: Duration = Duration::from_hours(7 * 24);

/// Accounts that a canary's listing asks for: one may be the account that is missed, and a few more
/// may have been deleted since the listing knew of them.
pub const CANARY_ACCOUNTS_MAX: usize = 5;

/// The longest time for which a person can be leased: work on one person, the landing of its last
/// write, the difference of two clocks, and the signature of a worker that was suspended (R5, R7).
pub const LEASE_LONGEST: Duration = PERSON_TIME_MAX
    .saturating_add(LANDING_TIME)
    .saturating_add(CLOCK_ALLOWANCE)
    .saturating_add(SIGNATURE_LIFE);

// A birth note is resolved within the time for which its account is left alone: the lease runs out,
// its writes settle, two looks follow, and the date of creation is the pool's and not our clock's.
const _: () = assert!(
    LEASE_LONGEST.as_millis()
        + 2 * (SETTLE.as_millis() + CLOCK_ALLOWANCE.as_millis() + PERSON_TIME_MAX.as_millis())
        + CLOCK_ERROR_MAX.as_millis()
        < BIRTH_OPEN_MAX.as_millis()
);
const _: () = assert!(CLOCK_ALLOWANCE.as_millis() >= 2 * CLOCK_ERROR_MAX.as_millis());
const _: () = assert!(
    CLOCK_ERROR_MAX.as_millis()
        >= CLOCK_TOLERANCE.as_millis()
            + CLOCK_HEADER_RESOLUTION.as_millis()
            + CLOCK_ROUND_TRIP_MAX.as_millis()
            + CLOCK_DRIFT_MAX.as_millis()
);
// A worker still has time for one call at the end of its lease's own margins, and a read's attempt
// can teach a clock something.
const _: () = assert!(CLOCK_ROUND_TRIP_MAX.as_millis() < ATTEMPT_TIME_MAX.as_millis());
const _: () = assert!(CLOCK_ALLOWANCE.as_millis() < PERSON_TIME_MAX.as_millis());
/// `ListUsers` and `ListUsersInGroup` together, a second (quota `UserList`, which cannot be raised).
pub const LIST_CALLS_PER_SECOND: u64 = 30;

/// Accounts on one page of a listing (quota).
pub const LIST_PAGE: u64 = 60;

/// Pages of one listing, if a pool's estimate is right: what ties the pages together dies after an
/// hour ("Managing user accounts"), and at half the quota these take a few minutes.
pub const LISTING_PAGES: u64 = 3_000;

/// How long one listing should take: an invocation has fifteen minutes, and what is not finished by
/// then begins anew.
pub const LISTING_TIME: Duration = Duration::from_mins(5);

/// Pages after which a listing that does not end is given up: more than an hour at the whole quota.
pub const LISTING_PAGES_MAX: u64 = 120_000;

/// How often a page is asked for again after no answer. Throttled calls do not count: they end when
/// the invocation does.
pub const LISTING_ATTEMPTS_MAX: u32 = 3;

/// Listings of one pool at a time: each waits for its last page before it asks for the next, so that
/// one alone would not use its share.
pub const LISTINGS_AT_ONCE: usize = 4;

/// Messages of bulk work that may be outstanding: what apply works off in a minute or two at the
/// update quota (25 a second), so that a backlog is never older than that.
pub const BULK_OUTSTANDING_MAX: u64 = 2_000;

/// How long the queue's own counters may lag: SQS says that they may need a minute.
pub const BULK_COUNTERS_LAG: Duration = Duration::from_mins(1);

/// How long to wait before a full queue is asked again.
pub const BULK_ASK_AGAIN: Duration = Duration::from_secs(5);

/// A pass that somebody asked for begins this long after the last one began, at the soonest.
pub const SWEEP_WANTED_EVERY: Duration = Duration::from_hours(1);

/// Accounts made or changed that long before the first pass count as made while the bridge stands.
pub const SWEEP_LOOKS_BACK: Duration = Duration::from_hours(24);

/// How often an unfiltered listing looks for accounts that no part of the pool holds.
pub const SWEEP_COVERS_EVERY: Duration = Duration::from_hours(24);

/// Parts of a pool that are there for accounts whose `sub` is not hexadecimal.
pub const STRANGERS_MAX: usize = 64;

/// Invocations in a row that finish no part, after which the parts are made smaller.
pub const SWEEP_FRUITLESS_MAX: u32 = 2;

/// In how many classes people are divided at the most, to tell whose account is missing.
pub const SWEEP_CLASSES_MAX: u32 = 1 << 16;

/// More accounts than this share, in percent, do not go missing between two passes: then the listing
/// is not believed.
pub const SWEEP_MISSING_PERCENT: u64 = 2;

/// In a small pool, more than this many.
pub const SWEEP_MISSING_MIN: u64 = 25;

/// How often the sweep's function is called at least, whatever the time between two passes: Lambda
/// lets a function run for 15 minutes at the most. At each call it looks at the pools' triggers.
pub const SWEEP_CALL_EVERY: Duration = Duration::from_mins(15);

/// How long before the end of an invocation the sweep stops: one call, and noting how far it is.
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
