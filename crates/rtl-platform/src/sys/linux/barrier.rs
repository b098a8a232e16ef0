//! The barrier on every processor: `membarrier`, Linux 4.14 and later.

use crate::sys::posix::errno;
use crate::sys::posix::nap::nap;

/// `MEMBARRIER_CMD_PRIVATE_EXPEDITED`: a barrier on the processors that run threads of this process.
const PRIVATE_EXPEDITED: libc::c_long = 1 << 3;
/// `MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED`: the process means to ask for that.
const REGISTER_PRIVATE_EXPEDITED: libc::c_long = 1 << 4;

fn membarrier(command: libc::c_long) -> bool {
    errno::kept(|| {
        // SAFETY: takes numbers alone.
        let result = unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) };
        (result == 0).then_some(())
    })
    .is_ok()
}

/// Says that the process means to use it. False where the kernel has none, or a filter of system calls
/// hides it.
pub fn enlist() -> bool {
    membarrier(REGISTER_PRIVATE_EXPEDITED) && membarrier(PRIVATE_EXPEDITED)
}

/// A barrier on every processor.
pub fn on_every_processor() {
    if membarrier(PRIVATE_EXPEDITED) || enlist() {
        return;
    }
    // A filter came later. A store reaches the others in less time than this by itself.
    nap();
}
