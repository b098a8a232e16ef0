//! Slots between lanes and slabs, in batches, with the bucket's lock held once for a batch.

use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use crate::buckets::{Bucket, BucketState, Frontend, link};
use crate::frontend::{emptying, supply};
use crate::heap::Heap;
use crate::host::barrier_is_offered;
use crate::kept::{Kept, Stack};
use crate::lane::{self, Lane};
use crate::slab::Slab;
use crate::slab_map;
use crate::units::Granules;

/// Each half of a lane's stack begins with room for so many slots.
const FIRST_CAPACITY: usize = 7;
/// With room for so many a lane has taken several batches.
const CAPACITY_TO_GO_ON: usize = 4 * FIRST_CAPACITY;
/// Neither half comes to hold more bytes than this, or more slots than that.
const KEPT_BYTES: usize = 0x1_0000;
const MOST_KEPT: usize = 1023;
/// A lane takes no more bytes at once than so many times the slots that it has room for.
const BYTES_PER_PLACE: usize = 1024;

/// So many slabs are looked at for one of the lane's own.
const LOOKED_AT: usize = 8;
/// While a bucket has no more slabs with free slots than so many for each lane, a lane that goes on
/// allocating gets slabs of its own.
const SLABS_PER_LANE: u32 = 4;

/// From whose slabs slots are taken.
#[derive(Clone, Copy)]
pub enum From<'a> {
    /// Anybody's: the thread has no lane.
    Any,
    /// The lane's own if it has any, else anybody's.
    OwnFirst(&'a Lane),
    /// The lane's own, a new one if it has none, so that no other thread writes beside the entries of its
    /// slots; anybody's only if there are many already.
    Own(&'a Lane),
}

impl<'a> From<'a> {
    fn lane(self) -> Option<&'a Lane> {
        match self {
            From::Any => None,
            From::OwnFirst(lane) | From::Own(lane) => Some(lane),
        }
    }
}

/// Takes up to `count` slots of bucket `index` from its slabs and stores them at `into`, the first one of
/// each slab last, so that what is handed out in turn lies in a row. Returns how many it took: none only
/// without memory.
///
/// # Safety
/// 1. There is room for `count` slots, at least one, at `into`.
pub unsafe fn take(
    heap: &Heap,
    front: &Frontend,
    (index, slot_size): (u32, Granules),
    mut from: From<'_>,
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
            let Some(slab) = (unsafe { next_slab(front, bucket, state, from) }) else {
                break;
            };
            // SAFETY: a listed slab is live and has free slots; the lock is held; (1).
            let (first, last) = unsafe {
                let above = into.add((count - taken) as usize);
                let batch = Slab::take(slab, above, count - taken);
                taken += batch;
                (
                    above.sub(1).read().user,
                    above.sub(batch as usize).read().user,
                )
            };
            // SAFETY: as above.
            unsafe {
                emptying::note_touched(front, Slab::touch(slab, first, last));
                if slab.as_ref().free == 0 {
                    state.unlink_partial(slab);
                }
            }
        }
        // As many as each lane has of them: a lane's first is small.
        let slabs = state.slabs / front.lanes().max(1);
        bucket.lock.leave();
        if taken > 0 {
            if taken < count {
                // SAFETY: (1): so many lie at the end of the room.
                unsafe { into.copy_from(into.add((count - taken) as usize), taken as usize) };
            }
            return taken;
        }
        if supply::add_slab(heap, front, (index, slot_size), slabs).is_none() {
            match from {
                From::Own(lane) => from = From::OwnFirst(lane),
                _ => return 0,
            }
        }
    }
}

/// The slab to take from: one of the lane's own or that comes to be at this moment, else an idle one, which
/// becomes the lane's, else another one. `None` if there is none, or a new one shall be made.
///
/// # Safety
/// 1. The bucket's lock is held and `state` is its state.
unsafe fn next_slab(
    front: &Frontend,
    bucket: &Bucket,
    state: &mut BucketState,
    from: From<'_>,
) -> Option<NonNull<Slab>> {
    let first = NonNull::new(state.partial);
    let lane = from.lane();
    let mut next = first;
    for _ in 0..LOOKED_AT {
        let Some(slab) = next else { break };
        // SAFETY: (1): listed slabs are live.
        let record = unsafe { slab.as_ref() };
        if lane.is_none_or(|lane| is_own(lane, record) || adopt(lane, record)) {
            return Some(slab);
        }
        next = NonNull::new(record.next);
    }
    // SAFETY: (1).
    if let Some(slab) = unsafe { state.begin_idle() } {
        let often_shared = state.is_often_shared();
        bucket.often_shared.store(often_shared, Ordering::Relaxed);
        let owner = lane.filter(|_| !often_shared && barrier_is_offered());
        // SAFETY: a listed slab is live; all its slots are free.
        unsafe { slab.as_ref() }.set_owner(owner);
        return Some(slab);
    }
    let lanes = front.lanes();
    let shall_be_made = matches!(from, From::Own(_))
        && !bucket.often_shared.load(Ordering::Relaxed)
        && state.partial_slabs <= lanes.saturating_mul(SLABS_PER_LANE);
    first.filter(|_| !shall_be_made)
}

/// The slab belongs to the lane.
fn is_own(lane: &Lane, slab: &Slab) -> bool {
    slab.owner.is(&lane.claimant, slab.is_wide())
}

/// The slab becomes the lane's if it was left; with its bucket's lock held.
fn adopt(lane: &Lane, slab: &Slab) -> bool {
    slab.owner.adopt(&lane.claimant, slab.is_wide())
}

/// Leaves the lane's slabs to others, as far as they have free slots: the lane is about to go. Inside
/// [`lane::while_still`].
pub fn leave_slabs(front: &Frontend, lane: &Lane) {
    for (index, _) in lane.all_stacks().filter(|(_, stack)| stack.capacity() > 0) {
        let bucket = &front.buckets[index as usize];
        bucket.lock.enter();
        // SAFETY: the lock is held.
        let mut next = NonNull::new(unsafe { bucket.state() }.partial);
        for _ in 0..LOOKED_AT {
            let Some(slab) = next else { break };
            // SAFETY: listed slabs are live.
            let record = unsafe { slab.as_ref() };
            if is_own(lane, record) {
                record.owner.leave();
            }
            next = NonNull::new(record.next);
        }
        bucket.lock.leave();
    }
}

/// Has a slab shared that does not belong to the calling thread's `lane`, if it has one, or has it adopted.
/// A newcomer does so for want of a slab of its own, which says nothing of later slabs.
#[cold]
pub fn share(front: &Frontend, slab: &Slab, lane: Option<&Lane>) {
    let was_lost = lane::while_still(|| {
        let claimants = lane::all(&front.lanes).map(|lane| &lane.claimant);
        let adopter = lane.map(|lane| &lane.claimant);
        slab.owner.share(slab.is_wide(), claimants, adopter)
    });
    let newcomer = lane.is_some_and(|lane| !goes_on(lane, slab.bucket));
    if was_lost && !newcomer {
        let bucket = &front.buckets[slab.bucket as usize];
        bucket.lock.enter();
        // SAFETY: the lock is held.
        let state = unsafe { bucket.state() };
        state.note_shared();
        bucket
            .often_shared
            .store(state.is_often_shared(), Ordering::Relaxed);
        bucket.lock.leave();
    }
}

/// The lane has come back for more often enough to be worth slabs of its own: no newcomer, which takes what
/// there is.
fn goes_on(lane: &Lane, index: u32) -> bool {
    let stack = lane.stack(index as usize);
    stack.is_some_and(|stack| stack.capacity() >= CAPACITY_TO_GO_ON)
}

/// Gives those freed slots of a lane's stack of bucket `index` back whose slabs do not belong to it.
fn give_foreign_back(heap: &Heap, front: &Frontend, lane: &Lane, index: u32, stack: &Stack) {
    let freed = stack.freed();
    if freed.count == 0 {
        return;
    }
    // SAFETY: so many slots lie there, the lane's alone.
    let slots = unsafe { core::slice::from_raw_parts_mut(freed.first, freed.count) };
    let mut own = 0;
    for number in 0..slots.len() {
        // SAFETY: the slab is live as long as its slot is not free.
        let slab = unsafe { (slab_map::at(slots[number].user) as *const Slab).as_ref() };
        if slab.is_some_and(|slab| is_own(lane, slab)) {
            slots.swap(own, number);
            own += 1;
        }
    }
    let foreign = &slots[own..];
    // SAFETY: (1) they are the lane's alone.
    unsafe { give_back(heap, front, index, foreign.as_ptr(), foreign.len() as u32) };
    stack.keep_oldest_freed(own);
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
    // SAFETY: (1); so many lie there.
    let slots = unsafe { core::slice::from_raw_parts(from, count as usize) };
    let mut slab = None;
    for &kept in slots {
        // Most lie beside the one before.
        // SAFETY: (1): a slab is live as long as one of its slots is not free.
        let same = slab.filter(|slab: &NonNull<Slab>| unsafe { slab.as_ref() }.holds(kept.user));
        slab = same.or_else(|| NonNull::new(slab_map::at(kept.user) as *mut Slab));
        if let Some(slab) = slab {
            // SAFETY: (1); INV-LANE; the lock is held.
            unsafe { return_slot(state, slab, kept) };
        }
    }
    let is_idle = !state.idle.is_null();
    bucket.lock.leave();
    if is_idle {
        supply::trim(heap, front, index);
    }
}

/// # Safety
/// 1. The slot is one of the slab's, of the bucket, kept by the caller, and the bucket's lock is held.
#[inline]
unsafe fn return_slot(state: &mut BucketState, slab: NonNull<Slab>, kept: Kept) {
    // SAFETY: (1): the slab is live as long as it is not free.
    unsafe {
        let was_full = slab.as_ref().free == 0;
        Slab::give_back(slab, kept.side);
        let idle = slab.as_ref().is_idle();
        match (was_full, idle) {
            (true, false) => state.link_partial(slab),
            (false, true) => state.unlink_partial(slab),
            _ => {}
        }
        if idle {
            link(&mut state.idle, slab);
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
    let bucket = &front.buckets[index as usize];
    let mut gave_back = false;
    if lane.keeps_foreign(index as usize) {
        lane.set_keeps_foreign(index as usize, false);
        if !bucket.often_shared.load(Ordering::Relaxed) {
            give_foreign_back(heap, front, lane, index, stack);
            gave_back = true;
        }
    }
    let from = if goes_on(lane, index) {
        From::Own(lane)
    } else {
        From::OwnFirst(lane)
    };
    let is_enough = is_worth_turning(stack, slot_size);
    stack.turn();
    if is_enough {
        return true;
    }
    let (had, in_turn) = (stack.ready().count, goes_in_turn(stack));
    // What it gave back says nothing of how many it needs.
    if !gave_back || !goes_on(lane, index) {
        grow(stack, slot_size);
    }
    // Fewer of large slots, lest threads that come and go spread over more pages than they need.
    let most = match in_turn {
        true => usize::MAX,
        false => (stack.capacity() * BYTES_PER_PLACE / slot_size.bytes()).max(1),
    };
    let count = stack.capacity().min(most).saturating_sub(had);
    if count > 0 {
        // SAFETY: (1) the half has room for so many above those it has.
        let taken = unsafe {
            let into = stack.ready_room().add(had);
            take(heap, front, (index, slot_size), from, into, count as u32) as usize
        };
        stack.set_ready(had + taken);
    }
    !stack.is_out()
}

/// So many turns show a thread that allocates and frees in turn.
const TURNS_SHOWN: usize = 32;

/// A stack, which has none to hand out, has freed slots enough to go on with. With fewer a thread that allocates
/// and frees in turn would be back here all the time: then it gets some more, and once it has shown that
/// it goes on so, a few more still.
#[inline]
pub fn is_worth_turning(stack: &Stack, slot_size: Granules) -> bool {
    let (bytes, slots) = match goes_in_turn(stack) {
        false => (0x2000, 8),
        true => (0x8000, 16),
    };
    stack.freed().count >= (bytes / slot_size.bytes()).clamp(1, slots)
}

fn goes_in_turn(stack: &Stack) -> bool {
    stack.turns() >= TURNS_SHOWN
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
