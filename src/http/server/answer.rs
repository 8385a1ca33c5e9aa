//! The body of an answer. It notes when the peer takes its bytes.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::Full;
use hyper::body::{Body, Buf, Bytes, Frame, SizeHint};

use super::activity::Ticket;

/// A body that keeps its request in flight until all bytes are handed to the socket. hyper drops a body
/// as soon as its bytes are queued, but a peer without an open HTTP/2 window may never take them.
pub(super) struct AnswerBody {
    body: Full<Bytes>,
    /// Moves into the [`Piece`] with the bytes.
    ticket: Option<Ticket>,
}

impl AnswerBody {
    pub(super) fn new(body: Full<Bytes>, ticket: Ticket) -> Self {
        ticket.note_taken();
        let ticket = Some(ticket);
        Self { body, ticket }
    }
}

impl Body for AnswerBody {
    type Data = Piece;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, Infallible>>> {
        let this = self.get_mut();
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        // A `Full` body has one frame.
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
            ticket.note_taken();
        }
    }
}
