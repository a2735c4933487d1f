//! Accepting connections, with an end to each.
//!
//! `axum::serve` waits for ever: for a head that does not come, and with as many connections as anybody opens.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::{Request, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use sec_core::PeerAddr;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt;

use crate::app::Failure;

/// How many connections are open at a time; the next ones wait in the operating system's queue.
const MOST_CONNECTIONS: usize = 4096;
/// How long a client may take to send the head of a request, and to leave a connection idle.
const HEAD: Duration = Duration::from_secs(15);
/// How long running requests may take after the stop.
const FAREWELL: Duration = Duration::from_secs(10);

/// Serves until `stop`, then lets running requests finish.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let mut http = Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HEAD)
        .keep_alive_timeout(HEAD);
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let running = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await;
            (listener.accept().await, place)
        };
        tokio::select! {
            () = &mut stop => break,
            (Ok((stream, peer)), Ok(place)) = accepted => {
                let connection = connection(&http, &running, router.clone(), stream, peer, place);
                tokio::spawn(connection);
            }
            // Out of file descriptors, say: what is open may close meanwhile.
            else => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    let _ = tokio::time::timeout(FAREWELL, running.shutdown()).await;
    Ok(())
}

fn connection(
    http: &Builder<TokioExecutor>,
    running: &GracefulShutdown,
    router: Router,
    stream: TcpStream,
    peer: SocketAddr,
    place: OwnedSemaphorePermit,
) -> impl Future<Output = ()> + use<> {
    let service = service_fn(move |mut request: Request<Incoming>| {
        // Where the context layer looks for the peer.
        request.extensions_mut().insert(PeerAddr(peer));
        let router = router.clone();
        async move {
            Ok::<_, Infallible>(
                router
                    .oneshot(request)
                    .await
                    .unwrap_or_else(|never| match never {}),
            )
        }
    });
    let connection = http
        .serve_connection(TokioIo::new(stream), service)
        .into_owned();
    let connection = running.watch(connection);
    async move {
        // What ends a connection early is the client's affair; requests are logged by their layer.
        let _ = connection.await;
        drop(place);
    }
}
