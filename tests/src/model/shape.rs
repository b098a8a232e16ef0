//! What a heap under the model is like, and such a heap.

use core::cell::Cell;
use core::ffi::c_void;
use core::ptr::NonNull;
use std::alloc::{Layout, alloc_zeroed, dealloc};

use proptest::prelude::*;
use rtl_heap::nt::{self, CreateRequest, HeapHandle};
use rtl_heap::vm::{Protection, Vm};
use rtl_heap::{HeapFlags, HeapParameters, Limits, PAGE, Status, caller_memory};
use rtl_platform::os::OS_VM;

/// What a heap is made with.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Where its first segment lies.
    pub memory: Memory,
    /// It may grow.
    pub growable: bool,
    /// More creation flags.
    pub flags: HeapFlags,
    /// [`Limits::DOCUMENTED`] rather than [`Limits::WINDOWS`].
    pub documented: bool,
    /// Bytes to reserve.
    pub reserve: usize,
    /// Bytes to commit.
    pub commit: usize,
    /// Thresholds and segment sizes.
    pub parameters: HeapParameters,
}

/// Whose memory a heap's first segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// The heap reserves it.
    Heap,
    /// The caller's, from its own allocator: this many committed bytes.
    Committed(usize),
    /// Reserved through the library, some pages committed at the start.
    Reserved {
        /// Bytes.
        size: usize,
        /// Of them, committed before the heap is made.
        committed: usize,
    },
    /// The caller's, committed by its routine.
    Routine {
        /// Bytes.
        size: usize,
        /// Of them, committed before the heap is made.
        committed: usize,
        /// Reserved through the library, not from the system.
        library: bool,
    },
}

/// Creation flags that may come with any shape.
const FLAGS: HeapFlags = HeapFlags::NO_SERIALIZE
    .union(HeapFlags::GENERATE_EXCEPTIONS)
    .union(HeapFlags::ZERO_MEMORY)
    .union(HeapFlags::REALLOC_IN_PLACE_ONLY)
    .union(HeapFlags::TAIL_CHECKING_ENABLED)
    .union(HeapFlags::FREE_CHECKING_ENABLED)
    .union(HeapFlags::DISABLE_COALESCE_ON_FREE)
    .union(HeapFlags::SETTABLE_USER_VALUE)
    .union(HeapFlags::CREATE_ALIGN_16)
    .union(HeapFlags::CREATE_ENABLE_TRACING);

impl Shape {
    /// A growable, serialised heap of default size.
    pub fn plain() -> Self {
        Self {
            memory: Memory::Heap,
            growable: true,
            flags: HeapFlags::empty(),
            documented: false,
            reserve: 0,
            commit: 0,
            parameters: HeapParameters::default(),
        }
    }

    /// The numbers that zeros stand for.
    pub fn limits(&self) -> Limits {
        if self.documented {
            Limits::DOCUMENTED
        } else {
            Limits::WINDOWS
        }
    }

    /// Largest block that lies in a segment, in bytes.
    pub fn largest_block(&self) -> usize {
        let default = self.limits().virtual_memory_threshold;
        match self.parameters.virtual_memory_threshold {
            0 => default,
            bytes => bytes.min(default),
        }
    }

    /// Pages of free blocks go back to the system, so that an emptied heap is like a fresh one to
    /// the page.
    pub fn decommits(&self) -> bool {
        matches!(self.memory, Memory::Heap | Memory::Reserved { .. })
    }
}

/// Shapes of every kind, a plain one first.
pub fn shapes() -> impl Strategy<Value = Shape> {
    shapes_in(prop_oneof![
        6 => Just(Memory::Heap),
        1 => (1..0x80usize).prop_map(|pages| Memory::Committed(pages * PAGE)),
        2 => (bytes(), any::<bool>()).prop_map(|((size, committed), some)| {
            Memory::Reserved { size, committed: if some { committed } else { 0 } }
        }),
        2 => routine_memory(),
    ])
}

/// Shapes with a commit routine.
pub fn routine_shapes() -> impl Strategy<Value = Shape> {
    shapes_in(routine_memory())
}

fn routine_memory() -> impl Strategy<Value = Memory> {
    (bytes(), any::<bool>()).prop_map(|((size, committed), library)| Memory::Routine {
        size,
        committed,
        library,
    })
}

/// Sizes of caller memory: all of it, and what is committed.
fn bytes() -> impl Strategy<Value = (usize, usize)> {
    (1..0x100usize, 1..=0x100usize)
        .prop_map(|(size, committed)| (size * PAGE, size.min(committed) * PAGE))
}

fn shapes_in(memory: impl Strategy<Value = Memory>) -> impl Strategy<Value = Shape> {
    let flags = prop_oneof![
        3 => Just(HeapFlags::empty()),
        1 => (any::<u32>(), any::<u32>()).prop_map(|(one, other)| {
            HeapFlags::from_bits_retain(one & other) & FLAGS
        }),
    ];
    let size = || prop_oneof![Just(0), 0x1000..0x20_0000usize];
    (
        memory,
        any::<bool>(),
        flags,
        any::<bool>(),
        (size(), size()),
        parameters(),
    )
        .prop_map(
            |(memory, fixed, flags, documented, (reserve, commit), parameters)| Shape {
                memory,
                growable: !fixed && !matches!(memory, Memory::Routine { .. }),
                flags,
                documented,
                reserve,
                commit,
                parameters,
            },
        )
}

fn parameters() -> impl Strategy<Value = HeapParameters> {
    let or_default = |range: core::ops::Range<usize>| prop_oneof![3 => Just(0), 1 => range];
    (
        or_default(1..0x80_0000),
        or_default(1..0x4_0000),
        or_default(1..0x1_0000),
        or_default(1..0x10_0000),
        or_default(0x400..0x2_0000),
    )
        .prop_map(|(reserve, commit, block, total, large)| HeapParameters {
            segment_reserve: reserve,
            segment_commit: commit,
            decommit_free_block_threshold: block,
            decommit_total_free_threshold: total,
            virtual_memory_threshold: large,
            ..HeapParameters::default()
        })
}

/// Shapes that are tested one by one: each kind of memory and each flag that changes a path.
pub fn typical_shapes() -> Vec<Shape> {
    let plain = Shape::plain;
    let size = 0x8_0000;
    let committed = 0x3000;
    let mut shapes = vec![
        plain(),
        Shape {
            documented: true,
            ..plain()
        },
        Shape {
            growable: false,
            reserve: 0x10_0000,
            commit: 0x1000,
            ..plain()
        },
    ];
    shapes.extend(
        [
            Memory::Committed(size),
            Memory::Reserved { size, committed },
            Memory::Reserved { size, committed: 0 },
        ]
        .into_iter()
        .flat_map(|memory| {
            [true, false].map(|growable| Shape {
                memory,
                growable,
                ..plain()
            })
        }),
    );
    shapes.extend([true, false].map(|library| Shape {
        memory: Memory::Routine {
            size,
            committed,
            library,
        },
        growable: false,
        ..plain()
    }));
    shapes.extend(
        [HeapFlags::NO_SERIALIZE, HeapFlags::DISABLE_COALESCE_ON_FREE]
            .map(|flags| Shape { flags, ..plain() }),
    );
    let mut eager = plain();
    eager.parameters.virtual_memory_threshold = 0x2000;
    eager.parameters.decommit_total_free_threshold = 1;
    shapes.push(eager);
    shapes
}

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
