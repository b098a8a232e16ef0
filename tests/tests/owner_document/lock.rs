//! `Lock`: an executive resource, or a table of functions.

use super::*;

/// Asserts that a resource serialises a heap, and is left alone when the heap ends.
fn assert_serialises(mut resource: Resource) {
    let lock = resource.as_lock();
    let heap = TestHeap::adopt(create(HEAP_GROWABLE, null_mut(), 0, 0, lock, None));
    assert_blocks(&heap, |heap| {
        let _ = heap.alloc(0, 100);
    });
    heap.destroy();
    let again = TestHeap::adopt(create(HEAP_GROWABLE, null_mut(), 0, 0, lock, None));
    let _ = again.alloc(0, 100);
    again.destroy();
    resource.delete();
}

#[test]
fn row_lock_initialised_with_ex_initialize_resource_lite() {
    assert_serialises(Resource::initialized());
}

#[test]
fn row_lock_initialised_with_ex_reinitialize_resource_lite() {
    let mut resource = Resource::initialized();
    resource.reinitialize();
    assert_serialises(resource);
}

#[test]
fn row_lock_of_two_heaps_serialises_both() {
    let mut resource = Resource::initialized();
    let lock = resource.as_lock();
    let one = TestHeap::adopt(create(HEAP_GROWABLE, null_mut(), 0, 0, lock, None));
    let other = TestHeap::adopt(create(HEAP_GROWABLE, null_mut(), 0, 0, lock, None));
    assert_blocks(&one, |_| {
        let _ = other.alloc(0, 100);
    });
    // The owner goes in again through either heap.
    assert_eq!(HeapLock(one.handle()), TRUE);
    let _ = other.alloc(0, 100);
    assert_eq!(HeapUnlock(one.handle()), TRUE);
    one.destroy();
    other.destroy();
    resource.delete();
}

/// How often a caller's lock was entered and left.
#[derive(Default)]
struct Counts {
    entered: AtomicUsize,
    left: AtomicUsize,
}

pub(super) unsafe extern "C" fn enter(context: *mut c_void) {
    // SAFETY: the context is the test's counts.
    unsafe { &*context.cast::<Counts>() }
        .entered
        .fetch_add(1, Ordering::SeqCst);
}

unsafe extern "C" fn leave(context: *mut c_void) {
    // SAFETY: the context is the test's counts.
    unsafe { &*context.cast::<Counts>() }
        .left
        .fetch_add(1, Ordering::SeqCst);
}

#[test]
fn row_lock_as_a_table_of_the_caller_s_functions() {
    let counts = Counts::default();
    let mut lock = RTLHEAP_LOCK {
        magic: RTLHEAP_LOCK_MAGIC,
        enter: Some(enter),
        leave: Some(leave),
        context: (&raw const counts).cast_mut().cast(),
    };
    let lock = (&raw mut lock).cast();
    let heap = TestHeap::adopt(create(HEAP_GROWABLE, null_mut(), 0, 0, lock, None));
    let seen = || {
        (
            counts.entered.load(Ordering::SeqCst),
            counts.left.load(Ordering::SeqCst),
        )
    };
    let before = seen();
    let block = heap.alloc(0, 100);
    heap.free(block);
    let after = seen();
    assert!(
        after.0 >= before.0 + 2,
        "allocate and free enter the lock: {after:?}"
    );
    assert_eq!(after.0, after.1);
    assert_eq!(HeapLock(heap.handle()), TRUE);
    let held = seen();
    assert_eq!(held.0, held.1 + 1);
    let _ = heap.alloc(0, 100);
    assert_eq!(HeapUnlock(heap.handle()), TRUE);
    heap.destroy();
    assert_eq!(seen().0, seen().1);
}

#[test]
fn row_lock_must_be_null_without_serialisation() {
    let mut resource = Resource::initialized();
    let flags = HEAP_GROWABLE | HEAP_NO_SERIALIZE;
    assert!(create(flags, null_mut(), 0, 0, resource.as_lock(), None).is_null());
    resource.delete();
}
