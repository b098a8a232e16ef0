//! A thread's lanes: found, made, and given back at its end.

use core::cell::Cell;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU32, Ordering};

use crate::belonging::{Claimant, FIRST_NAME, NAME_STEP};
use crate::buckets::Frontend;
use crate::flags::HeapFlags;
use crate::frontend::exchange;
use crate::heap::Heap;
use crate::host;
use crate::lane::{self, Lane, Table};
use crate::metadata;

/// Places of a thread's first table.
const FIRST_PLACES: usize = 16;

/// The calling thread's lane of `heap`; `None` for a heap that zeroes every block, for a thread that
/// is ending, and without memory.
#[inline]
pub fn of(heap: &Heap, front: &Frontend) -> Option<&'static Lane> {
    lane::at_once(heap.handle).or_else(|| find_or_make(heap, front))
}

/// The calling thread's lane of `heap`, if it has one.
fn find(table: &Table, handle: usize) -> Option<&'static Lane> {
    let place = table.place(handle);
    let mut link: &Cell<*mut Lane> = place;
    // SAFETY: a place leads to live lanes of this thread, which alone frees them.
    while let Some(lane) = unsafe { link.get().as_ref() } {
        if lane.handle.load(Ordering::Relaxed) == handle {
            // In front, where it is found at once the next time.
            link.set(lane.next_in_place.get());
            lane.next_in_place.set(place.get());
            place.set(ptr::from_ref(lane).cast_mut());
            host::set_thread_word(ptr::from_ref(lane) as usize);
            return Some(lane);
        }
        link = &lane.next_in_place;
    }
    None
}

#[cold]
fn find_or_make(heap: &Heap, front: &Frontend) -> Option<&'static Lane> {
    if let Some(table) = Table::of_thread() {
        // SAFETY: the thread's table is live.
        if let Some(lane) = find(unsafe { table.as_ref() }, heap.handle) {
            return Some(lane);
        }
    }
    if host::thread_is_exiting() || heap.settings.force_flags.contains(HeapFlags::ZERO_MEMORY) {
        return None;
    }
    if Table::of_thread().is_none() {
        let table = Table::create(FIRST_PLACES)?;
        // SAFETY: the table is ours.
        host::set_thread_word(&raw const unsafe { table.as_ref() }.home as usize);
        // May allocate, which comes back here and makes the lane first.
        host::at_thread_exit(retire);
        return find_or_make(heap, front);
    }
    make(heap, front)
}

/// A name that no lane had before; 0 when there are no more.
fn next_name() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(FIRST_NAME);
    let next = |name: u32| name.checked_add(NAME_STEP);
    NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
        .unwrap_or(0)
}

fn make(heap: &Heap, front: &Frontend) -> Option<&'static Lane> {
    let table = table_with_room()?;
    // SAFETY: the thread's table is live.
    let table = unsafe { table.as_ref() };
    let record = metadata::allocate(size_of::<Lane>())?.cast::<Lane>();
    let place = table.place(heap.handle);
    // SAFETY: the piece is ours and large enough, and zero bytes are a lane but for these fields.
    let lane = unsafe {
        (*record.as_ptr()).claimant = Claimant::named(next_name());
        (*record.as_ptr())
            .handle
            .store(heap.handle, Ordering::Relaxed);
        (*record.as_ptr())
            .heap
            .store(heap.record(), Ordering::Relaxed);
        record.as_ref()
    };
    lane.table.set(ptr::from_ref(table).cast_mut());
    lane.next_in_place.set(place.get());
    place.set(record.as_ptr());
    table.lanes.set(table.lanes.get() + 1);
    host::set_thread_word(record.as_ptr() as usize);
    // SAFETY: (1) the lane is new and the heap lives: the caller uses it.
    unsafe { lane::enlist(&front.lanes, lane) };
    front.lanes_count.fetch_add(1, Ordering::Relaxed);
    Some(lane)
}

/// The thread's table, in which lanes of destroyed heaps have made room or which was made larger.
fn table_with_room() -> Option<NonNull<Table>> {
    let table = Table::of_thread()?;
    // SAFETY: the thread's table is live.
    let record = unsafe { table.as_ref() };
    if 2 * record.lanes.get() < record.places().len() {
        return Some(table);
    }
    // The lane used last may be one of those that go.
    host::set_thread_word(&raw const record.home as usize);
    let mut gone = 0;
    for place in record.places() {
        let mut link: &Cell<*mut Lane> = place;
        // SAFETY: as in `find`.
        while let Some(lane) = unsafe { link.get().as_ref() } {
            if lane.heap.load(Ordering::Acquire) == 0 {
                link.set(lane.next_in_place.get());
                // SAFETY: (1) nothing leads to it any more.
                unsafe { Lane::destroy(NonNull::from(lane)) };
                gone += 1;
            } else {
                link = &lane.next_in_place;
            }
        }
    }
    record.lanes.set(record.lanes.get() - gone);
    if 4 * record.lanes.get() < record.places().len() {
        return Some(table);
    }
    // Without memory the table goes on as it is, with more lanes to a place.
    let Some(larger) = Table::create(2 * record.places().len()) else {
        return Some(table);
    };
    // SAFETY: the new table is ours.
    let new = unsafe { larger.as_ref() };
    for place in record.places() {
        // SAFETY: as in `find`.
        while let Some(lane) = unsafe { place.get().as_ref() } {
            lane.table.set(larger.as_ptr());
            place.set(lane.next_in_place.get());
            let place = new.place(lane.handle.load(Ordering::Relaxed));
            lane.next_in_place.set(place.get());
            place.set(ptr::from_ref(lane).cast_mut());
        }
    }
    new.lanes.set(record.lanes.get());
    host::set_thread_word(&raw const new.home as usize);
    // SAFETY: (1) it is no longer the thread's.
    unsafe { Table::destroy(table) };
    Some(larger)
}

/// Gives what the calling thread keeps of `heap` back to its slabs. The heap's lock may be held.
pub fn empty_own(heap: &Heap) {
    let Some((table, front)) = Table::of_thread().zip(heap.frontend()) else {
        return;
    };
    // SAFETY: the thread's table is live.
    if let Some(lane) = find(unsafe { table.as_ref() }, heap.handle) {
        exchange::empty(heap, front, lane);
    }
}

/// At a thread's end: its lanes go, and what they keep goes back. From here on the thread is served
/// without a lane.
fn retire() {
    let Some(table) = Table::of_thread() else {
        return;
    };
    host::set_thread_word(host::NOTHING.as_ptr() as usize);
    // SAFETY: it was the thread's, and is nobody's now.
    let places = unsafe { table.as_ref() }.places();
    let lanes = |work: &mut dyn FnMut(&'static Lane)| {
        for place in places {
            let mut at = place.get();
            // SAFETY: as in `find`; the next one is read before this one may go.
            while let Some(lane) = unsafe { at.as_ref() } {
                at = lane.next_in_place.get();
                work(lane);
            }
        }
    };
    lane::while_still(|| {
        lanes(&mut |lane| {
            let heap = lane.heap.load(Ordering::Relaxed) as *const Heap;
            // SAFETY: a heap takes its name out of its lanes before it goes, which waits for us.
            let Some(heap) = (unsafe { heap.as_ref() }) else {
                return;
            };
            if let Some(front) = heap.frontend() {
                exchange::empty(heap, front, lane);
                exchange::leave_slabs(front, lane);
                // SAFETY: (1) a lane that has a heap is in its list.
                unsafe { lane::strike(&front.lanes, lane) };
                front.lanes_count.fetch_sub(1, Ordering::Relaxed);
            }
        });
    });
    // SAFETY: (1) nothing leads to a lane any more, then not to the table either.
    lanes(&mut |lane| unsafe { Lane::destroy(NonNull::from(lane)) });
    // SAFETY: as above.
    unsafe { Table::destroy(table) };
}
