//! The slots that a lane keeps for one bucket.

use core::cell::Cell;
use core::ptr::NonNull;

use crate::metadata;
use crate::side::Side;

/// A kept slot.
#[derive(Clone, Copy)]
pub struct Kept {
    /// Its user address.
    pub user: usize,
    /// Its side entry.
    pub side: Side,
}

/// The slots a lane keeps for one bucket: those to hand out, and apart from them those that were
/// freed. They change places when the first run out.
///
/// Apart, because a processor that takes up what it has just put down waits until it is sure of the
/// address: with one stack for both a free and the next allocation took half as long again.
///
/// Each lies in its half of one array, behind which lies an [`End`]. Zero bytes are a stack that has nothing
/// and has room for nothing.
pub struct Stack {
    /// Above the slot to hand out next.
    ready: Cell<*mut Kept>,
    /// The start of the slots to hand out.
    ready_start: Cell<*mut Kept>,
    /// Above the slot freed last.
    freed: Cell<*mut Kept>,
    /// The end of the room for freed slots.
    freed_end: Cell<*mut Kept>,
}

/// What lies behind each half of a stack's array, in the place of a slot.
struct End {
    /// Slots in the half.
    capacity: usize,
    /// How often the halves changed places when this was the freed one.
    turns: Cell<usize>,
}

const _: () = assert!(size_of::<End>() == size_of::<Kept>());

/// Some slots of a stack.
pub struct Batch {
    /// The first of them, put down before the others.
    pub first: *mut Kept,
    /// How many there are.
    pub count: usize,
}

impl Stack {
    /// What lies behind the freed slots' half.
    #[inline(always)]
    fn end(&self) -> Option<&End> {
        // SAFETY: an array's halves each have one behind them.
        unsafe { self.freed_end.get().cast::<End>().as_ref() }
    }

    /// Slots in each half.
    pub fn capacity(&self) -> usize {
        self.end().map_or(0, |end| end.capacity)
    }

    /// How often the halves have changed places, every other time counted, since there was more room.
    #[inline(always)]
    pub fn turns(&self) -> usize {
        self.end().map_or(0, |end| end.turns.get())
    }

    /// The slot to hand out next; `None` when there is none.
    #[inline(always)]
    pub fn top(&self) -> Option<Kept> {
        let above = self.ready.get();
        if above == self.ready_start.get() {
            return None;
        }
        // SAFETY: slots lie from the start up to `ready`.
        Some(unsafe { *above.sub(1) })
    }

    /// Takes the slot that [`Stack::top`] has just shown.
    #[inline(always)]
    pub fn take_top(&self) {
        // SAFETY: there is one.
        self.ready.set(unsafe { self.ready.get().sub(1) });
    }

    /// Where the next freed slot goes; `None` without room.
    #[inline(always)]
    pub fn room(&self) -> Option<NonNull<Kept>> {
        let above = self.freed.get();
        if above == self.freed_end.get() {
            return None;
        }
        // SAFETY: no room is what zeros say.
        Some(unsafe { NonNull::new_unchecked(above) })
    }

    /// Puts a freed slot down.
    ///
    /// # Safety
    /// 1. [`Stack::room`] has just shown `room`.
    #[inline(always)]
    pub unsafe fn put(&self, room: NonNull<Kept>, kept: Kept) {
        // SAFETY: (1): there is room up to the end.
        unsafe {
            room.write(kept);
            self.freed.set(room.as_ptr().add(1));
        }
    }

    /// Nothing is left to hand out.
    pub fn is_out(&self) -> bool {
        self.ready.get() == self.ready_start.get()
    }

    /// Hands out what was freed, if nothing else is left and something was freed; else false.
    pub fn turn(&self) -> bool {
        let freed = self.freed();
        let Some(end) = self.end().filter(|_| self.is_out() && freed.count > 0) else {
            return false;
        };
        end.turns.set(end.turns.get() + 1);
        let (room, capacity) = (self.ready_start.get(), end.capacity);
        self.ready.set(self.freed.get());
        self.ready_start.set(freed.first);
        self.freed.set(room);
        // SAFETY: the half is so long.
        self.freed_end.set(unsafe { room.add(capacity) });
        true
    }

    /// The slots to hand out.
    pub fn ready(&self) -> Batch {
        let (first, above) = (self.ready_start.get(), self.ready.get());
        let count = (above.addr() - first.addr()) / size_of::<Kept>();
        Batch { first, count }
    }

    /// The freed slots.
    pub fn freed(&self) -> Batch {
        let first = self.freed_end.get().wrapping_sub(self.capacity());
        let count = (self.freed.get().addr() - first.addr()) / size_of::<Kept>();
        Batch { first, count }
    }

    /// Where slots to hand out go, with room for the capacity, once [`Stack::set_ready`] says how many.
    pub fn ready_room(&self) -> *mut Kept {
        self.ready_start.get()
    }

    /// So many slots were stored at [`Stack::ready_room`].
    pub fn set_ready(&self, count: usize) {
        // SAFETY: there is room for so many.
        self.ready.set(unsafe { self.ready_start.get().add(count) });
    }

    /// Forgets the `count` oldest of the freed slots.
    pub fn drop_oldest_freed(&self, count: usize) {
        let freed = self.freed();
        let left = freed.count - count;
        // SAFETY: so many slots lie there.
        unsafe {
            freed.first.copy_from(freed.first.add(count), left);
            self.freed.set(freed.first.add(left));
        }
    }

    /// Only the `count` oldest of the freed slots are left.
    pub fn keep_oldest_freed(&self, count: usize) {
        // SAFETY: so many lie there.
        self.freed.set(unsafe { self.freed().first.add(count) });
    }

    const fn array_bytes(capacity: usize) -> usize {
        (2 * capacity + 2) * size_of::<Kept>()
    }

    /// Makes room for `capacity` slots in each half, more than before. False, and nothing done, without
    /// memory.
    pub fn grow(&self, capacity: usize) -> bool {
        let Some(array) = metadata::allocate_raw(Stack::array_bytes(capacity)) else {
            return false;
        };
        let first = array.cast::<Kept>().as_ptr();
        let (ready, freed) = (self.ready(), self.freed());
        let end = || End {
            capacity,
            turns: Cell::new(0),
        };
        // SAFETY: the halves are longer than what was in the old ones, and each has room for an end behind.
        unsafe {
            let second = first.add(capacity + 1);
            first.add(capacity).cast::<End>().write(end());
            second.add(capacity).cast::<End>().write(end());
            if ready.count > 0 {
                first.copy_from_nonoverlapping(ready.first, ready.count);
            }
            if freed.count > 0 {
                second.copy_from_nonoverlapping(freed.first, freed.count);
            }
            self.discard();
            self.ready_start.set(first);
            self.ready.set(first.add(ready.count));
            self.freed.set(second.add(freed.count));
            self.freed_end.set(second.add(capacity));
        }
        true
    }

    /// Gives the array back.
    ///
    /// # Safety
    /// 1. The stack is not used any more before it is made anew, and what it keeps is nobody's.
    pub unsafe fn discard(&self) {
        let capacity = self.capacity();
        let halves = [self.ready_start.get(), self.freed().first];
        let array = if halves[0] < halves[1] {
            halves[0]
        } else {
            halves[1]
        };
        if let Some(array) = NonNull::new(array) {
            // SAFETY: it came from `grow` with this size.
            unsafe { metadata::free(array.cast(), Stack::array_bytes(capacity)) };
        }
    }
}

#[cfg(all(test, feature = "os"))]
mod tests {
    use super::*;

    fn push(stack: &Stack, user: usize) -> bool {
        let room = stack.room();
        // SAFETY: (1) it was just shown.
        room.map(|room| unsafe { stack.put(room, kept(user)) })
            .is_some()
    }

    fn kept(user: usize) -> Kept {
        Kept {
            user,
            side: Side::at(0),
        }
    }

    #[test]
    fn freed_slots_are_handed_out_once_the_others_are_gone_the_last_one_first() {
        // SAFETY: zero bytes are an empty stack.
        let stack: Stack = unsafe { core::mem::zeroed() };
        assert!(stack.top().is_none() && !push(&stack, 1) && !stack.turn());
        for capacity in [3, 7] {
            assert!(stack.grow(capacity));
            for round in 0..3 {
                assert_eq!(stack.capacity(), capacity);
                for user in 1..=capacity {
                    assert!(push(&stack, round + user));
                }
                assert!(!push(&stack, 9) && stack.top().is_none());
                assert!(stack.turn() && !stack.turn());
                for user in (1..=capacity).rev() {
                    assert_eq!(stack.top().unwrap().user, round + user);
                    stack.take_top();
                }
                assert!(stack.top().is_none());
            }
        }
        assert!(push(&stack, 5) && push(&stack, 6));
        assert_eq!((stack.freed().count, stack.ready().count), (2, 0));
        stack.drop_oldest_freed(1);
        assert_eq!(stack.freed().count, 1);
        // SAFETY: (1) the stack is ours and not used any more.
        unsafe { stack.discard() };
    }
}
