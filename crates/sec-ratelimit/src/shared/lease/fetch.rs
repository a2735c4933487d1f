//! Fetching a batch, and returning what is left of it.

use std::time::Duration;

use tokio::time::sleep;

use super::ask::only;
use super::slot::{Batch, Ended};
use super::table::Start;
use crate::shared::store::{Ask, Change, Hold, StoreError, TierGiven};
use crate::shared::targets::Wanted;
use crate::{Answer, SharedLimiter};

impl SharedLimiter {
    /// Fetches a batch in a task of its own, so that a request which goes away does not take it from those
    /// who wait for it too. The task ends with the batch's life.
    pub(super) fn fetch(&self, wanted: &Wanted, start: Start) {
        let ask = self.alone(wanted, start.key.tier, start.units);
        tokio::spawn(Fetching::new(self.clone(), start).run(ask));
    }

    /// A batch, or as much of it as there is, at least `need`.
    async fn batch(&self, ask: &Ask, need: u64) -> Result<Batch, Ended> {
        let whole = ask.cost;
        let mut ask = ask.clone();
        let deadline = self.deadline();
        loop {
            let sent = self.now();
            let given = self.decided(&ask, true, deadline).await.and_then(only);
            let given = given.map_err(Ended::Failed)?;
            let units = ask.cost;
            match given.answer {
                Answer::Admit => return Ok(Batch { units, given, sent }),
                Answer::Wait(_) | Answer::Never if units <= need => {
                    return Err(Ended::Refused { need, given });
                }
                // The wait for one unit is known without asking for it.
                Answer::Wait(_) if need == 1 && given.remaining == 0 => {
                    let answer = Answer::Wait(given.next.max(1));
                    let given = TierGiven { answer, ..given };
                    return Err(Ended::Refused { need, given });
                }
                // What is left, and when others were faster, what is needed and no more.
                Answer::Wait(_) | Answer::Never if units == whole => {
                    ask.cost = given.remaining.clamp(need, units);
                    if ask.cost == units {
                        ask.cost = need;
                    }
                }
                Answer::Wait(_) | Answer::Never => ask.cost = need,
            }
        }
    }

    async fn return_units(&self, ask: Ask, hold: Hold, units: u64) {
        let deadline = self.deadline();
        let change = Change::GiveBack(units);
        let holds = [hold];
        // What cannot be returned stays counted until its window ends, and the breaker has told why.
        let _ = self.settled(&ask, &holds, change, deadline).await;
    }

    /// Returns units in the background: nobody waits for it.
    pub(super) fn return_later(&self, ask: Ask, hold: Hold, units: u64) {
        let limiter = self.clone();
        tokio::spawn(async move { limiter.return_units(ask, hold, units).await });
    }
}

/// A batch being fetched. Dropped before its end, those who wait for it learn that it does not come.
struct Fetching {
    limiter: SharedLimiter,
    start: Start,
    over: bool,
}

impl Fetching {
    fn new(limiter: SharedLimiter, start: Start) -> Self {
        Self {
            limiter,
            start,
            over: false,
        }
    }

    async fn run(mut self, ask: Ask) {
        let limiter = self.limiter.clone();
        let Some(leases) = &limiter.0.leases else {
            return;
        };
        let fetched = limiter.batch(&ask, self.start.need).await;
        self.over = true;
        let batch = match fetched {
            Ok(batch) => batch,
            Err(ended) => return leases.not_granted(&self.start, ended, limiter.now()),
        };
        let key = self.start.key;
        let left = match leases.granted(&self.start, &batch) {
            Some(number) => {
                drop(self);
                let life = leases.terms(key.tier).map_or(0, |terms| terms.life);
                sleep(Duration::from_nanos(life)).await;
                leases.end(&key, number)
            }
            None => batch.units,
        };
        if left > 0 {
            limiter.return_units(ask, batch.given.hold, left).await;
        }
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        if let Some(leases) = self.limiter.0.leases.as_ref().filter(|_| !self.over) {
            let gone = StoreError::Unreachable("the batch was not fetched".into());
            leases.not_granted(&self.start, Ended::Failed(gone), self.limiter.now());
        }
    }
}
