//! The server: accepts connections, enforces the limits on them, and finishes them on shutdown.

mod activity;
mod answer;
mod connections;
mod stream;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::service::{Service, service_fn};
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use activity::{Activity, Due, Phase, Ticket};
use answer::AnswerBody;
pub use connections::Connections;
use connections::Guard;
use stream::{Stream, Times};

/// The limits of a server and of each of its connections. hyper sets few by default.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The time for a new connection to show which protocol it speaks.
    pub first_bytes: Duration,
    /// The time for the head of a request. Over HTTP/1.1 also the longest pause between two requests.
    pub header_read: Duration,
    /// The number of headers that hyper parses. This and `head_bytes` are larger than the limits in
    /// `head`, so that a request between the two gets an answer with a body.
    pub headers: usize,
    /// The bytes of a head that hyper parses.
    pub head_bytes: u32,
    /// The number of concurrent requests on one HTTP/2 connection.
    pub streams: u32,
    /// The receive window of an HTTP/2 stream, in bytes.
    pub stream_window: u32,
    /// The receive window of an HTTP/2 connection, in bytes.
    pub connection_window: u32,
    /// The interval of pings to an HTTP/2 peer.
    pub ping_interval: Duration,
    /// The time for the peer to answer a ping.
    pub ping_timeout: Duration,
    /// The total number of connections. At the limit, connections that never carried a request make room
    /// for new ones first, then idle ones of the address with the most connections.
    pub connections: usize,
    /// The number of connections of one address. An IPv6 address is counted as its /64.
    pub connections_per_address: usize,
    /// Trusted proxies. They are in neither count, because each stands for many callers.
    pub proxies: Vec<IpNet>,
    /// The time that a connection may be without a request in flight. Over HTTP/1.1, `header_read` limits
    /// it too.
    pub idle: Duration,
    /// The time that a peer may read nothing of an answer. Each byte read restarts it. `age` and `drain`
    /// limit the total time of an answer.
    pub stalled: Duration,
    /// The age at which a connection is asked to finish.
    pub age: Duration,
    /// The time that a connection then has to finish, and the longest time of a shutdown.
    pub drain: Duration,
    /// The time that a connection which is to end still accepts requests. Over HTTP/1.1, their answers
    /// have `Connection: close`.
    pub last_request: Duration,
    /// The time that input is read and discarded after the last answer. Closing with unread input would
    /// reset the connection and could lose the answer.
    pub linger: Duration,
    /// The pause of accepting when the process or the system is out of file descriptors.
    pub accept_pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            first_bytes: Duration::from_secs(5),
            header_read: Duration::from_secs(10),
            headers: 128,
            head_bytes: 128 * 1024,
            streams: 100,
            stream_window: 64 * 1024,
            connection_window: 1024 * 1024,
            ping_interval: Duration::from_secs(20),
            ping_timeout: Duration::from_secs(10),
            connections: 10_000,
            connections_per_address: 256,
            proxies: Vec::new(),
            idle: Duration::from_secs(60),
            stalled: Duration::from_secs(15),
            age: Duration::from_secs(60 * 60),
            drain: Duration::from_secs(30),
            last_request: Duration::from_millis(500),
            linger: Duration::from_secs(1),
            accept_pause: Duration::from_millis(100),
        }
    }
}

impl Limits {
    fn times(&self) -> Times {
        Times {
            first_bytes: self.first_bytes,
            stalled: self.stalled,
            linger: self.linger,
        }
    }
}

/// Answers requests. Each comes with the address of the connection's peer.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. The future is dropped when the caller hangs up, possibly before its first poll.
    /// Work that must happen for every request therefore belongs in the call, not in the future.
    fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: IpAddr,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

impl<F, R> Handler for F
where
    F: Fn(Request<Incoming>, IpAddr) -> R + Send + Sync + 'static,
    R: Future<Output = Response<Full<Bytes>>> + Send,
{
    fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: IpAddr,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send {
        self(request, peer)
    }
}

/// A server. Clones share one table of connections.
#[derive(Clone)]
pub struct Server {
    limits: Limits,
    builder: Builder<TokioExecutor>,
    connections: Arc<Connections>,
}

impl Server {
    pub fn new(limits: Limits) -> Self {
        Self {
            builder: builder(&limits),
            connections: Arc::new(Connections::new(
                limits.connections,
                limits.connections_per_address,
                limits.proxies.clone(),
            )),
            limits,
        }
    }

    /// Returns the table of open connections, for a gauge.
    pub fn connections(&self) -> Arc<Connections> {
        Arc::clone(&self.connections)
    }

    /// Serves until `shutdown`. Then accepts no more connections, sends GOAWAY on HTTP/2, and returns when
    /// the requests in flight are finished or the drain time is over.
    pub async fn run<H: Handler>(
        self,
        listener: TcpListener,
        handler: Arc<H>,
        shutdown: impl Future<Output = ()>,
    ) {
        let server = Arc::new(self);
        let (stop, stopped) = watch::channel(());
        let mut shutdown = pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => server.spawn(stream, peer, &handler, &stopped),
                Err(error) => server.after_failed_accept(&error).await,
            }
        }
        for (stream, peer) in backlog(listener) {
            server.spawn(stream, peer, &handler, &stopped);
        }
        drop(stopped);
        let _ = stop.send(());
        // Each connection holds a receiver until it is finished.
        let _ = timeout(server.limits.drain, stop.closed()).await;
    }

    fn spawn<H: Handler>(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        handler: &Arc<H>,
        stopped: &watch::Receiver<()>,
    ) {
        let peer = peer.ip().to_canonical();
        // A connection over the limit is closed without an answer, which would need the same resources.
        let Some(guard) = Guard::take(&self.connections, peer) else {
            return;
        };
        // Nagle's algorithm would delay small answers. The error of a closed socket shows when it is read.
        let _ = stream.set_nodelay(true);
        let (server, handler) = (Arc::clone(self), Arc::clone(handler));
        let stopped = stopped.clone();
        tokio::spawn(async move {
            let activity = guard.activity();
            server.serve(stream, peer, activity, handler, stopped).await;
            drop(guard);
        });
    }

    async fn serve<I: AsyncRead + AsyncWrite + Unpin + Send + 'static, H: Handler>(
        &self,
        io: I,
        peer: IpAddr,
        activity: &Arc<Activity>,
        handler: Arc<H>,
        mut stopped: watch::Receiver<()>,
    ) {
        let limits = &self.limits;
        let ending = Arc::new(AtomicBool::new(false));
        let service = service(handler, peer, Arc::clone(activity), Arc::clone(&ending));
        let io = TokioIo::new(Stream::new(io, limits.times()));
        let mut connection = pin!(self.builder.serve_connection(io, service));
        let last_request = tokio::select! {
            // Poll the connection first: after a pause of the process, it may have bytes to read or write
            // that keep a time limit from applying.
            biased;
            // The errors of a connection are the caller's and are not logged.
            _ = connection.as_mut() => return,
            deadline = self.reason_to_end(activity, &mut stopped) => deadline,
        };
        let Some(last_request) = last_request else {
            return;
        };
        // HTTP/1.1 can announce the end of a connection only in an answer. A caller that sends another
        // request sees it there; a caller that has been quiet is unlikely to have a request in transit.
        ending.store(true, Ordering::Relaxed);
        tokio::select! {
            // Poll the connection first, even if a busy process gets here after the deadline.
            biased;
            _ = connection.as_mut() => return,
            () = activity.aborted() => return,
            () = sleep_until(last_request) => {}
        }
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            biased;
            _ = connection => {}
            () = activity.aborted() => {}
            // A peer that ignores the shutdown is not waited for. The close itself lingers.
            () = activity.unserved(limits.linger * 2, limits.stalled) => {}
            () = sleep(limits.drain) => {}
        }
    }

    /// Waits until the connection must end. Returns the deadline for a last request, or `None` if the
    /// connection is to be closed at once.
    async fn reason_to_end(
        &self,
        activity: &Activity,
        stopped: &mut watch::Receiver<()>,
    ) -> Option<Instant> {
        let limits = &self.limits;
        tokio::select! {
            () = sleep(limits.age) => Some(Instant::now() + limits.last_request),
            _ = stopped.changed() => Some(Instant::now() + limits.last_request),
            () = activity.asked_to_leave() => Some(match activity.phase() {
                Phase::Silent => activity.opened() + limits.last_request,
                Phase::Idle | Phase::Busy => Instant::now() + limits.last_request,
            }),
            due = activity.overdue(limits.idle, limits.stalled) => match due {
                Due::Stalled if activity.only_stalled(limits.stalled) => None,
                // HTTP/2 announces the end with GOAWAY. An idle HTTP/1.1 connection ends earlier, by
                // `header_read`.
                Due::Stalled | Due::Idle => Some(Instant::now()),
            },
        }
    }

    async fn after_failed_accept(&self, error: &io::Error) {
        // These errors concern only the connection that was to be accepted (accept(2)).
        if !matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionRefused
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::Interrupted
        ) {
            tracing::warn!(%error, "no connection can be accepted; trying again");
            if error
                .raw_os_error()
                .is_some_and(|it| NO_DESCRIPTORS.contains(&it))
            {
                self.connections.make_room();
            }
            sleep(self.limits.accept_pause).await;
        }
    }
}

/// ENFILE and EMFILE: the system or the process is out of file descriptors.
const NO_DESCRIPTORS: [i32; 2] = [23, 24];

/// Makes the handler the service of one connection.
fn service<H: Handler>(
    handler: Arc<H>,
    peer: IpAddr,
    activity: Arc<Activity>,
    ending: Arc<AtomicBool>,
) -> impl Service<
    Request<Incoming>,
    Response = Response<AnswerBody>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<AnswerBody>, Infallible>> + Send + 'static,
> {
    service_fn(move |request: Request<Incoming>| {
        let version = request.version();
        let ending = Arc::clone(&ending);
        let ticket = Ticket::begin(&activity);
        let answer = Arc::clone(&handler).handle(request, peer);
        answer.map(move |mut answer| {
            if version < Version::HTTP_2 && ending.load(Ordering::Relaxed) {
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(CONNECTION, close);
            }
            Ok(answer.map(|body| AnswerBody::new(body, ticket)))
        })
    })
}

/// Closes a listener and returns the connections in its backlog. Their callers are already connected and
/// may have sent a request. This calls accept(2) directly, because tokio learns of them only when it next
/// polls.
fn backlog(listener: TcpListener) -> impl Iterator<Item = (TcpStream, SocketAddr)> {
    let listener = listener.into_std().ok();
    // The listener is non-blocking: accepting fails when the backlog is empty.
    let accepted = std::iter::from_fn(move || listener.as_ref()?.accept().ok());
    accepted.filter_map(|(stream, peer)| {
        stream.set_nonblocking(true).ok()?;
        Some((TcpStream::from_std(stream).ok()?, peer))
    })
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        // Without a timer, hyper ignores its timeouts.
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read)
        .max_headers(limits.headers)
        .max_buf_size(limits.head_bytes as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(limits.head_bytes)
        .initial_stream_window_size(limits.stream_window)
        .initial_connection_window_size(limits.connection_window)
        .keep_alive_interval(limits.ping_interval)
        .keep_alive_timeout(limits.ping_timeout);
    builder
}

#[cfg(test)]
mod tests;
