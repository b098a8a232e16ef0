//! Whether a caller's pointer can be read, asked of the system before it is.

use rtl_platform::os::OS_VM;
use rtl_platform::vm::{PageState, Protection, Vm, VmError};

/// `length` bytes from `address` can be read. True as well where the system does not say: then
/// callers are believed, as everywhere in C.
///
/// A long walk on some systems: for parameters of rare calls only.
pub(crate) fn is_readable(address: usize, length: usize) -> bool {
    let Some(end) = address.checked_add(length) else {
        return false;
    };
    let mut at = address;
    while at < end {
        match OS_VM.query(at) {
            Ok(run) => {
                let readable =
                    run.state == PageState::Committed && run.protection != Protection::NoAccess;
                if !readable {
                    return false;
                }
                match run.base.checked_add(run.size) {
                    Some(next) if next > at => at = next,
                    _ => return true,
                }
            }
            Err(VmError::Unsupported) => return true,
            Err(_) => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stack_and_statics_can_be_read() {
        static TABLE: [u8; 100] = [1; 100];
        let local = [0u8; 100];
        assert!(is_readable(TABLE.as_ptr().addr(), TABLE.len()));
        assert!(is_readable(local.as_ptr().addr(), local.len()));
    }

    #[test]
    fn the_first_page_and_the_end_of_the_address_space_cannot() {
        assert!(!is_readable(1, 4));
        assert!(!is_readable(usize::MAX - 2, 100));
    }

    #[test]
    fn a_reserved_page_cannot_be_read_even_behind_a_readable_one() {
        const PAGE: usize = 0x1_0000;
        let base = OS_VM
            .reserve_and_commit(2 * PAGE, PAGE, Protection::ReadWrite, None)
            .expect("128 KiB of address space");
        let address = base.as_ptr().addr();
        assert!(is_readable(address, PAGE));
        assert!(!is_readable(address + PAGE - 1, 2));
        // SAFETY: the whole reservation, and nothing in it is in use.
        unsafe { OS_VM.release(base, 2 * PAGE) }.expect("it was reserved above");
    }
}
