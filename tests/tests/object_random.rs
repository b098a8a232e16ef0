//! Random calls on Local and Global objects against a model of what they hold.

use core::slice;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::Config;

use rtl_heap_tests::abi::entry::*;
use rtl_heap_tests::abi::mem::*;
use rtl_heap_tests::abi::*;
use rtl_heap_tests::heap::*;
use rtl_heap_tests::objects::{entry, is_moveable};
use rtl_heap_tests::walk::walk;

/// What an object must be.
#[derive(Debug)]
struct Model {
    handle: HANDLE,
    bytes: Vec<u8>,
    locks: u32,
    discardable: bool,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Alloc(usize, u32, usize),
    ReAlloc(usize, usize, u32, usize),
    Lock(usize, usize),
    Unlock(usize, usize),
    Free(usize, usize),
}

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        2 => Just(0_usize),
        8 => 1..600_usize,
        2 => 600..0x1_8000_usize,
        1 => 0x10_0000..0x14_0000_usize,
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let family = 0..FAMILIES.len();
    let object = any::<usize>();
    const KINDS: &[u32] = &[FIXED, MOVEABLE, FIXED | ZEROINIT, MOVEABLE | ZEROINIT];
    prop_oneof![
        3 => (family.clone(), prop::sample::select(KINDS), size())
            .prop_map(|(family, flags, size)| Step::Alloc(family, flags, size)),
        6 => (family.clone(), object, 0..16_u32, size())
            .prop_map(|(family, object, flags, size)| Step::ReAlloc(family, object, flags, size)),
        2 => (family.clone(), object).prop_map(|(family, object)| Step::Lock(family, object)),
        2 => (family.clone(), object).prop_map(|(family, object)| Step::Unlock(family, object)),
        2 => (family, object).prop_map(|(family, object)| Step::Free(family, object)),
    ]
}

impl Model {
    fn data(&self) -> *mut u8 {
        if is_moveable(self.handle) {
            entry(self.handle).pointer.cast()
        } else {
            self.handle.cast()
        }
    }

    /// Writes what the object must hold from now on.
    fn fill(&mut self, seed: usize) {
        for (n, byte) in self.bytes.iter_mut().enumerate() {
            *byte = (n * 31 + seed) as u8;
        }
        if !self.bytes.is_empty() {
            // SAFETY: the object has that many bytes, and they are ours.
            unsafe { self.data().copy_from(self.bytes.as_ptr(), self.bytes.len()) };
        }
    }

    fn check(&self) {
        for family in FAMILIES {
            assert_eq!((family.size)(self.handle), self.bytes.len());
            let mut flags = self.locks;
            if self.discardable {
                flags |= family.discardable;
            }
            if is_moveable(self.handle) && self.bytes.is_empty() {
                flags |= 0x4000;
            }
            assert_eq!((family.flags)(self.handle), flags, "{self:?}");
        }
        if self.bytes.is_empty() {
            return;
        }
        assert_eq!(GlobalHandle(self.data().cast()), self.handle);
        // SAFETY: the object has that many bytes, and nobody writes to them meanwhile.
        let held = unsafe { slice::from_raw_parts(self.data(), self.bytes.len()) };
        assert!(held == self.bytes, "contents of {:?}", self.handle);
    }

    fn reallocate(&mut self, family: Family, flags: u32, size: usize) {
        let moveable = is_moveable(self.handle);
        let discardable = flags & family.discardable != 0;
        let result = (family.realloc)(self.handle, size, flags);
        if flags & MODIFY != 0 {
            assert!(!result.is_null());
            let converts =
                !moveable && family.discardable == GMEM_DISCARDABLE && flags & MOVEABLE != 0;
            assert_eq!(result == self.handle, !converts);
            self.discardable |= discardable && (moveable || converts);
            self.handle = result;
            return;
        }
        let discards = moveable && size == 0;
        let allowed = !discardable && (!discards || flags & MOVEABLE != 0 && self.locks == 0);
        if !allowed {
            assert!(result.is_null());
            return;
        }
        let may_move = flags & MOVEABLE != 0 || moveable && self.locks == 0;
        if result.is_null() {
            assert!(!may_move, "there is memory enough");
            return;
        }
        assert!(!moveable || result == self.handle);
        assert!(may_move || result == self.handle);
        self.handle = result;
        let old = self.bytes.len();
        self.bytes.resize(size, 0);
        if flags & ZEROINIT == 0 && size > old {
            // New bytes are anything: what they are now they must stay.
            // SAFETY: the object has `size` bytes.
            let new = unsafe { slice::from_raw_parts(self.data().add(old), size - old) };
            self.bytes[old..].copy_from_slice(new);
        }
    }
}

/// The process heap is whole, and a walk of it comes by every object's data once, with its size.
fn check_process_heap(objects: &[Model]) {
    if cfg!(all(feature = "oracle", windows)) {
        // There it is everybody's, this test's own memory included.
        return;
    }
    let heap = TestHeap::process();
    assert_eq!(HeapValidate(heap.handle(), 0, NULL), TRUE);
    let walked: BTreeMap<usize, usize> = walk(&heap)
        .iter()
        .filter(|entry| entry.wFlags == PROCESS_HEAP_ENTRY_BUSY)
        .map(|entry| (entry.lpData as usize, entry.cbData as usize))
        .collect();
    for object in objects {
        let data = object.data();
        if !data.is_null() {
            let size = HeapSize(heap.handle(), 0, data.cast());
            assert_eq!(walked.get(&(data as usize)), Some(&size), "{object:?}");
        }
    }
}

fn run(steps: Vec<Step>) {
    let mut objects: Vec<Model> = Vec::new();
    for (seed, step) in steps.into_iter().enumerate() {
        let chosen = |object: usize| (!objects.is_empty()).then(|| object % objects.len());
        let at = match step {
            Step::Alloc(family, flags, size) => {
                let family = FAMILIES[family];
                let handle = family.new_object(flags, size);
                assert_eq!(is_moveable(handle), flags & MOVEABLE != 0);
                let length = (family.size)(handle);
                objects.push(Model {
                    handle,
                    bytes: vec![0; length],
                    locks: 0,
                    discardable: false,
                });
                let new = objects.len() - 1;
                if flags & ZEROINIT == 0 {
                    objects[new].fill(seed);
                }
                new
            }
            Step::ReAlloc(family, object, flags, size) => {
                let Some(at) = chosen(object) else { continue };
                let family = FAMILIES[family];
                let words = [MOVEABLE, MODIFY, ZEROINIT, family.discardable];
                let flags = (0..4)
                    .filter(|bit| flags & 1 << bit != 0)
                    .fold(0, |flags, bit| flags | words[bit]);
                objects[at].reallocate(family, flags, size);
                objects[at].check();
                objects[at].fill(seed);
                at
            }
            Step::Lock(family, object) => {
                let Some(at) = chosen(object) else { continue };
                let object = &mut objects[at];
                let pointer = (FAMILIES[family].lock)(object.handle);
                assert_eq!(pointer.cast(), object.data());
                object.locks += u32::from(is_moveable(object.handle) && !pointer.is_null());
                at
            }
            Step::Unlock(family, object) => {
                let Some(at) = chosen(object) else { continue };
                let object = &mut objects[at];
                (FAMILIES[family].unlock)(object.handle);
                object.locks = object.locks.saturating_sub(1);
                at
            }
            Step::Free(family, object) => {
                let Some(at) = chosen(object) else { continue };
                let object = objects.swap_remove(at);
                object.check();
                FAMILIES[family].free_object(object.handle);
                check_process_heap(&objects);
                continue;
            }
        };
        objects[at].check();
        check_process_heap(&objects);
    }
    for object in objects {
        object.check();
        GLOBAL.free_object(object.handle);
    }
    assert_eq!(HeapValidate(GetProcessHeap(), 0, NULL), TRUE);
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    #[test]
    fn objects_are_what_their_model_says(steps in prop::collection::vec(step(), 1..100)) {
        run(steps);
    }
}
