//! The back end: segments, their blocks and free runs, and large blocks.
//!
//! Everything here runs with the heap's lock held.

pub mod ahead;
pub mod blocks;
pub mod canary;
pub mod coalesce;
pub mod commit;
pub mod decommit;
pub mod footprint;
pub mod large;
pub mod park;
pub mod segment;
pub mod split;
pub mod warm;
