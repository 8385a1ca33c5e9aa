//! A connection's bytes, with the two time limits that hyper does not have.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// What an HTTP/2 client sends first (RFC 9113 §3.4). hyper-util's detection reads on, without a
/// limit of time, as long as it may become this.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream that must show in time which protocol it speaks, and that is closed without a reset:
/// a socket that is closed while unread bytes wait in it is reset, and the reset can overtake the
/// answer to a request whose body was too much to read (RFC 9112 §9.6).
pub(super) struct Stream<I> {
    io: I,
    detection: Option<Detection>,
    linger: Duration,
    closing: Option<Pin<Box<Sleep>>>,
}

/// The protocol is not known yet.
struct Detection {
    deadline: Pin<Box<Sleep>>,
    /// How many bytes of the preface were read.
    matched: usize,
}

impl Detection {
    /// Whether the protocol is known with these further bytes.
    fn settles(&mut self, bytes: &[u8]) -> bool {
        let rest = &PREFACE[self.matched..];
        self.matched += bytes.len();
        bytes.len() >= rest.len() || !rest.starts_with(bytes)
    }
}

impl<I> Stream<I> {
    /// `first_bytes` is how long the detection may take, `linger` how long a close may.
    pub(super) fn new(io: I, first_bytes: Duration, linger: Duration) -> Self {
        Self {
            io,
            detection: Some(Detection {
                deadline: Box::pin(sleep(first_bytes)),
                matched: 0,
            }),
            linger,
            closing: None,
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Stream<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.io).poll_read(cx, buffer);
        let Some(detection) = &mut this.detection else {
            return read;
        };
        if read.is_ready() {
            let bytes = &buffer.filled()[before..];
            if bytes.is_empty() || detection.settles(bytes) {
                this.detection = None;
                return read;
            }
        }
        // Also after bytes that settle nothing: the timer must have been polled to wake anybody,
        // and a trickle must not outrun it.
        match detection.deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => read,
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    /// Sends the end, then reads and forgets until the peer has sent its own or the time is over.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.closing.is_none() {
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
        }
        let linger = this.linger;
        let deadline = this.closing.get_or_insert_with(|| Box::pin(sleep(linger)));
        let mut scratch = [0; 4096];
        while deadline.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut this.io).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::Instant;

    const TIME: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_does_not_say_what_it_speaks_is_given_up() {
        for first in [&b""[..], b"P", &PREFACE[..23]] {
            let (mut client, server) = duplex(64);
            let mut stream = Stream::new(server, TIME, TIME);
            let started = Instant::now();
            client.write_all(first).await.unwrap();
            let mut bytes = [0; 24];
            let error = stream.read_exact(&mut bytes).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{first:?}");
            assert_eq!(started.elapsed(), TIME);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn once_it_is_known_a_stream_may_be_silent() {
        for first in [&b"POST"[..], &PREFACE[..], b"PRI * HTTP/1"] {
            let (mut client, server) = duplex(64);
            let mut stream = Stream::new(server, TIME, TIME);
            for byte in first {
                client.write_all(&[*byte]).await.unwrap();
                stream.read_u8().await.unwrap();
            }
            let late = async {
                sleep(TIME * 2).await;
                client.write_all(b"!").await.unwrap();
            };
            let (read, ()) = tokio::join!(stream.read_u8(), late);
            assert_eq!(read.unwrap(), b'!');
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_close_reads_what_still_comes_but_not_for_ever() {
        let (client, server) = duplex(64);
        let mut stream = Stream::new(server, TIME, TIME);
        let (mut reader, mut writer) = tokio::io::split(client);
        stream.write_all(b"answer").await.unwrap();
        let started = Instant::now();
        let client = async {
            // More than the pipe holds: it is only sent when it is read.
            writer.write_all(&[0; 100_000]).await.unwrap();
            let mut answer = Vec::new();
            reader.read_to_end(&mut answer).await.unwrap();
            answer
        };
        let both = async { tokio::join!(stream.shutdown(), client) };
        let (closed, answer) = tokio::time::timeout(TIME * 2, both).await.unwrap();
        closed.unwrap();
        assert_eq!(answer, b"answer");
        assert_eq!(started.elapsed(), TIME, "the client keeps its side open");

        let (client, server) = duplex(64);
        let mut stream = Stream::new(server, TIME, TIME);
        drop(client);
        let started = Instant::now();
        stream.shutdown().await.unwrap();
        assert_eq!(
            started.elapsed(),
            Duration::ZERO,
            "the peer has ended already"
        );
    }
}
