//! Hooks around `fork`, so that a child finds every lock free.

use crate::sys::fork as sys;

/// Has `prepare` called before every `fork` of the process, then `parent` and `child` each in its
/// process. Register once. Says whether the hooks are in place or not needed, as on Windows.
///
/// Hooks are not called for a raw `clone`, nor for `vfork` and `posix_spawn`, which need none.
/// Hold no lock that an allocation could need: the C library may allocate to remember the hooks.
#[doc(alias = "pthread_atfork")]
pub fn at_fork(prepare: extern "C" fn(), parent: extern "C" fn(), child: extern "C" fn()) -> bool {
    sys::at_fork(prepare, parent, child)
}
