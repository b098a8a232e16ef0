//! NT's debug heap (section 10): what a heap with checking flags does besides an ordinary one's
//! work.
//!
//! Every call on such a heap comes here, and from here goes to [`crate::ops`]. It neither parks
//! blocks nor has a front end, so that every block is where its flags want it.
//!
//! | file | concept |
//! |---|---|
//! | [`tail`] | the bytes behind a block's data |
//! | [`freed`] | the bytes of free memory (INV-FILL) |
//! | [`check`] | blocks and whole heaps, looked at |
//! | [`page_heap`] | stamps around blocks, and pages of their own |
//! | [`traces`] | who allocated a block |
//! | [`allocate`], [`reallocate`], [`release`] | the calls |

pub mod allocate;
pub mod check;
mod freed;
pub mod page_heap;
pub mod reallocate;
pub mod release;
mod tail;
pub mod traces;
