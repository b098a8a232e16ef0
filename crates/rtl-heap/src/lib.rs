//! The Windows NT user-mode heap, on any operating system or on none.
//!
//! ```
//! # #[cfg(feature = "os")] {
//! use rtl_heap::Heap;
//!
//! let heap = Heap::builder().create()?;
//! let block = heap.allocate(100)?;
//! assert_eq!(heap.size(block)?, 100); // exact, never rounded
//! // SAFETY: the block is ours and nobody uses it any more.
//! unsafe { heap.free(block)? };
//! # }
//! # Ok::<(), rtl_heap::Status>(())
//! ```
//!
//! | layer, top down | modules |
//! |---|---|
//! | faces | [`Heap`], [`ProcessHeap`], [`nt`] |
//! | debug heap | `verify`; [`global_flags`], which heaps are one |
//! | Local and Global memory | `movable`, seen as [`nt::movable`] |
//! | looking | `inspect` |
//! | operations | `ops` |
//! | front end | `frontend`: activation, slots, lanes, the supply of slabs |
//! | back end | `backend`: segments, blocks, commit, large blocks |
//! | life | `lifecycle`: create, destroy, the process's list; `fork` |
//! | state | `heap`, `alone`, `free_index`, `lookaside`, `regions`, `metadata` |
//! | formats | `entry` (block header), `layout` (NT's header) |
//! | words | [`flags`], [`status`], [`limits`], [`params`], `units` |

#![no_std]
#![warn(clippy::multiple_unsafe_ops_per_block)]
#![allow(
    clippy::multiple_unsafe_ops_per_block,
    reason = "operations on one block share one argument"
)]

mod alone;
mod backend;
mod belonging;
mod biased_lock;
mod bits;
mod block_traces;
mod buckets;
pub mod caller_memory;
mod entry;
mod face;
pub mod failure;
pub mod flags;
mod fork;
mod fork_lock;
mod free_index;
mod frontend;
pub mod global_flags;
mod heap;
pub mod heap_lock;
pub mod hooks;
mod host;
mod inspect;
mod kept;
mod kept_large;
mod lane;
mod layout;
mod lifecycle;
pub mod limits;
mod lookaside;
mod metadata;
mod movable;
pub mod nt;
mod ops;
pub mod params;
mod parked_middle;
mod pattern;
mod raw_lock;
mod region;
mod regions;
pub mod report;
mod side;
mod slab;
mod slab_map;
mod stack_database;
mod starts;
pub mod status;
mod sync;
mod system_vm;
mod tags;
mod units;
mod verify;

pub use face::global::ProcessHeap;
pub use face::looking::Entries;
pub use face::owned::{Heap, HeapBuilder, HeapGuard};
pub use flags::HeapFlags;
pub use global_flags::GlobalFlags;
pub use heap::Accounting;
pub use hooks::HeapException;
pub use limits::Limits;
pub use params::{CommitRoutine, HeapParameters};
pub use status::Status;
pub use system_vm::set_system_vm;
pub use units::{ALLOCATION_GRANULARITY, GRANULE, PAGE};

pub use rtl_platform::vm;
