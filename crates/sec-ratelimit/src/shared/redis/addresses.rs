//! Where a store's connections come from.

use std::time::Duration;

use deadpool_redis::redis::AsyncConnectionConfig;
use deadpool_redis::{Manager, Pool, Runtime};

use super::RedisStoreError;
use super::lanes::Source;
use super::sentinel::Sentinel;
use super::server::{Server, is_secure};
#[cfg(feature = "redis-tls")]
use super::tls::{Tls, TlsSettings};

/// The addresses that a host has given. They may hold passwords.
#[derive(Clone)]
pub(super) enum Addresses {
    One(String),
    Sentinel {
        sentinels: Vec<String>,
        master: String,
    },
}

impl Addresses {
    /// Who makes the connections. Connects to nothing yet.
    pub(super) fn source(
        &self,
        lanes: usize,
        within: Duration,
        #[cfg(feature = "redis-tls")] settings: &TlsSettings,
    ) -> Result<Source, RedisStoreError> {
        #[cfg(feature = "redis-tls")]
        let tls = self.tls(settings)?;
        #[cfg(not(feature = "redis-tls"))]
        if self.is_secure() {
            return Err(RedisStoreError::TlsFeature);
        }
        let parse = |url: &str| {
            Server::parse(
                url,
                #[cfg(feature = "redis-tls")]
                tls.as_ref(),
            )
        };
        match self {
            Self::One(url) => {
                let server = parse(url).map_err(RedisStoreError::Url)?;
                #[cfg(feature = "redis-tls")]
                if is_secure(url) {
                    return Ok(Source::Server(server, within));
                }
                Ok(Source::Pool(pool(&server, lanes, within)?))
            }
            Self::Sentinel { sentinels, master } => {
                let sentinels = sentinels.iter().map(|url| parse(url)).collect();
                let sentinels: Result<Vec<_>, _> = sentinels;
                let of_master = if master.contains("://") {
                    parse(master)
                } else {
                    parse(&format!("redis://{master}"))
                };
                let sentinel = Sentinel::new(
                    sentinels.map_err(RedisStoreError::Sentinels)?,
                    of_master.map_err(RedisStoreError::Master)?,
                    within,
                )?;
                Ok(Source::Sentinel(sentinel))
            }
        }
    }

    /// Read once for all connections; needed by one of the addresses, or a mistake.
    #[cfg(feature = "redis-tls")]
    fn tls(&self, settings: &TlsSettings) -> Result<Option<Tls>, RedisStoreError> {
        if self.is_secure() {
            Tls::new(settings).map(Some)
        } else if settings.is_set() {
            let why = "certificates are set, and no address is `rediss://`";
            Err(RedisStoreError::Tls(why.into()))
        } else {
            Ok(None)
        }
    }

    fn is_secure(&self) -> bool {
        match self {
            Self::One(url) => is_secure(url),
            Self::Sentinel { sentinels, master } => {
                is_secure(master) || sentinels.iter().any(|url| is_secure(url))
            }
        }
    }
}

fn pool(server: &Server, lanes: usize, within: Duration) -> Result<Pool, RedisStoreError> {
    // Answers have the deadline of the limiter, which is shorter than any that stands here.
    let connections = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(within))
        .set_response_timeout(None);
    let manager = Manager::new_with_config(server.info().clone(), connections)
        .map_err(|error| RedisStoreError::Url(error.category().into()))?;
    // A lane takes its connection out for good, which frees its place: so many are being made at
    // once, and none is ever lent twice.
    Pool::builder(manager)
        .max_size(lanes)
        .create_timeout(Some(within))
        .wait_timeout(Some(within))
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| RedisStoreError::Url(error.to_string()))
}
