//! `RtlCreateHeap`: sizes, caller memory, lock and parameters (specification 2, the owner's
//! document).

use core::ptr::NonNull;

use rtl_platform::vm::{PageState, Protection, Vm, Window};

use crate::alone;
use crate::backend::{commit, segment};
use crate::buckets;
use crate::entry::Key;
use crate::flags::HeapFlags;
use crate::global_flags;
use crate::heap::{Heap, Settings};
use crate::heap_lock::{CallerLock, HeapLock};
use crate::host;
use crate::layout::{self, HeapHeader};
use crate::limits::{FirstReserve, Limits};
use crate::lookaside::Lookaside;
use crate::metadata;
use crate::params::HeapParameters;
use crate::region::{Backing, Region, RegionKind};
use crate::regions;
use crate::status::Status;
use crate::system_vm::system_vm;
use crate::tags::Tags;
use crate::units::{ALLOCATION_GRANULARITY, GRANULE, Granules, PAGE, round_up};

/// What a new heap is to be like: the parameters of `RtlCreateHeap`, the limits its zeros stand
/// for, and where its memory comes from.
#[derive(Clone, Copy)]
pub struct CreateRequest {
    /// `HEAP_*` bits; what is not valid at creation is dropped.
    pub flags: HeapFlags,
    /// Caller memory to use.
    pub base: Option<NonNull<u8>>,
    /// Bytes to reserve; 0 for the limits' rule.
    pub reserve: usize,
    /// Bytes to commit; 0 for the limits' default.
    pub commit: usize,
    /// The caller's lock.
    pub lock: CallerLock,
    /// The caller's parameters.
    pub parameters: HeapParameters,
    /// What zeros stand for.
    pub limits: Limits,
    /// Source of memory; `None` for the system's.
    pub vm: Option<&'static dyn Vm>,
    /// Where in the address space the heap's memory may lie.
    pub window: Option<Window>,
    /// No page heap, whatever the global flags say: what `RtlCreateHeap` takes -1 for parameters for.
    pub bypass_page_heap: bool,
}

impl CreateRequest {
    /// A serialised growable heap of default size.
    pub const fn new(limits: Limits) -> CreateRequest {
        CreateRequest {
            flags: HeapFlags::GROWABLE,
            base: None,
            reserve: 0,
            commit: 0,
            lock: CallerLock::None,
            parameters: HeapParameters {
                segment_reserve: 0,
                segment_commit: 0,
                decommit_free_block_threshold: 0,
                decommit_total_free_threshold: 0,
                maximum_allocation_size: 0,
                virtual_memory_threshold: 0,
                initial_commit: 0,
                initial_reserve: 0,
                commit_routine: None,
            },
            limits,
            vm: None,
            window: None,
            bypass_page_heap: false,
        }
    }
}

/// Creates a heap and has `enlist` enter it into the process's list; a false answer undoes it.
///
/// # Errors
/// `INVALID_PARAMETER` for a combination that the documents forbid, `NO_MEMORY` when the system
/// has none or the sizes overflow. Nothing is left behind.
///
/// # Safety
/// 1. Caller memory is not used by anyone else while the heap lives, and a caller's lock, vm and
///    commit routine outlive it.
pub unsafe fn create(
    request: &CreateRequest,
    enlist: impl FnOnce(&'static Heap) -> bool,
) -> Result<&'static Heap, Status> {
    let mut flags = request.flags;
    if !flags.contains(HeapFlags::SKIP_VALIDATION_CHECKS) {
        flags &= HeapFlags::CREATE_VALID;
    }
    flags |= global_flags::get().heap_flags();
    if request.base.is_some() || !request.lock.is_none() || request.bypass_page_heap {
        flags.remove(HeapFlags::PAGE_ALLOCS);
    }
    if !request.lock.is_none() {
        if flags.contains(HeapFlags::NO_SERIALIZE) {
            return Err(Status::INVALID_PARAMETER);
        }
        flags |= HeapFlags::LOCK_USER_ALLOCATED;
    }
    if let CallerLock::Resource(resource) = request.lock {
        // SAFETY: (1): the caller's lock is readable.
        if !unsafe { resource.as_ref() }.is_initialized() {
            return Err(Status::INVALID_PARAMETER);
        }
    }
    let vm = request.vm.or_else(system_vm).ok_or(Status::NO_MEMORY)?;
    let settings = settings(request, flags, vm).ok_or(Status::NO_MEMORY)?;
    // SAFETY: (1).
    let first = unsafe { first_segment(request, &settings) }?;

    let Some(record) = metadata::allocate(size_of::<Heap>()) else {
        undo(&settings, &first);
        return Err(Status::NO_MEMORY);
    };
    let record = record.cast::<Heap>();
    let key = Key::from_random(host::random_word);
    let lock = HeapLock::new(request.lock);
    // SAFETY: the record is ours, zeroed, large and aligned enough (metadata is 32-aligned).
    let heap = unsafe { Heap::write(record, first.base, settings, key, lock) };
    write_header(heap, &first);
    // SAFETY: nobody else knows the heap yet.
    if !unsafe { tag(heap) } {
        undo(&heap.settings, &first);
        // SAFETY: nothing refers to it.
        unsafe { metadata::free(record.cast(), size_of::<Heap>()) };
        return Err(Status::NO_MEMORY);
    }
    // SAFETY: nobody else knows the heap yet, and the extent was just made ready.
    match unsafe { segment::adopt(heap, heap.state(), &first) } {
        Ok(_) if enlist(heap) => {
            alone::enter(heap);
            return Ok(heap);
        }
        // SAFETY: nobody else knows the heap.
        Ok(region) => unsafe { segment::discard(heap, region) },
        Err(_) => undo(&heap.settings, &first),
    }
    // SAFETY: nothing refers to it.
    unsafe {
        heap.destroy_tags();
        metadata::free(record.cast(), size_of::<Heap>());
    }
    Err(Status::NO_MEMORY)
}

/// Gives a heap with tagging what it counts by. False without memory.
///
/// # Safety
/// 1. Nobody else knows the heap yet.
unsafe fn tag(heap: &Heap) -> bool {
    let flags = heap.settings.flags;
    // Under page heap nothing is counted by tags: its blocks are not the back end's.
    if !flags.contains(HeapFlags::TAGGING_ENABLED) || heap.settings.page_heap.is_some() {
        return true;
    }
    let Some(tags) = Tags::create() else {
        return false;
    };
    // SAFETY: (1).
    unsafe { heap.set_tags(tags) };
    true
}

/// Flags besides those for debugging with which freed blocks are not parked, nor served by the front
/// end: a parked block, and a slot, has no tag.
const NOT_PARKED: HeapFlags = HeapFlags::CREATE_ALIGN_16.union(HeapFlags::TAGGING_ENABLED);

/// Fills zeros from the limits and clamps (2.4). `None` when a size overflows.
fn settings(request: &CreateRequest, flags: HeapFlags, vm: &'static dyn Vm) -> Option<Settings> {
    let (given, limits) = (&request.parameters, &request.limits);
    let or = |value: usize, default: usize| if value == 0 { default } else { value };
    let threshold = or(
        given.virtual_memory_threshold,
        limits.virtual_memory_threshold,
    )
    .min(limits.virtual_memory_threshold);
    let segment_reserve = round_up(
        or(given.segment_reserve, limits.segment_reserve),
        ALLOCATION_GRANULARITY,
    )?;
    let maximum = or(given.maximum_allocation_size, isize::MAX as usize);
    let parks = !flags.intersects(HeapFlags::DEBUGGING | NOT_PARKED)
        && given.commit_routine.is_none()
        && maximum >= Lookaside::LARGEST.bytes();
    let threshold = Granules::exactly(round_up(threshold, GRANULE)?)?;
    let front_end = parks
        && flags.contains(HeapFlags::GROWABLE)
        && !flags.contains(HeapFlags::NO_SERIALIZE)
        && threshold >= buckets::LARGEST
        && maximum >= buckets::LARGEST.bytes();
    let force_flags = flags.forced();
    Some(Settings {
        flags,
        force_flags,
        segment_reserve,
        segment_reserve_cap: limits.segment_reserve_cap.max(segment_reserve),
        segment_commit: or(given.segment_commit, limits.segment_commit),
        decommit_free_block_threshold: or(
            given.decommit_free_block_threshold,
            limits.decommit_free_block_threshold,
        ),
        decommit_total_free_threshold: or(
            given.decommit_total_free_threshold,
            limits.decommit_total_free_threshold,
        ),
        virtual_memory_threshold: threshold,
        maximum_allocation_size: maximum,
        parks,
        parks_middle: parks
            && request.base.is_none()
            && vm.lets_keep_pages()
            && !flags.contains(HeapFlags::NO_SERIALIZE),
        page_heap: flags
            .contains(HeapFlags::PAGE_ALLOCS)
            .then(global_flags::page_heap),
        verifies: flags.intersects(HeapFlags::VERIFIED),
        alone: parks
            && force_flags.contains(HeapFlags::NO_SERIALIZE)
            && !force_flags.contains(HeapFlags::ZERO_MEMORY),
        front_end,
        vm,
        window: request.window,
        protection: commit::protection(flags.contains(HeapFlags::CREATE_ENABLE_EXECUTE)),
        commit_routine: given.commit_routine,
    })
}

/// The sizes of the first segment by the four-row table, rounded: (reserve, commit).
fn sizes(request: &CreateRequest, growable: bool) -> Option<(usize, usize)> {
    let limits = &request.limits;
    let commit = match request.commit {
        0 => limits.commit,
        bytes => round_up(bytes, limits.rounding)?,
    };
    let reserve = match (request.reserve, request.commit) {
        (0, 0) => limits.reserve,
        (0, _) => match limits.first_reserve {
            FirstReserve::CommitRoundedTo16Pages => round_up(commit, 16 * PAGE)?,
            FirstReserve::CommitPlusGranularity if growable => {
                round_up(request.commit, PAGE)?.checked_add(ALLOCATION_GRANULARITY)?
            }
            FirstReserve::CommitPlusGranularity => commit,
        },
        (bytes, _) => round_up(bytes, limits.rounding)?,
    };
    Some((reserve, commit.min(reserve)))
}

/// # Safety
/// 1. As for [`create`].
unsafe fn first_segment(
    request: &CreateRequest,
    settings: &Settings,
) -> Result<segment::Extent, Status> {
    let growable = settings.flags.contains(HeapFlags::GROWABLE);
    let given = &request.parameters;
    if let Some(base) = request.base {
        let base = base.as_ptr() as usize;
        return if given.commit_routine.is_some() {
            routine_segment(base, given, growable)
        } else {
            caller_segment(
                base,
                request.reserve.max(request.commit),
                request.commit,
                settings,
                layout::HEAP_HEADER_BYTES,
            )
        };
    }
    if given.commit_routine.is_some() {
        return Err(Status::INVALID_PARAMETER);
    }
    let (mut reserve, mut commit) = sizes(request, growable).ok_or(Status::NO_MEMORY)?;
    let mut header = layout::HEAP_HEADER_BYTES;
    if settings.page_heap.is_some() {
        // The first page is for show.
        reserve = reserve.checked_add(PAGE).ok_or(Status::NO_MEMORY)?;
        commit += PAGE;
        header = layout::PAGE_HEAP_HEADER_BYTES;
    }
    let base = settings
        .vm
        .reserve_and_commit(reserve, commit, settings.protection, settings.window)
        .map_err(|_| Status::NO_MEMORY)?;
    Ok(segment::Extent {
        base: base.as_ptr() as usize,
        size: reserve,
        committed: commit,
        backing: Backing::Heap,
        // A heap whose reserve is committed to the end has no page to spare for a guard (2.2).
        guard: growable && commit < reserve,
        header,
        caller: None,
    })
}

/// Caller memory with a commit routine (2.3, second row). The routine's owner says what is there;
/// it is not queried.
fn routine_segment(
    base: usize,
    given: &HeapParameters,
    growable: bool,
) -> Result<segment::Extent, Status> {
    let invalid = Status::INVALID_PARAMETER;
    let (commit, reserve) = (given.initial_commit, given.initial_reserve & !(PAGE - 1));
    let sound = !growable
        && base.is_multiple_of(PAGE)
        && commit != 0
        && commit <= given.initial_reserve
        && reserve >= PAGE
        && base.checked_add(reserve).is_some();
    if !sound {
        return Err(invalid);
    }
    Ok(segment::Extent {
        base,
        size: reserve,
        committed: round_up(commit, PAGE).ok_or(invalid)?.min(reserve),
        backing: Backing::CommitRoutine,
        guard: false,
        header: layout::HEAP_HEADER_BYTES,
        caller: caller_region(base)?,
    })
}

/// The caller's record of memory reserved through the library, if `base` starts one; `None` for
/// memory from elsewhere.
fn caller_region(base: usize) -> Result<Option<NonNull<Region>>, Status> {
    let Some(region) = regions::find(base) else {
        return Ok(None);
    };
    // SAFETY: INV-REGION; the caller keeps it alive meanwhile.
    let record = unsafe { region.as_ref() };
    if record.kind != RegionKind::Caller || record.base != base {
        return Err(Status::INVALID_PARAMETER);
    }
    Ok(Some(region))
}

/// Caller memory without a commit routine (2.3, third row): reserved through the library, or
/// anyone's memory, committed for exactly the `size` the caller passes. Of memory that is reserved
/// only, `commit` bytes are committed. The segment's first block comes after `header` bytes.
///
/// # Errors
/// `INVALID_PARAMETER` for memory that is not as described; `NO_MEMORY`.
pub fn caller_segment(
    base: usize,
    size: usize,
    commit: usize,
    settings: &Settings,
    header: usize,
) -> Result<segment::Extent, Status> {
    let invalid = Status::INVALID_PARAMETER;
    let caller = caller_region(base)?;
    let extent = |size, committed, backing| segment::Extent {
        base,
        size,
        committed,
        backing,
        guard: false,
        header,
        caller,
    };
    if let Some(region) = caller {
        // SAFETY: INV-REGION; the caller keeps it alive meanwhile.
        let record = unsafe { region.as_ref() };
        let pages = record.size / PAGE;
        let mut committed = record.pages.find(0, pages, false) * PAGE;
        if committed == 0 {
            // Reserved only: commit what is asked for, at least a page.
            committed = round_up(commit.max(1), PAGE)
                .ok_or(invalid)?
                .min(record.size);
            let at = NonNull::new(base as *mut u8).ok_or(invalid)?;
            // SAFETY: whole pages of the caller's reservation, made through this very vm.
            unsafe { settings.vm.commit(at, committed, settings.protection) }
                .map_err(|_| Status::NO_MEMORY)?;
            // SAFETY: the caller's record; nobody else changes it while the heap is made.
            unsafe { (*region.as_ptr()).pages.fill(0, committed / PAGE, true) };
        } else if record.pages.find(committed / PAGE, pages, true) != pages {
            // Committed, reserved, committed again: one range of each is what NT looks for.
            return Err(invalid);
        }
        return Ok(extent(record.size, committed, Backing::CallerReserved));
    }
    let size = size & !(PAGE - 1);
    if !base.is_multiple_of(PAGE) || size < PAGE || base.checked_add(size).is_none() {
        return Err(invalid);
    }
    if !writable(settings.vm, base, size) {
        return Err(invalid);
    }
    Ok(extent(size, size, Backing::CallerCommitted))
}

/// All of `base..base + size` can be read and written, as far as the vm can tell.
fn writable(vm: &dyn Vm, base: usize, size: usize) -> bool {
    let mut at = base;
    while at < base + size {
        match vm.query(at) {
            Ok(range) => {
                let open = matches!(
                    range.protection,
                    Protection::ReadWrite | Protection::ReadWriteExecute
                );
                if range.state != PageState::Committed || !open {
                    return false;
                }
                at = range.base.saturating_add(range.size).max(at + PAGE);
            }
            // A vm that cannot tell is believed: its user knows what is mapped.
            Err(rtl_platform::vm::VmError::Unsupported) => return true,
            Err(_) => return false,
        }
    }
    true
}

/// Releases what [`first_segment`] reserved.
fn undo(settings: &Settings, first: &segment::Extent) {
    if first.backing == Backing::Heap
        && let Some(base) = NonNull::new(first.base as *mut u8)
    {
        // SAFETY: our reservation, unused. A failure leaks address space.
        let _ = unsafe { settings.vm.release(base, first.size) };
    }
}

/// Writes what is to be seen of a page heap: flags, and a signature behind the first page (10.6,
/// C356).
///
/// # Safety
/// 1. Two pages from `base` on are committed and ours.
unsafe fn write_page_heap_header(settings: &Settings, base: usize) {
    let header = base as *mut HeapHeader;
    // SAFETY: (1).
    unsafe {
        (base as *mut u8).write_bytes(layout::PAGE_HEAP_FILL, PAGE);
        (*header).flags = settings.flags.bits();
        (*header).force_flags = settings.force_flags.bits();
        ((base + PAGE) as *mut u32).write(layout::PAGE_HEAP_SIGNATURE);
    }
}

/// Zeroes the first page of caller memory (2.3) and writes NT's fields (10.4).
fn write_header(heap: &Heap, extent: &segment::Extent) {
    let settings = &heap.settings;
    if settings.page_heap.is_some() {
        // SAFETY: a page heap has two committed pages at least.
        return unsafe { write_page_heap_header(settings, extent.base) };
    }
    let header = extent.base as *mut HeapHeader;
    // SAFETY: the first page is committed and ours; the header fits into it.
    unsafe {
        if extent.backing != Backing::Heap {
            (extent.base as *mut u8).write_bytes(0, PAGE);
        }
        (*header).flags = settings
            .flags
            .difference(HeapFlags::LOCK_USER_ALLOCATED)
            .bits();
        (*header).force_flags = settings.force_flags.bits();
        (*header).virtual_memory_threshold = settings.virtual_memory_threshold.0;
        (*header).signature = layout::HEAP_SIGNATURE;
        (*header).segment_reserve = settings.segment_reserve;
        (*header).segment_commit = settings.segment_commit;
        (*header).decommit_free_block_threshold = settings.decommit_free_block_threshold / GRANULE;
        (*header).decommit_total_free_threshold = settings.decommit_total_free_threshold / GRANULE;
        (*header).maximum_allocation_size = settings.maximum_allocation_size;
        (*header).header_validate_length = layout::HEADER_VALIDATE_LENGTH;
    }
}
