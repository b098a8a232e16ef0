//! When the front end takes over a bucket: after NT's pattern of requests (7.3).

use core::sync::atomic::Ordering;

use crate::buckets::{self, Frontend, REQUESTS_BEFORE};
use crate::heap::{Heap, State};
use crate::metadata;
use crate::units::Granules;

/// `HeapCompatibilityInformation`: the front end is in use.
pub const LOW_FRAGMENTATION: u32 = 2;

/// Counts a request that the back end is about to serve, and switches its bucket on with the last
/// one of the pattern. The heap's lock is held.
#[inline]
pub fn note_request(heap: &Heap, state: &mut State, size: Granules) {
    if !heap.settings.front_end || size > buckets::LARGEST {
        return;
    }
    let (bucket, _) = buckets::bucket_of(size);
    let requests = &mut state.requests[bucket];
    if *requests < REQUESTS_BEFORE {
        *requests += 1;
        if *requests == REQUESTS_BEFORE {
            activate(heap, bucket);
        }
    }
}

/// Without memory for the records the back end goes on serving the bucket.
#[cold]
fn activate(heap: &Heap, bucket: usize) {
    if heap.frontend().is_none() {
        let Some(record) = metadata::allocate(size_of::<Frontend>()) else {
            return;
        };
        // Release pairs with the Acquire in `Heap::frontend`. Zero bytes are an empty one.
        heap.frontend_record()
            .store(record.as_ptr().cast(), Ordering::Release);
    }
    if let Some(front) = heap.frontend() {
        heap.compatibility
            .store(LOW_FRAGMENTATION, Ordering::Relaxed);
        // Release pairs with the Acquire in `Frontend::active`.
        front.buckets[bucket].active.store(true, Ordering::Release);
    }
}
