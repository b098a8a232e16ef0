//! A heap of some shape, and the memory and the commit routine that some shapes need.

use core::cell::Cell;
use core::ffi::c_void;
use core::ptr::NonNull;
use std::alloc::{Layout, alloc_zeroed, dealloc};

use rtl_heap::nt::{self, CreateRequest, HeapHandle};
use rtl_heap::vm::{Protection, Vm};
use rtl_heap::{HeapFlags, PAGE, Status, caller_memory};
use rtl_platform::os::OS_VM;

use super::shape::{Memory, Shape};

/// Memory a heap is made in.
#[derive(Debug)]
enum Ground {
    None,
    Allocated(NonNull<u8>, Layout),
    Library(NonNull<u8>),
    System(NonNull<u8>, usize),
}

impl Ground {
    fn lay(memory: Memory) -> Result<Self, Status> {
        Ok(match memory {
            Memory::Heap => Self::None,
            Memory::Committed(size) => {
                let layout = Layout::from_size_align(size, PAGE).expect("a page multiple");
                // SAFETY: the size is not zero.
                let memory = unsafe { alloc_zeroed(layout) };
                Self::Allocated(NonNull::new(memory).expect("memory for a test"), layout)
            }
            Memory::Reserved { size, committed }
            | Memory::Routine {
                size,
                committed,
                library: true,
            } => {
                let ground = Self::Library(caller_memory::reserve(size)?);
                if committed != 0 {
                    // SAFETY: nobody else knows the reservation.
                    unsafe { caller_memory::commit(ground.base_address(), committed) }?;
                }
                ground
            }
            Memory::Routine {
                size, committed, ..
            } => {
                let base = OS_VM.reserve(size, None).map_err(|_| Status::NO_MEMORY)?;
                // SAFETY: the reservation is new and larger.
                unsafe { OS_VM.commit(base, committed, Protection::ReadWrite) }
                    .expect("memory for a test");
                Self::System(base, size)
            }
        })
    }

    fn base(&self) -> Option<NonNull<u8>> {
        match *self {
            Self::None => None,
            Self::Allocated(base, _) | Self::Library(base) | Self::System(base, _) => Some(base),
        }
    }

    fn base_address(&self) -> usize {
        self.base().map_or(0, |base| base.as_ptr() as usize)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        match *self {
            Self::None => {}
            // SAFETY: it was allocated so, and its heap is gone.
            Self::Allocated(base, layout) => unsafe { dealloc(base.as_ptr(), layout) },
            Self::Library(base) => {
                // SAFETY: its heap is gone.
                let released = unsafe { caller_memory::release(base.as_ptr() as usize) };
                assert!(
                    std::thread::panicking() || released.is_ok(),
                    "the caller's reservation is not the caller's again: {released:?}"
                );
            }
            Self::System(base, size) => {
                // SAFETY: the whole reservation; its heap is gone.
                let _ = unsafe { OS_VM.release(base, size) };
            }
        }
    }
}

/// How the commit routine of this thread's heaps behaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Routine {
    /// Calls until one is refused, that one included; 0: none is.
    pub refuse_in: usize,
    /// Every call after it is refused as well.
    pub for_ever: bool,
    /// Commits one page, whatever is asked for.
    pub one_page: bool,
    /// Calls refused so far.
    pub refused: usize,
}

thread_local! {
    static ROUTINE: Cell<Routine> = const {
        Cell::new(Routine { refuse_in: 0, for_ever: false, one_page: false, refused: 0 })
    };
}

/// Says how the commit routine behaves on this thread from now on.
pub fn set_routine(routine: Routine) {
    ROUTINE.set(routine);
}

/// How it behaves, and what it has done.
pub fn routine() -> Routine {
    ROUTINE.get()
}

unsafe extern "system-unwind" fn commit_routine<const LIBRARY: bool>(
    _base: *mut c_void,
    address: *mut *mut c_void,
    size: *mut usize,
) -> i32 {
    let mut routine = ROUTINE.get();
    match routine.refuse_in {
        0 => {}
        1 => {
            routine.refuse_in = usize::from(routine.for_ever);
            routine.refused += 1;
            ROUTINE.set(routine);
            return Status::NO_MEMORY.0;
        }
        _ => routine.refuse_in -= 1,
    }
    ROUTINE.set(routine);
    // SAFETY: the heap passes two variables of its own.
    let (address, size) = unsafe { (&mut *address, &mut *size) };
    if routine.one_page {
        *size = PAGE;
    }
    let at = NonNull::new(address.cast::<u8>()).expect("an address");
    let committed = if LIBRARY {
        // SAFETY: the heap asks under its lock.
        unsafe { caller_memory::commit(at.as_ptr() as usize, *size) }.is_ok()
    } else {
        // SAFETY: the heap asks for pages of the reservation it was given.
        unsafe { OS_VM.commit(at, *size, Protection::ReadWrite) }.is_ok()
    };
    if committed {
        Status::SUCCESS.0
    } else {
        Status::NO_MEMORY.0
    }
}

/// A heap of some shape. Dropping it destroys it and releases its ground.
#[derive(Debug)]
pub struct Subject {
    handle: HeapHandle,
    shape: Shape,
    _ground: Ground,
}

impl Subject {
    /// Makes a heap whose memory comes from `vm`.
    ///
    /// # Errors
    /// Those of [`nt::create_heap`].
    pub fn create(shape: &Shape, vm: Option<&'static dyn Vm>) -> Result<Self, Status> {
        let ground = Ground::lay(shape.memory)?;
        let mut request = CreateRequest::new(shape.limits());
        request.flags = shape.flags;
        request.flags.set(HeapFlags::GROWABLE, shape.growable);
        request.base = ground.base();
        (request.reserve, request.commit) = (shape.reserve, shape.commit);
        request.parameters = shape.parameters;
        request.vm = vm;
        match shape.memory {
            Memory::Committed(size) => (request.reserve, request.commit) = (size, size),
            Memory::Routine {
                size,
                committed,
                library,
            } => {
                request.parameters.initial_reserve = size;
                request.parameters.initial_commit = committed;
                request.parameters.commit_routine = Some(if library {
                    commit_routine::<true>
                } else {
                    commit_routine::<false>
                });
            }
            _ => {}
        }
        // SAFETY: the ground is the heap's alone and outlives it; the vm is static.
        let handle = unsafe { nt::create_heap(&request) }?;
        Ok(Self {
            handle,
            shape: shape.clone(),
            _ground: ground,
        })
    }

    /// The heap.
    pub fn handle(&self) -> HeapHandle {
        self.handle
    }

    /// What it was made with.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // SAFETY: nobody uses the heap any more.
        let destroyed = unsafe { nt::destroy_heap(self.handle) };
        assert!(
            std::thread::panicking() || destroyed.is_ok(),
            "{destroyed:?}"
        );
    }
}
