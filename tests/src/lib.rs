//! What the conformance tests share: the C declarations, heaps and blocks that clean up after
//! themselves, and the table of conformance lines.
//!
//! The tests stand in `tests/`, one file a subject. A test of a conformance line begins with the
//! line's id, a test of a misuse row with the row's, a test of the owner's document with `row_`.

#[cfg(not(all(feature = "oracle", windows)))]
use rtlheap as _;

pub mod abi;
pub mod child;
pub mod commit;
#[cfg(not(all(feature = "oracle", windows)))]
pub mod debug;
#[cfg(all(windows, not(feature = "oracle")))]
pub mod differential;
pub mod frontend;
pub mod heap;
pub mod last_error;
pub mod lines;
#[cfg(not(all(feature = "oracle", windows)))]
pub mod misuse;
#[cfg(not(all(feature = "oracle", windows)))]
pub mod model;
pub mod objects;
pub mod raise;
#[cfg(not(all(feature = "oracle", windows)))]
pub mod resource;
pub mod serial;
#[cfg(not(all(feature = "oracle", windows)))]
pub mod simulated;
pub mod threads;
pub mod vm;
pub mod walk;
pub mod witness;
