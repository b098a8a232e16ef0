//! Hooks around `fork`.

/// Registers three hooks; see [`crate::fork::at_fork`].
pub fn at_fork(prepare: extern "C" fn(), parent: extern "C" fn(), child: extern "C" fn()) -> bool {
    // SAFETY: `pthread_atfork` keeps the three functions, which are valid for the whole program.
    unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) == 0 }
}
