//! The process's list of heaps: slot 0 is the process heap, then the order of creation (4.4).

use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::heap::Heap;
use crate::heap_lock::{CallerLock, HeapLock};
use crate::lane;
use crate::layout::HeapHeader;
use crate::lifecycle::create::{self, CreateRequest};
use crate::limits::Limits;
use crate::metadata;
use crate::status::Status;

/// An array in the metadata pool, doubled when full.
struct List {
    heaps: *mut &'static Heap,
    length: usize,
    capacity: usize,
}

struct Registry {
    /// Taken before any heap's lock, never after one.
    lock: HeapLock,
    list: UnsafeCell<List>,
}

// SAFETY: `list` is touched only with `lock` held.
unsafe impl Sync for Registry {}

static REGISTRY: Registry = Registry {
    lock: HeapLock::new(CallerLock::None),
    list: UnsafeCell::new(List {
        heaps: ptr::null_mut(),
        length: 0,
        capacity: 0,
    }),
};

static PROCESS_HEAP: AtomicPtr<Heap> = AtomicPtr::new(ptr::null_mut());

const FIRST_CAPACITY: usize = 16;

impl List {
    fn heaps(&self) -> &[&'static Heap] {
        if self.length == 0 {
            return &[];
        }
        // SAFETY: the first `length` slots are filled.
        unsafe { core::slice::from_raw_parts(self.heaps, self.length) }
    }

    fn grow(&mut self) -> bool {
        let bytes = |slots: usize| slots * size_of::<&Heap>();
        let capacity = (2 * self.capacity).max(FIRST_CAPACITY);
        let Some(grown) = metadata::allocate(bytes(capacity)) else {
            return false;
        };
        let grown: *mut &'static Heap = grown.as_ptr().cast();
        if let Some(old) = NonNull::new(self.heaps) {
            // SAFETY: both arrays hold `length` slots and are different pieces.
            unsafe {
                grown.copy_from_nonoverlapping(self.heaps, self.length);
                metadata::free(old.cast(), bytes(self.capacity));
            }
        }
        self.heaps = grown;
        self.capacity = capacity;
        true
    }

    fn insert(&mut self, slot: usize, heap: &'static Heap) -> bool {
        if self.length == self.capacity && !self.grow() {
            return false;
        }
        // SAFETY: there is room for one more slot.
        unsafe {
            let at = self.heaps.add(slot);
            at.copy_to(at.add(1), self.length - slot);
            at.write(heap);
        }
        self.length += 1;
        self.number_from(slot);
        true
    }

    fn remove(&mut self, slot: usize) {
        // SAFETY: `slot` is filled.
        unsafe {
            let at = self.heaps.add(slot);
            at.copy_from(at.add(1), self.length - slot - 1);
        }
        self.length -= 1;
        self.number_from(slot);
    }

    /// Writes `ProcessHeapsListIndex`, slot plus one, into the headers from `slot` on, but for heaps
    /// that are protected, and page heaps, whose header shows nothing.
    fn number_from(&self, slot: usize) {
        for (index, heap) in self.heaps().iter().enumerate().skip(slot) {
            if heap.protected.load(Ordering::Relaxed) || heap.settings.page_heap.is_some() {
                continue;
            }
            let header = heap.handle as *mut HeapHeader;
            // SAFETY: a listed heap's header page is committed.
            unsafe { (*header).process_heaps_list_index = (index + 1) as u16 };
        }
    }
}

fn with_list<R>(work: impl FnOnce(&mut List) -> R) -> R {
    REGISTRY.lock.enter();
    // SAFETY: the lock is held; `work` is one of the short closures of this file.
    let result = work(unsafe { &mut *REGISTRY.list.get() });
    REGISTRY.lock.leave();
    result
}

/// Enters a private heap, as the newest. False when there is no memory.
pub fn add(heap: &'static Heap) -> bool {
    with_list(|list| list.insert(list.length, heap))
}

/// Takes a private heap out. False when it is the process heap or not in the list.
pub fn remove(heap: &'static Heap) -> bool {
    with_list(|list| {
        if ptr::eq(PROCESS_HEAP.load(Ordering::Relaxed), heap) {
            return false;
        }
        let slot = list.heaps().iter().position(|other| ptr::eq(*other, heap));
        slot.inspect(|slot| list.remove(*slot)).is_some()
    })
}

/// The process heap was made.
#[inline]
pub fn has_process_heap() -> bool {
    !PROCESS_HEAP.load(Ordering::Relaxed).is_null()
}

/// The process heap, made by whoever asks first.
///
/// # Errors
/// `NO_MEMORY`.
#[inline]
pub fn process_heap() -> Result<&'static Heap, Status> {
    // Acquire pairs with the Release in `make_process_heap`.
    // SAFETY: the process heap is never destroyed.
    match unsafe { PROCESS_HEAP.load(Ordering::Acquire).as_ref() } {
        Some(heap) => Ok(heap),
        None => make_process_heap(),
    }
}

#[cold]
fn make_process_heap() -> Result<&'static Heap, Status> {
    REGISTRY.lock.enter();
    // SAFETY: the process heap is never destroyed.
    let made = match unsafe { PROCESS_HEAP.load(Ordering::Acquire).as_ref() } {
        Some(heap) => Ok(heap),
        None => {
            let request = CreateRequest::new(Limits::WINDOWS);
            // SAFETY: no caller memory, lock or routine is involved.
            unsafe { create::create(&request, |heap| with_list(|list| list.insert(0, heap))) }
                .inspect(|heap| {
                    // Release: whoever sees the heap sees it complete.
                    PROCESS_HEAP.store(ptr::from_ref(*heap).cast_mut(), Ordering::Release);
                })
        }
    };
    REGISTRY.lock.leave();
    made
}

/// Stores the handles of the first heaps into `handles` and returns how many heaps there are.
pub fn handles(handles: &mut [usize]) -> usize {
    // A process has its process heap before it can ask.
    let _ = process_heap();
    with_list(|list| {
        for (slot, heap) in handles.iter_mut().zip(list.heaps()) {
            *slot = heap.handle;
        }
        list.length
    })
}

/// Runs `work` on the heap whose record lies at `record`, any bit pattern, with the list locked:
/// nobody destroys it meanwhile. `None` when no such heap is listed.
pub fn while_listed<R>(record: usize, work: impl FnOnce(&'static Heap) -> R) -> Option<R> {
    REGISTRY.lock.enter();
    let heap = with_list(|list| {
        list.heaps()
            .iter()
            .copied()
            .find(|heap| heap.record() == record)
    });
    let result = heap.map(work);
    REGISTRY.lock.leave();
    result
}

/// Calls `visit` for each heap in the list's order, with the list locked, until it answers false.
/// `visit` may create and destroy heaps; a heap may then be missed or seen twice.
pub fn for_each(mut visit: impl FnMut(&'static Heap) -> bool) {
    let _ = process_heap();
    REGISTRY.lock.enter();
    let mut slot = 0;
    while let Some(heap) = with_list(|list| list.heaps().get(slot).copied()) {
        if !visit(heap) {
            break;
        }
        slot += 1;
    }
    REGISTRY.lock.leave();
}

/// The handle of the heap in a slot of the list.
pub fn nth_handle(slot: usize) -> Option<usize> {
    with_list(|list| list.heaps().get(slot).map(|heap| heap.handle))
}

/// Writes each heap's number into its header.
pub fn renumber() {
    with_list(|list| list.number_from(0));
}

/// Takes the list's lock for a fork.
pub fn enter_for_fork() {
    REGISTRY.lock.enter();
    with_list(|list| {
        for heap in list.heaps() {
            heap.lock.enter();
            if let Some(front) = heap.frontend() {
                front.buckets.iter().for_each(|bucket| bucket.lock.enter());
            }
        }
    });
}

/// After a fork, in the child, with all locks held: other threads' lanes are nobody's any more.
pub fn leave_lanes_behind() {
    with_list(|list| {
        for front in list.heaps().iter().filter_map(|heap| heap.frontend()) {
            lane::leave_behind(&front.lanes);
        }
    });
}

/// Gives it back, in parent and child. The forking thread holds it in both.
pub fn leave_after_fork() {
    with_list(|list| {
        for heap in list.heaps() {
            if let Some(front) = heap.frontend() {
                front.buckets.iter().for_each(|bucket| bucket.lock.leave());
            }
            heap.lock.leave();
        }
    });
    REGISTRY.lock.leave();
}
