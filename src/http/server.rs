//! Connections: accepted, counted, limited in every respect, and finished on shutdown.

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
use answer::Answer;
pub use connections::Connections;
use connections::Guard;
use stream::{Stream, Times};

/// What one server and each of its connections may use. hyper has few limits by itself.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Until a new connection has shown which protocol it speaks.
    pub first_bytes: Duration,
    /// For the head of a request; over HTTP/1.1 also the longest pause between two requests.
    pub header_read: Duration,
    /// Headers that hyper parses. One step above what is answered with a body, as is `head_bytes`.
    pub headers: usize,
    /// Bytes of a head that hyper parses.
    pub head_bytes: u32,
    /// Requests at a time over one HTTP/2 connection.
    pub streams: u32,
    /// The receive window of an HTTP/2 stream, in bytes.
    pub stream_window: u32,
    /// The receive window of an HTTP/2 connection, in bytes.
    pub connection_window: u32,
    /// How often an HTTP/2 peer is asked whether it is there.
    pub ping_interval: Duration,
    /// How long it has to answer.
    pub ping_timeout: Duration,
    /// Connections over all. When there are as many, those that never carried a request make room for
    /// new ones, then idle ones of the address with the most.
    pub connections: usize,
    /// Connections of one address. An IPv6 address is counted as its /64.
    pub connections_per_address: usize,
    /// Proxies, which are in neither count: behind each of them are many callers.
    pub proxies: Vec<IpNet>,
    /// How long a connection stays open without a request in flight. HTTP/1.1 has `header_read` too.
    pub idle: Duration,
    /// How long the peer may take nothing of an answer. Each byte that it takes starts the time again;
    /// how long an answer takes in all is bounded by `age` and `drain`.
    pub stalled: Duration,
    /// How old a connection gets before it is asked to finish.
    pub age: Duration,
    /// How long it then has, and how long a shutdown takes at most.
    pub drain: Duration,
    /// How long a connection that is to end still takes requests, each answered as its last.
    pub last_request: Duration,
    /// How long what a caller still sends is read after the last answer, so that the answer is not
    /// lost to a reset.
    pub linger: Duration,
    /// How long accepting pauses when the process or the system is out of file descriptors.
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

/// What answers requests: the caller's side of the connection comes with each.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. Dropped where it awaits when the caller hangs up, and that may be before
    /// it was ever polled: what is to happen for each request happens in the call.
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

/// Something that serves connections. Clones count their connections together.
#[derive(Clone)]
pub struct Server {
    limits: Limits,
    builder: Builder<TokioExecutor>,
    connections: Arc<Connections>,
}

impl Server {
    /// A server with these limits.
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

    /// The connections that are open, for a gauge.
    pub fn connections(&self) -> Arc<Connections> {
        Arc::clone(&self.connections)
    }

    /// Serves until `shutdown`; then accepts no more, says so on HTTP/2, and returns when what is
    /// in flight is finished or the drain time is over.
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
        // Over the limit it is closed: an answer would cost what there is too little of.
        let Some(guard) = Guard::take(&self.connections, peer) else {
            return;
        };
        // Small answers are not held back for more. A socket that is gone says so when it is read.
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
            // The connection first: a process that was stopped for a while writes before it judges.
            biased;
            // How a connection ended is nobody's business but the caller's, who broke it.
            _ = connection.as_mut() => return,
            until = self.reason_to_end(activity, &mut stopped) => until,
        };
        let Some(last_request) = last_request else {
            return;
        };
        // HTTP/1.1 has no way to say that no further request will be read but in an answer. Whoever
        // keeps asking hears it there; who has not asked for a while has nothing on its way.
        ending.store(true, Ordering::Relaxed);
        tokio::select! {
            // Looks at the connection first, also when the time is over before a busy process did.
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
            // A peer that does not take part in the end is not waited for. The close itself lingers.
            () = activity.unserved(limits.linger * 2, limits.stalled) => {}
            () = sleep(limits.drain) => {}
        }
    }

    /// Waits until a connection must end. Returns until when it takes a last request; `None` if there
    /// is nobody to wait for.
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
                // HTTP/2 says that it is going away. A quiet HTTP/1.1 connection is ended before this
                // by the time for a head.
                Due::Stalled | Due::Idle => Some(Instant::now()),
            },
        }
    }

    async fn after_failed_accept(&self, error: &io::Error) {
        // These are about the connection that was to be accepted (accept(2)), and it is gone.
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
    Response = Response<Answer>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<Answer>, Infallible>> + Send + 'static,
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
            Ok(answer.map(|body| Answer::new(body, ticket)))
        })
    })
}

/// Closes a listener, and gives the connections that the system has made for it. To their callers
/// these are connected: they may have sent a request already. The system is asked, because tokio
/// hears of them only when it next waits.
fn backlog(listener: TcpListener) -> impl Iterator<Item = (TcpStream, SocketAddr)> {
    let listener = listener.into_std().ok();
    // It does not block: there are no more when it fails.
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
        // Without a timer hyper silently has no timeouts.
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
