//! How wide the way to a server is.

use std::time::Duration;

use deadpool_redis::redis::{AsyncConnectionConfig, IntoConnectionInfo};
use deadpool_redis::{Manager, Pool, Runtime};

use super::lanes::Lanes;

/// How many lanes lead to a server, and how long a connection may take to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Width {
    pub(super) lanes: usize,
    pub(super) connect_within: Duration,
}

impl Width {
    /// Lanes to one server. Connects to nothing yet; the error is about the address.
    pub(super) fn to(self, server: impl IntoConnectionInfo) -> Result<Lanes, String> {
        // Answers have the deadline of the limiter, which is shorter than any that stands here.
        let connections = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_within))
            .set_response_timeout(None);
        let manager = Manager::new_with_config(server, connections)
            .map_err(|error| error.category().to_owned())?;
        // A lane takes its connection out for good, which frees its place: so many are being made at
        // once, and none is ever lent twice.
        let pool = Pool::builder(manager)
            .max_size(self.lanes)
            .create_timeout(Some(self.connect_within))
            .wait_timeout(Some(self.connect_within))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Lanes::new(pool, self.lanes))
    }
}
