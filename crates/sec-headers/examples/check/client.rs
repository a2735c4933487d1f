//! As much of an HTTP client as a check needs: one request on one connection, redirects in sight.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST, LOCATION, USER_AGENT};
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// For one request with its answer.
const TIME: Duration = Duration::from_secs(15);
const MAX_REDIRECTS: usize = 10;
/// How much of a page is read; the check reads no more either.
const MAX_BODY: usize = 1 << 20;

#[derive(Clone)]
pub(crate) struct Client {
    tls: TlsConnector,
    extra: HeaderMap,
}

/// The last answer of a chain of redirects.
pub(crate) struct Answer {
    /// Every address that was asked.
    pub(crate) route: Vec<String>,
    pub(crate) uri: Uri,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Client {
    /// Trusts what the system trusts, or the certificates that `SSL_CERT_FILE` names.
    pub(crate) fn new() -> Result<Self, Failure> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::new("TLS cannot be set up", &error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            tls: TlsConnector::from(Arc::new(config)),
            extra: HeaderMap::new(),
        })
    }

    /// Sends this header with every request.
    pub(crate) fn always(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.extra.insert(name, value);
        self
    }

    /// Asks, and follows redirects.
    pub(crate) async fn get(&self, uri: &Uri) -> Result<Answer, Failure> {
        let mut uri = uri.clone();
        let mut route = Vec::new();
        loop {
            route.push(uri.to_string());
            let (status, headers, body) = self.ask(Method::GET, &uri, &HeaderMap::new()).await?;
            let target = headers.get(LOCATION).and_then(|value| value.to_str().ok());
            let next = match target.filter(|_| status.is_redirection()) {
                Some(target) => resolve(&uri, target)?,
                None => {
                    return Ok(Answer {
                        route,
                        uri,
                        status,
                        headers,
                        body,
                    });
                }
            };
            if route.len() > MAX_REDIRECTS {
                return Err(Failure::plain(format!("{uri}: too many redirects")));
            }
            uri = next;
        }
    }

    /// One request, without following redirects.
    pub(crate) async fn ask(
        &self,
        method: Method,
        uri: &Uri,
        more: &HeaderMap,
    ) -> Result<(StatusCode, HeaderMap, String), Failure> {
        timeout(TIME, self.ask_patiently(method, uri, more))
            .await
            .map_err(|_| Failure::plain(format!("{uri}: no answer in {} s", TIME.as_secs())))?
    }

    async fn ask_patiently(
        &self,
        method: Method,
        uri: &Uri,
        more: &HeaderMap,
    ) -> Result<(StatusCode, HeaderMap, String), Failure> {
        let named = |error: &dyn Error| Failure::new(&format!("{uri} cannot be reached"), error);
        let failed = |error: hyper::Error| {
            if error.is_parse() {
                Failure::plain(format!("{uri} answered something that is no HTTP"))
            } else {
                named(&error)
            }
        };
        let (host, port, secure) = parts(uri)?;
        let name = host.trim_matches(['[', ']']);
        let stream = TcpStream::connect((name, port))
            .await
            .map_err(|error| named(&error))?;
        let request = self.request(method, uri, more)?;
        if secure {
            let server = ServerName::try_from(name.to_owned()).map_err(|error| named(&error))?;
            let stream = self.tls.connect(server, stream).await;
            let stream = stream.map_err(|error| {
                if is_no_tls(&error) {
                    Failure::plain(format!("{uri} does not speak TLS here; try http://"))
                } else {
                    named(&error)
                }
            })?;
            exchange(stream, request).await.map_err(failed)
        } else {
            exchange(stream, request).await.map_err(failed)
        }
    }

    fn request(
        &self,
        method: Method,
        uri: &Uri,
        more: &HeaderMap,
    ) -> Result<Request<Empty<Bytes>>, Failure> {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, authority)
            .header(
                USER_AGENT,
                concat!("sec-headers-check/", env!("CARGO_PKG_VERSION")),
            )
            .header(ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8")
            .body(Empty::new())
            .map_err(|error| Failure::new(&format!("{uri} cannot be asked"), &error))?;
        for (name, value) in self.extra.iter().chain(more) {
            request.headers_mut().insert(name, value.clone());
        }
        Ok(request)
    }
}

/// Whether what came back is no message of TLS at all.
fn is_no_tls(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(inner, Some(rustls::Error::InvalidMessage(_)))
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Empty<Bytes>>,
) -> Result<(StatusCode, HeaderMap, String), hyper::Error> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request).await?;
    let (head, body) = answer.into_parts();
    let body = read(body).await;
    connection.abort();
    Ok((head.status, head.headers, body))
}

/// The beginning of a body. One that breaks off is as long as it came.
async fn read(mut body: Incoming) -> String {
    let mut bytes = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Some(data) = frame.data_ref() {
            bytes.extend_from_slice(data);
        }
        if bytes.len() >= MAX_BODY {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Host, port, and whether it is https.
pub(crate) fn parts(uri: &Uri) -> Result<(&str, u16, bool), Failure> {
    let secure = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        Some(scheme) if *scheme == Scheme::HTTP => false,
        _ => {
            return Err(Failure::plain(format!(
                "{uri} is neither http:// nor https://"
            )));
        }
    };
    let host = uri.host().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| Failure::plain(format!("{uri} names no host")))?;
    Ok((
        host,
        uri.port_u16().unwrap_or(if secure { 443 } else { 80 }),
        secure,
    ))
}

/// Where a `Location` leads (RFC 3986, section 5.2, without dot segments).
fn resolve(from: &Uri, target: &str) -> Result<Uri, Failure> {
    let target = target.split('#').next().unwrap_or(target);
    let scheme = from.scheme_str().unwrap_or("http");
    let authority = from.authority().map_or("", |authority| authority.as_str());
    let text = if target.contains("://") {
        target.to_owned()
    } else if target.starts_with("//") {
        format!("{scheme}:{target}")
    } else if target.starts_with('/') {
        format!("{scheme}://{authority}{target}")
    } else {
        let folder = from
            .path()
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{target}")
    };
    text.parse()
        .map_err(|error| Failure::new(&format!("{from} redirects to {target:?}"), &error))
}

/// Why there is nothing to check.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn plain(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// With everything that caused it.
    fn new(what: &str, error: &dyn Error) -> Self {
        let mut text = format!("{what}: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            let more = error.to_string();
            if !text.contains(&more) {
                text.push_str(": ");
                text.push_str(&more);
            }
            cause = error.source();
        }
        Self(text)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
