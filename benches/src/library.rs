//! The shared library under measurement, opened as a plugin would be.

use std::env;
use std::ffi::{CStr, CString, c_void};
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// `HEAP_NO_SERIALIZE`.
pub const NO_SERIALIZE: u32 = 1;
/// `HEAP_GROWABLE`.
pub const GROWABLE: u32 = 2;

/// What `rtlheap_vm_query` fills in.
#[repr(C)]
#[derive(Default)]
pub struct VmInfo {
    /// Where the reservation starts.
    pub base: usize,
    /// Its size in bytes.
    pub size: usize,
    /// Its state there.
    pub state: u32,
    /// The heap it belongs to.
    pub heap: usize,
}

/// The heap calls of the C ABI.
#[derive(Clone, Copy)]
pub struct Calls {
    /// `HeapCreate`.
    pub heap_create: unsafe extern "C" fn(u32, usize, usize) -> usize,
    /// `RtlCreateHeap`.
    pub rtl_create: unsafe extern "C" fn(u32, usize, usize, usize, usize, usize) -> usize,
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
    /// `rtlheap_vm_query`.
    pub vm_query: unsafe extern "C" fn(usize, *mut VmInfo) -> i32,
}

/// The calls of the C library's allocator.
#[derive(Clone, Copy)]
pub struct LibcCalls {
    /// `malloc`.
    pub malloc: unsafe extern "C" fn(usize) -> *mut u8,
    /// `realloc`.
    pub realloc: unsafe extern "C" fn(*mut u8, usize) -> *mut u8,
    /// `free`.
    pub free: unsafe extern "C" fn(*mut u8),
    /// `malloc_usable_size`, as a size query to compare `HeapSize` with.
    pub usable_size: unsafe extern "C" fn(*const u8) -> usize,
}

/// The library's file: `RTLHEAP_LIBRARY`, or what cargo built beside this program.
pub fn path() -> PathBuf {
    if let Some(path) = env::var_os("RTLHEAP_LIBRARY") {
        return path.into();
    }
    let program = env::current_exe().expect("a program has a path");
    let name = format!(
        "{}rtlheap{}",
        env::consts::DLL_PREFIX,
        env::consts::DLL_SUFFIX
    );
    // A bench lies in target/PROFILE/deps, a program in target/PROFILE; the library, being a
    // dependency, in target/PROFILE/deps.
    let folders = program.ancestors().skip(1).take(2);
    folders
        .flat_map(|folder| [folder.join("deps").join(&name), folder.join(&name)])
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("{name} was not built beside {}", program.display()))
}

/// Opens the library and finds its calls.
pub fn open() -> Calls {
    let path = path();
    let c_path = CString::new(path.as_os_str().as_bytes()).expect("a path has no NUL");
    // SAFETY: the library's start-up code is ours and asks nothing of its opener.
    let library = unsafe { libc::dlopen(c_path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    assert!(!library.is_null(), "cannot open {}", path.display());
    // SAFETY: (1) the types are those of the headers; a handle is as wide as an address.
    unsafe {
        Calls {
            heap_create: call(library, c"rtlheap_HeapCreate"),
            rtl_create: call(library, c"rtlheap_RtlCreateHeap"),
            destroy: call(library, c"rtlheap_HeapDestroy"),
            allocate: call(library, c"rtlheap_HeapAlloc"),
            reallocate: call(library, c"rtlheap_HeapReAlloc"),
            free: call(library, c"rtlheap_HeapFree"),
            size: call(library, c"rtlheap_HeapSize"),
            vm_query: call(library, c"rtlheap_vm_query"),
        }
    }
}

/// The C library's calls, by address as ours are, so that both pay the same for a call.
pub fn libc_calls() -> LibcCalls {
    // SAFETY: (1) the types are C's.
    unsafe {
        LibcCalls {
            malloc: call(libc::RTLD_DEFAULT, c"malloc"),
            realloc: call(libc::RTLD_DEFAULT, c"realloc"),
            free: call(libc::RTLD_DEFAULT, c"free"),
            usable_size: call(
                libc::RTLD_DEFAULT,
                if cfg!(target_vendor = "apple") {
                    c"malloc_size"
                } else {
                    c"malloc_usable_size"
                },
            ),
        }
    }
}

/// The function of type `F` that `library` exports as `name`.
///
/// # Safety
/// 1. `F` is the type of a pointer to it.
unsafe fn call<F: Copy>(library: *mut c_void, name: &CStr) -> F {
    const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
    // SAFETY: the handle is open, and the name ends in NUL.
    let address = unsafe { libc::dlsym(library, name.as_ptr()) };
    assert!(!address.is_null(), "{name:?} is not exported");
    // SAFETY: (1).
    unsafe { mem::transmute_copy(&address) }
}
