//! The address space as `VirtualQuery` tells it.

use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEM_FREE, MEMORY_BASIC_INFORMATION, PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY,
    PAGE_GUARD, PAGE_NOACCESS, PAGE_READWRITE, PAGE_WRITECOPY, VirtualQuery,
};

use super::last_error::kept;
use crate::pages::Span;
use crate::sys::region::Region;
use crate::vm::{PageState, Protection, RangeInfo};

/// All regions, upwards; the last one is what programs cannot have.
pub struct Regions {
    next: Option<usize>,
}

impl Regions {
    /// Starts at the lowest region.
    pub fn open() -> Option<Self> {
        Some(Self { next: Some(0) })
    }
}

impl Iterator for Regions {
    type Item = Region;

    fn next(&mut self) -> Option<Region> {
        loop {
            let at = self.next?;
            let Some(info) = ask(at) else {
                self.next = None;
                let span = Span {
                    start: at,
                    end: usize::MAX,
                };
                return Some(Region {
                    span,
                    protection: Protection::NoAccess,
                    is_stack: false,
                });
            };
            let span = extent(&info);
            self.next = (span.end != usize::MAX).then_some(span.end);
            if info.State != MEM_FREE {
                return Some(Region {
                    span,
                    protection: protection(&info),
                    is_stack: false,
                });
            }
        }
    }
}

/// The run of pages around `at`.
pub fn around(at: usize) -> RangeInfo {
    let free = |span: Span| RangeInfo {
        base: span.start,
        size: span.size(),
        state: PageState::Free,
        protection: Protection::NoAccess,
    };
    let Some(mut info) = ask(at) else {
        // Above what programs can have.
        return free(Span {
            start: at,
            end: usize::MAX,
        });
    };
    if info.State == MEM_FREE {
        let end = extent(&info).end;
        let below = Regions { next: Some(0) }
            .take_while(|region| region.span.start < at)
            .last();
        return free(Span {
            start: below.map_or(0, |region| region.span.end),
            end,
        });
    }
    // The answer begins at the page asked for, but the run may begin before it.
    let mut start = info.AllocationBase.addr();
    while let Some(earlier) = ask(start) {
        let span = extent(&earlier);
        if at < span.end {
            info = earlier;
            break;
        }
        start = span.end;
    }
    let span = extent(&info);
    RangeInfo {
        base: span.start,
        size: span.size(),
        state: if info.State == MEM_COMMIT {
            PageState::Committed
        } else {
            PageState::Reserved
        },
        protection: protection(&info),
    }
}

fn ask(at: usize) -> Option<MEMORY_BASIC_INFORMATION> {
    let mut info = MEMORY_BASIC_INFORMATION::default();
    let size = size_of_val(&info);
    let at = core::ptr::without_provenance(at);
    kept(|| {
        // SAFETY: the place for the answer is as long as the call is told; the address is only
        // asked about.
        (unsafe { VirtualQuery(at, &mut info, size) } != 0).then_some(())
    })
    .ok()?;
    Some(info)
}

fn extent(info: &MEMORY_BASIC_INFORMATION) -> Span {
    let start = info.BaseAddress.addr();
    Span {
        start,
        end: start.saturating_add(info.RegionSize),
    }
}

fn protection(info: &MEMORY_BASIC_INFORMATION) -> Protection {
    if info.State != MEM_COMMIT || info.Protect & (PAGE_NOACCESS | PAGE_GUARD) != 0 {
        return Protection::NoAccess;
    }
    match info.Protect & 0xff {
        PAGE_READWRITE | PAGE_WRITECOPY => Protection::ReadWrite,
        PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY => Protection::ReadWriteExecute,
        _ => Protection::ReadOnly,
    }
}
