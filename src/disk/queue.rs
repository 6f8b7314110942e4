//! What the loop and the disk's thread share: the groups that wait, how far it has come, and why it failed.

use std::{
    fmt, mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::service::{Progress, Row};

/// Bytes of rows that may wait for the thread; beyond it an append waits.
pub const QUEUE_BYTES_MAX: usize = 32 << 20;

/// Groups that may wait for the thread; beyond it an append waits.
pub const QUEUE_GROUPS_MAX: usize = 4096;

/// A disk that has been busy with one batch for so long, in seconds, without getting on is taken to have failed.
pub const STALL_SECONDS_MAX: u64 = 60;

const STALL_MAX: Duration = Duration::from_secs(STALL_SECONDS_MAX);

/// What a row weighs beside its bytes.
const ROW_OVERHEAD_BYTES: usize = 64;

/// A group of rows, as it was given.
pub(super) type Group = (u64, Vec<Row>);

/// Rings when there is progress.
type Wake = Arc<dyn Fn() + Send + Sync>;

/// The shared state and those who wait for it. Nobody is woken who does not wait, and nobody under the lock that he would
/// wait for next: each would cost a call of the system, thousands of times a second.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Something waits, or the end has come.
    filled: Condvar,
    /// There is room again, or it has failed, or the thread has ended.
    emptied: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<Group>,
    waiting_bytes: usize,
    /// The thread waits for `filled`.
    is_idle: bool,
    /// How many wait for `emptied`.
    held_up: usize,
    is_closing: bool,
    has_ended: bool,
    progress: Progress,
    /// Since when the thread works at a batch.
    busy_since: Option<Instant>,
    wake: Option<Wake>,
}

/// What the thread is to do next.
pub(super) enum Work {
    /// Write these, all that waited.
    Write(Vec<Group>),
    /// Nothing came before the time it was asked to wait for.
    Idle,
    /// Nothing comes any more.
    End,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Queue")
            .field("groups", &state.waiting.len())
            .field("bytes", &state.waiting_bytes)
            .field("progress", &state.progress)
            .finish_non_exhaustive()
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to call whenever there is progress.
    pub(super) fn set_wake(&self, wake: Box<dyn Fn() + Send + Sync>) {
        self.lock().wake = Some(wake.into());
    }

    /// Puts a group behind the others, and waits for room if there is none; after a failure it is dropped.
    pub(super) fn put(&self, group: Group) {
        let bytes = weight(&group.1);
        let mut state = self.lock();
        while state.is_full() && !state.has_failed() {
            state.held_up += 1;
            let waited = self.emptied.wait_timeout(state, Duration::from_secs(1));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.held_up -= 1;
            state.fail_if_stalled();
        }
        if state.has_failed() {
            return;
        }
        state.waiting_bytes += bytes;
        state.waiting.push(group);
        let is_idle = state.is_idle;
        drop(state);
        if is_idle {
            self.filled.notify_one();
        }
    }

    /// How far it has come.
    pub(super) fn progress(&self) -> Progress {
        let mut state = self.lock();
        state.fail_if_stalled();
        state.progress.clone()
    }

    /// Whether half of what may wait waits.
    pub(super) fn is_crowded(&self) -> bool {
        let state = self.lock();
        state.waiting_bytes >= QUEUE_BYTES_MAX / 2 || state.waiting.len() >= QUEUE_GROUPS_MAX / 2
    }

    /// The thread takes all that waits, and waits for something until `until`, or for ever.
    pub(super) fn take(&self, until: Option<Instant>) -> Work {
        let mut state = self.lock();
        state.busy_since = None;
        loop {
            if !state.waiting.is_empty() {
                break;
            }
            if state.is_closing {
                state.busy_since = Some(now());
                return Work::End;
            }
            let rest = until.map(|until| until.checked_duration_since(now()));
            state.is_idle = true;
            state = match rest {
                None => self.filled.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(None) => {
                    state.is_idle = false;
                    state.busy_since = Some(now());
                    return Work::Idle;
                }
                Some(Some(rest)) => {
                    let waited = self.filled.wait_timeout(state, rest);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            state.is_idle = false;
        }
        state.busy_since = Some(now());
        state.waiting_bytes = 0;
        let groups = mem::take(&mut state.waiting);
        let held_up = state.held_up;
        drop(state);
        if held_up > 0 {
            self.emptied.notify_all();
        }
        Work::Write(groups)
    }

    /// The thread, which works at one batch for long, has got on with it.
    pub(super) fn move_on(&self) {
        let mut state = self.lock();
        if let Some(since) = &mut state.busy_since {
            *since = now();
        }
    }

    /// The groups up to `through` are kept.
    pub(super) fn reach(&self, through: u64) {
        let mut state = self.lock();
        // A disk that was given up stays so: what it still did may not be there after a restart.
        if state.has_failed() || through <= state.progress.through {
            return;
        }
        state.progress.through = through;
        let wake = state.wake.clone();
        drop(state);
        call(wake);
    }

    /// Nothing is kept any more.
    pub(super) fn fail(&self, why: String) {
        let mut state = self.lock();
        if !state.has_failed() {
            state.progress.failed = Some(why);
        }
        state.waiting.clear();
        state.waiting_bytes = 0;
        let wake = state.wake.clone();
        drop(state);
        self.emptied.notify_all();
        call(wake);
    }

    /// The thread has ended.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.has_ended = true;
        state.busy_since = None;
        drop(state);
        self.emptied.notify_all();
    }

    /// Lets the thread finish what waits, and waits for its end, as long as it gets on: says whether it has come, or
    /// [`STALL_SECONDS_MAX`] passed without progress.
    pub(super) fn close(&self) -> bool {
        let mut state = self.lock();
        state.is_closing = true;
        self.filled.notify_all();
        let begun = now();
        while !state.has_ended {
            let since = state.busy_since.map_or(begun, |since| since.max(begun));
            if now().saturating_duration_since(since) > STALL_MAX {
                if !state.has_failed() {
                    state.progress.failed = Some(stalled());
                }
                return false;
            }
            let waited = self.emptied.wait_timeout(state, Duration::from_secs(1));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl State {
    fn is_full(&self) -> bool {
        self.waiting_bytes >= QUEUE_BYTES_MAX || self.waiting.len() >= QUEUE_GROUPS_MAX
    }

    fn has_failed(&self) -> bool {
        self.progress.failed.is_some()
    }

    fn fail_if_stalled(&mut self) {
        let is_stalled = self
            .busy_since
            .is_some_and(|since| now().saturating_duration_since(since) > STALL_MAX);
        if is_stalled && !self.has_failed() {
            self.progress.failed = Some(stalled());
        }
    }
}

fn call(wake: Option<Wake>) {
    if let Some(wake) = wake {
        wake();
    }
}

fn stalled() -> String {
    format!(
        "the disk has not taken a write for {STALL_SECONDS_MAX} seconds: look at its health, then start this replica again"
    )
}

fn weight(rows: &[Row]) -> usize {
    rows.iter()
        .map(|row| ROW_OVERHEAD_BYTES + row.key.len() + row.value.as_ref().map_or(0, |value| value.len()))
        .sum()
}

#[expect(clippy::disallowed_methods, reason = "the disk's thread waits in real time")]
pub(super) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
            mpsc,
        },
        thread,
    };

    use super::*;

    fn row(bytes: usize) -> Row {
        Row {
            table: 0,
            key: b"k".as_slice().into(),
            value: Some(vec![0; bytes].into()),
        }
    }

    fn taken(queue: &Queue) -> Vec<u64> {
        match queue.take(Some(now())) {
            Work::Write(groups) => groups.iter().map(|(number, _)| *number).collect(),
            Work::Idle | Work::End => Vec::new(),
        }
    }

    /// Puts in a thread of its own, and says when it is done.
    fn put_elsewhere(queue: &Arc<Queue>, group: Group) -> mpsc::Receiver<()> {
        let (sender, receiver) = mpsc::channel();
        let queue = Arc::clone(queue);
        let put = move || {
            queue.put(group);
            let _ = sender.send(());
        };
        thread::Builder::new().spawn(put).unwrap();
        receiver
    }

    #[test]
    fn all_that_waits_is_taken_at_once_and_in_order() {
        let queue = Queue::default();
        for number in 1..=3 {
            queue.put((number, vec![row(1)]));
        }
        assert_eq!(taken(&queue), [1, 2, 3]);
        assert!(taken(&queue).is_empty());
        queue.put((4, Vec::new()));
        queue.reach(3);
        assert_eq!(queue.progress().through, 3);
        queue.reach(2);
        assert_eq!(queue.progress().through, 3);
    }

    #[test]
    fn who_appends_waits_while_the_queue_is_full() {
        for fill in [
            vec![(1, vec![row(QUEUE_BYTES_MAX)])],
            vec![(1, Vec::new()); QUEUE_GROUPS_MAX],
        ] {
            let queue = Arc::new(Queue::default());
            let waiting = fill.len();
            fill.into_iter().for_each(|group| queue.put(group));
            let done = put_elsewhere(&queue, (2, vec![row(1)]));
            assert!(done.recv_timeout(Duration::from_millis(30)).is_err());
            assert_eq!(taken(&queue).len(), waiting);
            done.recv_timeout(Duration::from_secs(20)).unwrap();
            assert_eq!(taken(&queue), [2]);
        }
    }

    #[test]
    fn a_failure_is_final_and_holds_nobody() {
        let queue = Arc::new(Queue::default());
        let wakes = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&wakes);
        queue.set_wake(Box::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        }));
        queue.reach(7);
        queue.put((8, vec![row(QUEUE_BYTES_MAX)]));
        let done = put_elsewhere(&queue, (9, Vec::new()));
        queue.fail("first".to_owned());
        done.recv_timeout(Duration::from_secs(20)).unwrap();
        queue.fail("second".to_owned());
        queue.reach(9);
        let progress = queue.progress();
        assert_eq!((progress.through, progress.failed.as_deref()), (7, Some("first")));
        assert!(taken(&queue).is_empty());
        assert!(wakes.load(Ordering::SeqCst) >= 2);
    }

    #[test]
    fn a_disk_that_hangs_is_given_up() {
        let queue = Queue::default();
        queue.put((1, Vec::new()));
        assert_eq!(taken(&queue), [1]);
        assert_eq!(queue.progress().failed, None);
        queue.lock().busy_since = now().checked_sub(STALL_MAX + Duration::from_secs(1));
        let failed = queue.progress().failed.unwrap();
        assert!(failed.contains("60 seconds"), "{failed}");
        // What it does after all counts no more.
        queue.reach(1);
        assert_eq!(queue.progress().through, 0);
    }

    #[test]
    fn a_disk_that_gets_on_with_a_large_batch_is_not_given_up() {
        let queue = Queue::default();
        let long_ago = || now().checked_sub(STALL_MAX + Duration::from_secs(1));
        queue.move_on();
        assert_eq!(queue.lock().busy_since, None, "it does nothing");
        queue.put((1, Vec::new()));
        assert_eq!(taken(&queue), [1]);
        queue.lock().busy_since = long_ago();
        queue.move_on();
        assert_eq!(queue.progress().failed, None);
        // A sync between two batches can hang, too.
        assert!(matches!(queue.take(Some(now())), Work::Idle));
        queue.lock().busy_since = long_ago();
        assert!(queue.progress().failed.is_some());
    }

    #[test]
    fn the_end_comes_after_what_waits() {
        let queue = Arc::new(Queue::default());
        queue.put((1, Vec::new()));
        let (sender, receiver) = mpsc::channel();
        let closing = Arc::clone(&queue);
        let close = move || sender.send(closing.close());
        thread::Builder::new().spawn(close).unwrap();
        assert!(receiver.recv_timeout(Duration::from_millis(30)).is_err());
        assert_eq!(taken(&queue), [1]);
        assert!(matches!(queue.take(None), Work::End));
        queue.end();
        assert_eq!(receiver.recv_timeout(Duration::from_secs(20)), Ok(true));
    }
}
