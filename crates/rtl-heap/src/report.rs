//! One line of text in a fixed buffer: reports are made where nothing may be allocated.

use core::fmt::{self, Write};

use crate::failure::HeapFailure;

const LENGTH: usize = 1024;

/// A line under construction; what does not fit is cut off.
pub struct Line {
    bytes: [u8; LENGTH],
    length: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LENGTH - 1 - self.length;
        let taken = text.len().min(room);
        self.bytes[self.length..self.length + taken].copy_from_slice(&text.as_bytes()[..taken]);
        self.length += taken;
        Ok(())
    }
}

impl Default for Line {
    fn default() -> Self {
        Line::new()
    }
}

impl Line {
    /// An empty line.
    pub const fn new() -> Line {
        Line {
            bytes: [0; LENGTH],
            length: 0,
        }
    }

    /// What was written so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// The report of a failure: what, which heap, which address. No key, no contents (R14).
    pub fn failure(&mut self, failure: &HeapFailure) {
        let HeapFailure {
            kind,
            heap,
            address,
            owner,
            allocated_by: _,
        } = failure;
        // Writing to a line cannot fail.
        let _ = write!(
            self,
            "rtl-heap: {} (failure type {:#x}): ",
            kind.text(),
            *kind as u8
        );
        let _ = write!(self, "address {address:#x}, heap {heap:#x}");
        if *owner != 0 {
            let _ = write!(self, ", owned by heap {owner:#x}");
        }
        self.end();
    }

    /// Return addresses, innermost first, behind what they are of: `called` or `allocated`. `place_of` says
    /// for an address the module that it lies in and where, if it knows.
    pub fn stack(
        &mut self,
        what: &str,
        frames: &[usize],
        place_of: impl Fn(usize) -> Option<(&'static str, usize)>,
    ) {
        let _ = write!(self, "rtl-heap: {what} from");
        for frame in frames {
            let _ = match place_of(*frame) {
                Some((module, offset)) => write!(self, " {module}+{offset:#x}"),
                None => write!(self, " {frame:#x}"),
            };
        }
        self.end();
    }

    /// A heap with blocks that nobody freed.
    pub fn leak(&mut self, heap: usize, blocks: usize, bytes: usize) {
        let _ = write!(
            self,
            "rtl-heap: leak: heap {heap:#x}, {blocks} blocks, {bytes} bytes"
        );
        self.end();
    }

    fn end(&mut self) {
        self.bytes[self.length] = b'\n';
        self.length += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_cut_and_still_ends() {
        let mut line = Line::new();
        line.stack("called", &[usize::MAX; 100], |_| None);
        assert_eq!(line.bytes().len(), LENGTH);
        assert_eq!(line.bytes().last(), Some(&b'\n'));
    }

    #[test]
    fn a_stack_says_modules_where_they_are_known() {
        let mut line = Line::new();
        let place_of = |address| (address != 0x20).then_some(("program", address - 0x10));
        line.stack("called", &[0x11, 0x20, 0x31], place_of);
        assert_eq!(
            line.bytes(),
            b"rtl-heap: called from program+0x1 0x20 program+0x21\n"
        );
    }
}
