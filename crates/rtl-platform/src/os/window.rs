//! Reservations inside a window of addresses.
//!
//! The system's own account of what is in use says where there is room; the attempt to take it
//! says whether that is still so. So the search finds room whenever there is some, and other
//! threads that map memory meanwhile only make it look again.

use core::ptr::NonNull;

use crate::pages::{ALLOCATION_GRANULARITY, Span, ceiling, floor};
use crate::sys::memory;
use crate::sys::region::Region;
use crate::sys::regions::Regions;
use crate::vm::{VmError, Window};

/// How often the room that was found may turn out to be taken before the search goes on at the
/// next power of two: then it is not a race, but room that the system keeps without telling, such
/// as its own part of the address space, which ends at one.
const NEAR_ATTEMPTS: u32 = 64;

/// After so many attempts, no power of two is left.
const ATTEMPTS_MAX: u32 = NEAR_ATTEMPTS + usize::BITS;

/// How many places are tried where the system gives no account.
const PROBES_MAX: usize = 0x1_0000;

/// Bytes below the main thread's stack that are left for it to grow into: what Linux itself keeps
/// free there at least.
const STACK_ROOM: usize = 128 << 20;

/// Reserves `size` bytes (a positive multiple of the page) in `window`.
pub fn reserve(size: usize, window: Window) -> Result<NonNull<u8>, VmError> {
    // Like NT, never the first 64 KiB.
    let mut window = Window {
        low: window.low.max(ALLOCATION_GRANULARITY),
        ..window
    };
    let mut last_error = VmError::OutOfMemory;
    for attempt in 0..ATTEMPTS_MAX {
        let Some(regions) = Regions::open() else {
            return probe(size, window);
        };
        let at = find(regions, size, window).ok_or(last_error)?;
        match memory::reserve_at(at, size) {
            Err(error) => last_error = error,
            reserved => return reserved,
        }
        // Taken meanwhile, or not for us (such as the lowest addresses on Linux): look beyond it.
        window = beyond(at, size, window, attempt >= NEAR_ATTEMPTS);
    }
    Err(last_error)
}

/// The rest of `window` beyond the place `at`, or beyond the next power of two.
fn beyond(at: usize, size: usize, window: Window, far: bool) -> Window {
    let (low, high) = match far {
        false => (at.saturating_add(ALLOCATION_GRANULARITY), at + size - 1),
        true => (
            (at + 1).checked_next_power_of_two().unwrap_or(usize::MAX),
            1 << at.ilog2(),
        ),
    };
    if window.top_down {
        Window { high, ..window }
    } else {
        Window { low, ..window }
    }
}

/// The lowest, or highest, address in `window` at which `size` bytes are free.
fn find(regions: impl Iterator<Item = Region>, size: usize, window: Window) -> Option<usize> {
    let mut found = None;
    let mut free_from = 0;
    for region in regions {
        let start = if region.is_stack {
            region.span.start.saturating_sub(STACK_ROOM)
        } else {
            region.span.start
        };
        if let Some(at) = fit(free_from, start, size, window) {
            found = Some(at);
            if !window.top_down {
                return found;
            }
        }
        free_from = free_from.max(region.span.end);
        if region.is_stack || free_from >= window.high {
            return found;
        }
    }
    fit(free_from, usize::MAX, size, window).or(found)
}

/// Where `size` bytes fit into the part of the gap that lies in `window`.
fn fit(gap_start: usize, gap_end: usize, size: usize, window: Window) -> Option<usize> {
    let lowest = ceiling(gap_start.max(window.low), ALLOCATION_GRANULARITY)?;
    // Other reservations begin at 64 KiB, so the rest of our last 64 KiB has to be free, too,
    // unless somebody else's mapping begins there.
    let highest = floor(
        gap_end.min(window.high).checked_sub(size)?,
        ALLOCATION_GRANULARITY,
    );
    if highest < lowest {
        return None;
    }
    Some(if window.top_down { highest } else { lowest })
}

/// Without an account of what is in use, tries evenly spaced places.
fn probe(size: usize, window: Window) -> Result<NonNull<u8>, VmError> {
    let Some(lowest) = fit(
        0,
        usize::MAX,
        size,
        Window {
            top_down: false,
            ..window
        },
    ) else {
        return Err(VmError::OutOfMemory);
    };
    let Some(highest) = fit(
        0,
        usize::MAX,
        size,
        Window {
            top_down: true,
            ..window
        },
    ) else {
        return Err(VmError::OutOfMemory);
    };
    let span = Span {
        start: lowest,
        end: highest,
    };
    let step = ceiling(span.size() / PROBES_MAX, ALLOCATION_GRANULARITY)
        .unwrap_or(ALLOCATION_GRANULARITY)
        .max(ALLOCATION_GRANULARITY);
    for offset in (0..=span.size()).step_by(step) {
        let at = if window.top_down {
            highest - offset
        } else {
            lowest + offset
        };
        if let Ok(base) = memory::reserve_at(at, size) {
            return Ok(base);
        }
    }
    Err(VmError::OutOfMemory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::Protection;

    fn used(start: usize, end: usize) -> Region {
        Region {
            span: Span { start, end },
            protection: Protection::ReadWrite,
            is_stack: false,
        }
    }

    fn window(low: usize, high: usize, top_down: bool) -> Window {
        Window {
            low,
            high,
            top_down,
        }
    }

    const USED: [(usize, usize); 3] = [
        (0x10_0000, 0x11_1000),
        (0x14_0000, 0x20_0000),
        (0x20_0000, 0x30_0000),
    ];

    fn find_in_used(size: usize, window: Window) -> Option<usize> {
        find(
            USED.iter().map(|&(start, end)| used(start, end)),
            size,
            window,
        )
    }

    #[test]
    fn takes_the_lowest_or_the_highest_room() {
        let all = window(0x1_0000, 0x100_0000, false);
        assert_eq!(find_in_used(0x2_0000, all), Some(0x1_0000));
        let all = window(0x1_0000, 0x100_0000, true);
        assert_eq!(find_in_used(0x2_0000, all), Some(0xfe_0000));
    }

    #[test]
    fn finds_the_one_gap_that_fits() {
        for top_down in [false, true] {
            let inner = window(0x10_0000, 0x30_0000, top_down);
            assert_eq!(find_in_used(0x2_0000, inner), Some(0x12_0000));
            assert_eq!(find_in_used(0x2_1000, inner), None);
        }
    }

    #[test]
    fn stays_inside_the_window_to_the_byte() {
        assert_eq!(
            find_in_used(0x1_0000, window(0x12_0000, 0x13_0000, true)),
            Some(0x12_0000)
        );
        assert_eq!(
            find_in_used(0x1_0000, window(0x12_0000, 0x12_ffff, true)),
            None
        );
        assert_eq!(
            find_in_used(0x1_0000, window(0x12_0001, 0x13_ffff, false)),
            None
        );
        assert_eq!(
            find_in_used(0x1_0000, window(0x20_0000, 0x1_0000, false)),
            None
        );
    }

    #[test]
    fn leaves_the_stack_its_room_and_what_is_above_alone() {
        let stack = Region {
            is_stack: true,
            ..used(0x7000_0000, 0x7001_0000)
        };
        let below = 0x7000_0000 - STACK_ROOM;
        let find = |top_down| {
            find(
                [stack].into_iter(),
                0x1_0000,
                window(0x10_0000, usize::MAX, top_down),
            )
        };
        assert_eq!(find(true), Some(below - 0x1_0000));
        assert_eq!(find(false), Some(0x10_0000));
    }

    #[test]
    fn the_search_goes_on_beyond_what_was_refused() {
        let down = window(0, usize::MAX, true);
        assert_eq!(beyond(0x12_0000, 0x1000, down, false).high, 0x12_0fff);
        assert_eq!(beyond(0x12_0000, 0x1000, down, true).high, 0x10_0000);
        let up = window(0, usize::MAX, false);
        assert_eq!(beyond(0x12_0000, 0x1000, up, false).low, 0x13_0000);
        assert_eq!(beyond(0x12_0000, 0x1000, up, true).low, 0x20_0000);
        let top = floor(usize::MAX, ALLOCATION_GRANULARITY);
        assert_eq!(beyond(top, 0x1000, up, true).low, usize::MAX);
    }

    #[test]
    fn nothing_fits_above_the_last_address() {
        let top = floor(usize::MAX, ALLOCATION_GRANULARITY);
        let regions = [used(0x1000, top - 0x1_0000)];
        let find = |size| find(regions.into_iter(), size, window(0, usize::MAX, true));
        assert_eq!(find(0x1_0000), Some(top - 0x1_0000));
        assert_eq!(find(0x10_0000), None);
    }
}
