//! `ReserveSize` and `CommitSize`, and the table of the two.

use super::*;

#[test]
fn row_reserve_is_rounded_up_to_a_page() {
    for (reserve, rounded) in [
        (0x1_0001, 0x1_1000),
        (0x1_2345, 0x1_3000),
        (0x1_3000, 0x1_3000),
    ] {
        assert_eq!(
            reserved(&sized(HEAP_GROWABLE, reserve, 0)),
            rounded,
            "{reserve:#x}"
        );
        assert_eq!(reserved(&sized(0, reserve, 0)), rounded, "{reserve:#x}");
    }
}

#[test]
fn row_reserve_zero_commit_zero() {
    let heap = sized(HEAP_GROWABLE, 0, 0);
    assert_eq!((reserved(&heap), committed(&heap)), (64 * PAGE, PAGE));
}

#[test]
fn row_reserve_zero_commit_nonzero() {
    for commit in [1, PAGE, 0xFFFF, 0x1_0000, 0x1_0001, 0x1_2345, 0x8_0000] {
        let heap = sized(HEAP_GROWABLE, 0, commit);
        assert_eq!(reserved(&heap), round_up(commit, 16 * PAGE), "{commit:#x}");
    }
}

#[test]
fn row_reserve_nonzero_commit_zero() {
    for reserve in [0x2000, 0x1_0000, 0x10_0000] {
        let heap = sized(HEAP_GROWABLE, reserve, 0);
        assert_eq!(
            (reserved(&heap), committed(&heap)),
            (reserve, PAGE),
            "{reserve:#x}"
        );
    }
}

#[test]
fn row_reserve_nonzero_commit_nonzero() {
    let heap = sized(0, 0x1_0000, 0x3000);
    assert_eq!((reserved(&heap), committed(&heap)), (0x1_0000, 0x3000));
    let clamped = sized(0, 0x1_0000, 0x10_0000);
    assert_eq!(
        (reserved(&clamped), committed(&clamped)),
        (0x1_0000, 0x1_0000)
    );
}

#[test]
fn row_commit_is_rounded_up_to_a_page() {
    for (commit, rounded) in [
        (1, 0x1000),
        (0x1001, 0x2000),
        (0x2345, 0x3000),
        (0x3000, 0x3000),
    ] {
        assert_eq!(
            committed(&sized(HEAP_GROWABLE, 0x4_0000, commit)),
            rounded,
            "{commit:#x}"
        );
    }
}
