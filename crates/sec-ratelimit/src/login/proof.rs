//! What a client sends back for a challenge.

use serde::Deserialize;

/// What a client sends back for a [`Challenge`](crate::Challenge): `{"token": "…", "solution": 271828}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Proof {
    /// The challenge's token.
    pub token: String,
    /// The number that was found.
    pub solution: u64,
}

impl Proof {
    /// Of a client that sends the two in another form.
    #[must_use]
    pub fn new(token: impl Into<String>, solution: u64) -> Self {
        Self {
            token: token.into(),
            solution,
        }
    }
}
