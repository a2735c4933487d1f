//! Where a key may be in the table without locks, where it is, and where it would go.

use super::fast::{FastTable, LINE, LINES, Line, Slot};
use super::packed::Word;
use super::sync::Ordering;
use super::{BUCKET, scale};
use crate::digest::Digest;

/// Where a key may be.
pub(crate) struct Home {
    pub(super) key: u64,
    pub(super) first: usize,
    /// Which line of either bucket the key would have.
    pub(super) line: usize,
    /// What the other bucket is chosen by.
    place: u64,
}

/// A key, and its slot if it has one in the line where it would rather be.
pub(crate) struct Sought<'a> {
    pub(super) digest: Digest,
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

impl Home {
    fn other_line(&self) -> usize {
        LINES.wrapping_sub(1).wrapping_sub(self.line)
    }
}

impl FastTable {
    #[inline]
    pub(crate) fn seek(&self, digest: Digest) -> Sought<'_> {
        let Home {
            key, first, line, ..
        } = self.home(digest);
        let slot = self.known(first, line, key);
        Sought { digest, slot }
    }

    /// The key's slot elsewhere than where it would rather be.
    pub(super) fn seek_further(&self, home: &Home) -> Option<(&Slot, usize)> {
        let (second, other) = (self.second(home), home.other_line());
        self.known(home.first, other, home.key)
            .or_else(|| self.known(second, home.line, home.key))
            .or_else(|| self.known(second, other, home.key))
    }

    /// The key's slot in one line of a bucket. Compares with all of them whichever it is: a branch that
    /// depends on what is read would be guessed wrongly, and the processor could not go on while memory
    /// answers.
    #[inline]
    fn known(&self, bucket: usize, line: usize, key: u64) -> Option<(&Slot, usize)> {
        let Line(slots) = self.line(bucket, line)?;
        let mut matches = 0_u32;
        for slot in slots.iter().rev() {
            let same = slot.key.load(Ordering::Acquire) == key;
            matches = matches.wrapping_shl(1) | u32::from(same);
        }
        let at = usize::try_from(matches.trailing_zeros()).unwrap_or(usize::MAX);
        Some((slots.get(at)?, index(bucket, line, at)))
    }

    /// The key's slot, or the one it would get. Under the lock.
    pub(super) fn find(&self, home: &Home, now: u64) -> Found<'_> {
        let mut least: Option<(u128, Room<'_>)> = None;
        let mut rooms = [Rooms::default(), Rooms::default()];
        for (bucket, here) in [home.first, self.second(home)].into_iter().zip(&mut rooms) {
            let lines = [home.line, home.other_line()];
            for (slot, index) in lines.into_iter().flat_map(|line| self.slots(bucket, line)) {
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

    /// The share of the quota that is used, for comparison; `None` at the limit, also at a caller's own.
    fn used(&self, word: Word, now: u64) -> Option<u128> {
        if self.base.was_full(word) {
            return None;
        }
        let standing = self.base.standing(word, now);
        let used = standing.limit.saturating_sub(standing.remaining);
        // A bucket's reset tells more than its whole units.
        let fine = u128::from(used).saturating_mul(1 << 64);
        (standing.remaining > 0).then(|| fine.saturating_add(u128::from(standing.reset)))
    }

    #[inline]
    pub(super) fn home(&self, [key, place]: Digest) -> Home {
        Home {
            key: fingerprint(key),
            first: scale(place, self.buckets.len()),
            line: scale(place.rotate_left(40), LINES),
            place,
        }
    }

    /// Whose lock it is under.
    pub(super) fn shard_of(&self, bucket: usize) -> usize {
        bucket.checked_div(self.layout.buckets).unwrap_or(0)
    }

    /// The key's other bucket in the same shard, or the only one there is.
    pub(super) fn second(&self, home: &Home) -> usize {
        let buckets = self.layout.buckets;
        let at = home.first.checked_rem(buckets).unwrap_or(0);
        let start = home.first.wrapping_sub(at);
        let step = scale(home.place.rotate_left(20), buckets.saturating_sub(1));
        let at = at.wrapping_add(step).wrapping_add(1);
        // Below twice the number of buckets.
        start.wrapping_add(at.checked_sub(buckets).unwrap_or(at))
    }

    /// The slot of an index, if there is one.
    pub(super) fn slot(&self, index: usize) -> Option<&Slot> {
        let (bucket, at) = (index / BUCKET, index % BUCKET);
        self.line(bucket, at / LINE)?.0.get(at % LINE)
    }

    fn slots(&self, bucket: usize, line: usize) -> impl Iterator<Item = (&Slot, usize)> {
        let slots = self.line(bucket, line).into_iter().flat_map(|line| &line.0);
        slots
            .enumerate()
            .map(move |(at, slot)| (slot, index(bucket, line, at)))
    }

    #[inline]
    fn line(&self, bucket: usize, line: usize) -> Option<&Line> {
        self.buckets.get(bucket)?.0.get(line)
    }
}

/// Never that of an unused slot.
#[inline]
pub(super) fn fingerprint(key: u64) -> u64 {
    key.max(1)
}

#[inline]
fn index(bucket: usize, line: usize, at: usize) -> usize {
    let line = bucket.wrapping_mul(LINES).wrapping_add(line);
    line.wrapping_mul(LINE).wrapping_add(at)
}
