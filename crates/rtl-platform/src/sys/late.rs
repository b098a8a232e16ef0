//! System functions that are newer than the oldest system we run on: looked up when a thread first
//! has to wait, and never by a thread that only wakes.

use core::ffi::c_void;
use core::sync::atomic::{AtomicPtr, AtomicU8, Ordering, fence};

const UNKNOWN: u8 = 0;
const PRESENT: u8 = 1;
const ABSENT: u8 = 2;

/// Functions that are there all together, or count as absent.
pub struct Late<const COUNT: usize> {
    state: AtomicU8,
    functions: [AtomicPtr<c_void>; COUNT],
}

impl<const COUNT: usize> Late<COUNT> {
    pub const fn new() -> Self {
        Self {
            state: AtomicU8::new(UNKNOWN),
            functions: [const { AtomicPtr::new(core::ptr::null_mut()) }; COUNT],
        }
    }

    /// The functions, looked up if nobody has done so before.
    pub fn get(
        &self,
        look_up: impl FnOnce() -> Option<[*mut c_void; COUNT]>,
    ) -> Option<[*mut c_void; COUNT]> {
        if self.state.load(Ordering::Acquire) == UNKNOWN {
            let state = match look_up() {
                Some(found) => {
                    for (place, function) in self.functions.iter().zip(found) {
                        place.store(function, Ordering::Relaxed);
                    }
                    PRESENT
                }
                None => ABSENT,
            };
            // Release publishes the functions. Two threads may do it, and store the same.
            self.state.store(state, Ordering::Release);
            // Pairs with the fence in `known`.
            fence(Ordering::SeqCst);
        }
        self.loaded()
    }

    /// The functions, if anybody has looked them up. A waker that finds none has nobody to wake,
    /// and it must not look them up itself: that may take the loader's lock, which the thread to be
    /// woken may hold.
    pub fn known(&self) -> Option<[*mut c_void; COUNT]> {
        // Pairs with the fence in `get`: either we see the functions, or the thread about to sleep
        // sees the word we changed before.
        fence(Ordering::SeqCst);
        self.loaded()
    }

    fn loaded(&self) -> Option<[*mut c_void; COUNT]> {
        // Acquire pairs with the Release in `get`.
        (self.state.load(Ordering::Acquire) == PRESENT)
            .then(|| core::array::from_fn(|index| self.functions[index].load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_is_looked_up_once_and_then_known() {
        let late = Late::<2>::new();
        assert_eq!(late.known(), None);
        let found = [1, 2].map(core::ptr::without_provenance_mut);
        assert_eq!(late.get(|| Some(found)), Some(found));
        assert_eq!(late.get(|| unreachable!()), Some(found));
        assert_eq!(late.known(), Some(found));
    }

    #[test]
    fn what_is_absent_is_looked_up_once() {
        let late = Late::<1>::new();
        assert_eq!(late.get(|| None), None);
        assert_eq!(late.get(|| unreachable!()), None);
        assert_eq!(late.known(), None);
    }
}
