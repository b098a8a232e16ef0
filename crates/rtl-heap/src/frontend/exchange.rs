//! Slots between lanes and slabs, in batches, with the bucket's lock held once for a batch.

use core::ptr::NonNull;

use crate::buckets::{BucketState, Frontend, link, unlink};
use crate::frontend::supply;
use crate::heap::Heap;
use crate::host::barrier_is_offered;
use crate::kept::{Kept, Stack};
use crate::lane::{self, Lane};
use crate::slab::Slab;
use crate::slab_map;
use crate::units::Granules;

/// Each half of a lane's stack begins with room for so many slots.
const FIRST_CAPACITY: usize = 7;
/// Neither half comes to hold more bytes than this, or more slots than that.
const KEPT_BYTES: usize = 0x1_0000;
const MOST_KEPT: usize = 1023;
/// A lane takes no more bytes at once than so many times the slots that it has room for.
const BYTES_PER_PLACE: usize = 1024;

/// A slab is a lane's if no more than one in so many comes to be shared.
const SELDOM_SHARED: u32 = 16;
/// So many slabs are looked at for one of the lane's own.
const LOOKED_AT: u32 = 8;

/// Takes up to `count` slots of bucket `index` from its slabs, in rising order, for a lane or for a thread
/// that has none, and stores them at `into`. Returns how many it took: none only without memory.
///
/// # Safety
/// 1. There is room for `count` slots, at least one, at `into`.
pub unsafe fn take(
    heap: &Heap,
    front: &Frontend,
    (index, slot_size): (u32, Granules),
    lane: Option<&Lane>,
    into: *mut Kept,
    count: u32,
) -> u32 {
    let bucket = &front.buckets[index as usize];
    loop {
        bucket.lock.enter();
        // SAFETY: the lock is held.
        let state = unsafe { bucket.state() };
        let mut taken = 0;
        while taken < count {
            // SAFETY: the lock is held.
            let Some(slab) = (unsafe { next_partial(state, lane) }) else {
                break;
            };
            // SAFETY: a listed slab is live; the lock is held.
            let batch = unsafe { slab.as_ref() }.free.min(count - taken);
            for number in taken..taken + batch {
                // SAFETY: (1); the slab has so many free slots; the lock is held.
                unsafe {
                    let (user, side) = Slab::take(slab);
                    into.add(number as usize).write(Kept { user, side });
                }
            }
            taken += batch;
            // SAFETY: as above.
            unsafe {
                if slab.as_ref().free == 0 {
                    unlink(&mut state.partial, slab);
                }
            }
        }
        let slabs = state.slabs;
        bucket.lock.leave();
        if taken > 0 || supply::add_slab(heap, front, (index, slot_size), slabs).is_none() {
            return taken;
        }
    }
}

/// The slab to take from: one of the lane's own, else an idle one, which becomes the lane's, else another
/// one.
///
/// # Safety
/// 1. The bucket's lock is held.
unsafe fn next_partial(state: &mut BucketState, lane: Option<&Lane>) -> Option<NonNull<Slab>> {
    let first = NonNull::new(state.partial);
    let mut next = first;
    for _ in 0..LOOKED_AT {
        let Some(slab) = next else { break };
        // SAFETY: (1): a listed slab is live.
        let record = unsafe { slab.as_ref() };
        if lane.is_none_or(|lane| record.owner.is(&lane.claimant, record.is_wide())) {
            return Some(slab);
        }
        next = NonNull::new(record.next);
    }
    let Some(slab) = NonNull::new(state.idle) else {
        return first;
    };
    state.begun = state.begun.wrapping_add(1);
    let owned = barrier_is_offered() && seldom_shared(state);
    // SAFETY: (1): a listed slab is live.
    unsafe {
        unlink(&mut state.idle, slab);
        link(&mut state.partial, slab);
        let lane = lane.filter(|_| owned);
        let wide = slab.as_ref().is_wide();
        slab.as_ref()
            .owner
            .set(lane.map(|lane| &lane.claimant), wide);
    }
    state.idle_slabs -= 1;
    Some(slab)
}

fn seldom_shared(state: &BucketState) -> bool {
    u64::from(state.shared) * u64::from(SELDOM_SHARED)
        <= u64::from(state.begun) + u64::from(SELDOM_SHARED)
}

/// Has a slab shared that belongs to a lane.
#[cold]
pub fn share(front: &Frontend, slab: &Slab) {
    let was_own = lane::while_still(|| {
        let claimants = lane::all(&front.lanes).map(|lane| &lane.claimant);
        slab.owner.share(slab.is_wide(), claimants)
    });
    if !was_own {
        return;
    }
    let bucket = &front.buckets[slab.bucket as usize];
    bucket.lock.enter();
    // SAFETY: the lock is held.
    unsafe { bucket.state() }.shared += 1;
    bucket.lock.leave();
}

/// Gives `count` slots at `from` back to their slabs.
///
/// # Safety
/// 1. `count` slots of bucket `index` are at `from`, kept by the caller and nobody else.
pub unsafe fn give_back(heap: &Heap, front: &Frontend, index: u32, from: *const Kept, count: u32) {
    let bucket = &front.buckets[index as usize];
    bucket.lock.enter();
    // SAFETY: the lock is held.
    let state = unsafe { bucket.state() };
    for number in 0..count {
        // SAFETY: (1); INV-LANE; the lock is held.
        unsafe { return_slot(state, from.add(number as usize).read().user) };
    }
    let surplus = state.idle_slabs > supply::IDLE_KEPT;
    bucket.lock.leave();
    if surplus {
        supply::trim(heap, front, index);
    }
}

/// # Safety
/// 1. `user` is a slot of the bucket, kept by the caller, and the bucket's lock is held.
unsafe fn return_slot(state: &mut BucketState, user: usize) {
    // SAFETY: (1): it lies in a slab that is live as long as it is not free.
    unsafe {
        let Some(slab) = NonNull::new(slab_map::at(user) as *mut Slab) else {
            return;
        };
        let Some(slot) = slab.as_ref().slot_at(user) else {
            return;
        };
        let was_full = slab.as_ref().free == 0;
        Slab::give_back(slab, slot);
        let idle = slab.as_ref().is_idle();
        match (was_full, idle) {
            (true, false) => link(&mut state.partial, slab),
            (false, true) => unlink(&mut state.partial, slab),
            _ => {}
        }
        if idle {
            link(&mut state.idle, slab);
            state.idle_slabs += 1;
        }
    }
}

/// Makes room in `stack` for twice as many slots, as far as a lane may keep them. False, and nothing
/// done, when it has the most already or there is no memory.
fn grow(stack: &Stack, slot_size: Granules) -> bool {
    let old = stack.capacity();
    // One more is a power of two: so long are the arrays.
    let new = if old == 0 {
        FIRST_CAPACITY
    } else {
        2 * old + 1
    };
    (old == 0 || new <= MOST_KEPT && new * slot_size.bytes() <= KEPT_BYTES) && stack.grow(new)
}

/// Makes sure that the lane's stack of bucket `index`, which has nothing to hand out, has: what was
/// freed, else slots from the slabs. False without memory.
pub fn refill(
    heap: &Heap,
    front: &Frontend,
    lane: &Lane,
    (index, slot_size): (u32, Granules),
) -> bool {
    let Some(stack) = lane.stack_made(index as usize) else {
        return false;
    };
    stack.turn();
    let had = stack.ready().count;
    if had >= worth_turning(slot_size) {
        return true;
    }
    grow(stack, slot_size);
    // Fewer of large slots, lest threads that come and go spread over more pages than they need.
    let most = (stack.capacity() * BYTES_PER_PLACE / slot_size.bytes()).max(1);
    let count = stack.capacity().min(most).saturating_sub(had);
    if count > 0 {
        // SAFETY: (1) the half has room for so many above those it has.
        let taken = unsafe {
            let into = stack.ready_room().add(had);
            let taken = take(
                heap,
                front,
                (index, slot_size),
                Some(lane),
                into,
                count as u32,
            ) as usize;
            // The lowest on top: what is handed out in turn lies in a row.
            core::slice::from_raw_parts_mut(into, taken).reverse();
            taken
        };
        stack.set_ready(had + taken);
    }
    !stack.is_out()
}

/// So many freed slots are enough to go on with. With fewer a thread that allocates and frees in turn
/// would be back here all the time: then it gets some more.
#[inline]
pub const fn worth_turning(slot_size: Granules) -> usize {
    let enough = 0x2000 / slot_size.bytes();
    if enough < 1 {
        1
    } else if enough > 8 {
        8
    } else {
        enough
    }
}

/// Makes room for a freed slot on the lane's stack of bucket `index`, which has none: by handing out
/// what was freed if nothing else is left, by growing, or by giving the older half of the freed slots
/// back. False without memory.
pub fn make_room(
    heap: &Heap,
    front: &Frontend,
    lane: &Lane,
    (index, slot_size): (u32, Granules),
) -> bool {
    let Some(stack) = lane.stack_made(index as usize) else {
        return false;
    };
    if stack.turn() || grow(stack, slot_size) {
        return true;
    }
    let freed = stack.freed();
    if freed.count == 0 {
        return false;
    }
    let older = freed.count.div_ceil(2);
    // SAFETY: (1) the half holds so many slots, its lane's alone.
    unsafe { give_back(heap, front, index, freed.first, older as u32) };
    stack.drop_oldest_freed(older);
    true
}

/// Gives all that a lane keeps back to the slabs.
pub fn empty(heap: &Heap, front: &Frontend, lane: &Lane) {
    for (index, stack) in lane.all_stacks() {
        let (ready, freed) = (stack.ready(), stack.freed());
        for batch in [&ready, &freed].into_iter().filter(|batch| batch.count > 0) {
            // SAFETY: (1) the half holds so many slots, its lane's alone.
            unsafe { give_back(heap, front, index, batch.first, batch.count as u32) };
        }
        stack.set_ready(0);
        stack.drop_oldest_freed(freed.count);
    }
}
