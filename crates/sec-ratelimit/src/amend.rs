//! Changing by hand what a key has used: forgetting it, or saying how much it is.

use crate::tables::{Tables, Target, TierTable};
use crate::{Decision, Limiter, Subject, SubjectError};

impl Limiter {
    /// Forgets what a key used in every tier, as when a person unlocks an account. `subjects` has one per
    /// tier, in their order. Returns how the tiers stand now.
    ///
    /// Reservations that were made before give nothing back any more, unless the key is reset more than 31
    /// times while one of them is open: a table without locks ([`capacity`](crate::LimiterBuilder::capacity))
    /// tells states apart by six bits, and a reset and the take after it both count. A key that shares a
    /// slot with others ([`Decision::degraded`]) is left as it is, since their use would be forgotten with
    /// its own.
    ///
    /// # Errors
    ///
    /// [`SubjectError`] when the subjects do not fit the tiers; nothing was forgotten then.
    pub fn reset<'a>(&self, subjects: impl AsRef<[Subject<'a>]>) -> Result<Decision, SubjectError> {
        let subjects = subjects.as_ref();
        let targets = self.targets(subjects)?;
        for (tier, target) in self.0.tiers.iter().zip(&targets) {
            self.0.amend(tier, target, 0);
        }
        self.peek(subjects, 1)
    }

    /// Forgets what a key used in one tier, by the tier's name. Otherwise like [`reset`](Self::reset).
    ///
    /// Returns false where the key shares a slot with others, and nothing was changed.
    ///
    /// # Errors
    ///
    /// [`SubjectError`] when there is no such tier or the subject has too many parts.
    pub fn reset_tier(&self, tier: &str, subject: &Subject<'_>) -> Result<bool, SubjectError> {
        self.set_used(tier, subject, 0)
    }

    /// Says how much a key has used in one tier, whatever it was before: for what was counted elsewhere, such
    /// as tokens that a provider bills later. The units count as taken at this moment, in a window that
    /// begins with it.
    ///
    /// More than the limit can be said of a window or a bucket: the key then waits for longer. An exact log
    /// holds no more than its limit. To reservations of before it is a [reset](Self::reset). Returns false
    /// where the key shares a slot with others, and nothing was changed.
    ///
    /// ```
    /// use sec_ratelimit::{Key, Limiter, Quota, Subject};
    ///
    /// let limiter = Limiter::builder().tier("api", Quota::api(), Key::given("user")).build()?;
    /// limiter.set_used("api", &Subject::of("alice"), 90)?;
    /// assert_eq!(limiter.peek([Subject::of("alice")], 1)?.remaining(), 10);
    /// limiter.reset_tier("api", &Subject::of("alice"))?;
    /// assert_eq!(limiter.peek([Subject::of("alice")], 1)?.remaining(), 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SubjectError`] when there is no such tier or the subject has too many parts.
    pub fn set_used(
        &self,
        tier: &str,
        subject: &Subject<'_>,
        used: u64,
    ) -> Result<bool, SubjectError> {
        let mut tiers = self.0.tiers.iter();
        let tier = tiers
            .find(|known| known.tier.name == tier)
            .ok_or(SubjectError::NoSuchTier)?;
        let target = Target {
            digest: subject.digest(&self.0.seed)?,
            limit: subject.limit(),
        };
        Ok(self.0.amend(tier, &target, used))
    }
}

impl Tables {
    /// Sets a key's state to so many units taken now, under the lock of its shard.
    fn amend(&self, tier: &TierTable, target: &Target, used: u64) -> bool {
        if let Some(lane) = self.lane(target) {
            return lane.overwrite(target, used);
        }
        let Some(mut shard) = tier.table.lock(target.digest) else {
            return false;
        };
        let now = self.time.nanos();
        shard.overwrite(target.digest, &tier.algorithm_for(target), now, used)
    }
}
