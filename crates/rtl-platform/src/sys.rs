//! The ladder: one system is chosen here, and nowhere else in the workspace.
//!
//! Every system offers the same modules with the same functions:
//!
//! | module | functions |
//! |---|---|
//! | `memory` | `host_page_size`, `reserve`, `reserve_at`, `reserve_ready`, `mover`, and the calls of [`Vm`](crate::vm::Vm) |
//! | `regions` | `Regions`: an iterator over the used parts of the address space, upwards |
//! | `wait` | `wait`, `wake_one`, `wake_all`, `pause`, `nap` |
//! | `thread` | `id`, `block`, `watch_exit` |
//! | `word` | `word`, `set_word` |
//! | `barrier` | `enlist`, `on_every_processor` |
//! | `random` | `fill`, `ambient` |
//! | `fork` | `at_fork` |
//! | `stderr` | `write` |
//! | `stack` | `capture` |
//! | `process` | `HAS_EXCEPTIONS`, `raise_exception`, `access_violation`, `nt_global_flags` |
//! | `environment` | `read` |
//! | `errno` | `get`, `set` |

use core::ptr::NonNull;

use crate::vm::{Extent, VmError};

pub mod region;

/// Moves the committed pages of the reservation at the first address to the new one at the second,
/// with nothing committed, which is at least as large, and gives what is left of the old one back. A
/// failure gives the new one back instead. Both are whole host pages, and nobody uses them.
pub type Mover = unsafe fn(NonNull<u8>, Extent, NonNull<u8>, Extent) -> Result<(), VmError>;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::*;

#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
pub use macos::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub use windows::*;

#[cfg(unix)]
mod posix;

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
#[path = "sys/block_word.rs"]
pub mod word;

#[cfg(any(target_os = "macos", windows))]
mod keyed;
#[cfg(any(target_os = "macos", windows))]
mod late;

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
compile_error!("no such system: docs/PORTING.md says what a port has to provide");
