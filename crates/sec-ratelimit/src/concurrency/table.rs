//! Who holds how many permits: memory fixed at construction, sharded, with no clean-up task.
//!
//! A key may lie in two buckets of eight places that its digest chooses, so a look-up is one short scan and a
//! place is free again as soon as its last permit is back. There are twice as many places as keys, and a new key
//! goes where more are free, so that the buckets fill evenly. A key that finds none counts in the shard's shared place. While that is in use **no new key gets a place of its
//! own** in the shard: else one that has permits there could take its whole limit once more.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::digest::Digest;

/// The permits that are out.
pub(super) struct Seats(Box<[Mutex<Shard>]>);

struct Shard {
    places: Box<[Place]>,
    shared: u64,
}

/// What one key holds; free at 0.
#[derive(Clone, Copy)]
struct Place {
    key: Digest,
    held: u64,
}

/// Where a permit was counted. No one else gets the place as long as the permit is out.
#[derive(Clone, Copy)]
pub(super) struct Seat {
    shard: usize,
    /// `None` for the shared place.
    place: Option<usize>,
}

const SHARDS: usize = 64;
const SHARD_KEYS: usize = 256;
const BUCKET: usize = 8;

impl Seat {
    pub(super) fn is_shared(self) -> bool {
        self.place.is_none()
    }
}

impl Seats {
    pub(super) fn new(keys: usize) -> Self {
        let shards = keys.div_ceil(SHARD_KEYS).clamp(1, SHARDS);
        let places = keys.saturating_mul(2).div_ceil(shards).max(1);
        let free = Place {
            key: [0; 2],
            held: 0,
        };
        let shard = || {
            Mutex::new(Shard {
                places: vec![free; places].into_boxed_slice(),
                shared: 0,
            })
        };
        Self(std::iter::repeat_with(shard).take(shards).collect())
    }

    /// Counts one more, and tells where and how many are out then; or whether the limit that is
    /// reached is a shared one.
    pub(super) fn take(&self, digest: Digest, limit: u64) -> Result<(Seat, u64), bool> {
        let (index, Some(mut shard)) = self.lock_of(digest) else {
            return Err(true);
        };
        let place = shard.find(digest);
        let Shard { places, shared } = &mut *shard;
        let held = match place.and_then(|place| places.get_mut(place)) {
            Some(place) => {
                if place.held < limit {
                    place.key = digest;
                }
                &mut place.held
            }
            None => shared,
        };
        if *held >= limit {
            return Err(place.is_none());
        }
        *held = held.saturating_add(1);
        let seat = Seat {
            shard: index,
            place,
        };
        Ok((seat, *held))
    }

    pub(super) fn give_back(&self, seat: Seat) {
        let Some(mut shard) = self.lock(seat.shard) else {
            return;
        };
        let Shard { places, shared } = &mut *shard;
        let held = match seat.place {
            Some(place) => places.get_mut(place).map(|place| &mut place.held),
            None => Some(shared),
        };
        if let Some(held) = held {
            *held = held.saturating_sub(1);
        }
    }

    pub(super) fn in_use(&self, digest: Digest) -> u64 {
        let (_, Some(shard)) = self.lock_of(digest) else {
            return 0;
        };
        match shard.find(digest).and_then(|place| shard.places.get(place)) {
            Some(place) => place.held,
            None => shard.shared,
        }
    }

    #[cfg(test)]
    pub(super) fn total(&self) -> u64 {
        let shards = self.0.iter().map(|shard| {
            let shard = shard.lock().unwrap();
            shard.shared + shard.places.iter().map(|place| place.held).sum::<u64>()
        });
        shards.sum()
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let shards = self
            .0
            .iter()
            .map(|shard| size_of_val(&*shard.lock().unwrap().places));
        shards.sum()
    }

    fn lock_of(&self, [one, _]: Digest) -> (usize, Option<MutexGuard<'_, Shard>>) {
        let index = scale(one, self.0.len());
        (index, self.lock(index))
    }

    /// Nothing that changes a shard can panic half-way, so the poison of a panic elsewhere is ignored.
    fn lock(&self, index: usize) -> Option<MutexGuard<'_, Shard>> {
        let shard = self.0.get(index)?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shard {
    /// The key's place, or a free one for it in the emptier of its buckets; `None` is the shared place.
    fn find(&self, digest: Digest) -> Option<usize> {
        let mut best: (usize, Option<usize>) = (0, None);
        for bucket in self.buckets_of(digest) {
            let start = bucket.saturating_mul(BUCKET);
            let mut free: (usize, Option<usize>) = (0, None);
            let places = self.places.iter().enumerate().skip(start).take(BUCKET);
            for (index, place) in places {
                if place.held == 0 {
                    free = (free.0.saturating_add(1), free.1.or(Some(index)));
                } else if place.key == digest {
                    return Some(index);
                }
            }
            if free.0 > best.0 {
                best = free;
            }
        }
        best.1.filter(|_| self.shared == 0)
    }

    /// Two that differ, if there is more than one.
    fn buckets_of(&self, [one, other]: Digest) -> [usize; 2] {
        let buckets = self.places.len().div_ceil(BUCKET);
        let first = scale(other, buckets);
        let step = scale(one.rotate_left(32), buckets.saturating_sub(1));
        let second = first.saturating_add(step).saturating_add(1);
        [first, second.checked_rem(buckets).unwrap_or(0)]
    }
}

/// Maps a hash evenly onto `0..n` without a division.
fn scale(hash: u64, n: usize) -> usize {
    let n = u128::try_from(n).unwrap_or(0);
    let scaled = u128::from(hash).saturating_mul(n) >> 64;
    usize::try_from(scaled).unwrap_or(0)
}
