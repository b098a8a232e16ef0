//! Random numbers for keys and placement.
//!
//! The system is asked once for a key; numbers are then that key's hash of a counter, which is
//! cheap and which nobody predicts who sees some of them but not the key. A forked child
//! continues its parent's sequence. Not meant for secrets that leave the process.

use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use crate::sys::{random as sys, wait};

/// Nobody has asked for a key yet.
const EMPTY: u8 = 0;
/// A thread is about to store the key.
const FILLING: u8 = 1;
/// The key is there.
const READY: u8 = 2;

const WORDS: usize = 16 / size_of::<usize>();

static STATE: AtomicU8 = AtomicU8::new(EMPTY);
static KEY: [AtomicUsize; WORDS] = [const { AtomicUsize::new(0) }; WORDS];
static COUNTER: AtomicUsize = AtomicUsize::new(0);

/// A random number. Makes at most one system call in the life of the process, and never waits for
/// the system's generator: before that is ready, time and addresses stand in.
#[must_use]
pub fn u64() -> u64 {
    let mut bytes = [0; 16];
    for (chunk, word) in bytes.chunks_exact_mut(size_of::<usize>()).zip(key()) {
        chunk.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
    }
    let key = u128::from_ne_bytes(bytes);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed) as u64;
    siphash(key as u64, (key >> 64) as u64, count)
}

fn key() -> &'static [AtomicUsize; WORDS] {
    // Acquire pairs with the Release of whoever stored the key.
    while STATE.load(Ordering::Acquire) != READY {
        let mine = STATE.compare_exchange(EMPTY, FILLING, Ordering::Acquire, Ordering::Relaxed);
        if mine.is_ok() {
            let bytes = fresh_key();
            for (word, chunk) in KEY.iter().zip(bytes.chunks_exact(size_of::<usize>())) {
                let mut part = [0; size_of::<usize>()];
                part.copy_from_slice(chunk);
                word.store(usize::from_ne_bytes(part), Ordering::Relaxed);
            }
            STATE.store(READY, Ordering::Release);
        } else {
            wait::pause();
        }
    }
    &KEY
}

fn fresh_key() -> [u8; 16] {
    let mut bytes = [0; 16];
    if !sys::fill(&mut bytes) {
        let time = sys::ambient();
        let stack = core::ptr::from_ref(&bytes).addr() as u64;
        let image = core::ptr::from_ref(&STATE).addr() as u64;
        let low = siphash(time, stack, image);
        let high = siphash(sys::ambient(), image, low);
        bytes = (u128::from(high) << 64 | u128::from(low)).to_ne_bytes();
    }
    bytes
}

/// SipHash-1-3 of one word, as published by Aumasson and Bernstein.
fn siphash(key_low: u64, key_high: u64, word: u64) -> u64 {
    let mut v = [
        key_low ^ 0x736f_6d65_7073_6575,
        key_high ^ 0x646f_7261_6e64_6f6d,
        key_low ^ 0x6c79_6765_6e65_7261,
        key_high ^ 0x7465_6462_7974_6573,
    ];
    for block in [word, 8 << 56] {
        v[3] ^= block;
        sip_round(&mut v);
        v[0] ^= block;
    }
    v[2] ^= 0xff;
    for _ in 0..3 {
        sip_round(&mut v);
    }
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

fn sip_round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[2] = v[2].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[1]);
    v[0] = v[0].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::hash::{BuildHasher, Hasher};

    #[test]
    fn the_hash_is_the_one_std_uses() {
        #[allow(deprecated, reason = "the only SipHash-2-4 or 1-3 with a key in std")]
        let mut hasher = std::hash::SipHasher::new_with_keys(7, 9);
        hasher.write_u64(0x0123_4567_89ab_cdef);
        let _ = hasher.finish();
        // std's keyed hasher is SipHash-2-4, and its 1-3 has no public key: build 1-3 twice and
        // compare its zero-key form, which `BuildHasherDefault<DefaultHasher>` has.
        let mut zero_key =
            std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default().build_hasher();
        zero_key.write(&0x0123_4567_89ab_cdef_u64.to_le_bytes());
        assert_eq!(siphash(0, 0, 0x0123_4567_89ab_cdef), zero_key.finish());
    }

    #[test]
    fn numbers_differ() {
        let seen: HashSet<u64> = (0..10_000).map(|_| u64()).collect();
        assert_eq!(seen.len(), 10_000);
    }

    #[test]
    fn every_bit_takes_both_values() {
        let (mut ones, mut zeros) = (0, 0);
        for _ in 0..1000 {
            let number = u64();
            ones |= number;
            zeros |= !number;
        }
        assert_eq!((ones, zeros), (u64::MAX, u64::MAX));
    }

    #[test]
    fn threads_that_race_for_the_key_agree_on_it() {
        let all: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..1000).map(|_| u64()).collect::<Vec<_>>()))
            .collect();
        let numbers: Vec<u64> = all
            .into_iter()
            .flat_map(|one| one.join().unwrap())
            .collect();
        // One key and one counter: no two numbers can be equal.
        assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), numbers.len());
    }

    #[test]
    fn without_the_system_keys_still_differ() {
        let low = siphash(sys::ambient(), 1, 2);
        let again = siphash(low, 1, 2);
        assert_ne!(low, again);
        assert_ne!(fresh_key(), [0; 16]);
    }
}
