//! `malloc` and its family on the process heap, for programs that know nothing of NT.
//!
//! The shared object `librtlheap_malloc` is put before a program by `LD_PRELOAD` or
//! `DYLD_INSERT_LIBRARIES`; `ntheap run` does that. `malloc` and the process heap are one heap, as
//! they are in the C library of Windows. As a Rust library the crate offers the same calls in
//! [`calls`] — and, because it is the C library's `malloc` that it defines, moves every program
//! that links it onto the heap.
//!
//! # What C leaves open, and what is done here
//!
//! | question | answer |
//! |---|---|
//! | `malloc(0)` | a block of its own, of no bytes |
//! | `realloc(p, 0)` | what the system's own does: ELF systems free `p` and return null, macOS returns an empty block |
//! | `malloc_usable_size(p)` | exactly the bytes asked for: the rest of the granule is watched, and not the program's |
//! | `free`, `realloc`, size of a pointer that is no live block; `free`, `realloc` of one that was written behind | on ELF systems a report on standard error and the end of the process; on macOS, where the system's zones live on beside this heap, the pointer goes to them |
//! | corruption of a block | a report, and the end of the process, always |
//! | `errno` | `ENOMEM` when there is no memory, `EINVAL` for an alignment that is none; `free` leaves it alone |
//! | alignment | 16, and any power of two to 1 GiB on request |
//!
//! # When it works
//!
//! From the first call of the dynamic linker on: everything here is constant-initialised, nothing
//! looks a symbol up, and nothing allocates to get ready. After `fork` the child has every block
//! and a working heap, whatever other threads were doing. The heap is never torn down, so the last
//! destructor may still allocate; and the library is never unloaded. A signal handler must not
//! allocate, with this `malloc` as with any.
//!
//! # Layers
//!
//! [`names`](self) (what the linker sees) calls [`calls`] (what C demands), which calls `heap`
//! (the process heap, made at first use) and `statistics` (what `ntheap run` prints).

#![warn(clippy::multiple_unsafe_ops_per_block)]

pub mod calls;
mod errors;
mod heap;
mod names;
#[cfg_attr(
    takeover = "none",
    allow(
        dead_code,
        unused_imports,
        reason = "no loader puts the library before a program there, so nobody asks"
    )
)]
mod statistics;
