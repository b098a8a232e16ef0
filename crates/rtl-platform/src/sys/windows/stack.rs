//! The thread's stack, which the system walks.

use crate::stack::Place;
use windows_sys::Win32::System::Diagnostics::Debug::RtlCaptureStackBackTrace;

/// Captures the callers of the caller.
#[inline(never)]
pub fn capture(frames: &mut [usize]) -> usize {
    let room = u32::from(u16::try_from(frames.len()).unwrap_or(u16::MAX));
    if room == 0 {
        return 0;
    }
    let no_hash = core::ptr::null_mut();
    // SAFETY: the array holds as many addresses as the call is told.
    let count = unsafe { RtlCaptureStackBackTrace(1, room, frames.as_mut_ptr().cast(), no_hash) };
    let (captured, _) = frames.split_at_mut(frames.len().min(count.into()));
    // Wine leaves zeroes where it cannot name a caller: what follows is no chain.
    let known = captured.iter().take_while(|&&frame| frame != 0).count();
    captured[known..].fill(0);
    known
}

/// The system's own tools tell modules from addresses.
pub fn place_of(_address: usize) -> Option<Place> {
    None
}
