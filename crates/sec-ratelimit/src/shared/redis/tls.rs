//! TLS to a server.
//!
//! The client library has TLS of its own. It takes the provider of the whole process, which panics
//! where a host's dependencies turn two on, and it reads the system's certificates anew for each
//! connection, failing when one of them cannot be read. So the stream is made here, and the library
//! speaks over it.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::RedisStoreError;

/// How servers prove who they are, and we to them.
#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

/// What the host has set.
#[derive(Clone, Default)]
pub(super) struct TlsSettings {
    pub(super) roots: Option<Vec<u8>>,
    pub(super) client: Option<(Vec<u8>, Vec<u8>)>,
}

/// Reads and writes what a connection's users ask for; stopped with the last of them. A server that
/// hangs would else keep it, and its socket, for as long as the kernel has patience.
#[derive(Clone)]
pub(super) struct Driver(#[expect(dead_code, reason = "it acts when it is dropped")] Arc<Abort>);

struct Abort(AbortHandle);

impl TlsSettings {
    pub(super) fn is_set(&self) -> bool {
        self.roots.is_some() || self.client.is_some()
    }
}

impl Tls {
    pub(super) fn new(settings: &TlsSettings) -> Result<Self, RedisStoreError> {
        let fault = |why: String| RedisStoreError::Tls(why);
        let mut roots = RootCertStore::empty();
        match &settings.roots {
            Some(pem) => {
                for certificate in certificates(pem, "root_certificates")? {
                    let added = roots.add(certificate);
                    added.map_err(|error| fault(format!("root_certificates: {error}")))?;
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if roots.is_empty() {
                    return Err(fault(
                        "the system trusts no certificate; set root_certificates".into(),
                    ));
                }
            }
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| fault(error.to_string()))?
            .with_root_certificates(roots);
        let config = match &settings.client {
            Some((chain, key)) => {
                let chain = certificates(chain, "client_certificate")?;
                let in_key =
                    |error: &dyn fmt::Display| fault(format!("client_certificate: {error}"));
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| in_key(&error))?;
                let config = config.with_client_auth_cert(chain, key);
                config.map_err(|error| in_key(&error))?
            }
            None => config.with_no_client_auth(),
        };
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    pub(super) async fn connect(&self, host: &str, port: u16) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let stream = TcpStream::connect((host, port)).await?;
        // Commands are small and waited for.
        stream.set_nodelay(true)?;
        self.0.connect(name, stream).await
    }
}

/// At least one.
fn certificates(
    pem: &[u8],
    setting: &str,
) -> Result<Vec<CertificateDer<'static>>, RedisStoreError> {
    let fault = |why: &dyn fmt::Display| RedisStoreError::Tls(format!("{setting}: {why}"));
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match all {
        Ok(all) if all.is_empty() => Err(fault(&"no certificate in PEM form")),
        Ok(all) => Ok(all),
        Err(error) => Err(fault(&error)),
    }
}

impl Driver {
    pub(super) fn of(driver: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Arc::new(Abort(tokio::spawn(driver).abort_handle())))
    }
}

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}
