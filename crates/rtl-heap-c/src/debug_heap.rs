//! What makes heaps debug heaps: NtGlobalFlag (specification 10.1).

use rtl_heap::global_flags::{self, GlobalFlags, PageHeap};

use crate::exports::exports;
use crate::types::{BOOL, FALSE, ULONG};

exports! { own:
    /// NtGlobalFlag as the next heap that is made will see it.
    pub extern "system" fn rtlheap_global_flags() -> ULONG {
        global_flags::get().bits()
    }

    /// Sets NtGlobalFlag for the heaps that are made from now on; returns what it was.
    pub extern "system" fn rtlheap_set_global_flags(flags: ULONG) -> ULONG {
        global_flags::set(GlobalFlags::from_bits_retain(flags)).bits()
    }

    /// Whether page heaps that are made from now on are full ones or light ones.
    pub extern "system" fn rtlheap_set_page_heap(full: BOOL) {
        let kind = if full == FALSE { PageHeap::Light } else { PageHeap::Full };
        global_flags::set_page_heap(kind);
    }
}
