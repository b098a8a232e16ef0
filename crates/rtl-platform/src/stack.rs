//! Who called: return addresses for reports.

use crate::sys::stack as sys;

/// Stores the return addresses of the callers, innermost first, in `frames` and says how many
/// there are. Never allocates.
///
/// On Windows the system walks the stack, and on Linux the process's unwinder does, where it has one: with
/// Rust's standard library or C++. Elsewhere, and where that finds nobody, the chain of frame pointers is
/// followed, which reaches as far as code keeps them (always on macOS and ARM64) and touches no memory
/// outside the thread's stack, whatever that holds.
#[doc(alias = "RtlCaptureStackBackTrace")]
pub fn capture(frames: &mut [usize]) -> usize {
    sys::capture(frames)
}

/// Where code lies in the file it was loaded from, as `addr2line -e FILE` and debuggers take it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The file's name without its folders.
    pub module: &'static str,
    /// Bytes from where the file was loaded.
    pub offset: usize,
}

/// The place of a return address that [`capture`] found. `None` where the system does not say, as on Windows.
/// Allocates nothing; takes the loader's lock.
pub fn place_of(address: usize) -> Option<Place> {
    sys::place_of(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::OS_VM;
    use crate::vm::{PageState, Vm};

    #[test]
    fn the_array_bounds_the_capture() {
        let mut frames = [usize::MAX; 4];
        for room in 0..4 {
            let count = capture(&mut frames[..room]);
            assert!(count <= room);
            assert_eq!(
                frames[room],
                usize::MAX,
                "nothing beyond the array is written"
            );
        }
    }

    #[test]
    fn frames_are_code_addresses_on_every_thread() {
        fn check() {
            let mut frames = [0; 64];
            let count = capture(&mut frames);
            assert!(frames[..count].iter().all(|&frame| frame != 0));
            assert!(frames[count..].iter().all(|&frame| frame == 0));
            // Where frames are always kept, there is at least that of this function's caller;
            // but qemu with large pages does not tell of every stack.
            let at = frames.as_ptr().addr();
            let told = OS_VM
                .query(at)
                .is_ok_and(|info| info.state == PageState::Committed);
            if told && cfg!(any(windows, target_arch = "aarch64")) {
                assert!(count > 0);
            }
        }
        check();
        for kib in [64, 1024] {
            let thread = std::thread::Builder::new()
                .stack_size(kib << 10)
                .spawn(check)
                .unwrap();
            thread.join().unwrap();
        }
    }

    #[test]
    fn a_second_stack_of_the_thread_is_noticed() {
        let mut frames = [0; 64];
        let first = capture(&mut frames);
        for _ in 0..3 {
            assert_eq!(capture(&mut frames), first);
        }
    }
}
