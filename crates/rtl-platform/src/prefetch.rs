//! Telling the processor what will be read soon.

/// Has the cache line at `address`, any bit pattern, brought near, where the processor can be told
/// so. It is not read as far as the program can see: nothing faults.
#[inline(always)]
pub fn prefetch(address: usize) {
    imp::prefetch(address);
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod imp {
    use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

    #[inline(always)]
    pub fn prefetch(address: usize) {
        // SAFETY: a hint about any address whatever; every processor of this kind knows it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address as *const i8) };
    }
}

#[cfg(all(target_arch = "aarch64", not(miri)))]
mod imp {
    use core::arch::asm;

    #[inline(always)]
    pub fn prefetch(address: usize) {
        // SAFETY: a hint about any address whatever; it changes no register and no memory.
        unsafe {
            asm!(
                "prfm pldl1keep, [{address}]",
                address = in(reg) address,
                options(nostack, preserves_flags, readonly)
            );
        }
    }
}

#[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri))))]
mod imp {
    #[inline(always)]
    pub fn prefetch(_address: usize) {}
}

#[cfg(test)]
mod tests {
    use super::prefetch;

    #[test]
    fn no_address_faults() {
        let word = 0usize;
        for address in [0, 1, usize::MAX, 0xDEAD_BEEF, &raw const word as usize] {
            prefetch(address);
        }
    }
}
