//! Where a page ended, in a form that cannot be changed by hand.

use std::hash::{BuildHasher, RandomState};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::AuditFilter;
use crate::error::QueryError;

const VERSION: u8 = 1;

/// Seals cursors with a keyed hash over position and filter.
///
/// The key is random and lives as long as the trail, like the numbers that it protects: a cursor from before a
/// restart is refused instead of pointing somewhere else. The hash is std's keyed SipHash, 64 bits. It
/// tells a changed cursor from a true one; it guards no secret, because a cursor grants nothing that
/// the query beside it does not.
#[derive(Clone, Default)]
pub(crate) struct CursorKey(RandomState);

impl CursorKey {
    pub(crate) fn seal(&self, below: u64, filter: &AuditFilter) -> String {
        let mut bytes = Vec::with_capacity(17);
        bytes.push(VERSION);
        bytes.extend_from_slice(&below.to_be_bytes());
        bytes.extend_from_slice(&self.tag(below, filter).to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(crate) fn open(&self, cursor: &str, filter: &AuditFilter) -> Result<u64, QueryError> {
        const CHANGED: &str = "is not one that this trail gave out for this filter";
        let bytes = URL_SAFE_NO_PAD
            .decode(cursor)
            .map_err(|_| QueryError::cursor(CHANGED))?;
        let [VERSION, rest @ ..] = bytes.as_slice() else {
            return Err(QueryError::cursor(CHANGED));
        };
        let (below, tag) = rest
            .split_at_checked(8)
            .ok_or(QueryError::cursor(CHANGED))?;
        let below = u64::from_be_bytes(below.try_into().map_err(|_| QueryError::cursor(CHANGED))?);
        if tag == self.tag(below, filter).to_be_bytes() {
            Ok(below)
        } else {
            Err(QueryError::cursor(CHANGED))
        }
    }

    fn tag(&self, below: u64, filter: &AuditFilter) -> u64 {
        self.0.hash_one((VERSION, below, filter.parameters()))
    }
}
