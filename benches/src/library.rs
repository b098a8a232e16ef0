//! The shared libraries under measurement, opened as plugins would be: ours and the peers'.

use std::env;
use std::ffi::{CStr, CString, c_void};
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::calls::{Calls, MallocCalls, MiHeapCalls};

/// The library's file: `RTLHEAP_LIBRARY`, or what cargo built beside this program.
pub fn path() -> PathBuf {
    let found = find("RTLHEAP_LIBRARY", "rtlheap");
    found.expect("librtlheap was not built beside this program")
}

/// The file of our `malloc`: `RTLHEAP_MALLOC`, or what cargo built beside this program, if it did.
pub fn malloc_path() -> Option<PathBuf> {
    find("RTLHEAP_MALLOC", "rtlheap_malloc")
}

fn find(variable: &str, name: &str) -> Option<PathBuf> {
    if let Some(path) = env::var_os(variable) {
        return Some(path.into());
    }
    let program = env::current_exe().ok()?;
    let (prefix, suffix) = (env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
    let name = format!("{prefix}{name}{suffix}");
    // A bench lies in target/PROFILE/deps, a program in target/PROFILE; the library, being a
    // dependency, in target/PROFILE/deps.
    let folders = program.ancestors().skip(1).take(2);
    folders
        .flat_map(|folder| [folder.join("deps").join(&name), folder.join(&name)])
        .find(|path| path.exists())
}

/// Opens our library and finds its calls.
pub fn open() -> Calls {
    let library = open_at(&path());
    // SAFETY: (1) the types are those of the headers; a handle is as wide as an address.
    unsafe {
        Calls {
            heap_create: call(library, c"rtlheap_HeapCreate"),
            destroy: call(library, c"rtlheap_HeapDestroy"),
            allocate: call(library, c"rtlheap_HeapAlloc"),
            reallocate: call(library, c"rtlheap_HeapReAlloc"),
            free: call(library, c"rtlheap_HeapFree"),
            size: call(library, c"rtlheap_HeapSize"),
            validate: call(library, c"rtlheap_HeapValidate"),
            walk: call(library, c"rtlheap_HeapWalk"),
            compact: call(library, c"rtlheap_HeapCompact"),
            lock: call(library, c"rtlheap_HeapLock"),
            unlock: call(library, c"rtlheap_HeapUnlock"),
        }
    }
}

/// Makes a heap as `RtlCreateHeap` does by default: growable, 256 KiB reserved.
pub fn rtl_create_documented() -> impl Fn() -> usize {
    const GROWABLE: u32 = 2;
    type RtlCreateHeap = unsafe extern "C" fn(u32, usize, usize, usize, usize, usize) -> usize;
    // SAFETY: (1) the type is that of the header; pointers are as wide as addresses.
    let create: RtlCreateHeap = unsafe { call(open_at(&path()), c"rtlheap_RtlCreateHeap") };
    move || {
        // SAFETY: no caller memory or structure is involved.
        let handle = unsafe { create(GROWABLE, 0, 0, 0, 0, 0) };
        assert_ne!(handle, 0, "no heap");
        handle
    }
}

/// The C library's calls, by address as ours are, so that both pay the same for a call.
pub fn libc_calls() -> MallocCalls {
    malloc_calls(libc::RTLD_DEFAULT)
}

/// The calls of the peer in this file.
pub fn peer_calls(path: &Path) -> MallocCalls {
    malloc_calls(open_at(path))
}

/// The private heaps of the mimalloc in this file.
pub fn mi_heap_calls(path: &Path) -> MiHeapCalls {
    let library = open_at(path);
    // SAFETY: (1) the types are those of mimalloc's documentation.
    unsafe {
        MiHeapCalls {
            create: call(library, c"mi_heap_new"),
            destroy: call(library, c"mi_heap_destroy"),
            malloc: call(library, c"mi_heap_malloc"),
            realloc: call(library, c"mi_heap_realloc"),
            free: call(library, c"mi_free"),
            usable_size: call(library, c"mi_usable_size"),
        }
    }
}

fn malloc_calls(library: *mut c_void) -> MallocCalls {
    let size = if cfg!(target_vendor = "apple") {
        c"malloc_size"
    } else {
        c"malloc_usable_size"
    };
    // SAFETY: (1) the types are C's.
    unsafe {
        MallocCalls {
            malloc: call(library, c"malloc"),
            realloc: call(library, c"realloc"),
            free: call(library, c"free"),
            usable_size: call(library, size),
        }
    }
}

/// The library in this file. Its names stay its own: peers export the same ones.
fn open_at(path: &Path) -> *mut c_void {
    let c_path = CString::new(path.as_os_str().as_bytes()).expect("a path has no NUL");
    // SAFETY: the start-up code of an allocator asks nothing of its opener.
    let library = unsafe { libc::dlopen(c_path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if library.is_null() {
        // SAFETY: after a failure there is a message.
        let message = unsafe { CStr::from_ptr(libc::dlerror()) };
        panic!(
            "cannot open {}: {}",
            path.display(),
            message.to_string_lossy()
        );
    }
    library
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
