//! Bodies: of requests, read within limits of size, time and memory; of responses, whole or as a stream.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::poll_fn,
    ops::Deref,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::BoxError;
use hyper::body::{Body as _, Bytes, Frame, Incoming, SizeHint};

use super::{
    revoked::Revoked,
    server::Place,
    v1::{ChangeStream, last_event},
};

/// Most bytes of a request's body: the largest value, and what stands around it.
pub(super) const BODY_BYTES_MAX: usize = 1 << 20;

/// Bytes of a body that is too large which are read all the same: a client that is still sending does not read the answer.
const DRAINED_BYTES_MAX: usize = 16 << 20;

/// What is known of a response's length and content.
pub(super) enum Body {
    /// All of it, or none where it has been taken.
    Whole(Bytes),
    /// Everything, as far as it has not been taken.
    Listing(Listing),
    /// Changes as they happen.
    Changes(Box<ChangeStream>),
    /// Of a router that was given.
    Page {
        body: axum::body::Body,
        /// Where it goes on until somebody ends it.
        goes_on: Option<GoesOn>,
    },
}

/// What server-sent events of a router take, and what ends them.
pub(super) struct GoesOn {
    pub(super) revoked: Revoked,
    pub(super) _place: Place,
}

/// Why a request has no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// It has more than [`BODY_BYTES_MAX`] bytes.
    TooLarge,
    /// It did not come in time.
    TooSlow,
    /// The connection ended, or what came is no HTTP.
    Broken,
    /// Too many bytes of other requests' bodies are held.
    Full,
}

/// A request's body, and its share of the memory that all bodies may take.
pub(super) struct Held<'a> {
    bytes: Bytes,
    share: Share<&'a AtomicUsize>,
}

/// A large body in pieces. Each has its share of the memory that all of them may take, until it has gone out.
pub(super) struct Listing {
    pieces: VecDeque<Bytes>,
    /// Bytes of these pieces.
    bytes: usize,
    held: Arc<AtomicUsize>,
}

/// What a connection holds until it has gone out.
struct Piece {
    bytes: Vec<u8>,
    _share: Share<Arc<AtomicUsize>>,
}

/// Bytes that are counted in `held` as long as this lives.
struct Share<H: Deref<Target = AtomicUsize>> {
    held: H,
    bytes: usize,
}

impl Listing {
    /// One without a piece, to be counted in `held`.
    pub(super) fn new(held: &Arc<AtomicUsize>) -> Self {
        Self {
            pieces: VecDeque::new(),
            bytes: 0,
            held: Arc::clone(held),
        }
    }

    /// Appends a piece, unless that would be more than `most` in all bodies together.
    ///
    /// # Errors
    /// [`BodyError::Full`].
    pub(super) fn push(&mut self, mut bytes: Vec<u8>, most: usize) -> Result<(), BodyError> {
        bytes.shrink_to_fit();
        let held = Arc::clone(&self.held);
        let mut share = Share { held, bytes: 0 };
        share.grow(bytes.len(), most)?;
        self.bytes += bytes.len();
        let piece = Piece { bytes, _share: share };
        self.pieces.push_back(Bytes::from_owner(piece));
        Ok(())
    }

    /// How many bytes have not been taken.
    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    fn take(&mut self) -> Option<Bytes> {
        let piece = self.pieces.pop_front()?;
        self.bytes -= piece.len();
        Some(piece)
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Held<'_> {
    pub(super) fn bytes(&self) -> &Bytes {
        debug_assert!(self.share.bytes == 0 || self.share.bytes >= self.bytes.len());
        &self.bytes
    }
}

impl<H: Deref<Target = AtomicUsize>> Share<H> {
    /// Counts further bytes, unless that would be more than `most` altogether.
    fn grow(&mut self, bytes: usize, most: usize) -> Result<(), BodyError> {
        let before = self.held.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        if before.saturating_add(bytes) > most {
            return Err(BodyError::Full);
        }
        Ok(())
    }
}

impl<H: Deref<Target = AtomicUsize>> Drop for Share<H> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.held.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

/// Reads a body whole. What comes in one piece, which is what small ones do, is not copied.
///
/// # Errors
/// [`BodyError`]; the rest of the body is read in vain, up to a bound.
pub(super) async fn read<'a>(
    mut incoming: Incoming,
    within: Duration,
    held: &'a AtomicUsize,
    held_max: usize,
) -> Result<Held<'a>, BodyError> {
    let share = Share { held, bytes: 0 };
    if incoming.is_end_stream() {
        let bytes = Bytes::new();
        return Ok(Held { bytes, share });
    }
    let is_too_large = incoming.size_hint().lower() > BODY_BYTES_MAX as u64;
    let reading = async {
        let read = if is_too_large {
            Err(BodyError::TooLarge)
        } else {
            pieces(&mut incoming, share, held_max).await
        };
        if read.is_err() {
            drain(&mut incoming).await;
        }
        read
    };
    match tokio::time::timeout(within, reading).await {
        Ok(read) => read,
        Err(_) if is_too_large => Err(BodyError::TooLarge),
        Err(_) => Err(BodyError::TooSlow),
    }
}

/// Reads on, and throws away.
async fn drain(incoming: &mut Incoming) {
    let mut drained = 0;
    while let Ok(Some(bytes)) = piece(incoming).await {
        drained += bytes.len();
        if drained > DRAINED_BYTES_MAX {
            return;
        }
    }
}

async fn pieces<'a>(
    incoming: &mut Incoming,
    mut share: Share<&'a AtomicUsize>,
    held_max: usize,
) -> Result<Held<'a>, BodyError> {
    let first = piece(incoming).await?.unwrap_or_default();
    if incoming.is_end_stream() {
        // It lies in the connection's own buffer, which is bounded already.
        let bytes = first;
        return Ok(Held { bytes, share });
    }
    share.grow(first.len(), held_max)?;
    let mut all = first.to_vec();
    while let Some(next) = piece(incoming).await? {
        if all.len() + next.len() > BODY_BYTES_MAX {
            return Err(BodyError::TooLarge);
        }
        share.grow(next.len(), held_max)?;
        all.extend_from_slice(&next);
    }
    let bytes = Bytes::from(all);
    Ok(Held { bytes, share })
}

/// The next bytes; trailers are passed over.
async fn piece(incoming: &mut Incoming) -> Result<Option<Bytes>, BodyError> {
    loop {
        match poll_fn(|context| Pin::new(&mut *incoming).poll_frame(context)).await {
            None => return Ok(None),
            Some(Err(_)) => return Err(BodyError::Broken),
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let body = self.get_mut();
        if let Self::Page {
            goes_on: Some(goes_on),
            ..
        } = body
            && let Poll::Ready(problem) = goes_on.revoked.poll(context)
        {
            *body = Self::Whole(Bytes::from(last_event(problem)));
        }
        match body {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Listing(listing) => Poll::Ready(listing.take().map(|piece| Ok(Frame::data(piece)))),
            Self::Changes(changes) => changes
                .poll_piece(context)
                .map(|piece| piece.map(|bytes| Ok::<_, Infallible>(Frame::data(bytes)).map_err(Into::into))),
            Self::Page { body, .. } => Pin::new(body)
                .poll_frame(context)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Listing(listing) => listing.pieces.is_empty(),
            Self::Changes(_) => false,
            Self::Page { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Listing(listing) => SizeHint::with_exact(listing.len() as u64),
            Self::Changes(_) => SizeHint::default(),
            Self::Page { body, .. } => body.size_hint(),
        }
    }
}
