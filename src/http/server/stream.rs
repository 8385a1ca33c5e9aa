//! The byte stream of a connection, with time limits that hyper lacks.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// The connection preface of an HTTP/2 client (RFC 9113 §3.4). hyper-util's protocol detection reads on
/// without a time limit while the bytes are a prefix of it.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream with three time limits: on protocol detection, on blocked writes, and on a lingering close.
///
/// The close lingers to avoid a reset. The system resets a socket that is closed with unread input, and
/// the reset can overtake the answer to a request whose body was too large to read (RFC 9112 §9.6).
pub(super) struct Stream<I> {
    io: I,
    times: Times,
    /// `None` once the protocol is known.
    detection: Option<Detection>,
    /// The deadline of a blocked write. `None` while writes make progress.
    blocked: Option<Pin<Box<Sleep>>>,
    /// The deadline of the close. `None` before it begins.
    closing: Option<Pin<Box<Sleep>>>,
}

/// The time limits of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// The limit for protocol detection.
    pub(super) first_bytes: Duration,
    /// The limit for a blocked write.
    pub(super) stalled: Duration,
    /// The limit for a close.
    pub(super) linger: Duration,
}

/// The state of protocol detection.
struct Detection {
    deadline: Pin<Box<Sleep>>,
    /// The number of bytes of the preface that were read.
    matched: usize,
}

impl Detection {
    /// Returns true if the protocol is known after these further bytes.
    fn is_complete_with(&mut self, bytes: &[u8]) -> bool {
        let rest = &PREFACE[self.matched..];
        self.matched += bytes.len();
        bytes.len() >= rest.len() || !rest.starts_with(bytes)
    }
}

impl<I> Stream<I> {
    pub(super) fn new(io: I, times: Times) -> Self {
        Self {
            io,
            times,
            detection: Some(Detection {
                deadline: Box::pin(sleep(times.first_bytes)),
                matched: 0,
            }),
            blocked: None,
            closing: None,
        }
    }

    /// Fails a write that has been blocked for too long. Any written byte restarts the time.
    fn limit_blocking(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.blocked = None;
            return written;
        }
        let stalled = self.times.stalled;
        let deadline = self.blocked.get_or_insert_with(|| Box::pin(sleep(stalled)));
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
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
            if bytes.is_empty() || detection.is_complete_with(bytes) {
                this.detection = None;
                return read;
            }
        }
        // The timer is also polled after bytes that do not complete the detection: it wakes the task only
        // if polled, and a slow trickle of bytes must not outrun it.
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
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.limit_blocking(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, slices);
        this.limit_blocking(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    /// Ends the write side, then discards input until the peer ends its side or the time is over.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.closing.is_none() {
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
        }
        let linger = this.times.linger;
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
    const TIMES: Times = Times {
        first_bytes: TIME,
        stalled: TIME,
        linger: TIME,
    };

    #[tokio::test(start_paused = true)]
    async fn stream_of_unknown_protocol_times_out() {
        for first in [&b""[..], b"P", &PREFACE[..23]] {
            let (mut client, server) = duplex(64);
            let mut stream = Stream::new(server, TIMES);
            let started = Instant::now();
            client.write_all(first).await.unwrap();
            let mut bytes = [0; 24];
            let error = stream.read_exact(&mut bytes).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{first:?}");
            assert_eq!(started.elapsed(), TIME);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn stream_of_known_protocol_may_be_silent() {
        for first in [&b"POST"[..], &PREFACE[..], b"PRI * HTTP/1"] {
            let (mut client, server) = duplex(64);
            let mut stream = Stream::new(server, TIMES);
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
    async fn write_that_the_peer_does_not_read_times_out() {
        let (_client, server) = duplex(64);
        let mut stream = Stream::new(server, TIMES);
        let started = Instant::now();
        let error = stream.write_all(&[0; 65]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(started.elapsed(), TIME);
    }

    #[tokio::test(start_paused = true)]
    async fn write_that_the_peer_reads_slowly_completes() {
        let (mut client, server) = duplex(64);
        let mut stream = Stream::new(server, TIMES);
        let slow = async {
            for _ in 0..100 {
                sleep(TIME - Duration::from_secs(1)).await;
                client.read_u8().await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(stream.write_all(&[0; 164]), slow);
        written.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn close_discards_input_until_the_peer_ends_or_the_time_is_over() {
        let (client, server) = duplex(64);
        let mut stream = Stream::new(server, TIMES);
        let (mut reader, mut writer) = tokio::io::split(client);
        stream.write_all(b"answer").await.unwrap();
        let started = Instant::now();
        let client = async {
            // More than the pipe holds, so it is sent only if the server reads it.
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
        let mut stream = Stream::new(server, TIMES);
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
