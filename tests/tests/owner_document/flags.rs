//! `Flags`.

use super::*;

#[test]
fn row_flags_zero() {
    let heap = sized(0, 0x4_0000, 0);
    let block = heap.alloc(0, 100);
    heap.free(block);
    assert_blocks(&heap, |heap| {
        let _ = heap.alloc(0, 100);
    });
}

#[test]
fn row_generate_exceptions() {
    let heap = sized(HEAP_GENERATE_EXCEPTIONS, 0x1_0000, 0);
    let (pointer, raised) = raised_by(|| RtlAllocateHeap(heap.handle(), 0, 0x2_0000));
    assert!(pointer.is_null());
    assert_eq!(raised.len(), 1);
    assert_eq!(raised[0].code, STATUS_NO_MEMORY);
    let quiet = sized(0, 0x1_0000, 0);
    let (pointer, raised) = raised_by(|| RtlAllocateHeap(quiet.handle(), 0, 0x2_0000));
    assert!(pointer.is_null());
    assert_eq!(raised, []);
}

#[test]
fn row_growable() {
    let growable = sized(HEAP_GROWABLE, 0x1_0000, 0);
    for _ in 0..64 {
        let _ = growable.alloc(0, 0x8000);
    }
    let fixed = sized(0, 0x1_0000, 0);
    assert!((0..64).any(|_| fixed.try_alloc(0, 0x8000).is_none()));
}

#[test]
fn row_growable_is_not_needed_without_a_base() {
    // The document says it must be given; `HeapCreate` with a maximum shows that it need not.
    assert_eq!(reserved(&sized(0, 0x4_0000, 0)), 0x4_0000);
}

#[test]
fn row_no_serialize() {
    let heap = sized(HEAP_GROWABLE | HEAP_NO_SERIALIZE, 0, 0);
    assert_does_not_block(&heap, |heap| {
        let block = heap.alloc(0, 100);
        heap.free(block);
    });
}
