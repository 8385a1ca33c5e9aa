//! The body of an answer, which tells when the peer takes it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::Full;
use hyper::body::{Body, Buf, Bytes, Frame, SizeHint};

use super::activity::Ticket;

/// A body whose request is in flight until all of it was handed to the socket. hyper drops a body as
/// soon as it has queued its bytes, which a peer without an HTTP/2 window may never take.
pub(super) struct Answer {
    body: Full<Bytes>,
    /// Moves on with the bytes.
    ticket: Option<Ticket>,
}

impl Answer {
    pub(super) fn new(body: Full<Bytes>, ticket: Ticket) -> Self {
        ticket.taken();
        let ticket = Some(ticket);
        Self { body, ticket }
    }
}

impl Body for Answer {
    type Data = Piece;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, Infallible>>> {
        let this = self.get_mut();
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        // A full body is one frame.
        let ticket = this.ticket.take();
        frame.map_ok(|frame| frame.map_data(|bytes| Piece { bytes, ticket }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Bytes of an answer that are queued for the socket.
pub(super) struct Piece {
    bytes: Bytes,
    ticket: Option<Ticket>,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        if let Some(ticket) = &self.ticket {
            ticket.taken();
        }
    }
}
