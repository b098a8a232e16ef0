//! `NTSTATUS` values a heap call ends with, and the Win32 error each one means.

use core::fmt;

/// An `NTSTATUS` value: negative is failure.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Status(pub i32);

/// Values, names and Win32 errors in one table (specification 0.2), so that they cannot differ.
macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $value:literal => $win32:literal, $text:literal;)*) => {
        impl Status {
            $($(#[$doc])* pub const $name: Status = Status($value as u32 as i32);)*

            /// The Win32 error code that `RtlNtStatusToDosError` gives for this status;
            /// 317 (`ERROR_MR_MID_NOT_FOUND`) for one this library never returns.
            pub const fn win32_error(self) -> u32 {
                match self.0 as u32 {
                    $($value => $win32,)*
                    _ => 317,
                }
            }

            /// What it means, in a few words.
            pub const fn text(self) -> &'static str {
                match self.0 as u32 {
                    $($value => $text,)*
                    _ => "unknown status",
                }
            }
        }
    };
}

statuses! {
    /// The call did what it was asked to.
    SUCCESS = 0x0000_0000 => 0, "success";
    /// There is more to report.
    MORE_ENTRIES = 0x0000_0105 => 234, "more entries";
    /// A walk has come to its end.
    NO_MORE_ENTRIES = 0x8000_001A => 259, "no more entries";
    /// The heap cannot do that.
    UNSUCCESSFUL = 0xC000_0001 => 31, "unsuccessful";
    /// Not implemented.
    NOT_IMPLEMENTED = 0xC000_0002 => 1, "not implemented";
    /// No such information class.
    INVALID_INFO_CLASS = 0xC000_0003 => 87, "invalid information class";
    /// A structure has the wrong length.
    INFO_LENGTH_MISMATCH = 0xC000_0004 => 24, "length mismatch";
    /// An address is not mapped.
    ACCESS_VIOLATION = 0xC000_0005 => 998, "invalid access to a memory location";
    /// Not a heap.
    INVALID_HANDLE = 0xC000_0008 => 6, "the handle is not a heap";
    /// No such thread or process.
    INVALID_CID = 0xC000_000B => 87, "invalid client id";
    /// An argument is wrong, or an address is not a live block of the heap.
    INVALID_PARAMETER = 0xC000_000D => 87, "invalid parameter";
    /// No room in the heap, or no memory from the system.
    NO_MEMORY = 0xC000_0017 => 8, "not enough memory";
    /// The caller's buffer is too small.
    BUFFER_TOO_SMALL = 0xC000_0023 => 122, "the buffer is too small";
    /// The system's commit limit is reached.
    COMMITMENT_LIMIT = 0xC000_012D => 1455, "commitment limit";
    /// The calling thread does not hold the heap's lock.
    RESOURCE_NOT_OWNED = 0xC000_0264 => 288, "the lock is not owned by the calling thread";
    /// A heap's own data was found damaged.
    HEAP_CORRUPTION = 0xC000_0374 => 317, "heap corruption";
}

impl Status {
    /// `NT_SUCCESS`: success or information.
    pub const fn is_success(self) -> bool {
        self.0 >= 0
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({:#010x}: {})", self.0 as u32, self.text())
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (NTSTATUS {:#010x})", self.text(), self.0 as u32)
    }
}

impl core::error::Error for Status {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_map_to_the_errors_of_the_specification() {
        assert_eq!(Status::NO_MEMORY.win32_error(), 8);
        assert_eq!(Status::INVALID_HANDLE.win32_error(), 6);
        assert_eq!(Status::RESOURCE_NOT_OWNED.win32_error(), 288);
        assert!(Status::MORE_ENTRIES.is_success());
        assert!(!Status::NO_MORE_ENTRIES.is_success());
    }
}
