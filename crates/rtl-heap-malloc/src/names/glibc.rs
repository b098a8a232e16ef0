//! The names by which glibc shows and tunes its heap.
//!
//! They tell of this heap, and trim it. It gives most memory back as it is freed, and has nothing
//! to tune.

use core::ffi::c_int;

use rtl_heap::Accounting;

use crate::calls;

/// `struct mallinfo2` of glibc: what it calls arena is what the heap has committed.
#[repr(C)]
#[derive(Default)]
struct Mallinfo2 {
    arena: usize,
    ordblks: usize,
    smblks: usize,
    hblks: usize,
    hblkhd: usize,
    usmblks: usize,
    fsmblks: usize,
    uordblks: usize,
    fordblks: usize,
    keepcost: usize,
}

/// `struct mallinfo`: the same in the width of 1987.
#[repr(C)]
struct Mallinfo {
    fields: [c_int; 10],
}

impl Mallinfo2 {
    fn of(sums: &Accounting) -> Self {
        let free = sums.committed.saturating_sub(sums.live_bytes);
        Mallinfo2 {
            arena: sums.committed,
            uordblks: sums.live_bytes,
            fordblks: free,
            ..Self::default()
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn mallinfo2() -> Mallinfo2 {
    calls::accounting()
        .map(|sums| Mallinfo2::of(&sums))
        .unwrap_or_default()
}

#[unsafe(no_mangle)]
extern "C" fn mallinfo() -> Mallinfo {
    let wide = mallinfo2();
    let mut fields = [0; 10];
    // Saturated where glibc wraps: a wrong size that looks right helps nobody.
    fields[0] = c_int::try_from(wide.arena).unwrap_or(c_int::MAX);
    fields[7] = c_int::try_from(wide.uordblks).unwrap_or(c_int::MAX);
    fields[8] = c_int::try_from(wide.fordblks).unwrap_or(c_int::MAX);
    Mallinfo { fields }
}

/// 1 when memory was given back to the system, else 0. There is no top of the heap to pad.
#[unsafe(no_mangle)]
extern "C" fn malloc_trim(_pad: usize) -> c_int {
    c_int::from(calls::trim())
}

/// 0: the parameter was not set.
#[unsafe(no_mangle)]
extern "C" fn mallopt(_parameter: c_int, _value: c_int) -> c_int {
    0
}
