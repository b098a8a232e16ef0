//! Section 13.11 of the conformance lines: Local and Global objects.

use core::ffi::c_void;
use core::ptr::null_mut;

use rtl_heap_tests::abi::mem::*;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::heap::*;
use rtl_heap_tests::last_error::observe;
use rtl_heap_tests::objects::{entry, is_moveable};

/// The bytes of an object.
fn bytes<'object>(pointer: *mut c_void, size: usize) -> &'object [u8] {
    // SAFETY: every caller passes a live object's data and its size.
    unsafe { core::slice::from_raw_parts(pointer.cast(), size) }
}

#[test]
fn c370_free_of_null() {
    for family in FAMILIES {
        assert!((family.free)(null_mut()).is_null());
    }
}

#[test]
fn c371_reallocate_of_null() {
    for family in FAMILIES {
        assert!((family.realloc)(null_mut(), 10, MOVEABLE).is_null());
    }
}

#[test]
fn c376_a_fixed_object_is_a_block() {
    for family in FAMILIES {
        for size in [1, 12, 100, 0x1_0000] {
            let handle = family.new_object(FIXED, size);
            assert_eq!(handle as usize & P, 0);
            assert_eq!(HeapValidate(GetProcessHeap(), 0, handle), TRUE);
            family.free_object(handle);
        }
    }
}

#[test]
fn c377_a_moveable_object_is_an_entry() {
    for family in FAMILIES {
        let handle = family.new_object(MOVEABLE, 100);
        assert_ne!(handle as usize & P, 0);
        assert_eq!(handle as usize & (P - 1), 0);
        family.free_object(handle);
    }
}

#[test]
fn c378_the_data_has_its_exact_size() {
    let sizes = std::iter::successors(Some(1_usize), |size| Some(size << 5));
    for size in sizes.take_while(|&size| size < 0x1000_0000) {
        for family in FAMILIES {
            let handle = family.new_object(MOVEABLE, size);
            assert_eq!(HeapSize(GetProcessHeap(), 0, entry(handle).pointer), size);
            assert_eq!((family.size)(handle), size);
            family.free_object(handle);
        }
    }
}

#[test]
fn c381_lock_gives_the_data() {
    for family in FAMILIES {
        let handle = family.new_object(MOVEABLE, 100);
        let pointer = (family.lock)(handle);
        assert_eq!(pointer, entry(handle).pointer);
        assert_ne!(pointer, handle);
        family.free_object(handle);
    }
}

#[test]
fn c382_the_lock_count_stops_at_255() {
    for family in FAMILIES {
        let handle = family.new_object(MOVEABLE, 100);
        for _ in 0..256 {
            assert_eq!((family.lock)(handle), entry(handle).pointer);
        }
        assert_eq!(entry(handle).flags, 0x00FF_0003);
        for _ in 0..0xFE {
            assert_eq!((family.unlock)(handle), TRUE);
        }
        assert_eq!((family.unlock)(handle), FALSE);
        assert_eq!(entry(handle).flags, 3);
        family.free_object(handle);
    }
}

#[test]
fn c384_flags_of_the_entry() {
    for family in FAMILIES {
        let discardable = family.discardable;
        for (flags, size, expected) in [
            (MOVEABLE, 0, 0xB),
            (MOVEABLE | discardable, 0, 0xF),
            (MOVEABLE | discardable, 1, 0x7),
            (MOVEABLE | discardable | DDESHARE, 1, 0x8007),
        ] {
            // DDESHARE is a flag of the Global functions alone.
            if flags & DDESHARE != 0 && family.discardable == LMEM_DISCARDABLE {
                continue;
            }
            let handle = family.new_object(flags, size);
            assert_eq!(entry(handle).flags, expected, "{flags:#x} {size}");
            assert_eq!(entry(handle).pointer.is_null(), size == 0);
            family.free_object(handle);
        }
    }
}

#[test]
fn c385_flags_of_the_object() {
    for (flags, size, expected) in [
        (MOVEABLE | GMEM_DISCARDABLE, 0, 0x4100),
        (MOVEABLE | GMEM_DISCARDABLE, 1, 0x100),
        (MOVEABLE | GMEM_DISCARDABLE | DDESHARE, 1, 0x2100),
    ] {
        let handle = GLOBAL.new_object(flags, size);
        assert_eq!(GlobalFlags(handle), expected);
        GLOBAL.free_object(handle);
    }
}

fn assert_lock_counts(family: Family) {
    let handle = family.new_object(MOVEABLE, 100);
    for _ in 0..2 {
        assert!(!(family.lock)(handle).is_null());
    }
    assert_eq!((family.flags)(handle), 2);
    assert_eq!((family.unlock)(handle), TRUE);
    assert_eq!((family.flags)(handle), 1);
    assert_eq!(
        observe(|| (family.unlock)(handle)),
        (FALSE, error::NO_ERROR)
    );
    assert_eq!((family.flags)(handle), 0);
    assert_eq!(
        observe(|| (family.unlock)(handle)),
        (FALSE, error::ERROR_NOT_LOCKED)
    );
    family.free_object(handle);
}

#[test]
fn c386_global_lock_counts() {
    assert_lock_counts(GLOBAL);
}

#[test]
fn c387_local_lock_counts() {
    assert_lock_counts(LOCAL);
}

#[test]
fn c388_the_handle_of_locked_data() {
    for family in FAMILIES {
        let handle = family.new_object(MOVEABLE, 100);
        assert_eq!((family.handle)((family.lock)(handle)), handle);
        family.free_object(handle);
    }
}

#[test]
fn c389_global_unlock_of_a_fixed_object() {
    let handle = GLOBAL.new_object(FIXED, 100);
    assert_eq!(GlobalUnlock(handle), TRUE);
    assert_eq!(GlobalUnlock(handle), TRUE);
    GLOBAL.free_object(handle);
}

#[test]
fn c390_local_unlock_of_a_fixed_object() {
    let handle = LOCAL.new_object(FIXED, 100);
    assert_eq!(
        observe(|| LocalUnlock(handle)),
        (FALSE, error::ERROR_NOT_LOCKED)
    );
    LOCAL.free_object(handle);
}

#[test]
fn c391_a_global_object_of_no_size_has_one_byte() {
    let handle = GLOBAL.new_object(FIXED, 0);
    assert_eq!(GlobalSize(handle), 1);
    GLOBAL.free_object(handle);
}

#[test]
fn c392_a_local_object_of_no_size_has_none() {
    let handle = LOCAL.new_object(FIXED, 0);
    assert_eq!(LocalSize(handle), 0);
    LOCAL.free_object(handle);
}

#[test]
fn c393_lock_of_a_discarded_object() {
    for family in FAMILIES {
        let handle = family.new_object(MOVEABLE | ZEROINIT, 0);
        let (pointer, error) = observe(|| (family.lock)(handle));
        assert!(pointer.is_null());
        assert_eq!(error, error::ERROR_DISCARDED);
        family.free_object(handle);
    }
}

const BIG: usize = 100_000;

#[test]
fn c394_zeroed_fixed_objects() {
    for family in FAMILIES {
        let handle = family.new_object(FIXED | ZEROINIT, BIG);
        assert!(bytes(handle, BIG).iter().all(|&byte| byte == 0));
        assert_eq!((family.lock)(handle), handle);
        family.free_object(handle);
    }
}

#[test]
fn c395_a_fixed_global_object_becomes_moveable() {
    let fixed = GLOBAL.new_object(FIXED | ZEROINIT, BIG);
    let handle = GlobalReAlloc(fixed, 0, MODIFY | MOVEABLE);
    assert!(!handle.is_null());
    assert!(is_moveable(handle));
    assert_eq!(GlobalSize(handle), BIG);
    assert_ne!(GlobalLock(handle), handle);
    GLOBAL.free_object(handle);
}

#[test]
fn c396_a_fixed_local_object_stays_fixed() {
    let fixed = LOCAL.new_object(FIXED, BIG);
    assert_eq!(LocalReAlloc(fixed, 0, MODIFY | MOVEABLE), fixed);
    assert_eq!(LocalSize(fixed), BIG);
    LOCAL.free_object(fixed);
}

#[test]
fn c397_a_grown_moveable_object_is_zeroed() {
    for family in FAMILIES {
        let handle = family.new_object(MOVEABLE | ZEROINIT, BIG);
        let handle = (family.realloc)(handle, 2 * BIG, MOVEABLE | ZEROINIT);
        assert!(!handle.is_null());
        let data = (family.lock)(handle);
        assert!(bytes(data, 2 * BIG).iter().all(|&byte| byte == 0));
        family.free_object(handle);
    }
}

/// What `GlobalDiscard` and `LocalDiscard` are macros for.
fn discard(family: Family, handle: HANDLE) -> HANDLE {
    (family.realloc)(handle, 0, MOVEABLE)
}

#[test]
fn c398_discard_needs_an_unlocked_object() {
    for family in FAMILIES {
        let handle = family.new_object(MOVEABLE, BIG);
        assert!(!(family.lock)(handle).is_null());
        assert!(discard(family, handle).is_null());
        (family.unlock)(handle);
        assert_eq!(discard(family, handle), handle);
        assert_eq!((family.size)(handle), 0);
        family.free_object(handle);
    }
}

#[test]
fn c399_discard_of_a_fixed_local_object() {
    let handle = LOCAL.new_object(FIXED, 2 * BIG);
    assert_eq!(discard(LOCAL, handle), handle);
    LOCAL.free_object(handle);
}

#[test]
fn c400_every_flag_combination() {
    const NOCOMPACT: u32 = 0x10;
    const NODISCARD: u32 = 0x20;
    const NOTIFY: u32 = 0x4000;
    let flags = [
        FIXED,
        MOVEABLE,
        FIXED | ZEROINIT,
        MOVEABLE | ZEROINIT,
        FIXED | NOTIFY,
        MOVEABLE | NOTIFY,
        FIXED | GMEM_DISCARDABLE,
        MOVEABLE | GMEM_DISCARDABLE,
        MOVEABLE | GMEM_DISCARDABLE | DDESHARE,
        FIXED | DDESHARE,
        MOVEABLE | NOCOMPACT | NODISCARD,
        FIXED | NOCOMPACT | NODISCARD,
    ];
    for flags in flags {
        let handle = GLOBAL.new_object(flags, 4);
        assert_eq!(
            GlobalFlags(handle) & !(DDESHARE | GMEM_DISCARDABLE),
            0,
            "{flags:#x}"
        );
        GLOBAL.free_object(handle);
    }
}

#[test]
fn c401_a_heap_block_is_its_own_handle() {
    let process = TestHeap::process();
    let block = process.alloc(0, 100);
    for family in FAMILIES {
        assert_eq!((family.handle)(block.pointer()), block.pointer());
    }
    process.free(block);
}

#[test]
fn c402_a_moveable_object_comes_and_goes() {
    for family in FAMILIES {
        let mut handle = family.new_object(MOVEABLE, 0);
        for size in [10, 0, 10] {
            handle = (family.realloc)(handle, size, MOVEABLE);
            assert!(!handle.is_null());
            let actual = (family.size)(handle);
            if size == 0 {
                assert_eq!(actual, 0);
            } else {
                assert!((10..=16).contains(&actual), "{actual}");
            }
        }
        family.free_object(handle);
    }
}
#[test]
fn c379_the_data_carries_the_handle() {
    for family in FAMILIES {
        let handle = family.new_object(MOVEABLE, 100);
        let (mut value, mut flags) = (null_mut(), 0);
        let data = entry(handle).pointer;
        let heap = GetProcessHeap();
        let known = RtlGetUserInfoHeap(heap, 0, data, Some(&mut value), Some(&mut flags));
        assert_eq!(boolean(known), TRUE);
        assert_eq!((value, flags), (handle, 0x200));
        family.free_object(handle);
    }
}

#[test]
fn c380_the_handle_is_the_data_s_user_value() {
    for family in FAMILIES {
        let handle = family.new_object(MOVEABLE, 100);
        let data = entry(handle).pointer;
        let other = 0xDEAD_BEEF_usize as *mut c_void;
        assert_ne!(RtlSetUserValueHeap(GetProcessHeap(), 0, data, other), 0);
        assert_eq!((family.handle)(data), other);
        assert_ne!(RtlSetUserValueHeap(GetProcessHeap(), 0, data, handle), 0);
        assert_eq!((family.handle)(data), handle);
        family.free_object(handle);
    }
}
