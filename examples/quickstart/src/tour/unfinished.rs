//! Requests that do not end: bodies that never come, and answers that nobody reads.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinSet;

use super::client::{Client, Failure};

/// One connection with as many requests under way as one likes; all of them break off when it is dropped.
pub struct Unfinished {
    client: Client,
    sender: SendRequest<Upload>,
    tasks: JoinSet<()>,
}

/// A body that is empty, or one that never comes.
struct Upload {
    withheld: bool,
}

impl Unfinished {
    pub async fn connect(client: &Client) -> Result<Self, Failure> {
        let io = TokioIo::new(client.connect().await?);
        // An answer of more than this stays with the server until it is read.
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .initial_stream_window_size(1024)
            .handshake(io)
            .await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let _ = connection.await;
        });
        Ok(Self {
            client: client.clone(),
            sender,
            tasks,
        })
    }

    /// Begins to send something that never ends.
    pub fn upload(&mut self, path: &str, kind: &str) -> Result<(), Failure> {
        let request = self.request(path).method("POST").header(CONTENT_TYPE, kind);
        let answer = self
            .sender
            .send_request(request.body(Upload { withheld: true })?);
        self.tasks.spawn(async move {
            let _ = answer.await;
        });
        Ok(())
    }

    /// Asks for something, and does not read it.
    pub async fn ask(&mut self, path: &str) -> Result<Response<Incoming>, Failure> {
        let request = self.request(path).body(Upload { withheld: false })?;
        Ok(self.sender.send_request(request).await?)
    }

    fn request(&self, path: &str) -> hyper::http::request::Builder {
        let request = Request::builder().uri(format!("http://{}{path}", self.client.server));
        match &self.client.token {
            Some(token) => request.header(AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        }
    }
}

/// Reads an answer after all.
pub async fn read(answer: Response<Incoming>) -> Result<Bytes, Failure> {
    Ok(answer.into_body().collect().await?.to_bytes())
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.withheld {
            Poll::Pending
        } else {
            Poll::Ready(None)
        }
    }

    fn is_end_stream(&self) -> bool {
        !self.withheld
    }
}
