//! Listings of a pool of a million people, correct or wrong in one way.

use std::sync::Arc;

use poolbridge_core::account::{Account, PoolSchema};
use poolbridge_core::error::{ErrorKind, PortError};
use poolbridge_core::names::{GroupName, Sub};
use poolbridge_core::side::Side;
use poolbridge_sweep_core::ports::{AccountLister, Page, PageStream};
use poolbridge_sweep_core::shard::Prefix;

use super::people::People;
use super::ports::SharedPools;
use crate::world::chance::Chooser;
use crate::world::give_way;

/// Accounts per page, as in Cognito.
const PAGE: usize = 60;

/// How a listing can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WrongListing {
    /// Pages are short or empty although more follow. That is correct: the service says that it may
    /// happen.
    Short,
    /// The listing ends early.
    Ends,
    /// Some accounts are left out.
    LeavesOut,
    /// Some accounts are shown twice.
    Doubles,
    /// Accounts of another part are listed too.
    OutsidePrefix,
    /// Some accounts are listed as they were before a change, and deleted accounts are listed.
    Old,
}

impl WrongListing {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Short, Self::Ends, Self::LeavesOut, Self::Doubles, Self::OutsidePrefix, Self::Old];
}

/// One pool.
pub struct LargePoolLister {
    pub(super) people: Arc<People>,
    pub(super) shared: Arc<SharedPools>,
    pub(super) side: Side,
}

/// A listing in progress.
pub struct LargePoolPages {
    people: Arc<People>,
    shared: Arc<SharedPools>,
    side: Side,
    prefix: Option<Prefix>,
    whole: bool,
    after: Option<u64>,
    ended: bool,
    rows: usize,
}

impl LargePoolPages {
    /// The numbers on the next page; `None` at the end.
    fn numbers(&mut self) -> Result<Option<Vec<u64>>, PortError> {
        let mut state = self.shared.lock();
        let counted = &mut state.counted;
        counted.rows -= self.rows;
        self.rows = 0;
        if self.ended {
            return Ok(None);
        }
        let pages = match (&self.prefix, self.whole) {
            (None, _) => &mut counted.group_pages,
            (Some(prefix), true) if prefix.is_whole() => &mut counted.whole_pages,
            (Some(_), _) => &mut counted.pages,
        };
        *pages.get_mut(self.side) += 1;
        if state.throttled > 0 {
            state.throttled -= 1;
            return Err(PortError::new(ErrorKind::Throttled, "ListUsers"));
        }
        let wrong_listing = state.wrong_listing;
        let mut most = PAGE;
        if wrong_listing == Some(WrongListing::Short) {
            most = [0, 1, 7, 60][state.chance.choose(4, "how short")];
        }
        let mut numbers = self.next_numbers(most);
        self.ended = numbers.len() < most;
        if let Some(last) = numbers.last() {
            self.after = Some(*last);
        }
        match wrong_listing {
            Some(WrongListing::Ends) if state.chance.happens(40, "ends") => self.ended = true,
            Some(WrongListing::LeavesOut) => {
                numbers.retain(|_| !state.chance.happens(50, "left out"));
            }
            Some(WrongListing::Doubles) if state.chance.happens(4, "doubled") => {
                let twice = numbers.clone();
                numbers.extend(twice);
            }
            Some(WrongListing::OutsidePrefix) if state.chance.happens(4, "strays") => {
                let among = usize::try_from(self.people.count).unwrap_or(1);
                numbers.push(state.chance.choose(among, "who") as u64);
            }
            Some(_) | None => {}
        }
        self.rows = numbers.len();
        let counted = &mut state.counted;
        counted.rows += self.rows;
        counted.rows_most = counted.rows_most.max(counted.rows);
        Ok(Some(numbers))
    }

    fn next_numbers(&self, most: usize) -> Vec<u64> {
        let Some(prefix) = &self.prefix else {
            let first = self.after.map_or(0, |after| after + 1);
            let everyone = first..self.people.count;
            let members = everyone.filter(|number| self.people.member(self.side, *number));
            return members.take(most).collect();
        };
        self.people.listed(self.side, prefix, self.after).take(most).collect()
    }
}

impl Drop for LargePoolPages {
    fn drop(&mut self) {
        self.shared.lock().counted.rows -= self.rows;
    }
}

impl PageStream<Account> for LargePoolPages {
    async fn next(&mut self) -> Result<Option<Page<Account>>, PortError> {
        self.shared.lock().progressed_in_turn = true;
        give_way().await;
        let Some(numbers) = self.numbers()? else { return Ok(None) };
        let old = self.shared.lock().wrong_listing == Some(WrongListing::Old);
        let account = |number: u64| {
            let account = self.people.account(self.side, number);
            let before =
                if old { People::new(0).account(self.side, number) } else { return account };
            Account { sub: account.sub, ..before }
        };
        Ok(Some(Page { read: numbers.into_iter().map(account).collect(), unreadable: 0 }))
    }
}

impl PageStream<Sub> for LargePoolPages {
    async fn next(&mut self) -> Result<Option<Page<Sub>>, PortError> {
        self.shared.lock().progressed_in_turn = true;
        give_way().await;
        let Some(numbers) = self.numbers()? else { return Ok(None) };
        let sub = |number: u64| self.people.sub(self.side, number);
        Ok(Some(Page { read: numbers.into_iter().map(sub).collect(), unreadable: 0 }))
    }
}

impl LargePoolLister {
    fn pages(&self, prefix: Option<Prefix>) -> LargePoolPages {
        let depth = self.shared.lock().cursor.pass.as_ref().map(|pass| *pass.depth.get(self.side));
        LargePoolPages {
            people: Arc::clone(&self.people),
            shared: Arc::clone(&self.shared),
            side: self.side,
            prefix,
            whole: depth.is_some_and(|depth| depth > 0),
            after: None,
            ended: false,
            rows: 0,
        }
    }
}

impl AccountLister for LargePoolLister {
    type Accounts = LargePoolPages;
    type Members = LargePoolPages;

    async fn schema(&self) -> Result<Arc<PoolSchema>, PortError> {
        Ok(Arc::new(self.people.schema.clone()))
    }

    async fn estimate(&self) -> Result<Option<u64>, PortError> {
        Ok(Some(self.people.count))
    }

    fn accounts(&self, prefix: &Prefix) -> LargePoolPages {
        self.pages(Some(prefix.clone()))
    }

    fn members(&self, _group: &GroupName) -> LargePoolPages {
        self.pages(None)
    }
}
