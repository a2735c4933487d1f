//! How the table without locks is cut.

use super::BUCKET;

#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) shards: usize,
    /// Per shard.
    pub(super) buckets: usize,
}

const SHARDS: usize = 64;
const SHARD_KEYS: usize = 512;

impl Layout {
    /// Half as many slots again as keys.
    pub(super) fn of(keys: usize) -> Self {
        let keys = keys.max(1);
        let shards = keys.div_ceil(SHARD_KEYS).min(SHARDS);
        let slots = keys.saturating_add(keys / 2).div_ceil(shards);
        Self {
            shards,
            buckets: slots.div_ceil(BUCKET),
        }
    }

    pub(super) fn buckets(&self) -> usize {
        self.shards.saturating_mul(self.buckets)
    }
}
