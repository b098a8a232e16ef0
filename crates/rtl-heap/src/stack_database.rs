//! Stack back traces, each kept once for the whole process: `FLG_USER_STACK_TRACE_DB` (10.1).
//!
//! A trace lies in the metadata pool and stays for good, so whoever has one may read it at any time.
//! Lookups take no lock; additions do.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use crate::fork_lock::ForkLock;
use crate::host;
use crate::metadata;

/// The most return addresses a trace can have.
pub const DEEPEST: usize = 32;
/// Return addresses of a trace unless somebody asks for another number.
const DEFAULT_DEPTH: u32 = 16;

/// Return addresses, innermost first.
pub type Trace = &'static [usize];

/// A trace in its bucket; the addresses follow.
struct Record {
    /// Set before the record is published, and never again.
    next: *const Record,
    count: usize,
}

const BUCKETS: usize = 1024;

static TABLE: [AtomicPtr<Record>; BUCKETS] = [const { AtomicPtr::new(ptr::null_mut()) }; BUCKETS];
/// Serialises additions.
static ADDITIONS: ForkLock = ForkLock::new();

static DEPTH: AtomicU32 = AtomicU32::new(DEFAULT_DEPTH);
static SMALLEST: AtomicUsize = AtomicUsize::new(0);
static LARGEST: AtomicUsize = AtomicUsize::new(usize::MAX);

/// How deep traces go, and of which blocks they are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    /// Return addresses of a trace at most: 1 to 32.
    pub depth: u32,
    /// Bytes of the smallest block.
    pub smallest: usize,
    /// Bytes of the largest block.
    pub largest: usize,
}

impl Extent {
    /// The extent in force.
    pub fn get() -> Extent {
        Extent {
            depth: DEPTH.load(Ordering::Relaxed),
            smallest: SMALLEST.load(Ordering::Relaxed),
            largest: LARGEST.load(Ordering::Relaxed),
        }
    }

    /// Sets the extent for traces taken from now on.
    pub fn set(self) {
        DEPTH.store(self.depth.clamp(1, DEEPEST as u32), Ordering::Relaxed);
        SMALLEST.store(self.smallest, Ordering::Relaxed);
        LARGEST.store(self.largest, Ordering::Relaxed);
    }
}

/// The trace of whoever calls, for a block of `size` bytes; `None` for a size that is not traced,
/// where the system knows of no caller, and without memory.
///
/// No heap's lock may be held: to find out who calls may take locks of the system's.
#[cold]
pub fn capture(size: usize) -> Option<Trace> {
    let extent = Extent::get();
    if size < extent.smallest || size > extent.largest {
        return None;
    }
    let mut frames = [0; DEEPEST];
    let count = host::capture_stack(&mut frames[..extent.depth as usize]);
    let frames = frames.get(..count).filter(|frames| !frames.is_empty())?;
    intern(frames)
}

/// The one trace with these addresses.
fn intern(frames: &[usize]) -> Option<Trace> {
    let bucket = &TABLE[bucket_of(frames)];
    // Acquire pairs with the Release below.
    let known = bucket.load(Ordering::Acquire);
    if let Some(trace) = find(known, frames) {
        return Some(trace);
    }
    ADDITIONS.enter();
    let first = bucket.load(Ordering::Acquire);
    let trace = find(first, frames).or_else(|| add(bucket, first, frames));
    ADDITIONS.leave();
    trace
}

fn find(mut at: *const Record, frames: &[usize]) -> Option<Trace> {
    loop {
        // SAFETY: a published record stays readable and as it is.
        let record = unsafe { at.as_ref() }?;
        let trace = addresses(record);
        if trace == frames {
            return Some(trace);
        }
        at = record.next;
    }
}

fn add(bucket: &AtomicPtr<Record>, first: *const Record, frames: &[usize]) -> Option<Trace> {
    let bytes = size_of::<Record>() + size_of_val(frames);
    let record: NonNull<Record> = metadata::allocate(bytes)?.cast();
    // SAFETY: the memory is new, ours, aligned, and large enough for the record and the addresses.
    unsafe {
        record.write(Record {
            next: first,
            count: frames.len(),
        });
        record
            .add(1)
            .cast::<usize>()
            .copy_from_nonoverlapping(NonNull::from(frames).cast(), frames.len());
    }
    // Release: whoever finds the record finds it complete.
    bucket.store(record.as_ptr(), Ordering::Release);
    // SAFETY: never freed.
    Some(addresses(unsafe { record.as_ref() }))
}

fn addresses(record: &'static Record) -> Trace {
    // SAFETY: `count` addresses follow the record, and nobody changes them.
    unsafe {
        core::slice::from_raw_parts(ptr::from_ref(record).add(1).cast::<usize>(), record.count)
    }
}

fn bucket_of(frames: &[usize]) -> usize {
    let mix = |hash: u64, frame: &usize| {
        (hash ^ *frame as u64)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(23)
    };
    frames.iter().fold(0, mix) as usize % BUCKETS
}

/// Takes the lock for a fork.
pub fn enter_for_fork() {
    ADDITIONS.enter();
}

/// Gives it back, in parent and child.
pub fn leave_after_fork() {
    ADDITIONS.leave();
}

#[cfg(all(test, feature = "os"))]
mod tests {
    use super::*;

    #[test]
    fn equal_traces_are_one() {
        let one = intern(&[1, 2, 3]).unwrap();
        assert_eq!(one, [1, 2, 3]);
        assert!(ptr::eq(one, intern(&[1, 2, 3]).unwrap()));
        for other in [&[1, 2][..], &[1, 2, 3, 4], &[3, 2, 1]] {
            assert_eq!(intern(other).unwrap(), other);
        }
    }

    #[test]
    fn traces_in_one_bucket_are_told_apart() {
        let traces: [Trace; 3000] = core::array::from_fn(|at| intern(&[at + 10, 7]).unwrap());
        for (at, trace) in traces.iter().enumerate() {
            assert_eq!(*trace, [at + 10, 7]);
        }
    }
}
