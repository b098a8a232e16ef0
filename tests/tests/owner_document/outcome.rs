//! What comes back, and each reason for NULL.

use super::*;

#[test]
fn row_success_is_a_handle_for_the_other_calls() {
    let heap = create(HEAP_GROWABLE, null_mut(), 0, 0, null_mut(), None);
    assert!(!heap.is_null());
    let block = RtlAllocateHeap(heap, 0, 100);
    assert_eq!(RtlSizeHeap(heap, 0, block), 100);
    let block = RtlReAllocateHeap(heap, 0, block, 200);
    assert_ne!(RtlFreeHeap(heap, 0, block), 0);
    assert!(RtlDestroyHeap(heap).is_null());
}

#[test]
fn row_null_for_invalid_parameter_combinations() {
    let region = Region::committed(0x1_0000);
    let routine = commit::parameters(&region, PAGE);
    let mut resource = Resource::initialized();
    let (no_base, no_lock) = (null_mut(), null_mut());
    assert!(create(HEAP_NO_SERIALIZE, no_base, 0, 0, resource.as_lock(), None).is_null());
    assert!(create(0, no_base, 0, 0, no_lock, Some(&routine)).is_null());
    assert!(create(HEAP_GROWABLE, region.base(), 0, 0, no_lock, Some(&routine)).is_null());
    resource.delete();
}

#[test]
fn row_null_for_memory_allocation_failure() {
    let half = usize::MAX / 2 + 1;
    for (reserve, commit) in [(usize::MAX, 0), (half, 0), (0, half), (half, half)] {
        let heap = create(HEAP_GROWABLE, null_mut(), reserve, commit, null_mut(), None);
        assert!(heap.is_null(), "{reserve:#x} {commit:#x}");
    }
}

#[test]
fn row_null_for_virtual_memory_query_failure() {
    // Another thread may take the released address before the call does; then it is tried again.
    let refused = (0..100).any(|_| {
        let base = Region::reserve(0x10_0000).base();
        create(0, base, 0x1_0000, 0x1_0000, null_mut(), None).is_null()
    });
    assert!(refused);
}

#[test]
fn row_null_for_lock_initialization_failure() {
    let refused = |lock| create(HEAP_GROWABLE, null_mut(), 0, 0, lock, None).is_null();
    assert!(refused(Resource::uninitialized().as_lock()));
    let mut resource = Resource::initialized();
    resource.delete();
    assert!(refused(resource.as_lock()));
    let incomplete = RTLHEAP_LOCK {
        magic: RTLHEAP_LOCK_MAGIC,
        enter: Some(lock::enter),
        leave: None,
        context: null_mut(),
    };
    assert!(refused((&raw const incomplete).cast_mut().cast()));
}

#[test]
fn row_null_for_segment_initialization_failure() {
    // Too little memory for a segment's header.
    let memory = Box::new(Plain(UnsafeCell::new([0; 0x4_0000])));
    assert!(create(0, memory.0.get().cast(), 0x80, 0x80, null_mut(), None).is_null());
}
