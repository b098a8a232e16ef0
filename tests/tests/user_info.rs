//! Section 13.9 of the conformance lines: user values and flags, several blocks in one call.

use core::ffi::c_void;
use core::ptr::null_mut;

use rtl_heap_tests::abi::flags::*;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::child;
use rtl_heap_tests::heap::*;
use rtl_heap_tests::last_error::{PRESET, observe};
use rtl_heap_tests::raise::raised_by;

const SIZE: usize = 0x1000;
const ALL: u32 = 0xC00 | HEAP_SETTABLE_USER_VALUE;
const VALUE: *mut c_void = 0xDEAD_BEEF_usize as *mut c_void;

/// A block's user value and flags.
#[track_caller]
fn user_info(heap: &TestHeap, block: &Block<'_>) -> (*mut c_void, u32) {
    let (mut value, mut flags) = (0xA5A5_usize as *mut c_void, 0xA5A5);
    let known = RtlGetUserInfoHeap(
        heap.handle(),
        0,
        block.pointer(),
        Some(&mut value),
        Some(&mut flags),
    );
    assert_eq!(boolean(known), TRUE);
    (value, flags)
}

fn set_value(heap: &TestHeap, block: &Block<'_>, value: *mut c_void) {
    assert_eq!(
        boolean(RtlSetUserValueHeap(
            heap.handle(),
            0,
            block.pointer(),
            value
        )),
        TRUE
    );
}

fn set_flags(heap: &TestHeap, block: &Block<'_>, reset: u32, set: u32) -> BOOL {
    boolean(RtlSetUserFlagsHeap(
        heap.handle(),
        0,
        block.pointer(),
        reset,
        set,
    ))
}

#[test]
fn c071_a_user_value_costs_a_granule() {
    let heap = TestHeap::create(HEAP_NO_SERIALIZE, 0, 0);
    let addresses: [usize; 3] =
        std::array::from_fn(|_| heap.alloc(HEAP_SETTABLE_USER_VALUE, SIZE).address());
    let nearest = addresses[0]
        .abs_diff(addresses[1])
        .min(addresses[1].abs_diff(addresses[2]));
    assert_eq!(nearest, block(SIZE) + G);
}

#[test]
fn c290_a_fresh_block_with_two_flags() {
    let heap = TestHeap::new();
    assert_eq!(
        user_info(&heap, &heap.alloc(ALL, SIZE)),
        (null_mut(), 0xC00)
    );
}

#[test]
fn c291_a_fresh_block_with_the_first_flag() {
    let heap = TestHeap::new();
    let flags = HEAP_SETTABLE_USER_FLAG1 | HEAP_SETTABLE_USER_VALUE;
    assert_eq!(
        user_info(&heap, &heap.alloc(flags, SIZE)),
        (null_mut(), 0x200)
    );
}

#[test]
fn c292_the_value_can_be_set() {
    let heap = TestHeap::new();
    let block = heap.alloc(ALL, SIZE);
    set_value(&heap, &block, VALUE);
    assert_eq!(user_info(&heap, &block), (VALUE, 0xC00));
}

fn assert_flags_refused(reset: u32, set: u32) {
    let heap = TestHeap::new();
    let block = heap.alloc(ALL, SIZE);
    let (done, error) = observe(|| set_flags(&heap, &block, reset, set));
    assert_eq!((done, error), (FALSE, error::ERROR_INVALID_PARAMETER));
    assert_eq!(user_info(&heap, &block).1, 0xC00);
}

#[test]
fn c293_a_flag_that_cannot_be_set() {
    assert_flags_refused(0, 0x1000);
}

#[test]
fn c294_a_flag_that_cannot_be_reset() {
    assert_flags_refused(0x100, 0);
}

#[test]
fn c295_flags_are_reset_and_set() {
    let heap = TestHeap::new();
    let block = heap.alloc(ALL, SIZE);
    assert_eq!(set_flags(&heap, &block, 0x400, 0x200), TRUE);
    assert_eq!(user_info(&heap, &block).1, 0xA00);
}

#[test]
fn c296_the_value_stands_behind_the_data() {
    let heap = TestHeap::new();
    let block = heap.alloc(ALL, SIZE);
    set_value(&heap, &block, VALUE);
    let slot = block
        .pointer()
        .wrapping_byte_add(SIZE + P)
        .cast::<*mut c_void>();
    // SAFETY: a block with a user value has two words behind its data.
    assert_eq!(unsafe { slot.read() }, VALUE);
    // SAFETY: as above.
    unsafe { slot.write(0x1234_usize as *mut c_void) };
    assert_eq!(user_info(&heap, &block).0, 0x1234_usize as *mut c_void);
}

#[test]
fn c297_the_words_behind_the_data_are_zero_at_first() {
    let heap = TestHeap::new();
    // Memory that was used before.
    for _ in 0..2 {
        let mut block = heap.alloc(ALL, SIZE);
        // SAFETY: a block with a user value has two words behind its data.
        assert_eq!(unsafe { block.peek(SIZE..SIZE + G) }, [0; G]);
        block.bytes_mut().fill(0xCC);
        set_value(&heap, &block, VALUE);
        heap.free(block);
    }
}

#[test]
fn c298_a_plain_block_has_neither() {
    let heap = TestHeap::new();
    assert_eq!(
        user_info(&heap, &heap.alloc(0, SIZE)),
        (0xA5A5_usize as *mut c_void, 0)
    );
}

#[cfg_attr(
    all(feature = "oracle", windows, target_pointer_width = "64"),
    ignore = "may fault"
)]
#[test]
fn c299_an_invalid_pointer() {
    let heap = TestHeap::new();
    let mut here = [0_u64; 8];
    let pointer = here[2..].as_mut_ptr().cast();
    let (known, error) =
        observe(|| boolean(RtlGetUserInfoHeap(heap.handle(), 0, pointer, None, None)));
    assert_eq!((known, error), (FALSE, error::ERROR_INVALID_PARAMETER));
}

/// A block of 0x100 bytes with a value and the second flag.
fn with_value_and_flag2(heap: &TestHeap) -> Block<'_> {
    heap.alloc(
        HEAP_SETTABLE_USER_VALUE | HEAP_SETTABLE_USER_FLAG2 | HEAP_ZERO_MEMORY,
        0x100,
    )
}

#[test]
fn c300_the_second_flag() {
    let heap = TestHeap::new();
    assert_eq!(
        user_info(&heap, &with_value_and_flag2(&heap)),
        (null_mut(), 0x400)
    );
}

#[test]
fn c301_two_flags_reset_and_the_third_set() {
    let heap = TestHeap::new();
    let block = with_value_and_flag2(&heap);
    assert_eq!(set_flags(&heap, &block, 0x600, 0x800), TRUE);
    assert_eq!(user_info(&heap, &block).1, 0x800);
}

/// What a call may say besides of a block that has a value already.
const VALUE_OR_NOT: [u32; 2] = [0, HEAP_SETTABLE_USER_VALUE];

/// Shrinks such a block with the third flag to 0x80 bytes, passing the second.
fn shrunk(heap: &TestHeap, value: u32) -> Block<'_> {
    let mut block = with_value_and_flag2(heap);
    assert_eq!(set_flags(heap, &block, 0x600, 0x800), TRUE);
    set_value(heap, &block, VALUE);
    let flags = HEAP_REALLOC_IN_PLACE_ONLY | HEAP_SETTABLE_USER_FLAG2 | value;
    assert!(heap.resize(flags, &mut block, 0x80));
    block
}

#[test]
fn c302_shrinking_keeps_value_and_flags() {
    let heap = TestHeap::new();
    for value in VALUE_OR_NOT {
        assert_eq!(user_info(&heap, &shrunk(&heap, value)), (VALUE, 0x800));
    }
}

#[test]
fn c303_growing_replaces_the_flags() {
    let heap = TestHeap::new();
    for value in VALUE_OR_NOT {
        let mut block = shrunk(&heap, value);
        let flags = HEAP_REALLOC_IN_PLACE_ONLY | HEAP_SETTABLE_USER_FLAG1 | value;
        assert!(heap.resize(flags, &mut block, 0xC0));
        assert_eq!(user_info(&heap, &block), (VALUE, 0x200));
    }
}

/// `RtlMultipleAllocateHeap` into four slots: count, last error, slots.
fn allocate_many(
    heap: &TestHeap,
    flags: u32,
    size: usize,
    count: u32,
) -> (u32, u32, [*mut c_void; 4]) {
    let mut slots = [UNTOUCHED; 4];
    assert!(count <= 4);
    let (done, error) = observe(|| {
        // SAFETY: there is room for four.
        unsafe { RtlMultipleAllocateHeap(heap.handle(), flags, size, count, slots.as_mut_ptr()) }
    });
    (done, error, slots)
}

/// `RtlMultipleFreeHeap` of some pointers: count and last error.
fn free_many(heap: &TestHeap, flags: u32, slots: &mut [*mut c_void]) -> (u32, u32) {
    let count = slots.len() as u32;
    // SAFETY: there are that many.
    observe(|| unsafe { RtlMultipleFreeHeap(heap.handle(), flags, count, slots.as_mut_ptr()) })
}

const UNTOUCHED: *mut c_void = 0x55 as *mut c_void;

#[test]
fn c310_no_blocks() {
    let heap = TestHeap::new();
    // SAFETY: the array is not touched.
    let done = unsafe { RtlMultipleAllocateHeap(heap.handle(), 0, 16, 0, null_mut()) };
    assert_eq!(done, 0);
}

#[test]
fn c311_one_block_without_an_array() {
    let ending = child::run("c311_one_block_without_an_array", || {
        let heap = TestHeap::new();
        // SAFETY: the fault is what is tested, in a process of its own.
        unsafe { RtlMultipleAllocateHeap(heap.handle(), 0, 16, 1, null_mut()) };
    });
    assert!(ending.was_access_violation(), "{ending:?}");
}

#[test]
fn c312_three_blocks() {
    let heap = TestHeap::new();
    let (done, error, slots) = allocate_many(&heap, 0, 32, 3);
    assert_eq!((done, error), (3, PRESET));
    assert!(slots[..3].iter().all(|&slot| heap.size_of(slot) == 32));
    assert_eq!(slots[3], UNTOUCHED);
}

/// More than a third of the address space.
const TOO_MUCH: usize = if P == 8 { usize::MAX / 3 } else { 0x5FFF_FFFF };

#[test]
fn c313_more_than_there_is() {
    let heap = TestHeap::new();
    let (done, error, slots) = allocate_many(&heap, 0, TOO_MUCH, 3);
    assert!(done < 3);
    assert_eq!(error, error::ERROR_NOT_ENOUGH_MEMORY);
    // Those before the failure stay.
    assert!(
        slots[..done as usize]
            .iter()
            .all(|&slot| heap.size_of(slot) == TOO_MUCH)
    );
}

#[test]
fn c314_more_than_there_is_with_exceptions() {
    let heap = TestHeap::new();
    let (_, raised) = raised_by(|| allocate_many(&heap, HEAP_GENERATE_EXCEPTIONS, TOO_MUCH, 3));
    assert_eq!(raised.len(), 1, "once, for the first that fails");
    assert_eq!(raised[0].code, rtl_heap_tests::raise::STATUS_NO_MEMORY);
}

#[test]
fn c315_free_three() {
    let heap = TestHeap::new();
    let (_, _, mut slots) = allocate_many(&heap, 0, 32, 3);
    assert_eq!(free_many(&heap, 0, &mut slots[..3]), (3, PRESET));
}

#[test]
fn c316_null_counts_as_freed() {
    let heap = TestHeap::new();
    let mut slots = [null_mut(), heap.alloc(0, 32).pointer(), null_mut()];
    assert_eq!(free_many(&heap, 0, &mut slots), (3, PRESET));
}

#[test]
fn c317_an_invalid_pointer_ends_it() {
    let heap = TestHeap::new();
    let kept = heap.alloc(0, 32);
    let mut slots = [
        heap.alloc(0, 32).pointer(),
        null_mut::<u8>().wrapping_add(1).cast(),
        kept.pointer(),
    ];
    assert_eq!(
        free_many(&heap, 0, &mut slots),
        (1, error::ERROR_INVALID_PARAMETER)
    );
    assert_eq!(heap.size_of(kept.pointer()), 32);
}

#[test]
fn c318_free_raises_nothing() {
    let heap = TestHeap::new();
    let mut slots = [1, 2, 3].map(|n: usize| n as *mut c_void);
    let (freed, raised) = raised_by(|| free_many(&heap, HEAP_GENERATE_EXCEPTIONS, &mut slots));
    assert_eq!(freed, (0, error::ERROR_INVALID_PARAMETER));
    assert_eq!(raised, []);
}

#[test]
fn c319_free_without_an_array() {
    let ending = child::run("c319_free_without_an_array", || {
        let heap = TestHeap::new();
        // SAFETY: the array is not touched.
        let freed = unsafe { RtlMultipleFreeHeap(heap.handle(), 0, 0, null_mut()) };
        assert_eq!(freed, 0);
        // SAFETY: the fault is what is tested, in a process of its own.
        unsafe { RtlMultipleFreeHeap(heap.handle(), 0, 1, null_mut()) };
    });
    assert!(ending.was_access_violation(), "{ending:?}");
}
