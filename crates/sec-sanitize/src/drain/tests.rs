use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use sec_core::PathRules;
use tower::{Layer, ServiceExt, service_fn};

use super::{DrainBody, DrainLayer};

/// A client that sends chunks of a kilobyte; `stalls` never sends its last.
struct Upload {
    chunks: VecDeque<Bytes>,
    stalls: bool,
    announced: u64,
    read: Arc<AtomicUsize>,
}

impl Upload {
    fn of(chunks: usize) -> Self {
        let chunks: VecDeque<_> = (0..chunks).map(|_| Bytes::from(vec![b'a'; 1024])).collect();
        Self {
            announced: chunks.iter().map(|chunk| chunk.len() as u64).sum(),
            chunks,
            stalls: false,
            read: Arc::default(),
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.chunks.pop_front() {
            Some(chunk) => {
                self.read.fetch_add(chunk.len(), Ordering::Relaxed);
                Poll::Ready(Some(Ok(Frame::data(chunk))))
            }
            None if self.stalls => Poll::Pending,
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.chunks.is_empty() && !self.stalls
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}

async fn refused(layer: DrainLayer, upload: Upload) -> (StatusCode, usize) {
    refused_at("/", layer, upload).await
}

async fn refused_at(path: &str, layer: DrainLayer, upload: Upload) -> (StatusCode, usize) {
    let read = upload.read.clone();
    let service = layer.layer(service_fn(|_: Request<DrainBody<Upload>>| async {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        Ok::<_, Infallible>(response)
    }));
    let request = Request::post(path).body(upload).unwrap();
    let response = service.oneshot(request).await.unwrap();
    (response.status(), read.load(Ordering::Relaxed))
}

#[tokio::test]
async fn what_a_refusal_left_unread_is_read_before_the_answer() {
    assert_eq!(
        refused(DrainLayer::new(), Upload::of(100)).await,
        (StatusCode::UNAUTHORIZED, 100 * 1024)
    );
    assert_eq!(refused(DrainLayer::new(), Upload::of(0)).await.1, 0);
    assert_eq!(
        refused(DrainLayer::new().enabled(false), Upload::of(100))
            .await
            .1,
        0
    );
}

#[tokio::test]
async fn the_layer_keeps_to_its_paths() {
    let paths = PathRules::all().include("/api").unwrap();
    let layer = DrainLayer::new().paths(paths.exclude("/api/hook").unwrap());
    for (path, read) in [
        ("/api", true),
        ("/api/upload?x=/api/hook", true),
        ("/api/hook", false),
        ("/api/hook/1", false),
        ("/", false),
        ("/apix", false),
        // What could be another path is read on.
        ("/api/hook/../upload", true),
        ("/api/hook/%2e%2e/upload", true),
        ("//x", true),
    ] {
        let expected = if read { 3 * 1024 } else { 0 };
        assert_eq!(
            refused_at(path, layer.clone(), Upload::of(3)).await,
            (StatusCode::UNAUTHORIZED, expected),
            "{path}"
        );
    }
}

#[tokio::test]
async fn what_is_announced_beyond_the_bound_is_not_begun() {
    assert_eq!(
        refused(DrainLayer::new().bytes(10 * 1024), Upload::of(100))
            .await
            .1,
        0
    );
}

#[tokio::test]
async fn what_comes_unannounced_is_read_up_to_the_bound() {
    let chunked = Upload {
        announced: 0,
        ..Upload::of(100)
    };
    assert_eq!(
        refused(DrainLayer::new().bytes(10 * 1024), chunked).await.1,
        11 * 1024
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stalls_is_answered_when_the_time_is_over() {
    let began = tokio::time::Instant::now();
    let stalling = Upload {
        stalls: true,
        ..Upload::of(3)
    };
    let layer = DrainLayer::new().time(Duration::from_secs(7));
    assert_eq!(
        refused(layer, stalling).await,
        (StatusCode::UNAUTHORIZED, 3 * 1024)
    );
    assert_eq!(began.elapsed(), Duration::from_secs(7));
}

#[tokio::test]
async fn a_body_that_was_read_arrives_whole_and_is_left_alone() {
    let service =
        DrainLayer::new().layer(service_fn(|request: Request<DrainBody<Upload>>| async {
            assert_eq!(request.body().size_hint().exact(), Some(5 * 1024));
            let bytes = request.into_body().collect().await.unwrap().to_bytes();
            Ok::<_, Infallible>(Response::new(bytes.len()))
        }));
    assert_eq!(
        service
            .oneshot(Request::new(Upload::of(5)))
            .await
            .unwrap()
            .into_body(),
        5 * 1024
    );
}

/// A handler may answer while somebody else still reads: the answer does not wait for that.
#[tokio::test]
async fn a_body_that_is_still_held_delays_nothing() {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let slot = Arc::new(std::sync::Mutex::new(Some(sender)));
    let service =
        DrainLayer::new().layer(service_fn(move |request: Request<DrainBody<Upload>>| {
            let sender = slot.lock().unwrap().take().unwrap();
            let _ = sender.send(request.into_body());
            async { Ok::<_, Infallible>(Response::new(())) }
        }));
    // `oneshot` clones nothing here: the service is called once.
    let mut service = std::pin::pin!(service_once(service, Upload::of(5)));
    assert!(futures_util::future::FutureExt::now_or_never(service.as_mut()).is_some());
    assert_eq!(
        receiver
            .await
            .unwrap()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .len(),
        5 * 1024
    );
}

async fn service_once<S>(service: S, upload: Upload)
where
    S: tower::Service<Request<Upload>, Response = Response<()>, Error = Infallible>,
{
    service.oneshot(Request::new(upload)).await.unwrap();
}
