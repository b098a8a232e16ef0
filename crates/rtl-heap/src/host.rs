//! What the heap asks of its host besides virtual memory: waiting, thread identity, randomness.
//!
//! With feature `os` the platform crate answers. Without it there is one spinning stand-in, for
//! hosts without threads or with no way to park one.

#[cfg(feature = "os")]
mod imp {
    pub use rtl_platform::barrier::{
        is_offered as barrier_is_offered, on_every_processor as barrier_on_every_processor,
    };
    pub use rtl_platform::fork::at_fork;
    pub use rtl_platform::random::u64 as random_word;
    pub use rtl_platform::thread::{
        NOTHING, id as thread_id, is_exiting as thread_is_exiting, set_word as set_thread_word,
        word as thread_word,
    };
    pub use rtl_platform::wait::{nap, wait, wake_all, wake_one};
    pub use rtl_platform::{
        environment::read as read_environment, process::nt_global_flags,
        stack::capture as capture_stack,
    };

    use core::mem;
    use core::ptr::{self, NonNull};
    use core::sync::atomic::{AtomicPtr, Ordering};

    use rtl_platform::thread::{ThreadBlock, arm};

    /// Has `routine`, the same one always, called at the end of the calling thread. May allocate on
    /// the way; no lock is held.
    pub fn at_thread_exit(routine: fn()) {
        static ROUTINE: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

        /// # Safety
        /// 1. It is called by a thread that [`at_thread_exit`] armed.
        unsafe fn exit(_block: NonNull<ThreadBlock>) {
            let routine = ROUTINE.load(Ordering::Relaxed);
            // SAFETY: (1): armed below, after the routine was stored.
            unsafe { mem::transmute::<*mut (), fn()>(routine)() };
        }

        ROUTINE.store(routine as *mut (), Ordering::Relaxed);
        // SAFETY: (1), (2) the routine is the library's own, and made for this.
        unsafe { arm(exit) };
    }
}

#[cfg(not(feature = "os"))]
mod imp {
    use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

    use spin::relax::{RelaxStrategy, Spin};

    /// Returns when `word` no longer holds `expected`.
    pub fn wait(word: &AtomicU32, expected: u32) {
        while word.load(Ordering::Relaxed) == expected {
            Spin::relax();
        }
    }

    /// Returns after a moment.
    pub fn nap() {
        Spin::relax();
    }

    /// Nobody sleeps, so nobody is woken.
    pub fn wake_one(_word: &AtomicU32) {}

    /// Nobody sleeps, so nobody is woken.
    pub fn wake_all(_word: &AtomicU32) {}

    /// There is none, and no lane that would need one.
    pub fn barrier_is_offered() -> bool {
        false
    }

    /// Never called, for it is not offered.
    pub fn barrier_on_every_processor() {}

    /// Nothing is copied, so nothing is called.
    pub fn at_fork(
        _prepare: extern "C" fn(),
        _parent: extern "C" fn(),
        _child: extern "C" fn(),
    ) -> bool {
        true
    }

    /// A host without an operating system has one thread as far as the heap can tell.
    pub fn thread_id() -> usize {
        1
    }

    /// A host without an operating system has no environment.
    pub fn read_environment(_name: &str, _value: &mut [u8]) -> Option<usize> {
        None
    }

    /// Nobody has set any.
    pub fn nt_global_flags() -> u32 {
        0
    }

    /// Who called is not known.
    pub fn capture_stack(_frames: &mut [usize]) -> usize {
        0
    }

    /// Zeros: what every thread's word leads to.
    pub static NOTHING: [AtomicUsize; 512] = [const { AtomicUsize::new(0) }; 512];

    /// Such a host has no place of a thread's own: every thread is like one that is ending, for which
    /// nothing is kept.
    #[inline(always)]
    pub fn thread_word() -> usize {
        NOTHING.as_ptr() as usize
    }

    /// Nothing is kept.
    pub fn set_thread_word(_word: usize) {}

    /// Nothing is kept.
    pub fn thread_is_exiting() -> bool {
        true
    }

    /// Nothing is kept, so nothing is given back.
    pub fn at_thread_exit(_routine: fn()) {}

    /// Differs from call to call and from load address to load address; no secret on such a host.
    pub fn random_word() -> u64 {
        static STATE: AtomicU64 = AtomicU64::new(0);
        let seed = &raw const STATE as u64;
        let step = STATE.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        (step ^ seed)
            .wrapping_mul(0xD6E8_FEB8_6659_FD93)
            .rotate_left(32)
    }
}

pub use imp::*;
