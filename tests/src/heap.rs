//! A heap that is destroyed at the end of its test, and the blocks in it.

use core::ffi::c_void;
use core::marker::PhantomData;
use core::ops::Range;
use core::ptr::{NonNull, null, null_mut};

use crate::abi::*;
use crate::last_error::{PRESET, observe};

/// Pointer size in bytes.
pub const P: usize = size_of::<usize>();
/// The heap's granule in bytes.
pub const G: usize = 2 * P;
/// The unit of the large sizes in the specification, in bytes.
pub const A: usize = 0x8000 * P;
/// The unit of initial commits, in bytes: 4 KiB on 32-bit, 8 KiB on 64-bit.
pub const COMMIT_UNIT: usize = 0x400 * P;
/// Largest request that stays in a segment (specification 2.6).
pub const LARGEST_ORDINARY: usize = if P == 8 { 0xF_EFF8 } else { 0x7_EFF8 };

/// `value` rounded up to a multiple of `unit`.
pub const fn round_up(value: usize, unit: usize) -> usize {
    value.div_ceil(unit) * unit
}

/// The distance between neighbouring blocks of `size` bytes (specification 2.6).
pub fn block(size: usize) -> usize {
    round_up(size.max(G) + 8, G)
}

/// A heap under test. Dropping it destroys it, unless it is the process heap.
#[derive(Debug)]
pub struct TestHeap {
    handle: HANDLE,
    owned: bool,
}

// SAFETY: a handle may be used by every thread.
unsafe impl Send for TestHeap {}
// SAFETY: as above; tests of heaps without serialisation keep the threads apart themselves.
unsafe impl Sync for TestHeap {}

impl TestHeap {
    /// The specification's "H": `HeapCreate(0, 0, 0)`.
    pub fn new() -> Self {
        Self::create(0, 0, 0)
    }

    /// `HeapCreate` with these arguments, which must succeed.
    pub fn create(options: u32, initial: usize, maximum: usize) -> Self {
        let handle = HeapCreate(options, initial, maximum);
        assert!(
            !handle.is_null(),
            "HeapCreate({options:#x}, {initial:#x}, {maximum:#x})"
        );
        Self {
            handle,
            owned: true,
        }
    }

    /// `RtlCreateHeap` without caller memory, lock or parameters, which must succeed.
    pub fn rtl(flags: u32, reserve: usize, commit: usize) -> Self {
        Self::rtl_with(flags, reserve, commit, &RTL_HEAP_PARAMETERS::new())
    }

    /// `RtlCreateHeap` with parameters, which must succeed.
    pub fn rtl_with(
        flags: u32,
        reserve: usize,
        commit: usize,
        parameters: &RTL_HEAP_PARAMETERS,
    ) -> Self {
        // SAFETY: no caller memory, no lock; the parameters are a live reference.
        let handle =
            unsafe { RtlCreateHeap(flags, null_mut(), reserve, commit, null_mut(), parameters) };
        assert!(
            !handle.is_null(),
            "RtlCreateHeap({flags:#x}, NULL, {reserve:#x}, {commit:#x})"
        );
        Self {
            handle,
            owned: true,
        }
    }

    /// Takes over a heap made by the test itself.
    pub fn adopt(handle: HANDLE) -> Self {
        assert!(!handle.is_null(), "the heap was not made");
        Self {
            handle,
            owned: true,
        }
    }

    /// The process heap, which dropping leaves alone.
    pub fn process() -> Self {
        let handle = GetProcessHeap();
        assert!(!handle.is_null());
        Self {
            handle,
            owned: false,
        }
    }

    /// The handle.
    pub fn handle(&self) -> HANDLE {
        self.handle
    }

    /// The handle as an address.
    pub fn address(&self) -> usize {
        self.handle as usize
    }

    /// Allocates, which must succeed and leave the last error alone.
    #[track_caller]
    pub fn alloc(&self, flags: u32, size: usize) -> Block<'_> {
        let (block, error) = observe(|| self.try_alloc(flags, size));
        let block = block.unwrap_or_else(|| panic!("HeapAlloc({flags:#x}, {size:#x}): {error}"));
        assert_eq!(
            error, PRESET,
            "a successful HeapAlloc leaves the last error alone"
        );
        assert_eq!(
            self.size_of(block.pointer()),
            size,
            "HeapSize is the size asked for"
        );
        block
    }

    /// Allocates; `None` on failure.
    pub fn try_alloc(&self, flags: u32, size: usize) -> Option<Block<'_>> {
        let pointer = NonNull::new(HeapAlloc(self.handle, flags, size))?;
        Some(Block {
            pointer: pointer.cast(),
            size,
            heap: PhantomData,
        })
    }

    /// Asserts that an allocation is refused for want of memory.
    #[track_caller]
    pub fn assert_no_memory(&self, flags: u32, size: usize) {
        let (pointer, error) = observe(|| HeapAlloc(self.handle, flags, size));
        assert!(
            pointer.is_null(),
            "HeapAlloc({flags:#x}, {size:#x}) succeeded"
        );
        assert_eq!(error, error::ERROR_NOT_ENOUGH_MEMORY);
    }

    /// Frees a block, which must succeed.
    #[track_caller]
    pub fn free(&self, block: Block<'_>) {
        assert_eq!(HeapFree(self.handle, 0, block.pointer()), TRUE, "HeapFree");
    }

    /// Changes a block's size, which must succeed; returns whether it stayed in place.
    #[track_caller]
    pub fn resize(&self, flags: u32, block: &mut Block<'_>, size: usize) -> bool {
        let pointer = HeapReAlloc(self.handle, flags, block.pointer(), size);
        let Some(pointer) = NonNull::new(pointer) else {
            panic!(
                "HeapReAlloc({flags:#x}, {:#x} -> {size:#x}): {}",
                block.size,
                GetLastError()
            )
        };
        let in_place = pointer.cast() == block.pointer;
        block.pointer = pointer.cast();
        block.size = size;
        assert_eq!(
            self.size_of(block.pointer()),
            size,
            "HeapSize is the size asked for"
        );
        in_place
    }

    /// Asserts that a block's size cannot be changed, and that block and contents stay as they
    /// were.
    #[track_caller]
    pub fn assert_resize_refused(&self, flags: u32, block: &Block<'_>, size: usize) -> u32 {
        let before = block.bytes().to_vec();
        let (pointer, error) = observe(|| HeapReAlloc(self.handle, flags, block.pointer(), size));
        assert!(
            pointer.is_null(),
            "HeapReAlloc({flags:#x}, {:#x} -> {size:#x})",
            block.size
        );
        assert_eq!(
            self.size_of(block.pointer()),
            block.size,
            "a refused HeapReAlloc changes nothing"
        );
        assert!(
            block.bytes() == before,
            "a refused HeapReAlloc keeps the contents"
        );
        error
    }

    /// `HeapSize` of any pointer.
    pub fn size_of(&self, pointer: *const c_void) -> usize {
        HeapSize(self.handle, 0, pointer)
    }

    /// Destroys the heap, which must succeed.
    pub fn destroy(mut self) {
        self.owned = false;
        assert_eq!(HeapDestroy(self.handle), TRUE, "HeapDestroy");
    }

    /// Forgets the heap: the test has destroyed it.
    pub fn forget(mut self) {
        self.owned = false;
    }
}

impl Default for TestHeap {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for TestHeap {
    fn drop(&mut self) {
        if self.owned && !std::thread::panicking() {
            assert_eq!(
                HeapDestroy(self.handle),
                TRUE,
                "HeapDestroy at the end of the test"
            );
        }
    }
}

/// A live block. Dropping it does not free it: the heap's end does.
#[derive(Debug)]
pub struct Block<'heap> {
    pointer: NonNull<u8>,
    size: usize,
    heap: PhantomData<&'heap TestHeap>,
}

// SAFETY: a block is plain memory with one owner.
unsafe impl Send for Block<'_> {}

impl Block<'_> {
    /// The pointer the heap gave.
    pub fn pointer(&self) -> *mut c_void {
        self.pointer.as_ptr().cast()
    }

    /// The pointer as a number.
    pub fn address(&self) -> usize {
        self.pointer.as_ptr() as usize
    }

    /// The size asked for, in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The contents.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the heap gave out `size` bytes here, and this block is their one owner.
        unsafe { core::slice::from_raw_parts(self.pointer.as_ptr(), self.size) }
    }

    /// The contents, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: the heap gave out `size` bytes here, and this block is their one owner.
        unsafe { core::slice::from_raw_parts_mut(self.pointer.as_ptr(), self.size) }
    }

    /// Whether every byte is `byte`.
    pub fn is_filled(&self, byte: u8) -> bool {
        self.bytes().iter().all(|&b| b == byte)
    }

    /// Copies bytes from behind or around the data, which the caller knows to be mapped.
    ///
    /// # Safety
    /// The range, counted from the data's first byte, lies in committed memory of the heap.
    pub unsafe fn peek(&self, range: Range<usize>) -> Vec<u8> {
        // SAFETY: by the caller's promise each byte is readable.
        range
            .map(|i| unsafe { self.pointer.as_ptr().add(i).read_volatile() })
            .collect()
    }

    /// Fills the data with bytes that depend on their place and on `seed`.
    pub fn write_pattern(&mut self, seed: u8) {
        for (i, byte) in self.bytes_mut().iter_mut().enumerate() {
            *byte = pattern(seed, i);
        }
    }

    /// Whether the first `len` bytes are what [`write_pattern`](Self::write_pattern) wrote.
    pub fn has_pattern(&self, seed: u8, len: usize) -> bool {
        self.bytes()[..len]
            .iter()
            .enumerate()
            .all(|(i, &byte)| byte == pattern(seed, i))
    }
}

fn pattern(seed: u8, index: usize) -> u8 {
    (index as u8).wrapping_mul(31) ^ (index >> 8) as u8 ^ seed
}

/// The handles of all heaps of the process, in the order the process heap list gives them.
pub fn process_heaps() -> Vec<HANDLE> {
    let mut heaps = vec![null_mut(); 64];
    loop {
        // SAFETY: the array has room for as many handles as are announced.
        let count = unsafe { GetProcessHeaps(heaps.len() as u32, heaps.as_mut_ptr()) } as usize;
        if count <= heaps.len() {
            heaps.truncate(count);
            return heaps;
        }
        heaps.resize(2 * count, null_mut());
    }
}

/// A NULL pointer to pass as block.
pub const NULL: *mut c_void = null_mut();

/// A NULL pointer to pass as parameters.
pub const NO_PARAMETERS: *const RTL_HEAP_PARAMETERS = null();
