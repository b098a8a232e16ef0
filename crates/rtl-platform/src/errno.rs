//! The C library's `errno`, for faces that have to leave it alone or to set it.
//!
//! No call of this crate changes it. On Windows the C runtime that matters is not known here:
//! reading gives 0 and writing does nothing.

use crate::sys::errno as sys;

/// The thread's `errno`.
#[must_use]
pub fn get() -> i32 {
    sys::get()
}

/// Sets the thread's `errno`.
pub fn set(value: i32) {
    sys::set(value);
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::os::OS_VM;
    use crate::vm::Vm;

    #[test]
    fn is_per_thread_and_keeps_what_it_is_given() {
        set(12_345);
        assert_eq!(get(), 12_345);
        std::thread::spawn(|| assert_ne!(get(), 12_345))
            .join()
            .unwrap();
    }

    #[test]
    fn failing_calls_leave_it_alone() {
        set(54_321);
        // Half of the address space: no system has room for two.
        let half = isize::MAX as usize & !0xfff;
        if let Ok(first) = OS_VM.reserve(half, None) {
            assert!(OS_VM.reserve(half, None).is_err());
            // SAFETY: the whole reservation, of which nothing is in use.
            unsafe { OS_VM.release(first, half) }.unwrap();
        }
        crate::wait::wait(&core::sync::atomic::AtomicU32::new(1), 0);
        assert_eq!(get(), 54_321);
    }
}
