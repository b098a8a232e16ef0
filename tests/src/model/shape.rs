//! What a heap under the model is like.

use proptest::prelude::*;
use rtl_heap::nt;
use rtl_heap::{HeapFlags, HeapParameters, Limits, PAGE};

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

/// Shapes of debug heaps: every kind, with tail and free checks.
pub fn debug_shapes() -> impl Strategy<Value = Shape> {
    shapes().prop_map(|shape| Shape {
        flags: shape.flags | HeapFlags::TAIL_CHECKING_ENABLED | HeapFlags::FREE_CHECKING_ENABLED,
        ..shape
    })
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
        1 => Just(nt::TAGGING),
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
    shapes.push(Shape {
        flags: HeapFlags::TAIL_CHECKING_ENABLED | HeapFlags::FREE_CHECKING_ENABLED,
        ..plain()
    });
    shapes.push(Shape {
        flags: nt::TAGGING,
        ..plain()
    });
    let mut eager = plain();
    eager.parameters.virtual_memory_threshold = 0x2000;
    eager.parameters.decommit_total_free_threshold = 1;
    shapes.push(eager);
    shapes
}
