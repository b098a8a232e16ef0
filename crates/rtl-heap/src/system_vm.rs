//! The virtual memory that heaps and records come from when their creator names no other.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU8, Ordering};

use rtl_platform::vm::Vm;

struct Slot(UnsafeCell<Option<&'static dyn Vm>>);

// SAFETY: written once, by the winner of the exchange in `set_system_vm`, before SET is published.
unsafe impl Sync for Slot {}

static SLOT: Slot = Slot(UnsafeCell::new(None));
static STATE: AtomicU8 = AtomicU8::new(UNSET);
const UNSET: u8 = 0;
const SETTING: u8 = 1;
const SET: u8 = 2;

/// Makes `vm` the source of all memory whose creator names no other. Once, before the first heap.
///
/// Returns false, and changes nothing, when one was set before. With feature `os` the operating
/// system's is used as long as none is set; without it no heap can be made until one is.
pub fn set_system_vm(vm: &'static dyn Vm) -> bool {
    if STATE
        .compare_exchange(UNSET, SETTING, Ordering::Relaxed, Ordering::Relaxed)
        .is_err()
    {
        return false;
    }
    // SAFETY: the exchange has one winner, and readers wait for SET.
    unsafe { *SLOT.0.get() = Some(vm) };
    // Release pairs with the Acquire in `system_vm`.
    STATE.store(SET, Ordering::Release);
    true
}

/// The vm in use; `None` on a host without an operating system before one is set.
#[inline]
pub fn system_vm() -> Option<&'static dyn Vm> {
    if STATE.load(Ordering::Acquire) == SET {
        // SAFETY: SET is published after the one write.
        return unsafe { *SLOT.0.get() };
    }
    #[cfg(feature = "os")]
    return Some(&rtl_platform::os::OS_VM);
    #[cfg(not(feature = "os"))]
    None
}
