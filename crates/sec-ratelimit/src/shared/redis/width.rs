//! How wide the way to a server is.

use std::time::Duration;

use deadpool_redis::redis::AsyncConnectionConfig;
use deadpool_redis::{Manager, Pool, Runtime};

use super::lanes::{Lanes, Source};
use super::sentinel::Sentinel;
use super::server::Server;

/// How many lanes lead to a server, and how long a connection may take to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Width {
    pub(super) lanes: usize,
    pub(super) connect_within: Duration,
}

impl Width {
    /// Lanes to one server. Connects to nothing yet; the error is about the address.
    pub(super) fn to(self, server: Server) -> Result<Lanes, String> {
        #[cfg(feature = "redis-tls")]
        if server.is_secure() {
            let source = Source::Server(server, self.connect_within);
            return Ok(Lanes::new(source, self.lanes));
        }
        // Answers have the deadline of the limiter, which is shorter than any that stands here.
        let connections = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_within))
            .set_response_timeout(None);
        let manager = Manager::new_with_config(server.into_info(), connections)
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
        Ok(Lanes::new(Source::Pool(pool), self.lanes))
    }

    /// Lanes to whichever server these sentinels call the master.
    pub(super) fn to_master_of(self, sentinel: Sentinel) -> Lanes {
        Lanes::new(Source::Sentinel(sentinel), self.lanes)
    }
}
