//! From an address to the block it is: the checks every call makes before it believes a pointer.

use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use crate::entry::{Entry, EntryFlags, HEADER_OFFSET, USER_OFFSET};
use crate::failure::{FailureKind, HeapFailure};
use crate::heap::Heap;
use crate::region::{Region, RegionKind};
use crate::regions;
use crate::units::{Granules, PAGE, POINTER};

/// A block of a segment: where it is and what its header says.
#[derive(Clone, Copy)]
pub struct Block {
    /// The segment.
    pub region: NonNull<Region>,
    /// Where it starts.
    pub address: usize,
    /// Its header.
    pub entry: Entry,
}

impl Block {
    /// Where it ends, and the next one starts if there is one.
    #[inline]
    pub fn end(&self) -> usize {
        self.address + self.entry.size.bytes()
    }

    /// The user's bytes.
    #[inline]
    pub fn user(&self) -> usize {
        self.address + USER_OFFSET
    }
}

/// What a pointer a caller passed turned out to be.
#[derive(Clone, Copy)]
pub enum Located {
    /// A busy block of a segment.
    Block(Block),
    /// A large block.
    Large(NonNull<Region>),
}

/// What of a free block the heap keeps nothing in: the bytes behind its links and before its footer,
/// or the place where one would be. Free checking holds it to its pattern (INV-FILL). Empty for some
/// blocks of the minimum.
pub fn free_body(start: usize, end: usize) -> Range<usize> {
    let from = start + USER_OFFSET + 2 * POINTER;
    from..(end + HEADER_OFFSET - size_of::<u32>()).max(from)
}

/// Calls `visit` with each run of committed bytes in `part`.
///
/// # Safety
/// 1. `part` lies in the live segment `region`, or is empty; its heap's lock is held.
pub unsafe fn committed_runs(
    region: NonNull<Region>,
    part: Range<usize>,
    mut visit: impl FnMut(Range<usize>),
) {
    // SAFETY: (1).
    let record = unsafe { region.as_ref() };
    let mut at = part.start;
    while at < part.end {
        let last = record.page(part.end - 1) + 1;
        let from = record.pages.find(record.page(at), last, true);
        let to = record.pages.find(from, last, false);
        let run = at.max(record.base + from * PAGE)..part.end.min(record.base + to * PAGE);
        if run.is_empty() {
            return;
        }
        at = run.end;
        visit(run);
    }
}

/// The report of a damaged or unexpected block.
pub fn failure(heap: &Heap, kind: FailureKind, address: usize) -> HeapFailure {
    HeapFailure {
        kind,
        heap: heap.handle,
        address,
        owner: 0,
        allocated_by: &[],
    }
}

/// The live block whose user bytes start at `pointer`, any bit pattern. Reads nothing that is not
/// known to be a header.
///
/// # Errors
/// What the pointer is instead. Nothing was changed.
///
/// # Safety
/// 1. The heap's lock is held.
#[inline]
pub unsafe fn locate(heap: &Heap, pointer: usize) -> Result<Located, HeapFailure> {
    let found = regions::find(pointer);
    let wrong = |kind| failure(heap, kind, pointer);
    let Some(region) = found else {
        return Err(wrong(FailureKind::InvalidArgument));
    };
    // SAFETY: INV-REGION; whether it is this heap's is checked first.
    let record = unsafe { region.as_ref() };
    if record.owner.load(Ordering::Relaxed) != heap.record() {
        return Err(foreign(heap, record, pointer));
    }
    if record.kind == RegionKind::Large {
        if record.user != pointer {
            return Err(wrong(FailureKind::InvalidArgument));
        }
        return Ok(Located::Large(region));
    }
    let address = pointer.wrapping_sub(USER_OFFSET);
    if !record.is_block_start(address) {
        return Err(wrong(FailureKind::InvalidArgument));
    }
    // SAFETY: (1) INV-STARTS.
    let Some(entry) = (unsafe { heap.key.read(address) }) else {
        return Err(wrong(FailureKind::EntryCorruption));
    };
    if address + entry.size.bytes() > record.end {
        return Err(wrong(FailureKind::EntryCorruption));
    }
    if !entry.is_busy() || entry.is_parked() {
        return Err(wrong(FailureKind::BlockNotBusy));
    }
    Ok(Located::Block(Block {
        region,
        address,
        entry,
    }))
}

#[cold]
fn foreign(heap: &Heap, record: &Region, pointer: usize) -> HeapFailure {
    match Heap::of(record) {
        Some(owner) => HeapFailure {
            kind: FailureKind::CrossHeapOperation,
            heap: heap.handle,
            address: pointer,
            owner: owner.handle,
            allocated_by: &[],
        },
        None => failure(heap, FailureKind::InvalidArgument, pointer),
    }
}

/// The block after `block`; `None` when it is the segment's last.
///
/// # Errors
/// The next header is damaged, or `block`'s size was.
///
/// # Safety
/// 1. `block` is a block of `heap`, whose lock is held.
#[inline(always)]
pub unsafe fn next(heap: &Heap, block: &Block) -> Result<Option<Block>, HeapFailure> {
    let address = block.end();
    // SAFETY: (1).
    let record = unsafe { block.region.as_ref() };
    if block.entry.is_last() && address == record.end {
        return Ok(None);
    }
    // A header that passed its check by chance is caught here: a block ends where the next one
    // starts, or the last one with its segment.
    let start = !block.entry.is_last() && record.is_block_start(address);
    // SAFETY: (1) INV-STARTS, just checked.
    match start.then(|| unsafe { heap.key.read(address) }).flatten() {
        Some(entry) => Ok(Some(Block {
            region: block.region,
            address,
            entry,
        })),
        None => Err(failure(heap, FailureKind::EntryCorruption, address)),
    }
}

/// The free block before `block`; `None` when the one before it is busy, or there is none.
///
/// # Errors
/// What lies before contradicts `block`'s header.
///
/// # Safety
/// 1. `block` is a block of `heap`, whose lock is held.
#[inline]
pub unsafe fn previous_free(heap: &Heap, block: &Block) -> Result<Option<Block>, HeapFailure> {
    if !block.entry.flags.contains(EntryFlags::PREVIOUS_FREE) {
        return Ok(None);
    }
    let size = if block.entry.flags.contains(EntryFlags::PREVIOUS_IS_MIN) {
        Granules::MIN_BLOCK
    } else {
        // SAFETY: (1): a free block larger than the minimum ends here.
        unsafe { heap.key.read_footer(block.address) }
    };
    // A footer is believed only if a block of exactly its size starts there, so that it may be
    // anything, and on 32-bit more than the address space.
    let address = block.address.wrapping_sub(size.bytes_wrapping());
    // SAFETY: (1).
    let start = unsafe { block.region.as_ref() }.is_block_start(address);
    // SAFETY: (1) INV-STARTS, just checked.
    match start.then(|| unsafe { heap.key.read(address) }).flatten() {
        Some(entry) if !entry.is_busy() && entry.size == size => Ok(Some(Block {
            region: block.region,
            address,
            entry,
        })),
        _ => Err(failure(heap, FailureKind::EntryCorruption, address)),
    }
}

/// Tells the block after a changed one what now lies before it.
///
/// # Safety
/// 1. `after` is a block of `heap`, whose lock is held; `previous` describes the block before it.
#[inline]
pub unsafe fn set_previous(heap: &Heap, after: &Block, previous: EntryFlags) {
    let flags = after
        .entry
        .flags
        .difference(EntryFlags::PREVIOUS)
        .union(previous);
    if flags != after.entry.flags {
        // SAFETY: (1).
        unsafe {
            heap.key.write(
                after.address,
                Entry {
                    flags,
                    ..after.entry
                },
            )
        };
    }
}
