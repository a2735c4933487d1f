//! What a quota says about a cost: the words shared by the algorithms.

/// The answer of one quota to one cost at one instant.
#[allow(
    clippy::exhaustive_enums,
    reason = "a caller must handle all three, and there is no fourth"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The cost fits now.
    Admit,
    /// The cost does not fit now; it will after this many nanoseconds, if nothing else is taken.
    Wait(u64),
    /// The cost is above what the quota can ever hold: waiting cannot help.
    Never,
}

/// How a quota stands for one key at one instant, before or after a take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standing {
    /// The most that can be taken at once.
    pub limit: u64,
    /// What can be taken now.
    pub remaining: u64,
    /// Nanoseconds until everything is available again; 0 for an untouched quota.
    pub reset: u64,
    /// Nanoseconds until one more unit is available; 0 for an untouched quota.
    pub next: u64,
}
