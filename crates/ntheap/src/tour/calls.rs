//! The C interface as the tour speaks it: calls on heaps that are known, with their text beside.
#![allow(
    unsafe_code,
    reason = "the interface is C's; here its conditions are seen to"
)]

use std::ffi::c_void;
use std::fmt;
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use rtlheap::hooks::rtlheap_set_raise_routine;
use rtlheap::last_error::GetLastError;
use rtlheap::resource::{ExDeleteResourceLite, ExInitializeResourceLite};
use rtlheap::types::{ERESOURCE, EXCEPTION_RECORD, PVOID, RTL_HEAP_PARAMETERS};
use rtlheap::vm_face::{
    rtlheap_vm_commit, rtlheap_vm_info, rtlheap_vm_query, rtlheap_vm_release, rtlheap_vm_reserve,
};
use rtlheap::{rtl, win32};

/// `MEM_COMMIT`, the state of a committed page.
const MEM_COMMIT: u32 = 0x1000;

/// A page of NT in bytes.
pub const PAGE: usize = rtl_heap::PAGE;

/// `HEAP_NO_SERIALIZE`.
pub const NO_SERIALIZE: u32 = rtl_heap::HeapFlags::NO_SERIALIZE.bits();
/// `HEAP_GROWABLE`.
pub const GROWABLE: u32 = rtl_heap::HeapFlags::GROWABLE.bits();
/// `HEAP_GENERATE_EXCEPTIONS`.
pub const GENERATE_EXCEPTIONS: u32 = rtl_heap::HeapFlags::GENERATE_EXCEPTIONS.bits();

/// Whose calls a heap takes.
#[derive(Clone, Copy, Debug)]
enum Face {
    /// `RtlAllocateHeap` and so on.
    Rtl,
    /// `HeapAlloc` and so on.
    Win32,
}

/// A heap made by one of the calls; destroyed with this.
#[derive(Debug)]
pub struct Heap<'a> {
    handle: PVOID,
    face: Face,
    /// Caller memory and lock, which have to outlive it.
    borrowed: PhantomData<&'a ()>,
}

// SAFETY: the handle is a number; serialised heaps take calls from any thread, and the tour makes
// calls on others from one thread only.
unsafe impl Sync for Heap<'_> {}

/// A block: its address and size. The tour never reads it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block {
    /// Where it starts.
    pub address: usize,
    size: usize,
}

/// What the library knows of an address.
#[derive(Clone, Copy, Debug)]
pub struct Region {
    /// Where the reservation starts.
    pub base: usize,
    /// Its size in bytes.
    pub size: usize,
    /// Whether the page at the address is committed.
    pub committed: bool,
    /// The heap that owns it, or 0.
    pub heap: usize,
}

impl Heap<'_> {
    fn new(handle: PVOID, face: Face) -> Option<Self> {
        (!handle.is_null()).then_some(Heap {
            handle,
            face,
            borrowed: PhantomData,
        })
    }

    /// Its handle, as a number.
    pub fn handle(&self) -> usize {
        self.handle.addr()
    }

    /// `RtlAllocateHeap` or `HeapAlloc`; the first and the last byte are written.
    pub fn allocate(&self, size: usize) -> Option<Block> {
        let block: *mut u8 = match self.face {
            Face::Rtl => rtl::RtlAllocateHeap(self.handle, 0, size).cast(),
            Face::Win32 => win32::HeapAlloc(self.handle, 0, size).cast(),
        };
        if block.is_null() {
            return None;
        }
        for offset in [0, size.saturating_sub(1)]
            .into_iter()
            .filter(|offset| *offset < size)
        {
            // SAFETY: the block has `size` bytes and is nobody else's.
            unsafe { block.add(offset).write(0x5A) };
        }
        Some(Block {
            address: block.addr(),
            size,
        })
    }

    /// `RtlFreeHeap`.
    pub fn free(&self, block: Block) -> bool {
        let pointer = ptr::without_provenance_mut(block.address);
        // SAFETY: the tour uses no block once it has it.
        unsafe { rtl::RtlFreeHeap(self.handle, 0, pointer) != 0 }
    }

    /// `RtlSizeHeap`.
    pub fn size(&self, block: Block) -> usize {
        rtl::RtlSizeHeap(self.handle, 0, ptr::without_provenance(block.address))
    }

    /// `RtlLockHeap`.
    pub fn lock(&self) -> bool {
        rtl::RtlLockHeap(self.handle) != 0
    }

    /// `RtlUnlockHeap`.
    pub fn unlock(&self) -> bool {
        rtl::RtlUnlockHeap(self.handle) != 0
    }

    /// `HeapDestroy`.
    pub fn win32_destroy(self) -> bool {
        let handle = self.handle;
        std::mem::forget(self);
        // SAFETY: the heap is given up here.
        unsafe { win32::HeapDestroy(handle) != 0 }
    }

    /// The reservation of its first segment.
    pub fn region(&self) -> Region {
        query(self.handle()).unwrap_or(Region {
            base: 0,
            size: 0,
            committed: false,
            heap: 0,
        })
    }

    /// Bytes committed from its start on without a gap.
    pub fn committed(&self) -> usize {
        let region = self.region();
        let is_committed =
            |offset: &usize| query(region.base + offset).is_some_and(|region| region.committed);
        (0..region.size)
            .step_by(PAGE)
            .take_while(is_committed)
            .count()
            * PAGE
    }

    /// Blocks of `size` bytes until one is refused, or `limit` of them.
    pub fn exhaust(&self, size: usize, limit: usize) -> Vec<Block> {
        (0..limit).map_while(|_| self.allocate(size)).collect()
    }
}

impl Drop for Heap<'_> {
    fn drop(&mut self) {
        // SAFETY: the heap is given up here.
        unsafe { rtl::RtlDestroyHeap(self.handle) };
    }
}

/// What is written for a heap: its handle, or NULL.
pub fn shown(heap: &Option<Heap<'_>>) -> String {
    heap.as_ref()
        .map_or("NULL".to_owned(), |heap| format!("{:#x}", heap.handle()))
}

/// `rtlheap_vm_query`: the reservation that an address lies in.
pub fn query(address: usize) -> Option<Region> {
    let mut info = rtlheap_vm_info {
        base: ptr::null_mut(),
        size: 0,
        state: 0,
        heap: ptr::null_mut(),
    };
    // SAFETY: `info` can be written.
    let found = unsafe { rtlheap_vm_query(ptr::without_provenance(address), &raw mut info) } != 0;
    found.then(|| Region {
        base: info.base.addr(),
        size: info.size,
        committed: info.state == MEM_COMMIT,
        heap: info.heap.addr(),
    })
}

/// `RtlGetProcessHeaps`: how many there are.
pub fn process_heaps() -> u32 {
    // SAFETY: no handle is to be stored.
    unsafe { rtl::RtlGetProcessHeaps(0, ptr::null_mut()) }
}

/// A call of `RtlCreateHeap`, as it is made and as it is written.
#[derive(Clone, Default)]
pub struct RtlCreateHeap<'a> {
    /// `Flags`.
    pub flags: u32,
    /// `HeapBase`, and how far behind its start.
    pub base: Option<(&'a CallerMemory, usize)>,
    /// `ReserveSize` in bytes.
    pub reserve: usize,
    /// `CommitSize` in bytes.
    pub commit: usize,
    /// `Lock`.
    pub lock: Option<&'a Resource>,
    /// `Parameters`: those that are not zero, by name.
    pub parameters: Vec<(&'static str, usize)>,
}

impl<'a> RtlCreateHeap<'a> {
    /// Makes the call.
    pub fn call(&self) -> Option<Heap<'a>> {
        let base = self.base.map_or(ptr::null_mut(), |(memory, offset)| {
            memory.0.wrapping_byte_add(offset)
        });
        let lock = self.lock.map_or(ptr::null_mut(), |lock| {
            ptr::from_ref(&*lock.0).cast_mut().cast()
        });
        let parameters = self.parameters();
        let given = parameters.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: memory and lock are borrowed for as long as the heap lives, and the tour uses
        // neither meanwhile; the parameters are read during the call.
        let handle =
            unsafe { rtl::RtlCreateHeap(self.flags, base, self.reserve, self.commit, lock, given) };
        Heap::new(handle, Face::Rtl)
    }

    fn parameters(&self) -> Option<RTL_HEAP_PARAMETERS> {
        if self.parameters.is_empty() {
            return None;
        }
        let mut given = RTL_HEAP_PARAMETERS {
            Length: size_of::<RTL_HEAP_PARAMETERS>() as u32,
            SegmentReserve: 0,
            SegmentCommit: 0,
            DeCommitFreeBlockThreshold: 0,
            DeCommitTotalFreeThreshold: 0,
            MaximumAllocationSize: 0,
            VirtualMemoryThreshold: 0,
            InitialCommit: 0,
            InitialReserve: 0,
            CommitRoutine: None,
            Reserved: [0; 2],
        };
        for (name, value) in &self.parameters {
            match *name {
                "SegmentReserve" => given.SegmentReserve = *value,
                "VirtualMemoryThreshold" => given.VirtualMemoryThreshold = *value,
                "InitialCommit" => given.InitialCommit = *value,
                "InitialReserve" => given.InitialReserve = *value,
                "CommitRoutine" => given.CommitRoutine = Some(commit_nothing),
                other => unreachable!("the tour sets no member {other}"),
            }
        }
        Some(given)
    }
}

/// A commit routine that has no memory to give.
///
/// # Safety
/// None: it touches nothing.
unsafe extern "system-unwind" fn commit_nothing(
    _base: PVOID,
    _address: *mut PVOID,
    _size: *mut usize,
) -> i32 {
    rtl_heap::Status::NO_MEMORY.0
}

impl fmt::Display for RtlCreateHeap<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = match self.base {
            None => "NULL".to_owned(),
            Some((memory, 0)) => format!("{:#x}", memory.0.addr()),
            Some((memory, offset)) => format!("{:#x} + {offset:#x}", memory.0.addr()),
        };
        let lock = if self.lock.is_some() {
            "&resource"
        } else {
            "NULL"
        };
        let set: Vec<_> = self
            .parameters
            .iter()
            .map(|(name, value)| format!(".{name} = {value:#x}"))
            .collect();
        let parameters = if set.is_empty() {
            "NULL".to_owned()
        } else {
            format!("&{{{}}}", set.join(", "))
        };
        write!(
            out,
            "RtlCreateHeap({}, {base}, {:#x}, {:#x}, {lock}, {parameters})",
            flag_names(self.flags),
            self.reserve,
            self.commit,
        )
    }
}

fn flag_names(flags: u32) -> String {
    let known = [
        (NO_SERIALIZE, "HEAP_NO_SERIALIZE"),
        (GROWABLE, "HEAP_GROWABLE"),
        (GENERATE_EXCEPTIONS, "HEAP_GENERATE_EXCEPTIONS"),
    ];
    let names: Vec<_> = known
        .iter()
        .filter(|(flag, _)| flags & flag != 0)
        .map(|(_, name)| *name)
        .collect();
    if names.is_empty() {
        "0".to_owned()
    } else {
        names.join(" | ")
    }
}

/// A call of `HeapCreate`, as it is made and as it is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeapCreate {
    /// `flOptions`.
    pub options: u32,
    /// `dwInitialSize` in bytes.
    pub initial: usize,
    /// `dwMaximumSize` in bytes.
    pub maximum: usize,
}

impl HeapCreate {
    /// Makes the call.
    pub fn call(&self) -> Option<Heap<'static>> {
        Heap::new(
            win32::HeapCreate(self.options, self.initial, self.maximum),
            Face::Win32,
        )
    }
}

impl fmt::Display for HeapCreate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = flag_names(self.options);
        write!(
            out,
            "HeapCreate({options}, {:#x}, {:#x})",
            self.initial, self.maximum
        )
    }
}

/// `GetLastError`.
pub fn last_error() -> u32 {
    GetLastError()
}

/// Memory for `HeapBase`; given back with this.
#[derive(Debug)]
pub struct CallerMemory(PVOID);

impl CallerMemory {
    /// `size` bytes, reserved, and committed if asked for.
    pub fn new(size: usize, committed: bool) -> CallerMemory {
        let base = rtlheap_vm_reserve(size);
        if committed && !base.is_null() {
            // SAFETY: nobody else knows of the reservation.
            unsafe { rtlheap_vm_commit(base, size) };
        }
        CallerMemory(base)
    }

    /// Where it starts.
    pub fn address(&self) -> usize {
        self.0.addr()
    }
}

impl Drop for CallerMemory {
    fn drop(&mut self) {
        // SAFETY: heaps on it borrow it, and are gone.
        unsafe { rtlheap_vm_release(self.0) };
    }
}

/// An `ERESOURCE` in one place.
pub struct Resource(Box<ERESOURCE>);

impl Resource {
    /// As it comes from zeroed memory, initialised by nobody.
    pub fn uninitialised() -> Resource {
        // SAFETY: the structure is made of numbers, and any bits are valid.
        Resource(Box::new(unsafe { std::mem::zeroed() }))
    }

    /// Initialised by `ExInitializeResourceLite`.
    pub fn initialised() -> Resource {
        let mut resource = Self::uninitialised();
        // SAFETY: it has its size and alignment, and no lock uses it yet.
        unsafe { ExInitializeResourceLite(&raw mut *resource.0) };
        resource
    }

    /// Ends it; says whether nobody held it.
    pub fn delete(mut self) -> bool {
        // SAFETY: heaps that use it borrow it, and are gone.
        unsafe { ExDeleteResourceLite(&raw mut *self.0) >= 0 }
    }
}

/// The code of the last exception that was raised; 0 for none.
static RAISED: AtomicU32 = AtomicU32::new(0);

/// The exceptions that `work` raises: the code of the last; 0 for none.
pub fn raised_by<R>(work: impl FnOnce() -> R) -> (R, u32) {
    /// # Safety
    /// 1. `record` lives during the call.
    unsafe extern "C-unwind" fn note(record: *const EXCEPTION_RECORD, _context: *mut c_void) {
        // SAFETY: (1).
        RAISED.store(unsafe { (*record).ExceptionCode }, Ordering::Relaxed);
    }
    RAISED.store(0, Ordering::Relaxed);
    // SAFETY: the routine may be called on any thread and at any time.
    unsafe { rtlheap_set_raise_routine(Some(note), ptr::null_mut()) };
    let result = work();
    // SAFETY: as above; the default is restored.
    unsafe { rtlheap_set_raise_routine(None, ptr::null_mut()) };
    (result, RAISED.load(Ordering::Relaxed))
}
