//! Where a key may be in the table without locks, where it is, and where it would go.

use super::fast::{FastTable, Slot};
use super::packed::Word;
use super::sync::Ordering;
use super::{BUCKET, scale};
use crate::digest::Digest;

/// Where a key may be.
pub(crate) struct Home {
    pub(super) key: u64,
    pub(super) shard: usize,
    pub(super) first: usize,
    /// What the other bucket is chosen by.
    place: u64,
}

/// A key's places, and the slot in the first of them if it has that.
pub(crate) struct Sought<'a> {
    pub(super) home: Home,
    pub(super) slot: Option<(&'a Slot, usize)>,
}

pub(super) type Room<'a> = (&'a Slot, usize, Word);

pub(super) enum Found<'a> {
    Own(&'a Slot, usize),
    Room(&'a Slot, usize, Word),
    /// All slots hold keys at their limit.
    Nothing,
}

/// A key goes to its second bucket only if its first has fewer free slots than this, and than the
/// second. With fewer a full table has a key without room now and then.
const ENOUGH: usize = 4;

/// The slots of one bucket that a new key may take.
#[derive(Default)]
struct Rooms<'a> {
    free: usize,
    unused: Option<Room<'a>>,
    spent: Option<Room<'a>>,
}

/// The bucket with room enough, or with more of it; there a slot that nobody has. A spent key that comes
/// again finds its slot without the lock, so that it keeps it while an unused one can be had without
/// crowding either bucket.
fn choose<'a>([first, second]: [Rooms<'a>; 2]) -> Option<Room<'a>> {
    let (one, other) = if first.free >= ENOUGH || first.free >= second.free {
        (first, second)
    } else {
        (second, first)
    };
    let elsewhere = other.unused.filter(|_| other.free >= ENOUGH);
    one.unused.or(elsewhere).or(one.spent)
}

impl FastTable {
    #[inline]
    pub(crate) fn seek(&self, digest: Digest) -> Sought<'_> {
        let home = self.home(digest);
        let slot = self.known(home.first, home.key);
        Sought { home, slot }
    }

    /// The key's slot in a bucket. Compares with all of them whichever it is: a branch that depends on
    /// what is read would be guessed wrongly, and the processor could not go on while memory answers.
    #[inline]
    pub(super) fn known(&self, bucket: usize, key: u64) -> Option<(&Slot, usize)> {
        let slots = self.slots(bucket);
        let mut matches = 0_u32;
        for slot in slots.iter().rev() {
            let same = slot.key.load(Ordering::Acquire) == key;
            matches = matches.wrapping_shl(1) | u32::from(same);
        }
        let at = usize::try_from(matches.trailing_zeros()).unwrap_or(usize::MAX);
        let index = bucket.saturating_mul(BUCKET).saturating_add(at);
        Some((slots.get(at)?, index))
    }

    /// The key's slot, or the one it would get. Under the lock.
    pub(super) fn find(&self, home: &Home, now: u64) -> Found<'_> {
        let mut least: Option<(u128, Room<'_>)> = None;
        let mut rooms = [Rooms::default(), Rooms::default()];
        for (bucket, here) in [home.first, self.second(home)].into_iter().zip(&mut rooms) {
            for (at, slot) in self.slots(bucket).iter().enumerate() {
                let index = bucket.saturating_mul(BUCKET).saturating_add(at);
                if slot.key.load(Ordering::Acquire) == home.key {
                    return Found::Own(slot, index);
                }
                let word = Word(slot.word.load(Ordering::Acquire));
                let room = (slot, index, word);
                if word.is_empty() {
                    here.free = here.free.saturating_add(1);
                    here.unused = here.unused.or(Some(room));
                } else if self.base.is_spent(word, now) {
                    here.free = here.free.saturating_add(1);
                    here.spent = here.spent.or(Some(room));
                } else if let Some(used) = self.used(word, now)
                    && least.as_ref().is_none_or(|(least, _)| used < *least)
                {
                    least = Some((used, room));
                }
            }
        }
        match choose(rooms).or(least.map(|(_, room)| room)) {
            Some((slot, index, word)) => Found::Room(slot, index, word),
            None => Found::Nothing,
        }
    }

    /// The share of the quota that is used, for comparison; `None` at the limit.
    fn used(&self, word: Word, now: u64) -> Option<u128> {
        let standing = self.base.standing(word, now);
        let used = standing.limit.saturating_sub(standing.remaining);
        // A bucket's reset tells more than its whole units.
        let fine = u128::from(used).saturating_mul(1 << 64);
        (standing.remaining > 0).then(|| fine.saturating_add(u128::from(standing.reset)))
    }

    #[inline]
    pub(super) fn home(&self, [key, place]: Digest) -> Home {
        let shard = scale(place, self.layout.shards);
        let start = shard.wrapping_mul(self.layout.buckets);
        Home {
            key: key.max(1),
            shard,
            first: start.wrapping_add(scale(place.rotate_left(24), self.layout.buckets)),
            place,
        }
    }

    /// The key's other bucket in the same shard, or the only one there is.
    pub(super) fn second(&self, home: &Home) -> usize {
        let buckets = self.layout.buckets;
        let start = home.shard.wrapping_mul(buckets);
        let step = scale(home.place.rotate_left(44), buckets.saturating_sub(1));
        let at = home.first.wrapping_sub(start).wrapping_add(step);
        let at = at.wrapping_add(1);
        // Below twice the number of buckets.
        start.wrapping_add(at.checked_sub(buckets).unwrap_or(at))
    }

    #[inline]
    pub(super) fn slots(&self, bucket: usize) -> &[Slot] {
        self.buckets.get(bucket).map_or(&[], |bucket| &bucket.0)
    }
}
