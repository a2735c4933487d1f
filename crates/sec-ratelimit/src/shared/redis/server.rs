//! One server: its address, and how a connection to it is made.

use std::fmt;

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisError,
};

#[cfg(feature = "redis-tls")]
use super::tls::{Driver, Tls};

/// Where a server is, who asks it, and whether over TLS.
#[derive(Clone)]
pub(super) struct Server {
    /// Without TLS, which the client library would take from the whole process's settings.
    info: ConnectionInfo,
    #[cfg(feature = "redis-tls")]
    tls: Option<Tls>,
}

/// A connection, and what keeps it going where the library does not.
#[derive(Clone)]
pub(super) struct Connected {
    pub(super) connection: MultiplexedConnection,
    #[cfg(feature = "redis-tls")]
    pub(super) driver: Option<Driver>,
}

/// Whether this address asks for TLS.
pub(super) fn is_secure(url: &str) -> bool {
    url.split_once("://").is_some_and(|(scheme, _)| {
        scheme.eq_ignore_ascii_case("rediss") || scheme.eq_ignore_ascii_case("valkeys")
    })
}

impl Server {
    /// The server of this address. `rediss` asks for `tls`, which whoever calls has made then. The
    /// error never repeats the address, since it may hold a password.
    pub(super) fn parse(
        url: &str,
        #[cfg(feature = "redis-tls")] tls: Option<&Tls>,
    ) -> Result<Self, String> {
        let plain = if is_secure(url) {
            if url.contains('#') {
                return Err("TLS without a check of the certificate is not offered".into());
            }
            let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
            &format!("redis://{rest}")
        } else {
            url
        };
        let info = plain.into_connection_info();
        let info = info.map_err(|error| error.category().to_owned())?;
        Ok(Self {
            info,
            #[cfg(feature = "redis-tls")]
            tls: tls.filter(|_| is_secure(url)).cloned(),
        })
    }

    /// The same user, database and TLS at another place.
    pub(super) fn at(&self, host: String, port: u16) -> Self {
        let mut other = self.clone();
        other.info = other.info.set_addr(ConnectionAddr::Tcp(host, port));
        other
    }

    #[cfg(feature = "redis-tls")]
    pub(super) fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// All of it but TLS.
    pub(super) fn into_info(self) -> ConnectionInfo {
        self.info
    }

    pub(super) fn database(&self) -> i64 {
        self.info.redis_settings().db()
    }

    /// The host of its address, unless that is a socket of this machine.
    pub(super) fn host(&self) -> Option<&str> {
        match self.info.addr() {
            ConnectionAddr::Tcp(host, _) => Some(host),
            _ => None,
        }
    }

    /// Connects, without a time limit: whoever calls has one.
    pub(super) async fn connect(&self) -> Result<Connected, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        #[cfg(feature = "redis-tls")]
        if let (Some(tls), ConnectionAddr::Tcp(host, port)) = (&self.tls, self.info.addr()) {
            let stream = tls.connect(host, *port).await?;
            let made =
                MultiplexedConnection::new_with_config(self.info.redis_settings(), stream, config);
            let (connection, driver) = made.await?;
            return Ok(Connected {
                connection,
                driver: Some(Driver::of(driver)),
            });
        }
        let client = Client::open(self.info.clone())?;
        let connection = client.get_multiplexed_async_connection_with_config(&config);
        Ok(connection.await?.into())
    }
}

impl From<MultiplexedConnection> for Connected {
    fn from(connection: MultiplexedConnection) -> Self {
        Self {
            connection,
            #[cfg(feature = "redis-tls")]
            driver: None,
        }
    }
}

/// Its address, and nothing that it is reached with.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", self.info.addr())
            .finish_non_exhaustive()
    }
}
