//! Who called: return addresses for reports.

use crate::sys::stack as sys;

/// Stores the return addresses of the callers, innermost first, in `frames` and says how many
/// there are. Never allocates and never touches memory outside the thread's stack, whatever that
/// holds.
///
/// On Windows the system walks the stack. Elsewhere the chain of frame pointers is followed, which
/// reaches as far as code keeps them: always on macOS and ARM64, on x86-64 Linux where it was
/// built with `-C force-frame-pointers`.
#[doc(alias = "RtlCaptureStackBackTrace")]
pub fn capture(frames: &mut [usize]) -> usize {
    sys::capture(frames)
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
