//! A system whose memory runs out when told to.
#![allow(
    unsafe_code,
    reason = "a source of memory makes promises that no compiler checks"
)]

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use rtl_heap::vm::{Protection, RangeInfo, Vm, VmError, Window};
use rtl_platform::os::OS_VM;

/// The operating system's memory, of which the n-th piece asked for can be refused.
#[derive(Debug)]
pub struct Memory {
    /// Pieces left until one is refused, counting that one; 0 when none is to be.
    until_refusal: AtomicU32,
}

static MEMORY: Memory = Memory {
    until_refusal: AtomicU32::new(0),
};

impl Memory {
    /// Makes this the source of all heaps of the process, of which there is none yet.
    pub fn install() -> &'static Memory {
        rtl_heap::set_system_vm(&MEMORY);
        &MEMORY
    }

    /// Runs `work` with the `n`-th piece it asks for refused. Says whether it asked for so many.
    pub fn refusing<R>(&self, n: u32, work: impl FnOnce() -> R) -> (R, bool) {
        self.until_refusal.store(n, Ordering::Relaxed);
        let result = work();
        (result, self.until_refusal.swap(0, Ordering::Relaxed) == 0)
    }

    fn grants(&self) -> Result<(), VmError> {
        match self.until_refusal.load(Ordering::Relaxed) {
            0 => Ok(()),
            left => {
                self.until_refusal.store(left - 1, Ordering::Relaxed);
                if left == 1 {
                    Err(VmError::OutOfMemory)
                } else {
                    Ok(())
                }
            }
        }
    }
}

// SAFETY: every call that is not refused, with nothing changed, is the operating system's, which
// keeps the three promises; counting neither unwinds nor allocates.
unsafe impl Vm for Memory {
    fn reserve(&self, size: usize, window: Option<Window>) -> Result<NonNull<u8>, VmError> {
        self.grants()?;
        OS_VM.reserve(size, window)
    }

    unsafe fn commit(
        &self,
        at: NonNull<u8>,
        size: usize,
        protection: Protection,
    ) -> Result<(), VmError> {
        self.grants()?;
        // SAFETY: the caller's promises are those asked for.
        unsafe { OS_VM.commit(at, size, protection) }
    }

    unsafe fn decommit(&self, at: NonNull<u8>, size: usize) -> Result<(), VmError> {
        // SAFETY: the caller's promises are those asked for.
        unsafe { OS_VM.decommit(at, size) }
    }

    unsafe fn release(&self, base: NonNull<u8>, size: usize) -> Result<(), VmError> {
        // SAFETY: the caller's promises are those asked for.
        unsafe { OS_VM.release(base, size) }
    }

    unsafe fn protect(
        &self,
        at: NonNull<u8>,
        size: usize,
        protection: Protection,
    ) -> Result<(), VmError> {
        // SAFETY: the caller's promises are those asked for.
        unsafe { OS_VM.protect(at, size, protection) }
    }

    fn query(&self, at: usize) -> Result<RangeInfo, VmError> {
        OS_VM.query(at)
    }

    fn host_page_size(&self) -> usize {
        OS_VM.host_page_size()
    }
}
