//! The summary as text, formatted without allocating.
//!
//! ```text
//! rtl-heap summary 1
//! state running            or exited
//! heaps 1
//! peak-reserved 1114112
//! ...
//! requests 16 5213          requests for at most 16 bytes
//! requests more 2           requests beyond the last class
//! end
//! ```
//! Sizes in bytes; classes without a request are left out.

use core::fmt::{self, Write};

use rtl_heap::{Accounting, nt};

use super::counters;
use crate::calls;

/// Bytes that hold any summary: 10 lines and one for each class, of 40 bytes at most.
pub const CAPACITY: usize = 4096;

/// Where the program is in its life.
#[derive(Clone, Copy, Debug)]
pub enum State {
    /// More requests may follow.
    Running,
    /// It has called `exit`.
    Exited,
}

impl State {
    fn text(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Exited => "exited",
        }
    }
}

/// A buffer that is written front to back.
pub struct Text {
    bytes: [u8; CAPACITY],
    length: usize,
}

impl Text {
    /// The summary as of now; `None` when there is no heap to speak of.
    pub fn summary(state: State) -> Option<Text> {
        let sums = calls::accounting()?;
        let mut text = Text {
            bytes: [0; CAPACITY],
            length: 0,
        };
        text.write_summary(state, &sums).ok()?;
        Some(text)
    }

    /// What was written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn write_summary(&mut self, state: State, sums: &Accounting) -> fmt::Result {
        writeln!(self, "rtl-heap summary 1")?;
        writeln!(self, "state {}", state.text())?;
        writeln!(self, "heaps {}", nt::process_heaps(&mut []))?;
        writeln!(self, "peak-reserved {}", sums.peak_reserved)?;
        writeln!(self, "peak-committed {}", sums.peak_committed)?;
        writeln!(self, "peak-live-bytes {}", sums.peak_live_bytes)?;
        writeln!(self, "live-bytes {}", sums.live_bytes)?;
        writeln!(self, "live-blocks {}", sums.live_blocks)?;
        for (class, requests) in counters::totals().into_iter().enumerate() {
            match (requests, counters::class_limit(class)) {
                (0, _) => {}
                (_, Some(limit)) => writeln!(self, "requests {limit} {requests}")?,
                (_, None) => writeln!(self, "requests more {requests}")?,
            }
        }
        writeln!(self, "end")
    }
}

impl Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let end = self.length + part.len();
        let room = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        room.copy_from_slice(part.as_bytes());
        self.length = end;
        Ok(())
    }
}
