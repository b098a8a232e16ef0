//! The chain of frame pointers.
//!
//! On every architecture here a frame pointer points to a pair of words: the caller's frame
//! pointer, and the return address.

/// The frame pointer and the stack pointer of whoever this is inlined into.
#[inline(always)]
pub fn pointers() -> (usize, usize) {
    let frame: usize;
    let stack: usize;
    // SAFETY: copies two registers.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        core::arch::asm!(
            "mov {}, rbp",
            "mov {}, rsp",
            out(reg) frame,
            out(reg) stack,
            options(nomem, nostack, preserves_flags)
        );
    }
    // SAFETY: copies two registers.
    #[cfg(target_arch = "x86")]
    unsafe {
        core::arch::asm!(
            "mov {}, ebp",
            "mov {}, esp",
            out(reg) frame,
            out(reg) stack,
            options(nomem, nostack, preserves_flags)
        );
    }
    // SAFETY: copies two registers.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        core::arch::asm!(
            "mov {}, x29",
            "mov {}, sp",
            out(reg) frame,
            out(reg) stack,
            options(nomem, nostack, preserves_flags)
        );
    }
    // Elsewhere the convention is not known here, and a chain of nothing is what is followed.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64")))]
    {
        frame = 0;
        stack = core::ptr::from_ref(&frame).addr();
    }
    (frame, stack)
}

/// Follows the chain from `frame` while it climbs inside `low..high` and stores the return
/// addresses it meets.
///
/// # Safety
///
/// 1. Every byte of `low..high` can be read.
pub unsafe fn walk(mut frame: usize, low: usize, high: usize, frames: &mut [usize]) -> usize {
    const PAIR: usize = 2 * size_of::<usize>();
    let mut floor = low;
    let mut count = 0;
    for slot in frames.iter_mut() {
        let inside = frame >= floor && high.checked_sub(PAIR).is_some_and(|last| frame <= last);
        if !inside || !frame.is_multiple_of(size_of::<usize>()) {
            break;
        }
        let pair = core::ptr::with_exposed_provenance::<[usize; 2]>(frame);
        // SAFETY: 1: the pair lies in the range; volatile, because its owner may be anybody.
        let [caller, return_address] = unsafe { pair.read_volatile() };
        if return_address == 0 {
            break;
        }
        *slot = return_address;
        count += 1;
        // The chain climbs, so it ends.
        floor = frame + PAIR;
        frame = caller;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A made-up stack: words are (index of the caller's frame, return address).
    fn captured(words: &[(usize, usize)], start: usize, frames: &mut [usize]) -> usize {
        let mut stack: Vec<[usize; 2]> = vec![[0; 2]; words.len()];
        let low = stack.as_ptr().expose_provenance();
        for (pair, &(caller, address)) in stack.iter_mut().zip(words) {
            *pair = [low.wrapping_add(caller * size_of::<[usize; 2]>()), address];
        }
        let at = |index: usize| low + index * size_of::<[usize; 2]>();
        // SAFETY: 1: the range is the vector's.
        unsafe { walk(at(start), low, at(words.len()), frames) }
    }

    #[test]
    fn follows_a_chain_to_its_end() {
        let mut frames = [0; 8];
        let count = captured(&[(1, 11), (3, 12), (0, 99), (100, 13)], 0, &mut frames);
        assert_eq!(frames[..count], [11, 12, 13]);
    }

    #[test]
    fn stops_when_the_array_is_full() {
        let mut frames = [0; 2];
        assert_eq!(
            captured(&[(1, 11), (2, 12), (3, 13), (9, 14)], 0, &mut frames),
            2
        );
        assert_eq!(captured(&[(1, 11)], 0, &mut []), 0);
    }

    #[test]
    fn a_chain_that_turns_back_ends() {
        let mut frames = [0; 8];
        assert_eq!(captured(&[(1, 11), (0, 12)], 0, &mut frames), 2);
        assert_eq!(captured(&[(0, 11)], 0, &mut frames), 1);
    }

    #[test]
    fn a_chain_out_of_the_stack_ends() {
        let mut frames = [0; 8];
        assert_eq!(captured(&[(2, 11), (0, 0)], 0, &mut frames), 1);
        assert_eq!(captured(&[(1, 11)], 7, &mut frames), 0);
        for wild in [0, 1, 8, usize::MAX, usize::MAX - 7] {
            // SAFETY: 1: an empty range.
            assert_eq!(unsafe { walk(wild, 0x1000, 0x1000, &mut frames) }, 0);
        }
    }

    #[test]
    fn a_zero_return_address_ends_the_chain() {
        let mut frames = [0; 8];
        assert_eq!(captured(&[(1, 11), (2, 0), (3, 13)], 0, &mut frames), 1);
    }
}
