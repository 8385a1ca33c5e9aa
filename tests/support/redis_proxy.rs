//! A TCP proxy before a Redis. It can lose the reply to a script, so that the command is carried
//! out and its caller gets no reply, or run a function before the reply arrives.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::redis_server::RedisServer;

/// Words that are in the script of a commit only.
pub(crate) const COMMIT: &str = "local function holds_credential()";

/// Words that all scripts have.
pub(crate) const ANY_SCRIPT: &str = "local function live(";

/// The way in which a reply is lost.
#[derive(Clone, Copy)]
pub(crate) enum Loss {
    /// The connection breaks.
    Broken,
    /// The connection stays open without a reply.
    Silent,
}

pub(crate) struct Proxy {
    url: String,
    watch: Arc<Watch>,
}

/// The state that the connections share.
struct Watch {
    marker: &'static str,
    loss: Loss,
    to_lose: AtomicUsize,
    lost: AtomicUsize,
    last_marked: Mutex<Vec<u8>>,
    meanwhile: Mutex<Option<Meanwhile>>,
    /// The number of messages in both directions.
    messages: watch::Sender<usize>,
}

type Meanwhile = Box<dyn FnOnce() + Send>;

impl Proxy {
    /// Starts a proxy before this server. It loses replies to commands that contain `marker`.
    pub(crate) async fn before(server: &RedisServer, marker: &'static str, loss: Loss) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let upstream = server.port();
        let watch = Arc::new(Watch {
            marker,
            loss,
            to_lose: AtomicUsize::new(0),
            lost: AtomicUsize::new(0),
            last_marked: Mutex::default(),
            meanwhile: Mutex::default(),
            messages: watch::Sender::default(),
        });
        let proxy = Self {
            url: format!("redis://127.0.0.1:{port}/0"),
            watch: Arc::clone(&watch),
        };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if let Ok(server) = TcpStream::connect(("127.0.0.1", upstream)).await {
                    tokio::spawn(relay(client, server, Arc::clone(&watch)));
                }
            }
        });
        proxy
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Loses this many of the next replies.
    pub(crate) fn lose(&self, answers: usize) {
        self.watch.to_lose.store(answers, Ordering::SeqCst);
    }

    /// The number of lost replies.
    pub(crate) fn lost(&self) -> usize {
        self.watch.lost.load(Ordering::SeqCst)
    }

    /// Calls `happens` once, after a command with the marker was carried out and before its reply
    /// arrives.
    pub(crate) fn meanwhile(&self, happens: impl FnOnce() + Send + 'static) {
        *self.watch.meanwhile.lock().unwrap() = Some(Box::new(happens));
    }

    /// Waits until this many more messages, in both directions together, have passed. They are
    /// counted from the call on, before the future is polled.
    pub(crate) fn after_messages(&self, more: usize) -> impl Future<Output = ()> + use<> {
        let mut messages = self.watch.messages.subscribe();
        let enough = *messages.borrow() + more;
        async move {
            let passed = messages.wait_for(|&passed| passed >= enough).await;
            passed.expect("a running proxy");
        }
    }

    /// The bytes of the last command with the marker.
    pub(crate) fn last_marked(&self) -> Vec<u8> {
        self.watch.last_marked.lock().unwrap().clone()
    }
}

async fn relay(mut client: TcpStream, mut server: TcpStream, watch: Arc<Watch>) {
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let (mut losing, mut marked) = (false, false);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                let asked = &asked[..length];
                if String::from_utf8_lossy(asked).contains(watch.marker) {
                    *watch.last_marked.lock().unwrap() = asked.to_vec();
                    losing |= take_one(&watch.to_lose);
                    marked = true;
                }
                if server.write_all(asked).await.is_err() {
                    return;
                }
                watch.messages.send_modify(|passed| *passed += 1);
            }
            read = server.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                if std::mem::take(&mut marked)
                    && let Some(happens) = watch.meanwhile.lock().unwrap().take()
                {
                    happens();
                }
                if losing {
                    watch.lost.fetch_add(1, Ordering::SeqCst);
                    match watch.loss {
                        Loss::Broken => return,
                        Loss::Silent => continue,
                    }
                }
                if client.write_all(&answered[..length]).await.is_err() {
                    return;
                }
                watch.messages.send_modify(|passed| *passed += 1);
            }
        }
    }
}

fn take_one(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
        left.checked_sub(1)
    })
    .is_ok()
}
