//! One multiplexed connection to one Redis. It is made when a command needs it, and again after it was
//! lost.
//!
//! The connection manager of redis-rs is not used. It returns the failure of an old attempt to the next
//! command, never recovers from an authentication failure, and stays with a server that hangs or has
//! become a replica.

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, FromRedisValue,
    IntoConnectionInfo as _, ProtocolVersion, PushInfo, PushKind, RedisError, ServerErrorKind,
};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::store::UrlError;

const NOT_CONNECTED_IN_TIME: &str = "cannot be connected to in time";
/// Shorter than the time that a step may take, so that the steps that wait for an attempt see why it
/// failed.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(450);

/// The reason why a command has no result. The messages are for the log: they name the server, and
/// contain no password.
#[derive(Debug)]
pub(super) enum Failure {
    /// The command was not sent.
    NotSent(String),
    /// The server answered with an error, and changed nothing.
    Refused(String),
    /// The command was sent and not answered: the server may have run it.
    Lost(String),
}

impl Failure {
    pub(super) fn into_cause(self) -> String {
        match self {
            Failure::NotSent(cause) | Failure::Refused(cause) | Failure::Lost(cause) => cause,
        }
    }
}

pub(super) struct Link {
    client: Client,
    /// The address of the server, without the password, for messages.
    address: String,
    attempt: Mutex<Attempt>,
}

/// An attempt to connect: `None` until it has ended, then the connection or the reason for the failure.
type Attempt = watch::Receiver<Option<Result<Connection, String>>>;

#[derive(Clone)]
struct Connection {
    commands: MultiplexedConnection,
    /// True once the server has closed the connection, or it must not be used any more.
    lost: Arc<AtomicBool>,
}

impl Link {
    /// Parses the URL, without connecting.
    pub(super) fn new(url: &str) -> Result<Self, UrlError> {
        // redis-rs reports an invalid port only as an invalid URL.
        if matches!(
            Url::parse(url).map(|url| url.port()),
            Err(url::ParseError::InvalidPort) | Ok(Some(0))
        ) {
            return Err(UrlError::Port);
        }
        let url = redis::parse_redis_url(url).ok_or(UrlError::NotRedis)?;
        let info = url.into_connection_info().map_err(UrlError::Unusable)?;
        if matches!(info.addr(), ConnectionAddr::TcpTls { insecure: true, .. }) {
            return Err(UrlError::Insecure);
        }
        // redis-rs uses rustls without a cryptography provider, and panics at the first connection
        // unless one is installed. An error means that the same provider is installed already.
        let _already_installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let address = info.addr().to_string();
        // Only RESP3 reports that an idle connection was closed.
        let settings = info
            .redis_settings()
            .clone()
            .set_protocol(ProtocolVersion::RESP3);
        let info = info
            .set_redis_settings(settings)
            .set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = Client::open(info).map_err(UrlError::Unusable)?;
        let never_tried = Err("no connection was tried yet".to_owned());
        Ok(Self {
            client,
            address,
            attempt: Mutex::new(watch::channel(Some(never_tried)).1),
        })
    }

    /// Sends a command that the server may run twice. If the connection is lost, for example because a
    /// firewall dropped it, sends the command once more over a new connection.
    pub(super) async fn send_idempotent<T: FromRedisValue>(
        &self,
        command: &Cmd,
        deadline: Instant,
    ) -> Result<T, Failure> {
        match self.send(command, deadline).await {
            Err(Failure::Lost(_)) if Instant::now() < deadline => {
                self.send(command, deadline).await
            }
            outcome => outcome,
        }
    }

    /// Sends a command once and reads its answer.
    pub(super) async fn send<T: FromRedisValue>(
        &self,
        command: &Cmd,
        deadline: Instant,
    ) -> Result<T, Failure> {
        let mut connection = match timeout_at(deadline, self.connection()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(cause)) => return Err(Failure::NotSent(self.cause(cause))),
            Err(_) => {
                return Err(Failure::NotSent(self.cause(NOT_CONNECTED_IN_TIME)));
            }
        };
        match timeout_at(deadline, command.query_async(&mut connection.commands)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error))
                if matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension) =>
            {
                // The server has become a replica: the next command connects again, to find the primary.
                if error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly) {
                    connection.lost.store(true, Ordering::Relaxed);
                }
                Err(Failure::Refused(self.cause(server_error(&error))))
            }
            Ok(Err(error)) => {
                connection.lost.store(true, Ordering::Relaxed);
                Err(Failure::Lost(self.cause(error)))
            }
            Err(_) => {
                connection.lost.store(true, Ordering::Relaxed);
                Err(Failure::Lost(self.cause("does not answer in time")))
            }
        }
    }

    /// Returns the connection. Without a usable one, starts an attempt that all callers wait for. The
    /// attempt goes on when the callers give up, so that a slow server can be reached under load too.
    async fn connection(&self) -> Result<Connection, String> {
        let mut attempt = {
            let mut current = self.attempt.lock().unwrap_or_else(PoisonError::into_inner);
            let usable = match &*current.borrow() {
                Some(Ok(connection)) => !connection.lost.load(Ordering::Relaxed),
                Some(Err(_)) => false,
                None => current.has_changed().is_ok(),
            };
            if !usable {
                *current = self.connect();
            }
            current.clone()
        };
        match attempt.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(outcome)) => outcome.clone(),
            _ => Err("the attempt to connect was abandoned".to_owned()),
        }
    }

    fn connect(&self) -> Attempt {
        let lost = Arc::new(AtomicBool::new(false));
        let lost_in_push = Arc::clone(&lost);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(None)
            .set_push_sender(move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    lost_in_push.store(true, Ordering::Relaxed);
                }
                Ok::<(), std::convert::Infallible>(())
            });
        let client = self.client.clone();
        let (done, attempt) = watch::channel(None);
        tokio::spawn(async move {
            let outcome = client
                .get_multiplexed_async_connection_with_config(&config)
                .await
                .map(|commands| Connection { commands, lost })
                .map_err(|error| {
                    if error.is_timeout() {
                        NOT_CONNECTED_IN_TIME.to_owned()
                    } else {
                        format!("cannot be connected to: {error}")
                    }
                });
            done.send_replace(Some(outcome));
        });
        attempt
    }

    fn cause(&self, problem: impl Display) -> String {
        format!("redis at {}: {problem}", self.address)
    }
}

/// Formats an error of the server without the arguments that its message may repeat.
fn server_error(error: &RedisError) -> String {
    let detail = error.detail().unwrap_or_default();
    let detail = detail.split(", with args").next().unwrap_or_default();
    format!("answered {} {detail}", error.code().unwrap_or("an error"))
}
