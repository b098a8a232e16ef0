//! How a call of the family fails.

use rtl_heap::status::Status;

/// Why a request was refused; the value is the `errno` that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Refusal {
    /// There is no memory, or no object can be that large. `ENOMEM`, 12 on every Unix.
    NoMemory = 12,
    /// The alignment is no power of two, or beyond what the heap can align to. `EINVAL`, 22.
    Invalid = 22,
}

impl Refusal {
    /// The number for `errno`, and for the answer of `posix_memalign`.
    pub const fn errno(self) -> i32 {
        self as i32
    }
}

impl From<Status> for Refusal {
    /// Misuse and damage have ended the process before there was a status to speak of. What is
    /// left is an alignment beyond what the heap can align to, and no memory.
    fn from(status: Status) -> Self {
        match status {
            Status::INVALID_PARAMETER => Refusal::Invalid,
            _ => Refusal::NoMemory,
        }
    }
}
