//! The field of contestants, and the work each makes of a task.

use std::env;
use std::path::Path;

use super::rows::{
    LIBC, MI_HEAP_V3, MIMALLOC_V3, OURS, OURS_MALLOC, OURS_UNSERIALIZED, Task, WINE,
};
use super::wine::Wine;
use super::work::{on_allocator, on_heaps};
use crate::calls::NO_SERIALIZE;
use crate::contestants::{Allocator, Heaps, Malloc, MiHeaps, NtHeaps};
use crate::library;
use crate::rounds::Work;

/// Names and files of the peers: `NAME=FILE`, separated as in `PATH`.
pub const PEERS_VARIABLE: &str = "RTLHEAP_PEERS";

/// mimalloc v2, as xtask names its file.
const MIMALLOC_V2: &str = "mimalloc-v2";

/// How a contestant is called.
enum Kind {
    Nt(NtHeaps),
    Malloc(Malloc),
    /// mimalloc's heaps, and whether any thread may allocate from one (not so in v2).
    Mi(MiHeaps, bool),
    /// Another process, with Wine's heap.
    Wine(Wine),
}

/// A contestant.
pub struct Contestant {
    /// Its name in tables.
    pub name: String,
    kind: Kind,
}

/// Everybody there is: our heaps, the C library, and the peers that [`PEERS_VARIABLE`] names. With
/// `wanted` not empty, ours and those.
pub fn enter(wanted: &[String]) -> Vec<Contestant> {
    let calls = library::open();
    let of_ours = |flags| {
        Kind::Nt(NtHeaps {
            calls,
            flags,
            limit: 0,
        })
    };
    let mut field = vec![
        (OURS.to_owned(), of_ours(0)),
        (OURS_UNSERIALIZED.to_owned(), of_ours(NO_SERIALIZE)),
    ];
    if let Some(path) = library::malloc_path() {
        let calls = library::peer_calls(&path);
        field.push((OURS_MALLOC.to_owned(), Kind::Malloc(Malloc(calls))));
    }
    for (name, path) in peers() {
        field.push((
            name.clone(),
            Kind::Malloc(Malloc(library::peer_calls(Path::new(&path)))),
        ));
        let every_thread = name == MIMALLOC_V3;
        if every_thread || name == MIMALLOC_V2 {
            let heaps = MiHeaps(library::mi_heap_calls(Path::new(&path)));
            let name = if every_thread {
                MI_HEAP_V3
            } else {
                "mi_heap-v2"
            };
            field.push((name.to_owned(), Kind::Mi(heaps, every_thread)));
        }
    }
    field.push((LIBC.to_owned(), Kind::Malloc(Malloc(library::libc_calls()))));
    let field = field
        .into_iter()
        .map(|(name, kind)| Contestant { name, kind });
    field
        .filter(|contestant| contestant.name == OURS || is_among(wanted, &contestant.name))
        .collect()
}

/// Wine's heap, if there is a program for it; for the micro rows only.
pub fn wine() -> Option<Contestant> {
    let kind = Kind::Wine(Wine::start()?);
    Some(Contestant {
        name: WINE.to_owned(),
        kind,
    })
}

/// Whether `name` contains one of the `wanted` texts, or everybody is wanted.
pub fn is_among(wanted: &[String], name: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|wanted| name.contains(wanted.as_str()))
}

/// Our serialized heaps with a limit, 1 GiB. NT gives such a heap no low-fragmentation front end,
/// so every call reaches the back end.
pub fn fixed_heaps() -> Contestant {
    Contestant {
        name: "fixed heap".to_owned(),
        kind: Kind::Nt(NtHeaps {
            calls: library::open(),
            flags: 0,
            limit: 1 << 30,
        }),
    }
}

/// Name and file of each peer.
pub fn peers() -> Vec<(String, String)> {
    let listed = env::var(PEERS_VARIABLE).unwrap_or_default();
    let pairs = listed.split(':').filter_map(|entry| entry.split_once('='));
    pairs
        .map(|(name, path)| (name.to_owned(), path.to_owned()))
        .collect()
}

/// A function generic over allocators.
pub trait AllocatorVisitor {
    /// What it returns.
    type Answer;
    /// The function.
    fn visit<A: Allocator>(self, allocator: A) -> Self::Answer;
}

/// A function generic over what makes heaps.
pub trait HeapsVisitor {
    /// What it returns.
    type Answer;
    /// The function.
    fn visit<H: Heaps>(self, heaps: H) -> Self::Answer;
}

impl Contestant {
    /// Whether threads may share a heap of this contestant's.
    pub fn is_for_every_thread(&self) -> bool {
        match &self.kind {
            Kind::Nt(heaps) => heaps.flags & NO_SERIALIZE == 0,
            Kind::Malloc(_) => true,
            Kind::Mi(_, every_thread) => *every_thread,
            Kind::Wine(_) => true,
        }
    }

    /// Calls `visit` with something of this contestant's that makes heaps, if it can.
    pub fn with_heaps<V: HeapsVisitor>(&self, visit: V) -> Option<V::Answer> {
        match &self.kind {
            Kind::Nt(heaps) => Some(visit.visit(*heaps)),
            Kind::Mi(heaps, _) => Some(visit.visit(*heaps)),
            Kind::Malloc(_) | Kind::Wine(_) => None,
        }
    }

    /// Calls `visit` with an allocator of this contestant's, if it is in this process.
    pub fn with_allocator<V: AllocatorVisitor>(&self, visit: V) -> Option<V::Answer> {
        match &self.kind {
            Kind::Nt(heaps) => Some(visit.visit(heaps.create())),
            Kind::Mi(heaps, _) => Some(visit.visit(heaps.create())),
            Kind::Malloc(malloc) => Some(visit.visit(*malloc)),
            Kind::Wine(_) => None,
        }
    }

    /// The task as this contestant's work, with heaps and blocks of its own; `None` if it cannot.
    pub fn work(&self, task: Task) -> Option<Work> {
        let wants_heaps = matches!(task, Task::Create { .. } | Task::InTurn { .. });
        if task.threads().is_some() && !self.is_for_every_thread() {
            return None;
        }
        match &self.kind {
            Kind::Nt(heaps) if wants_heaps => on_heaps(*heaps, task),
            Kind::Nt(heaps) => on_allocator(heaps.create(), task),
            Kind::Malloc(malloc) => on_allocator(*malloc, task),
            Kind::Mi(heaps, _) if wants_heaps => on_heaps(*heaps, task),
            // v2's heaps differ from its malloc in little else than making them.
            Kind::Mi(_, false) => None,
            Kind::Mi(heaps, true) => on_allocator(heaps.create(), task),
            Kind::Wine(wine) => wine.work(task),
        }
    }
}
