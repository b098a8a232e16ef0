//! Where Wine 8 answers otherwise than Windows, and we answer as Windows does.

use super::Difference;

/// A difference that is explained.
#[derive(Debug)]
pub struct Known {
    /// The operation.
    pub operation: &'static str,
    /// What of it.
    pub what: &'static str,
    /// The library's answer.
    pub ours: &'static str,
    /// Wine's.
    pub theirs: &'static str,
    /// Why ours is right: the conformance line.
    pub reason: &'static str,
}

impl Known {
    /// What explains a difference.
    pub fn of(difference: &Difference) -> Option<&'static Known> {
        KNOWN.iter().find(|known| {
            known.operation == difference.operation
                && known.what == difference.what
                && known.ours == difference.ours
                && known.theirs == difference.theirs
        })
    }
}

/// All of them.
pub static KNOWN: &[Known] = &[
    Known {
        operation: "HeapReAlloc of NULL",
        what: "last error",
        ours: "0",
        theirs: "3735928559",
        reason: "C121: Windows clears the last error; Wine leaves it",
    },
    Known {
        operation: "HeapReAlloc in place of a small block",
        what: "whether there is a block",
        ours: "false",
        theirs: "true",
        reason: "C145: a block of the low-fragmentation heap has one size; Wine 8 has no such heap",
    },
    Known {
        operation: "HeapWalk",
        what: "its busy blocks are the live ones",
        ours: "\"holds\"",
        theirs: "\"does not hold\"",
        reason: "a walk of Wine's may go round without end, which its validation does not notice",
    },
];
