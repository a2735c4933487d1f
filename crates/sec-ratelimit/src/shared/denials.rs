//! Refusals that are remembered here, so that a blocked key costs no round trip.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sec_core::{Clock, CoarseClock};

use super::given::aged;
use super::targets::Target;
use crate::decision::PerTier;
use crate::digest::Digest;
use crate::quota::nanos;
use crate::{Decision, Refused};

/// The last refusals, a fixed number of slots. A slot holds one row of subjects; another that meets it
/// there takes its place, which costs a round trip and nothing else.
pub(super) struct Denials {
    slots: Box<[Mutex<Option<Denial>>]>,
    /// The longest that one is believed, in nanoseconds.
    longest: u64,
    clock: Arc<dyn Clock>,
    /// A quarter of the clock's cost, where that is the system's. Nearly every refusal has more time left
    /// than the two can differ.
    rough: Option<CoarseClock>,
    /// When the last of them is over.
    over: AtomicU64,
    /// How many times something was given back, by subjects: several share one.
    returned: Box<[AtomicU64]>,
}

/// How many counts of what was given back there are: one for each byte.
const COUNTS: usize = 256;

/// The counts of a row of subjects, taken before the store is asked: what is given back while its answer is on its way
/// makes that answer an old one.
pub(super) type Marks = PerTier<u64>;

/// A refusal of exactly these subjects, with these limits of their own, and this cost.
struct Denial {
    targets: PerTier<Target>,
    cost: u64,
    decision: Decision,
    /// Where the count of each tier that refused is, and how it was: with another one it is over.
    watched: PerTier<(usize, u64)>,
    made: u64,
    until: u64,
    /// As it was last told, and when by the rough clock: told again to those who come at nearly the same
    /// time.
    told: Option<(u64, Refused)>,
}

/// For so many nanoseconds a refusal is told as it was: its wait is that much, and a tick of the rough
/// clock, too long at most.
const SAME: u64 = 1_000_000;

/// More than the rough clock is ahead or behind: a tick of 10 ms when it was made, and one now.
const APART: u64 = 20_000_000;

impl Denials {
    /// `rough` for the system's clock only: nothing else keeps time with it.
    pub(super) fn new(
        slots: usize,
        longest: u64,
        clock: Arc<dyn Clock>,
        rough: Option<CoarseClock>,
    ) -> Self {
        let slots = std::iter::repeat_with(|| Mutex::new(None)).take(slots);
        Self {
            slots: slots.collect(),
            longest,
            clock,
            rough,
            over: AtomicU64::new(0),
            returned: std::iter::repeat_with(AtomicU64::default)
                .take(COUNTS)
                .collect(),
        }
    }

    pub(super) fn marks(&self, targets: impl Iterator<Item = Target>) -> Marks {
        let count = |(digest, _): Target| self.count(place_of(&digest));
        targets.map(count).collect()
    }

    /// The refusal as it stands now, if its wait is not over.
    pub(super) fn find(&self, targets: &[Target], cost: u64) -> Option<Refused> {
        let over = self.over.load(Ordering::Relaxed);
        if over == 0 {
            return None;
        }
        let (now, apart) = match &self.rough {
            Some(rough) => (rough.nanos(), APART),
            None => (self.now(), 0),
        };
        if now >= over.saturating_add(apart) {
            return None;
        }
        let mut slot = lock(self.slot(targets.iter().map(|(digest, _)| digest))?);
        let denial = slot.as_mut()?;
        if denial.cost != cost || *denial.targets != *targets {
            return None;
        }
        let mut watched = denial.watched.iter();
        if watched.any(|&(place, count)| self.count(place) != count) {
            return None;
        }
        if now.saturating_add(apart) >= denial.until && self.now() >= denial.until {
            return None;
        }
        if let Some((at, refused)) = &denial.told
            && now.saturating_sub(*at) < SAME
        {
            return Some(refused.clone());
        }
        let age = self.now().saturating_sub(denial.made);
        let refused = Refused::unless_allowed(aged(denial.decision.clone(), age), cost).err()?;
        denial.told = Some((now, refused.clone()));
        Some(refused)
    }

    /// Remembers a refusal until its longest wait is over: the tier that waits longest refuses until
    /// then, whatever the others do.
    pub(super) fn keep(
        &self,
        targets: impl Iterator<Item = Target>,
        cost: u64,
        marks: &Marks,
        decision: &Decision,
    ) {
        let wait = match decision.retry_after() {
            Some(wait) => nanos(wait).min(self.longest),
            None if decision.is_allowed() => return,
            None => self.longest,
        };
        let targets: PerTier<Target> = targets.collect();
        if let Some(slot) = self.slot(targets.iter().map(|(digest, _)| digest)) {
            let made = self.now();
            let until = made.saturating_add(wait);
            let tiers = targets.iter().zip(marks).zip(&decision.tiers);
            let refusing = tiers.filter(|(_, tier)| tier.refuses());
            let watched = refusing.map(|(((digest, _), count), _)| (place_of(digest), *count));
            let watched = watched.collect();
            *lock(slot) = Some(Denial {
                targets,
                cost,
                decision: decision.clone(),
                watched,
                made,
                until,
                told: None,
            });
            self.over.fetch_max(until, Ordering::Relaxed);
        }
    }

    /// Something was given back to these subjects, which ends every refusal by one of them, whatever the cost and whoever
    /// was refused.
    pub(super) fn returned<'a>(&self, subjects: impl Iterator<Item = &'a Digest>) {
        for digest in subjects {
            if let Some(count) = self.returned.get(place_of(digest)) {
                count.fetch_add(1, Ordering::AcqRel);
            }
        }
    }

    /// A key was reset, which may be what any of them waits for.
    pub(super) fn clear(&self) {
        for count in &self.returned {
            count.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn count(&self, place: usize) -> u64 {
        let count = self.returned.get(place);
        count.map_or(0, |count| count.load(Ordering::Acquire))
    }

    fn now(&self) -> u64 {
        nanos(self.clock.monotonic())
    }

    /// By the subjects alone. Their digests are under a secret, so nobody can choose two that meet.
    fn slot<'a>(
        &self,
        subjects: impl Iterator<Item = &'a Digest>,
    ) -> Option<&Mutex<Option<Denial>>> {
        let place = subjects.fold(0, |all: u64, [low, _]| all.rotate_left(23) ^ low);
        let count = u128::try_from(self.slots.len()).unwrap_or_default();
        let index = u128::from(place).saturating_mul(count).wrapping_shr(64);
        self.slots.get(usize::try_from(index).ok()?)
    }
}

fn place_of([_, high]: &Digest) -> usize {
    let [first, ..] = high.to_le_bytes();
    usize::from(first)
}

fn lock(slot: &Mutex<Option<Denial>>) -> MutexGuard<'_, Option<Denial>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sec_core::{ManualClock, SystemClock};

    use super::*;
    use crate::{Key, Limiter, Quota, Subject};

    const ADA: Target = ([1 << 60, 2], None);
    const BOB: Target = ([1 << 60, 3], None);

    /// One that waits so long.
    fn refusal(wait: Duration) -> Decision {
        let limiter = Limiter::builder()
            .tier("user", Quota::per(1, wait), Key::given("user"))
            .clock(ManualClock::new())
            .build()
            .unwrap();
        limiter.check([Subject::of("ada")], 1).unwrap();
        let refused = limiter.check([Subject::of("ada")], 1).unwrap_err();
        refused.refused().unwrap().decision().clone()
    }

    fn keep(denials: &Denials, row: &[Target], cost: u64, no: &Decision) {
        let row = || row.iter().copied();
        denials.keep(row(), cost, &denials.marks(row()), no);
    }

    fn denials(clock: Arc<dyn Clock>) -> Denials {
        Denials::new(64, u64::MAX, clock, None)
    }

    #[test]
    fn it_is_told_to_exactly_these_subjects_limits_and_cost() {
        let denials = denials(ManualClock::new());
        let no = refusal(Duration::from_secs(60));
        let row = [ADA, (BOB.0, Some(7))];
        assert!(denials.find(&row, 1).is_none());
        keep(&denials, &row, 1, &no);
        assert_eq!(denials.find(&row, 1).unwrap().cost(), 1);
        let others: [(&[Target], u64); 6] = [
            (&row, 2),
            (&[ADA, BOB], 1),
            (&[ADA, (BOB.0, Some(8))], 1),
            (&[(BOB.0, Some(7)), ADA], 1),
            // The same place.
            (&[ADA, (ADA.0, Some(7))], 1),
            (&[ADA], 1),
        ];
        for (targets, cost) in others {
            assert!(denials.find(targets, cost).is_none(), "{targets:?} {cost}");
        }
        // Whoever meets it takes its place.
        keep(&denials, &[ADA, ADA], 1, &no);
        assert!(denials.find(&[ADA, ADA], 1).is_some());
        assert!(denials.find(&row, 1).is_none());
    }

    #[test]
    fn what_is_given_back_forgets_every_cost() {
        let denials = denials(ManualClock::new());
        let no = refusal(Duration::from_secs(60));
        keep(&denials, &[ADA], 5, &no);
        // Another at its place.
        denials.returned([&BOB.0].into_iter());
        assert!(denials.find(&[ADA], 5).is_some());
        denials.returned([&ADA.0].into_iter());
        assert!(denials.find(&[ADA], 5).is_none());
        // A refusal that was on its way meanwhile is an old one.
        let marks = denials.marks([ADA].into_iter());
        denials.returned([&ADA.0].into_iter());
        denials.keep([ADA].into_iter(), 5, &marks, &no);
        assert!(denials.find(&[ADA], 5).is_none());
        keep(&denials, &[ADA], 5, &no);
        assert!(denials.find(&[ADA], 5).is_some());
        denials.clear();
        assert!(denials.find(&[ADA], 5).is_none());
    }

    #[test]
    fn it_ends_with_its_wait_and_tells_what_is_left_of_it() {
        let clock = ManualClock::new();
        let denials = denials(clock.clone());
        let wait = Duration::from_secs(60);
        keep(&denials, &[ADA], 1, &refusal(wait));
        let told = || {
            let refused = denials.find(&[ADA], 1)?;
            refused.decision().retry_after()
        };
        assert_eq!(told(), Some(wait));
        // For less than a millisecond it is the same.
        clock.advance(Duration::from_micros(999));
        assert_eq!(told(), Some(wait));
        clock.advance(Duration::from_micros(1));
        let later = wait - Duration::from_millis(1);
        assert_eq!(told(), Some(later));
        clock.advance(later - Duration::from_nanos(1));
        assert_eq!(told(), Some(Duration::from_nanos(1)));
        clock.advance(Duration::from_nanos(1));
        assert_eq!(told(), None);
    }

    /// A clock that is late must not forget early, nor go on for ever.
    #[test]
    fn beside_a_rough_clock_it_is_never_over_too_early() {
        let clock = SystemClock::shared();
        let denials = Denials::new(64, u64::MAX, clock.clone(), Some(CoarseClock::new()));
        for millis in [1, 15, 60] {
            let wait = Duration::from_millis(millis);
            let before = clock.monotonic();
            keep(&denials, &[ADA], 1, &refusal(wait));
            while denials.find(&[ADA], 1).is_some() {
                std::hint::spin_loop();
            }
            assert!(clock.monotonic() - before >= wait, "{millis}");
        }
    }
}
