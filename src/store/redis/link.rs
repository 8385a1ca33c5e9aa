//! One multiplexed connection to one Redis, made when it is needed and made anew when it is lost.
//!
//! redis-rs has a connection manager. It is not used because it hands out the failure of an attempt
//! of long ago to whoever comes next, keeps an authentication failure for ever, and stays with a
//! server that has hung or become a replica.

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
/// Less than what a request waits, so that an attempt's failure is seen by those who wait for it.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(450);

/// Why a command brought no answer. The texts are for the log: they name the server, no password.
#[derive(Debug)]
pub(super) enum Failure {
    /// It was never sent.
    NotSent(String),
    /// The server refused it, and changed nothing.
    Refused(String),
    /// It was sent, and no answer came: whether it was done is not known.
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
    /// Where it goes, without the password.
    address: String,
    attempt: Mutex<Attempt>,
}

/// A connection, or why there is none, once that is known.
type Attempt = watch::Receiver<Option<Result<Connection, String>>>;

#[derive(Clone)]
struct Connection {
    commands: MultiplexedConnection,
    /// Whether the server has closed it, or it is no longer to be used.
    lost: Arc<AtomicBool>,
}

impl Link {
    /// Reads the URL; connects to nothing.
    pub(super) fn new(url: &str) -> Result<Self, UrlError> {
        // redis-rs says of such a URL only that it is none.
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
        // redis-rs brings rustls without cryptography, and panics at the first connection. Whoever
        // comes first installs it; it is the same one everywhere.
        let _installed_before = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let address = info.addr().to_string();
        // RESP3, because only it tells of a connection that is closed while nothing is asked.
        let settings = info
            .redis_settings()
            .clone()
            .set_protocol(ProtocolVersion::RESP3);
        let info = info
            .set_redis_settings(settings)
            .set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = Client::open(info).map_err(UrlError::Unusable)?;
        let never_tried = Err("it was never connected to".to_owned());
        Ok(Self {
            client,
            address,
            attempt: Mutex::new(watch::channel(Some(never_tried)).1),
        })
    }

    /// Sends a command that may be carried out twice. When the connection turns out to be broken,
    /// as one is that a firewall has forgotten, it is sent once more over a new one.
    pub(super) async fn ask<T: FromRedisValue>(
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
                // A replica will not become a primary again by waiting: look for the new primary.
                if error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly) {
                    connection.lost.store(true, Ordering::Relaxed);
                }
                Err(Failure::Refused(self.cause(answered(&error))))
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

    /// The connection, when there is one. Whoever finds none starts the one attempt that all wait
    /// for; it goes on when they leave, so that a slow connection is made under load too.
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
        let seen = Arc::clone(&lost);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(None)
            .set_push_sender(move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    seen.store(true, Ordering::Relaxed);
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

    fn cause(&self, what: impl Display) -> String {
        format!("redis at {}: {what}", self.address)
    }
}

/// The server's error without the arguments that it may repeat.
fn answered(error: &RedisError) -> String {
    let detail = error.detail().unwrap_or_default();
    let detail = detail.split(", with args").next().unwrap_or_default();
    format!("answered {} {detail}", error.code().unwrap_or("an error"))
}
