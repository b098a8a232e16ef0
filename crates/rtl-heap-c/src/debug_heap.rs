//! What makes heaps debug heaps: NtGlobalFlag (specification 10.1).

use rtl_heap::global_flags::{self, GlobalFlags};

use crate::exports::exports;
use crate::types::ULONG;

exports! { own:
    /// NtGlobalFlag as the next heap that is made will see it.
    pub extern "system" fn rtlheap_global_flags() -> ULONG {
        global_flags::get().bits()
    }

    /// Sets NtGlobalFlag for the heaps that are made from now on; returns what it was.
    pub extern "system" fn rtlheap_set_global_flags(flags: ULONG) -> ULONG {
        global_flags::set(GlobalFlags::from_bits_retain(flags)).bits()
    }
}
