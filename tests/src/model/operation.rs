//! What may be done to a heap, and how to draw it.

use proptest::collection::vec;
use proptest::prelude::*;

/// A call, with everything but the heap. Blocks are named by number: their number modulo how many
/// there are.
#[derive(Clone, Copy, Debug)]
pub enum Operation {
    /// A block of `size` bytes at a multiple of `1 << alignment`.
    Allocate {
        /// Flags of the call.
        flags: u32,
        /// Bytes.
        size: usize,
        /// A power of two's exponent.
        alignment: u32,
    },
    /// Frees a live block.
    Free {
        /// Flags of the call.
        flags: u32,
        /// The block.
        block: usize,
    },
    /// Changes a live block's size.
    Reallocate {
        /// Flags of the call.
        flags: u32,
        /// The block.
        block: usize,
        /// Bytes.
        size: usize,
    },
    /// Asks for a live block's size and whether it is one.
    Ask {
        /// Flags of the calls.
        flags: u32,
        /// The block.
        block: usize,
    },
    /// Takes the lock once more.
    Lock,
    /// Gives the lock back once, held or not.
    Unlock,
    /// Gives back what is free.
    Compact {
        /// Flags of the call.
        flags: u32,
    },
    /// One of the rarer calls.
    Rare(Rare),
    /// Passes a pointer that is no block.
    Misuse {
        /// To which call.
        call: Call,
        /// Flags of the call.
        flags: u32,
        /// What pointer.
        pointer: Pointer,
    },
    /// Passes a handle that is no heap.
    WrongHandle {
        /// To which call.
        call: Call,
        /// What handle.
        handle: Pointer,
    },
}

/// A call that few programs make.
#[derive(Clone, Copy, Debug)]
pub enum Rare {
    /// Sets a live block's user value.
    SetValue {
        /// The block.
        block: usize,
        /// The value.
        value: usize,
    },
    /// Changes a live block's user flags; bits that are none have it refused.
    SetFlags {
        /// The block.
        block: usize,
        /// Taken away.
        reset: u32,
        /// Then added.
        set: u32,
    },
    /// Several blocks of one size.
    AllocateMany {
        /// Flags of the call.
        flags: u32,
        /// Bytes.
        size: usize,
        /// How many.
        count: usize,
    },
    /// Frees several live blocks, and NULL among them.
    FreeMany {
        /// The first of them.
        block: usize,
        /// How many.
        count: usize,
    },
    /// Overwrites what is free.
    Zero {
        /// Flags of the call.
        flags: u32,
    },
    /// Gives back what the front end keeps.
    Optimize,
    /// Permits the front end.
    AllowFrontEnd,
    /// Makes the heap read-only for a moment.
    Protect,
}

/// A call that takes a block.
#[derive(Clone, Copy, Debug)]
pub enum Call {
    /// Free.
    Free,
    /// Size.
    Size,
    /// Reallocate, to this many bytes.
    Reallocate(usize),
    /// Validate.
    Validate,
}

/// Something that is no block of the heap.
#[derive(Clone, Copy, Debug)]
pub enum Pointer {
    /// NULL.
    Null,
    /// Into or before a live block: its address and this many bytes.
    Near {
        /// The block.
        block: usize,
        /// Distance from its address in bytes.
        distance: isize,
    },
    /// A block that was freed.
    Freed(usize),
    /// A live block of another heap.
    Foreign(usize),
    /// A variable of the caller.
    Stack,
    /// A static variable.
    Static,
    /// Some way into the heap itself.
    Heap(usize),
    /// Any bits at all.
    Bits(usize),
}

/// A list of operations; `average` is its average length.
pub fn operations(average: usize) -> impl Strategy<Value = Vec<Operation>> {
    vec(operation(), 0..=2 * average)
}

/// One operation. What stands first is what shrinking tends to.
pub fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        30 => (flags(), size(), alignment()).prop_map(|(flags, size, alignment)| {
            Operation::Allocate { flags, size, alignment }
        }),
        20 => (flags(), any::<usize>()).prop_map(|(flags, block)| Operation::Free { flags, block }),
        15 => (flags(), any::<usize>(), size()).prop_map(|(flags, block, size)| {
            Operation::Reallocate { flags, block, size }
        }),
        4 => (flags(), any::<usize>()).prop_map(|(flags, block)| Operation::Ask { flags, block }),
        1 => Just(Operation::Lock),
        2 => Just(Operation::Unlock),
        1 => flags().prop_map(|flags| Operation::Compact { flags }),
        6 => rare().prop_map(Operation::Rare),
        8 => (call(), flags(), pointer()).prop_map(|(call, flags, pointer)| {
            Operation::Misuse { call, flags, pointer }
        }),
        1 => (call(), pointer()).prop_map(|(call, handle)| Operation::WrongHandle { call, handle }),
    ]
}

fn rare() -> impl Strategy<Value = Rare> {
    let user_flags = || {
        prop_oneof![
            4 => (0..8u32).prop_map(|flags| flags << 9),
            1 => any::<u32>(),
        ]
    };
    prop_oneof![
        3 => (any::<usize>(), any::<usize>()).prop_map(|(block, value)| {
            Rare::SetValue { block, value }
        }),
        3 => (any::<usize>(), user_flags(), user_flags()).prop_map(|(block, reset, set)| {
            Rare::SetFlags { block, reset, set }
        }),
        3 => (flags(), size(), 0..20usize).prop_map(|(flags, size, count)| {
            Rare::AllocateMany { flags, size, count }
        }),
        2 => (any::<usize>(), 0..20usize).prop_map(|(block, count)| {
            Rare::FreeMany { block, count }
        }),
        1 => flags().prop_map(|flags| Rare::Zero { flags }),
        1 => Just(Rare::Optimize),
        1 => Just(Rare::AllowFrontEnd),
        1 => Just(Rare::Protect),
    ]
}

/// Flags of a call: usually none, else any at all.
fn flags() -> impl Strategy<Value = u32> {
    prop_oneof![
        4 => Just(0),
        3 => prop::sample::select(vec![0x8, 0x10, 0x18, 0x100, 0x108, 0xE00, 0xF00, 0x1, 0x4]),
        1 => (any::<u32>(), any::<u32>()).prop_map(|(one, other)| one & other),
    ]
}

/// Mostly small sizes, some of every magnitude, some around the limits, a few absurd ones.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        40 => 0..300usize,
        16 => 0..0x1000usize,
        8 => 0..0x1_0000usize,
        2 => 0..0x18_0000usize,
        1 => 0x7_EFC0..0x7_F040usize,
        1 => 0xF_EFC0..0xF_F040usize,
        1 => (0..0x3000usize).prop_map(|less| usize::MAX - less),
        1 => (0..0x3000usize).prop_map(|more| isize::MAX as usize + more),
    ]
}

fn alignment() -> impl Strategy<Value = u32> {
    prop_oneof![12 => Just(0), 3 => 0..=13u32, 1 => 13..=18u32]
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        3 => Just(Call::Free),
        1 => Just(Call::Size),
        2 => size().prop_map(Call::Reallocate),
        1 => Just(Call::Validate),
    ]
}

fn pointer() -> impl Strategy<Value = Pointer> {
    prop_oneof![
        1 => Just(Pointer::Null),
        6 => (any::<usize>(), distance()).prop_map(|(block, distance)| {
            Pointer::Near { block, distance }
        }),
        6 => any::<usize>().prop_map(Pointer::Freed),
        2 => any::<usize>().prop_map(Pointer::Foreign),
        1 => Just(Pointer::Stack),
        1 => Just(Pointer::Static),
        3 => (0..0x4_0000usize).prop_map(Pointer::Heap),
        1 => any::<usize>().prop_map(Pointer::Bits),
        1 => (0..usize::BITS - 16, any::<usize>()).prop_map(|(shift, bits)| Pointer::Bits(bits >> shift)),
    ]
}

fn distance() -> impl Strategy<Value = isize> {
    prop_oneof![
        1..64isize,
        -64..0isize,
        (1..64isize).prop_map(|granules| 16 * granules),
        (-16..16isize).prop_map(|pages| 0x1000 * pages),
        -0x2_0000..0x2_0000isize,
    ]
}
