//! Operations on Local and Global memory.

use core::ffi::c_void;
use core::ptr::null_mut;

use super::Comparison;
use super::heaps::LOW_FRAGMENTATION_MOST;
use super::random::Random;
use super::side::{OURS, SYSTEM, Seen};
use crate::abi::mem::*;
use crate::abi::{Family, HANDLE};
use crate::model::contents::{Contents, is_zero};
use crate::objects::is_moveable;

/// No more live objects than these.
const OBJECTS_MOST: usize = 128;

/// An object of both sides.
#[derive(Debug)]
struct Object {
    families: [Family; 2],
    handles: [HANDLE; 2],
    size: usize,
    contents: Contents,
    locks: usize,
}

/// The live objects of a run.
#[derive(Debug, Default)]
pub struct Objects {
    objects: Vec<Object>,
    made: usize,
}

impl Objects {
    /// One operation.
    pub fn step(&mut self, random: &mut Random, comparison: &mut Comparison) {
        if self.objects.is_empty() || (random.below(3) == 0 && self.objects.len() < OBJECTS_MOST) {
            self.made += 1;
            self.objects
                .extend(Object::new(random, comparison, self.made));
            return;
        }
        let number = random.below(self.objects.len());
        match random.below(8) {
            0..2 => self.objects[number].ask(comparison),
            2 => self.objects[number].lock(comparison),
            3 => self.objects[number].unlock(comparison),
            4..6 => {
                let object = self.objects.swap_remove(number);
                self.objects.extend(object.resized(random, comparison));
            }
            _ => self.objects.swap_remove(number).free(comparison),
        }
    }

    /// Frees what is left.
    pub fn end(self, comparison: &mut Comparison) {
        for object in self.objects {
            object.free(comparison);
        }
    }
}

impl Object {
    fn new(random: &mut Random, comparison: &mut Comparison, number: usize) -> Option<Self> {
        let family = random.below(2);
        let families = [OURS, SYSTEM].map(|side| side.families[family]);
        let discardable = families[0].discardable;
        let flags = random.choose(&[FIXED, MOVEABLE, MOVEABLE])
            | random.choose(&[0, ZEROINIT])
            | random.choose(&[0, 0, discardable])
            | if family == 0 {
                random.choose(&[0, DDESHARE])
            } else {
                0
            };
        let size = match random.below(8) {
            0 => 0,
            1 => 12,
            _ => random.size() % 0x4_0000,
        };
        let mut object = Self {
            families,
            handles: [null_mut(); 2],
            size,
            contents: Contents::numbered(number),
            locks: 0,
        };
        let seen = object.both(|family, _| (family.alloc)(flags, size));
        object.handles = seen.map(|seen| seen.result);
        let gave = object.handles.map(|handle| !handle.is_null());
        comparison.of(
            "GlobalAlloc",
            "whether there is an object",
            gave[0],
            gave[1],
        );
        comparison.of("GlobalAlloc", "last error", seen[0].error, seen[1].error);
        if !(gave[0] && gave[1]) {
            object.abandon();
            return None;
        }
        object.ask(comparison);
        // GlobalAlloc makes one byte of none.
        object.size = object.both(|family, handle| (family.size)(handle))[0].result;
        if flags & ZEROINIT != 0 {
            // SAFETY: both have as many bytes.
            let zeros = object
                .data()
                .map(|at| at.is_null() || unsafe { is_zero(at.cast(), object.size) });
            comparison.holds("GlobalAlloc", "zeros", zeros);
        }
        object.fill();
        Some(object)
    }

    /// The same call on both sides.
    fn both<T>(&self, mut call: impl FnMut(&Family, HANDLE) -> T) -> [Seen<T>; 2] {
        let sides = [OURS, SYSTEM];
        [0, 1].map(|n| sides[n].see(|_| call(&self.families[n], self.handles[n])))
    }

    fn is_moveable(&self) -> [bool; 2] {
        self.handles.map(is_moveable)
    }

    /// Where the bytes are; NULL for none.
    fn data(&self) -> [*mut c_void; 2] {
        let seen = self.both(|family, handle| {
            let at = (family.lock)(handle);
            if !at.is_null() {
                (family.unlock)(handle);
            }
            at
        });
        seen.map(|seen| seen.result)
    }

    fn fill(&self) {
        for at in self.data() {
            if !at.is_null() {
                // SAFETY: both have `size` bytes, which nobody else uses.
                unsafe { self.contents.write(at.cast(), self.size) };
            }
        }
    }

    fn compare_contents(&self, comparison: &mut Comparison, operation: &'static str, size: usize) {
        // SAFETY: both have as many bytes.
        let kept = self
            .data()
            .map(|at| at.is_null() || unsafe { self.contents.stands_at(at.cast(), size) });
        comparison.holds(operation, "contents kept", kept);
    }

    /// Asks for everything there is to know.
    fn ask(&self, comparison: &mut Comparison) {
        let moveable = self.is_moveable();
        comparison.of(
            "an object",
            "whether it is moveable",
            moveable[0],
            moveable[1],
        );
        let seen = self.both(|family, handle| (family.size)(handle));
        comparison.of("GlobalSize", "result and last error", seen[0], seen[1]);
        let seen = self.both(|family, handle| (family.flags)(handle));
        comparison.of("GlobalFlags", "result and last error", seen[0], seen[1]);
        let data = self.data();
        let held = data.map(|at| !at.is_null());
        if comparison.of("an object", "whether it has bytes", held[0], held[1]) && held[0] {
            let data = core::cell::Cell::new(data.into_iter());
            let seen = self.both(|family, handle| {
                let mut rest = data.take();
                let at = rest.next().expect("two sides");
                data.set(rest);
                (family.handle)(at) == handle
            });
            comparison.of("GlobalHandle", "result and last error", seen[0], seen[1]);
        }
    }

    fn lock(&mut self, comparison: &mut Comparison) {
        let seen = self.both(|family, handle| !(family.lock)(handle).is_null());
        comparison.of("GlobalLock", "result and last error", seen[0], seen[1]);
        self.locks += usize::from(seen[0].result && self.is_moveable()[0]);
    }

    fn unlock(&mut self, comparison: &mut Comparison) {
        let seen = self.both(|family, handle| (family.unlock)(handle) != 0);
        comparison.of("GlobalUnlock", "result and last error", seen[0], seen[1]);
        self.locks = self.locks.saturating_sub(1);
    }

    /// Changes size or kind as section 8.4 tells; `None` if the two are not alike afterwards.
    fn resized(mut self, random: &mut Random, comparison: &mut Comparison) -> Option<Self> {
        let discardable = self.families[0].discardable;
        let flags = random.choose(&[0, MODIFY, MOVEABLE, MOVEABLE | MODIFY])
            | random.choose(&[0, 0, 0, MOVEABLE | discardable])
            | random.choose(&[0, 0, ZEROINIT]);
        let size = match random.below(8) {
            0 => 0,
            1 => self.size,
            _ => random.size() % 0x4_0000,
        };
        // What an object without bytes becomes is open where it gets none.
        if self.size == 0 && (size == 0 || flags & MODIFY != 0) {
            return Some(self);
        }
        let old = (self.families[0].size)(self.handles[0]).min(self.size);
        let seen = self.both(|family, handle| (family.realloc)(handle, size, flags));
        let gave = seen.map(|seen| !seen.result.is_null());
        let stays = flags & (MOVEABLE | MODIFY) == 0;
        // Whether there is room behind a block is open, and so is whether a small block, which may
        // be the low-fragmentation heap's, can be made smaller.
        let small = self.size.max(size) <= LOW_FRAGMENTATION_MOST;
        let is_open = stays && (size > old || small);
        let operation = if small {
            "GlobalReAlloc of a small object"
        } else {
            "GlobalReAlloc"
        };
        if !is_open {
            comparison.of(operation, "whether there is an object", gave[0], gave[1]);
        }
        if gave[0] != gave[1] {
            self.adopt(seen);
            self.abandon();
            return None;
        }
        if !gave[0] {
            self.compare_contents(comparison, operation, old);
            self.ask(comparison);
            return Some(self);
        }
        self.adopt(seen);
        self.ask(comparison);
        let sizes = self.both(|family, handle| (family.size)(handle));
        if sizes[0].result != sizes[1].result {
            self.abandon();
            return None;
        }
        self.size = sizes[0].result;
        self.compare_contents(comparison, operation, old.min(self.size));
        if flags & ZEROINIT != 0 && self.size > old {
            let zeros = self.data().map(|at| {
                // SAFETY: both have `size` bytes.
                at.is_null() || unsafe { is_zero(at.cast::<u8>().add(old), self.size - old) }
            });
            comparison.holds(operation, "zeros behind", zeros);
        }
        self.fill();
        Some(self)
    }

    fn adopt(&mut self, seen: [Seen<HANDLE>; 2]) {
        for n in [0, 1] {
            if !seen[n].result.is_null() {
                self.handles[n] = seen[n].result;
            }
        }
    }

    fn free(self, comparison: &mut Comparison) {
        self.compare_contents(comparison, "GlobalFree", self.size);
        let seen = self.both(|family, handle| (family.free)(handle).is_null());
        comparison.of("GlobalFree", "result and last error", seen[0], seen[1]);
    }

    /// Frees whichever side there is.
    fn abandon(&self) {
        let _ = self.both(|family, handle| {
            if !handle.is_null() {
                assert!((family.free)(handle).is_null());
            }
        });
    }
}
