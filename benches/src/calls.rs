//! The calls that are measured, as pointers to functions.

/// `HEAP_NO_SERIALIZE`.
pub const NO_SERIALIZE: u32 = 1;

/// The heap calls of the C ABI.
#[derive(Clone, Copy)]
pub struct Calls {
    /// `HeapCreate`.
    pub heap_create: unsafe extern "C" fn(u32, usize, usize) -> usize,
    /// `HeapDestroy`.
    pub destroy: unsafe extern "C" fn(usize) -> i32,
    /// `HeapAlloc`.
    pub allocate: unsafe extern "C" fn(usize, u32, usize) -> *mut u8,
    /// `HeapReAlloc`.
    pub reallocate: unsafe extern "C" fn(usize, u32, *mut u8, usize) -> *mut u8,
    /// `HeapFree`.
    pub free: unsafe extern "C" fn(usize, u32, *mut u8) -> i32,
    /// `HeapSize`.
    pub size: unsafe extern "C" fn(usize, u32, *const u8) -> usize,
    /// `HeapValidate`.
    pub validate: unsafe extern "C" fn(usize, u32, *const u8) -> i32,
    /// `HeapWalk`.
    pub walk: unsafe extern "C" fn(usize, *mut WalkEntry) -> i32,
    /// `HeapCompact`.
    pub compact: unsafe extern "C" fn(usize, u32) -> usize,
    /// `HeapLock`.
    pub lock: unsafe extern "C" fn(usize) -> i32,
    /// `HeapUnlock`.
    pub unlock: unsafe extern "C" fn(usize) -> i32,
}

/// `PROCESS_HEAP_ENTRY`, as far as it is looked at here.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct WalkEntry {
    /// Where the walk stands; 0 at first.
    pub data: usize,
    /// Bytes.
    pub size: u32,
    /// Bytes besides, and the region's number.
    pub overhead_and_region: [u8; 2],
    /// What it is.
    pub flags: u16,
    /// What is said of a region.
    pub rest: [usize; 3],
}

impl WalkEntry {
    /// A live block.
    pub fn is_busy(&self) -> bool {
        self.flags & 4 != 0
    }
}

/// The calls of an allocator that stands in for the C library's.
#[derive(Clone, Copy)]
pub struct MallocCalls {
    /// `malloc`.
    pub malloc: unsafe extern "C" fn(usize) -> *mut u8,
    /// `realloc`.
    pub realloc: unsafe extern "C" fn(*mut u8, usize) -> *mut u8,
    /// `free`.
    pub free: unsafe extern "C" fn(*mut u8),
    /// `malloc_usable_size`, as a size query to compare `HeapSize` with.
    pub usable_size: unsafe extern "C" fn(*const u8) -> usize,
}

/// mimalloc's calls on private heaps.
#[derive(Clone, Copy)]
pub struct MiHeapCalls {
    /// `mi_heap_new`.
    pub create: unsafe extern "C" fn() -> usize,
    /// `mi_heap_destroy`, which frees the heap's blocks as well.
    pub destroy: unsafe extern "C" fn(usize),
    /// `mi_heap_malloc`.
    pub malloc: unsafe extern "C" fn(usize, usize) -> *mut u8,
    /// `mi_heap_realloc`.
    pub realloc: unsafe extern "C" fn(usize, *mut u8, usize) -> *mut u8,
    /// `mi_free`.
    pub free: unsafe extern "C" fn(*mut u8),
    /// `mi_usable_size`.
    pub usable_size: unsafe extern "C" fn(*const u8) -> usize,
}
