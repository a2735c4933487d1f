//! A small HTTP client that can come from any loopback address, and can be rude.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::body::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, HeaderMap, SET_COOKIE};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

pub type Failure = Box<dyn Error + Send + Sync>;

/// One caller: its address, and the credentials it holds.
#[derive(Debug, Clone)]
pub struct Client {
    pub(super) server: SocketAddr,
    pub from: Ipv4Addr,
    pub token: Option<String>,
    pub cookie: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Client {
    /// A caller from `127.0.x.y`; Linux routes all of 127.0.0.0/8 to the machine itself.
    pub fn new(server: SocketAddr, from: [u8; 2]) -> Self {
        Self {
            server,
            from: Ipv4Addr::new(127, 0, from[0], from[1]),
            token: None,
            cookie: None,
        }
    }

    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self {
            token: Some(token.into()),
            ..self.clone()
        }
    }

    pub async fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.send(Method::GET, path, &[], Bytes::new()).await
    }

    pub async fn delete(&self, path: &str) -> Result<Answer, Failure> {
        self.send(Method::DELETE, path, &[], Bytes::new()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        let json = (CONTENT_TYPE.as_str(), "application/json");
        self.send(Method::POST, path, &[json], body.to_string().into())
            .await
    }

    /// Sends one request over a connection of its own.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, Failure> {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == HOST) {
            request = request.header(HOST, self.server.to_string());
        }
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let io = TokioIo::new(self.connect().await?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
        let connection = tokio::spawn(connection);
        let (parts, body) = sender
            .send_request(request.body(Full::new(body))?)
            .await?
            .into_parts();
        // A server that refuses a body early may close before it was read; what it answered still counts.
        let body = body
            .collect()
            .await
            .map(|body| body.to_bytes())
            .unwrap_or_default();
        connection.abort();
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        })
    }

    /// Sends bytes as they are, for requests that no library would write; gives the status line's code.
    pub async fn raw(&self, bytes: &[u8]) -> Result<u16, Failure> {
        let mut stream = self.connect().await?;
        stream.write_all(bytes).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let head = String::from_utf8_lossy(&answer);
        let code = head
            .split(' ')
            .nth(1)
            .ok_or("the connection was closed without an answer")?;
        Ok(code.parse()?)
    }

    pub(super) async fn connect(&self) -> Result<TcpStream, Failure> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((IpAddr::V4(self.from), 0).into())?;
        Ok(socket.connect(self.server).await?)
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Whether it is the problem of this type.
    pub fn is_problem(&self, kind: &str) -> bool {
        let json = self.json();
        let name = json["type"].as_str().unwrap_or_default();
        name.split_once('#').is_some_and(|(_, name)| name == kind)
    }

    /// The seconds of `Retry-After`, 0 without one.
    pub fn retry_after(&self) -> u64 {
        self.header("retry-after").parse().unwrap_or(0)
    }

    /// The `name=value` of the refresh cookie, as a browser would send it back.
    pub fn cookie(&self) -> Option<String> {
        let line = self.headers.get(SET_COOKIE)?.to_str().ok()?;
        line.split(';').next().map(str::to_owned)
    }

    pub fn access_token(&self) -> Option<String> {
        self.json()["access_token"].as_str().map(str::to_owned)
    }

    /// The id under which the audit trail knows this request.
    pub fn request_id(&self) -> &str {
        self.header("x-request-id")
    }
}
