//! tokio with tokio-util's `LengthDelimitedCodec`: the usual way to send frames in Rust, at its best.
//!
//! One thread a side (`current_thread`), messages are fed and flushed in batches, both buffers are as long as ours,
//! and no body is allocated by the sender. The frame is 4 bytes of length and 28 of body: the same 32 bytes as ours.

use std::time::Duration;

use clocklab::clock::Lamport;
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use super::{
    Plan, Receipt,
    support::mesh::{BODY_BYTES, body_of, clock_in},
};

/// Messages between two flushes.
const BATCH: u64 = 1 << 12;

/// Bytes of each buffer: the length to which our decoder's grows. Of 8 KiB to 1 MiB, with batches of 256 to 16,384,
/// this was fastest.
const BUFFER_BYTES: usize = 256 << 10;

/// Stands where our frame has its kind.
const KIND: u8 = 0xF0;

pub(super) fn receive(plan: Plan) -> Duration {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port on loopback");
        let place = listener.local_addr().expect("bound");
        let sender = plan.start_sender(&place.to_string());
        let (stream, _) = listener.accept().await.expect("the sender");
        let mut frames = framed(stream);
        let mut receipt = Receipt::new(plan);
        while let Some(frame) = frames.next().await {
            let frame = frame.expect("a frame");
            let clock = frame.split_first().and_then(|(_, body)| clock_in(body));
            if receipt.take(clock.expect("the right length")) {
                break;
            }
        }
        sender.join();
        receipt.finish()
    })
}

pub(super) fn send(plan: Plan, place: &str) {
    block_on(async {
        let stream = TcpStream::connect(place).await.expect("the receiver listens");
        let mut frames = framed(stream);
        let mut clock = Lamport::default();
        let mut left = plan.total();
        while left > 0 {
            let batch = left.min(BATCH);
            for _ in 0..batch {
                let mut body = [KIND; BODY_BYTES + 1];
                body[1..].copy_from_slice(&body_of(clock.tick()));
                frames.feed(body.as_slice()).await.expect("fed");
            }
            SinkExt::<&[u8]>::flush(&mut frames).await.expect("sent");
            left -= batch;
        }
    });
}

fn framed(stream: TcpStream) -> Framed<TcpStream, LengthDelimitedCodec> {
    stream.set_nodelay(true).expect("a TCP option");
    let mut frames = Framed::with_capacity(stream, LengthDelimitedCodec::new(), BUFFER_BYTES);
    frames.set_backpressure_boundary(BUFFER_BYTES);
    frames
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    runtime.expect("a runtime").block_on(work)
}
