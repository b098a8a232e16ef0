//! Which heap owns an address, and as what: the map that leads to the records of regions.
//!
//! A process-wide two-level table has one entry per 64 KiB of address space. A lookup costs two
//! loads, never faults, and is safe for any bit pattern, so nothing a caller passes is dereferenced
//! before it is known to be ours. Caller memory that does not fill 64 KiB granules of its own goes
//! to a list instead, which is empty in most processes.
//!
//! Lookups take no lock. Records are never unmapped ([`crate::metadata`]), so a lookup that races
//! with the release of an unrelated region reads an old answer at worst; a caller that acts on a
//! record holds the lock of the heap the record names, which is what keeps it alive (INV-REGION).

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use rtl_platform::vm::Protection;

use crate::fork_lock::ForkLock;
use crate::region::Region;
use crate::system_vm::system_vm;
use crate::units::{ADDRESS_BITS, ALLOCATION_GRANULARITY};

const GRANULARITY_SHIFT: u32 = ALLOCATION_GRANULARITY.ilog2();
/// Entries of a leaf: 2 GiB of address space on 64-bit, all of it on 32-bit.
const LEAF_BITS: u32 = if ADDRESS_BITS == 32 { 16 } else { 15 };
const LEAF_LENGTH: usize = 1 << LEAF_BITS;
const ROOT_LENGTH: usize = 1 << (ADDRESS_BITS - GRANULARITY_SHIFT - LEAF_BITS);

type Leaf = [AtomicPtr<Region>; LEAF_LENGTH];

/// All zero, so it lies in pages the system provides when they are first touched.
static ROOT: [AtomicPtr<Leaf>; ROOT_LENGTH] =
    [const { AtomicPtr::new(ptr::null_mut()) }; ROOT_LENGTH];
/// Regions without map entries, newest first.
static RANGES: AtomicPtr<Region> = AtomicPtr::new(ptr::null_mut());
/// Serialises changes of the map; lookups take no lock.
static CHANGES: ForkLock = ForkLock::new();

/// The region that holds `address`, any bit pattern.
///
/// The record stays readable for good, but what it says is only reliable with the lock of its heap
/// held (INV-REGION).
#[inline]
pub fn find(address: usize) -> Option<NonNull<Region>> {
    find_mapped(address).or_else(|| {
        if RANGES.load(Ordering::Relaxed).is_null() {
            None
        } else {
            find_range(address)
        }
    })
}

/// [`find`] among the regions that the map has entries for: all but those in caller memory that is
/// not aligned.
#[inline]
fn find_mapped(address: usize) -> Option<NonNull<Region>> {
    let found = near(address)?;
    // SAFETY: INV-REGION: records stay readable.
    unsafe { found.as_ref() }.contains(address).then_some(found)
}

/// The region that holds `address`, any bit pattern, if one of those that the map has entries for
/// does; else any or none. Makes no call, so that the shortest paths need save no register.
#[inline(always)]
pub fn near(address: usize) -> Option<NonNull<Region>> {
    NonNull::new(entry(address))
}

/// The region whose first address is `address`, any bit pattern. As [`find`], but shorter.
#[inline]
pub fn starting_at(address: usize) -> Option<NonNull<Region>> {
    starting_at_mapped(address).or_else(|| {
        if RANGES.load(Ordering::Relaxed).is_null() {
            return None;
        }
        // SAFETY: INV-REGION: records stay readable.
        find_range(address).filter(|region| unsafe { region.as_ref() }.base == address)
    })
}

/// [`starting_at`] among the regions that the map has entries for, as [`find_mapped`].
#[inline(always)]
pub fn starting_at_mapped(address: usize) -> Option<NonNull<Region>> {
    let region = entry(address);
    // SAFETY: INV-REGION: records stay readable.
    let found = unsafe { region.as_ref() }?;
    (found.base == address).then_some(NonNull::from(found))
}

/// The map's entry for `address`, any bit pattern; null where it has none.
#[inline]
fn entry(address: usize) -> *mut Region {
    let granule = address >> GRANULARITY_SHIFT;
    let Some(slot) = ROOT.get(granule >> LEAF_BITS) else {
        return ptr::null_mut();
    };
    // Acquire pairs with the Release in `leaf_for`.
    // SAFETY: leaves are made whole before they are published and never unmapped.
    match unsafe { slot.load(Ordering::Acquire).as_ref() } {
        // Acquire pairs with the Release in `publish`.
        Some(leaf) => leaf[granule & (LEAF_LENGTH - 1)].load(Ordering::Acquire),
        None => ptr::null_mut(),
    }
}

#[cold]
#[inline(never)]
fn find_range(address: usize) -> Option<NonNull<Region>> {
    // A list of more than this many caller ranges is a race seen half-way, not a list.
    const LONGEST: usize = 1 << 20;
    let mut at = RANGES.load(Ordering::Acquire);
    for _ in 0..LONGEST {
        // SAFETY: INV-REGION: records stay readable.
        let region = unsafe { at.as_ref() }?;
        if region.contains(address) {
            return NonNull::new(at);
        }
        at = region.range_next.load(Ordering::Acquire);
    }
    None
}

fn leaf_for(granule: usize) -> Option<&'static Leaf> {
    let slot = ROOT.get(granule >> LEAF_BITS)?;
    let mut leaf = slot.load(Ordering::Acquire);
    if leaf.is_null() {
        let size = size_of::<Leaf>();
        let memory = system_vm()?
            .reserve_and_commit(size, size, Protection::ReadWrite, None)
            .ok()?;
        leaf = memory.as_ptr().cast();
        // Release pairs with the Acquire in `find`. Zero pages are null entries.
        slot.store(leaf, Ordering::Release);
    }
    // SAFETY: a leaf is never unmapped.
    Some(unsafe { &*leaf })
}

/// Makes [`find`] answer for `region`. The last step of making one: all of it must be ready.
///
/// Cannot fail: where the map has no room for an entry the list takes the region.
///
/// # Safety
/// 1. `region` is a live record in no map, and its range overlaps no published region.
pub unsafe fn publish(region: NonNull<Region>) {
    // SAFETY: (1).
    let (base, size) = unsafe { (region.as_ref().base, region.as_ref().size) };
    let first = base >> GRANULARITY_SHIFT;
    let last = (base + size - 1) >> GRANULARITY_SHIFT;
    CHANGES.enter();
    // Only whole granules of its own may be entered: what lies before a base that is not aligned
    // may be another region's.
    let mapped = base % ALLOCATION_GRANULARITY == 0
        && (first..=last)
            .step_by(LEAF_LENGTH)
            .chain([last])
            .all(|g| leaf_for(g).is_some())
        && (first..=last).all(|g| {
            leaf_for(g).is_some_and(|leaf| {
                leaf[g & (LEAF_LENGTH - 1)]
                    .load(Ordering::Relaxed)
                    .is_null()
            })
        });
    // SAFETY: (1): nobody else sees the record yet.
    unsafe { (*region.as_ptr()).mapped = mapped };
    if mapped {
        for granule in first..=last {
            if let Some(leaf) = leaf_for(granule) {
                // Release: whoever finds the record finds it complete.
                leaf[granule & (LEAF_LENGTH - 1)].store(region.as_ptr(), Ordering::Release);
            }
        }
    } else {
        let head = RANGES.load(Ordering::Relaxed);
        // SAFETY: (1).
        unsafe { region.as_ref() }
            .range_next
            .store(head, Ordering::Relaxed);
        RANGES.store(region.as_ptr(), Ordering::Release);
    }
    CHANGES.leave();
}

/// Makes [`find`] forget `region`. The first step of releasing one.
///
/// # Safety
/// 1. `region` is a live record.
pub unsafe fn withdraw(region: NonNull<Region>) {
    // SAFETY: (1).
    let record = unsafe { region.as_ref() };
    CHANGES.enter();
    if record.mapped {
        let first = record.base >> GRANULARITY_SHIFT;
        let last = (record.base + record.size - 1) >> GRANULARITY_SHIFT;
        for granule in first..=last {
            if let Some(leaf) = leaf_for(granule) {
                leaf[granule & (LEAF_LENGTH - 1)].store(ptr::null_mut(), Ordering::Release);
            }
        }
    } else {
        let mut slot = &RANGES;
        loop {
            let at = slot.load(Ordering::Relaxed);
            // SAFETY: the list holds live records; the lock keeps it still.
            let Some(entry) = (unsafe { at.as_ref() }) else {
                break;
            };
            if at == region.as_ptr() {
                slot.store(entry.range_next.load(Ordering::Relaxed), Ordering::Release);
                break;
            }
            slot = &entry.range_next;
        }
    }
    CHANGES.leave();
}

/// Takes the map's lock for a fork.
pub fn enter_for_fork() {
    CHANGES.enter();
}

/// Gives it back, in parent and child.
pub fn leave_after_fork() {
    CHANGES.leave();
}

#[cfg(all(test, feature = "os"))]
mod tests {
    use super::*;
    use crate::region::RegionKind;

    fn region(base: usize, size: usize) -> NonNull<Region> {
        Region::create(RegionKind::Caller, base, size).unwrap()
    }

    #[test]
    fn no_bit_pattern_faults() {
        for address in [
            0,
            1,
            0xdead_be00,
            usize::MAX,
            usize::MAX / 2,
            0x4141_4141_4141_4140u64 as usize,
        ] {
            assert!(find(address).is_none());
        }
    }

    #[test]
    fn a_published_region_is_found_from_first_to_last_byte_until_it_is_withdrawn() {
        // Addresses nothing else uses: the map does not touch them.
        for base in [0x0012_0000, 0x0023_1000] {
            let record = region(base, 0x2_1000);
            // SAFETY: (1) the record is live and alone there.
            unsafe {
                publish(record);
                assert_eq!(find(base), Some(record));
                assert_eq!(find(base + 0x2_0FFF), Some(record));
                assert_eq!(find(base + 0x2_1000), None);
                assert_eq!(find(base - 1), None);
                withdraw(record);
                assert_eq!(find(base), None);
                Region::destroy(record);
            }
        }
    }
}
