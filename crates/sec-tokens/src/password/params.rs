//! What one hash costs.

use argon2::Params;

use super::error::{PasswordConfigError, PasswordConfigErrorKind};

/// Bytes of output of every hash made here.
pub(super) const OUTPUT_LEN: usize = 32;

/// What OWASP's Password Storage Cheat Sheet names as equally strong minima: (KiB, passes).
const FLOOR: [(u32, u32); 5] = [
    (47_104, 1),
    (19_456, 2),
    (12_288, 3),
    (9_216, 4),
    (7_168, 5),
];

/// The dearest hash that is ever computed: (KiB, passes, lanes).
///
/// A stored hash names its own cost, so whoever can write one could otherwise make a single log-in
/// take gigabytes or minutes.
pub(super) const CEILING: (u32, u32, u32) = (256 * 1024, 10, 16);

/// Validated Argon2id cost: memory, passes and lanes, always with 32 bytes of output.
///
/// The default is 64 MiB, three passes and four lanes, the second choice of RFC 9106 §4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argon2Params {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Argon2Params {
    /// Checks a cost.
    ///
    /// # Errors
    ///
    /// When it is weaker than every row of OWASP's minima (47104 KiB with 1 pass, 19456/2, 12288/3,
    /// 9216/4, 7168/5), above the ceiling of 256 MiB, 10 passes and 16 lanes, or has no lane.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, PasswordConfigError> {
        let params = Self::within_ceiling(memory_kib, passes, lanes)
            .ok_or(PasswordConfigErrorKind::CostOutOfRange)?;
        if FLOOR
            .iter()
            .any(|&(memory, least)| memory_kib >= memory && passes >= least)
        {
            Ok(params)
        } else {
            Err(PasswordConfigErrorKind::TooWeak.into())
        }
    }

    /// A cost of microseconds, for tests of services that log in many times. Never for real users:
    /// a stolen table of such hashes is as good as clear text.
    #[must_use]
    pub const fn weak_for_tests() -> Self {
        Self {
            memory_kib: 8,
            passes: 1,
            lanes: 1,
        }
    }

    /// Memory in KiB.
    #[must_use]
    pub const fn memory_kib(&self) -> u32 {
        self.memory_kib
    }

    /// Passes over the memory (`t`).
    #[must_use]
    pub const fn passes(&self) -> u32 {
        self.passes
    }

    /// Lanes (`p`). They are computed one after the other: on a busy machine threads gain nothing.
    #[must_use]
    pub const fn lanes(&self) -> u32 {
        self.lanes
    }

    /// A cost which a stored hash may have: weak ones verify (and ask for a rehash), ruinous ones do
    /// not. RFC 9106 §3.1 wants eight blocks for each lane.
    pub(super) fn within_ceiling(memory_kib: u32, passes: u32, lanes: u32) -> Option<Self> {
        let (most_memory, most_passes, most_lanes) = CEILING;
        let sane = (1..=most_lanes).contains(&lanes)
            && (1..=most_passes).contains(&passes)
            && (lanes.saturating_mul(8)..=most_memory).contains(&memory_kib);
        sane.then_some(Self {
            memory_kib,
            passes,
            lanes,
        })
    }

    pub(super) fn to_argon2(self, output_len: usize) -> Result<Params, argon2::Error> {
        Params::new(self.memory_kib, self.passes, self.lanes, Some(output_len))
    }
}

impl Default for Argon2Params {
    fn default() -> Self {
        Self {
            memory_kib: 64 * 1024,
            passes: 3,
            lanes: 4,
        }
    }
}
