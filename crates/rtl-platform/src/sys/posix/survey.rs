//! What an address is part of, out of the account of all regions.

use crate::pages::Span;
use crate::sys::region::Region;
use crate::sys::regions::Regions;
use crate::vm::{PageState, Protection, RangeInfo, VmError};

/// What `at` is part of.
pub fn query(at: usize) -> Result<RangeInfo, VmError> {
    Regions::open()
        .map(|regions| around(regions, at))
        .ok_or(VmError::Unsupported)
}

/// The longest run around `at` of regions with one protection, or of nothing.
fn around(regions: impl Iterator<Item = Region>, at: usize) -> RangeInfo {
    let mut run = Span::new(0, 0);
    let mut protection = Protection::NoAccess;
    for region in regions {
        let Region { span, .. } = region;
        if run.end == span.start && protection == region.protection && !run.is_empty() {
            run.end = span.end;
            continue;
        }
        if at < run.end {
            break;
        }
        if at < span.start {
            return free(Span {
                start: run.end,
                end: span.start,
            });
        }
        run = span;
        protection = region.protection;
    }
    if at >= run.end {
        return free(Span {
            start: run.end,
            end: usize::MAX,
        });
    }
    let state = match protection {
        Protection::NoAccess => PageState::Reserved,
        _ => PageState::Committed,
    };
    RangeInfo {
        base: run.start,
        size: run.size(),
        state,
        protection,
    }
}

fn free(span: Span) -> RangeInfo {
    RangeInfo {
        base: span.start,
        size: span.size(),
        state: PageState::Free,
        protection: Protection::NoAccess,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(at: usize) -> (usize, usize, PageState) {
        use Protection::{NoAccess, ReadOnly, ReadWrite};
        let used = [
            (0x1000, 0x2000, ReadWrite),
            (0x2000, 0x5000, ReadWrite),
            (0x5000, 0x6000, ReadOnly),
            (0x6000, 0x8000, NoAccess),
            (0x9000, 0xa000, NoAccess),
            (0xa000, 0xb000, NoAccess),
        ];
        let regions = used.map(|(start, end, protection)| Region {
            span: Span { start, end },
            protection,
            is_stack: false,
        });
        let info = around(regions.into_iter(), at);
        (info.base, info.base + info.size, info.state)
    }

    #[test]
    fn equal_neighbours_are_one_run() {
        for at in [0x1000, 0x1fff, 0x2000, 0x4fff] {
            assert_eq!(ask(at), (0x1000, 0x5000, PageState::Committed));
        }
        assert_eq!(ask(0x5000), (0x5000, 0x6000, PageState::Committed));
        assert_eq!(ask(0x7fff), (0x6000, 0x8000, PageState::Reserved));
        assert_eq!(ask(0x9fff), (0x9000, 0xb000, PageState::Reserved));
    }

    #[test]
    fn gaps_are_free_from_end_to_end() {
        assert_eq!(ask(0), (0, 0x1000, PageState::Free));
        assert_eq!(ask(0x8000), (0x8000, 0x9000, PageState::Free));
        assert_eq!(ask(0xb000), (0xb000, usize::MAX, PageState::Free));
        assert_eq!(ask(usize::MAX), (0xb000, usize::MAX, PageState::Free));
    }

    #[test]
    fn without_regions_all_is_free() {
        assert_eq!(
            around(core::iter::empty(), 5),
            free(Span {
                start: 0,
                end: usize::MAX
            })
        );
    }
}
