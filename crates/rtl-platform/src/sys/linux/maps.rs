//! The process's mappings, read from `/proc/self/maps` through a buffer on the stack.

use crate::pages::Span;
use crate::sys::posix::errno;
use crate::sys::region::Region;
use crate::vm::Protection;

/// All regions, upwards.
pub struct Regions {
    file: i32,
    buffer: [u8; 4096],
    next: usize,
    filled: usize,
}

impl Regions {
    /// Starts at the lowest region, or says that the system does not tell.
    pub fn open() -> Option<Self> {
        let path = c"/proc/self/maps".as_ptr();
        let file = errno::kept(|| {
            // SAFETY: a valid path; no memory of ours changes.
            let file = unsafe { libc::open(path, libc::O_RDONLY | libc::O_CLOEXEC) };
            (file >= 0).then_some(file)
        });
        Some(Self {
            file: file.ok()?,
            buffer: [0; 4096],
            next: 0,
            filled: 0,
        })
    }

    fn byte(&mut self) -> Option<u8> {
        while self.next == self.filled {
            let read = errno::kept(|| {
                let buffer = self.buffer.as_mut_ptr().cast();
                // SAFETY: the buffer is as long as the call is told.
                let read = unsafe { libc::read(self.file, buffer, self.buffer.len()) };
                usize::try_from(read).ok()
            });
            self.next = 0;
            self.filled = match read {
                Ok(0) => return None,
                Ok(count) => count,
                Err(libc::EINTR) => 0,
                Err(_) => return None,
            };
        }
        self.next += 1;
        self.buffer.get(self.next - 1).copied()
    }

    /// Reads a hexadecimal number and the character after it.
    fn number(&mut self) -> Option<usize> {
        let mut number = 0;
        while let Some(digit) = char::from(self.byte()?).to_digit(16) {
            number = number << 4 | digit as usize;
        }
        Some(number)
    }
}

impl Iterator for Regions {
    type Item = Region;

    /// Reads a line such as `7f00-8f00 rw-p 00000000 00:00 0    [stack]`.
    fn next(&mut self) -> Option<Region> {
        let span = Span {
            start: self.number()?,
            end: self.number()?,
        };
        let (read, write, execute) = (self.byte()?, self.byte()?, self.byte()?);
        let mut last: u64 = 0;
        loop {
            match self.byte()? {
                b'\n' => break,
                byte => last = last << 8 | u64::from(byte),
            }
        }
        let protection = match (read, write, execute) {
            (_, b'w', b'x') => Protection::ReadWriteExecute,
            (_, b'w', _) => Protection::ReadWrite,
            (b'r', _, _) | (_, _, b'x') => Protection::ReadOnly,
            _ => Protection::NoAccess,
        };
        Some(Region {
            span,
            protection,
            is_stack: last == u64::from_be_bytes(*b" [stack]"),
        })
    }
}

impl Drop for Regions {
    fn drop(&mut self) {
        // SAFETY: the file was opened by `open` and is closed once.
        let _ = errno::kept(|| (unsafe { libc::close(self.file) } == 0).then_some(()));
    }
}
