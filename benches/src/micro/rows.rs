//! The rows of the table, as data: what is done, against whom, and how good is good enough.

use super::loops::{Order, Sizes, Steps};

/// What a contestant is asked to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Task {
    /// A block comes and goes among `live` others of its size.
    Pairs {
        /// Bytes.
        size: usize,
        /// Blocks.
        live: usize,
    },
    /// The same, with a store into each page.
    TouchedPairs {
        /// Bytes.
        size: usize,
        /// Blocks.
        live: usize,
    },
    /// A thousand blocks of 64 bytes come, then go.
    Batches(Order),
    /// One of `live` blocks is replaced by another of any of these sizes.
    Churn {
        /// Bytes.
        sizes: Sizes,
        /// Blocks.
        live: usize,
    },
    /// Some threads run pairs of 64 bytes on one heap.
    SharedPairs {
        /// How many.
        threads: usize,
    },
    /// Some threads hand each other blocks of 64 bytes; each frees what others allocated.
    Exchange {
        /// How many.
        threads: usize,
    },
    /// A random one of `live` blocks is replaced by another of its size.
    Replace {
        /// Bytes.
        size: usize,
        /// Blocks.
        live: usize,
    },
    /// One thread allocates, another frees.
    ProducerConsumer {
        /// Bytes.
        size: usize,
    },
    /// A block of 16 bytes grows to `to` bytes.
    Growth {
        /// Bytes.
        to: usize,
        /// By which steps.
        steps: Steps,
    },
    /// The size of a block is asked for.
    Size,
    /// A block is validated; asked for its size where there is no such call.
    Validate,
    /// A heap is created, gets some blocks of 64 bytes, and is destroyed.
    Create {
        /// How many.
        blocks: usize,
    },
    /// Pairs of 64 bytes on some heaps in turn.
    InTurn {
        /// How many.
        heaps: usize,
    },
}

impl Task {
    /// How many threads do it, if they have to meet.
    pub fn threads(self) -> Option<usize> {
        match self {
            Task::SharedPairs { threads } | Task::Exchange { threads } => Some(threads),
            Task::ProducerConsumer { .. } => Some(2),
            _ => None,
        }
    }
}

/// What a row's ratios are to.
#[derive(Clone, Copy, Debug)]
pub struct Yardstick {
    /// A contestant.
    pub name: &'static str,
    /// What it is asked to do.
    pub task: Task,
}

/// A row.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Short, for `--only` and for machines.
    pub id: &'static str,
    /// For people.
    pub what: &'static str,
    /// For every contestant.
    pub task: Task,
    /// Whose time is 1.
    pub yardstick: Yardstick,
    /// The ratio of our serialized heap that is good enough, and the one that is hoped for.
    pub target: Option<(f64, f64)>,
}

impl Row {
    const fn new(id: &'static str, what: &'static str, task: Task, target: (f64, f64)) -> Row {
        Row {
            id,
            what,
            task,
            yardstick: Yardstick {
                name: MIMALLOC_V3,
                task,
            },
            target: Some(target),
        }
    }

    /// Whether the yardstick's work is not that of the contestants.
    pub fn differs_from_yardstick(&self) -> bool {
        self.task != self.yardstick.task
    }

    const fn against(mut self, name: &'static str, task: Task) -> Row {
        self.yardstick = Yardstick { name, task };
        self
    }

    const fn without_target(mut self) -> Row {
        self.target = None;
        self
    }
}

/// Our serialized heap, the default one: what the targets bind.
pub const OURS: &str = "rtl-heap";
/// Our heap created with `HEAP_NO_SERIALIZE`.
pub const OURS_UNSERIALIZED: &str = "no_serialize";
/// `malloc` on our heap, the library for preloading.
pub const OURS_MALLOC: &str = "rtlheap_malloc";
/// The yardstick of most rows.
pub const MIMALLOC_V3: &str = "mimalloc-v3";
/// The C library.
pub const LIBC: &str = "glibc";
/// Private heaps of mimalloc v3.
pub const MI_HEAP_V3: &str = "mi_heap-v3";
/// Wine's heap.
pub const WINE: &str = "wine";

/// Our heap against Wine's, over all rows: geometric mean.
pub const WINE_TARGET: (f64, f64) = (0.25, 0.12);

const fn pairs(size: usize) -> Task {
    Task::Pairs { size, live: 100 }
}

const MIB: usize = 1 << 20;
const LARGE: Task = Task::Pairs { size: MIB, live: 2 };
const LARGE_TOUCHED: Task = Task::TouchedPairs { size: MIB, live: 2 };
const CHURN_SMALL: Task = Task::Churn {
    sizes: Sizes::Uniform(8, 512),
    live: 10_000,
};
const CHURN_MIXED: Task = Task::Churn {
    sizes: Sizes::Logarithmic(16, 32 << 10),
    live: 50_000,
};
const GROWTH_BY_HALF: Task = Task::Growth {
    to: MIB,
    steps: Steps::Half,
};
const GROWTH_BY_16: Task = Task::Growth {
    to: 4 << 10,
    steps: Steps::Sixteen,
};
const CREATE_EMPTY: Task = Task::Create { blocks: 0 };
const CREATE_10: Task = Task::Create { blocks: 10 };
const CREATE_1000: Task = Task::Create { blocks: 1_000 };
const ONE_HEAP: Task = Task::InTurn { heaps: 1 };
const EIGHT_HEAPS: Task = Task::InTurn { heaps: 8 };

/// The table.
pub const ROWS: &[Row] = &[
    Row::new("pair-16", "pair, 16 B", pairs(16), (1.15, 1.0)),
    Row::new("pair-64", "pair, 64 B", pairs(64), (1.15, 1.0)),
    Row::new("pair-256", "pair, 256 B", pairs(256), (1.15, 1.0)),
    Row::new("pair-1k", "pair, 1 KiB", pairs(1 << 10), (1.15, 1.0)),
    Row::new("pair-4k", "pair, 4 KiB", pairs(4 << 10), (1.0, 0.65)),
    Row::new("pair-64k", "pair, 64 KiB", pairs(64 << 10), (1.0, 0.65)),
    Row::new("pair-1m", "pair, 1 MiB, untouched", LARGE, (0.3, 0.05)),
    Row::new(
        "pair-1m-touched",
        "pair, 1 MiB, touched",
        LARGE_TOUCHED,
        (0.9, 0.7),
    ),
    Row::new(
        "batch-lifo",
        "1,000 of 64 B, LIFO",
        Task::Batches(Order::Lifo),
        (1.15, 1.0),
    ),
    Row::new(
        "batch-fifo",
        "1,000 of 64 B, FIFO",
        Task::Batches(Order::Fifo),
        (1.15, 1.0),
    ),
    Row::new(
        "batch-random",
        "1,000 of 64 B, random",
        Task::Batches(Order::Random),
        (1.15, 1.0),
    ),
    Row::new(
        "churn-10k",
        "churn, 10 k live, 8-512 B",
        CHURN_SMALL,
        (1.1, 0.9),
    ),
    Row::new(
        "churn-50k",
        "churn, 50 k live, 16 B-32 KiB",
        CHURN_MIXED,
        (0.9, 0.5),
    ),
    Row::new(
        "two-threads",
        "two threads, pairs, 64 B",
        Task::SharedPairs { threads: 2 },
        (1.1, 0.9),
    ),
    Row::new(
        "prodcon-64",
        "producer-consumer, 64 B",
        Task::ProducerConsumer { size: 64 },
        (1.1, 0.7),
    ),
    Row::new(
        "prodcon-1k",
        "producer-consumer, 1 KiB",
        Task::ProducerConsumer { size: 1 << 10 },
        (0.7, 0.5),
    ),
    Row::new(
        "realloc-half",
        "realloc x1.5 to 1 MiB",
        GROWTH_BY_HALF,
        (0.3, 0.1),
    ),
    Row::new(
        "realloc-16",
        "realloc +16 to 4 KiB",
        GROWTH_BY_16,
        (0.5, 0.2),
    ),
    Row::new("size", "HeapSize", Task::Size, (1.5, 1.0)),
    Row::new(
        "validate",
        "HeapValidate of a block",
        Task::Validate,
        (1.5, 1.0),
    ),
    Row::new("create", "create + destroy", CREATE_EMPTY, (1.0, 0.5))
        .against(MI_HEAP_V3, CREATE_EMPTY)
        .without_target(),
    Row::new("create-10", "create + 10 + destroy", CREATE_10, (1.0, 0.5))
        .against(MI_HEAP_V3, CREATE_10),
    Row::new(
        "create-1000",
        "create + 1,000 + destroy",
        CREATE_1000,
        (1.0, 0.5),
    )
    .against(MI_HEAP_V3, CREATE_1000),
    Row::new(
        "eight-heaps",
        "eight heaps in turn",
        EIGHT_HEAPS,
        (1.2, 1.05),
    )
    .against(OURS, ONE_HEAP),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_dreams_are_beyond_reach() {
        let ids: HashSet<_> = ROWS.iter().map(|row| row.id).collect();
        assert_eq!(ids.len(), ROWS.len());
        for row in ROWS {
            assert!(
                row.target.is_none_or(|(reach, dream)| dream < reach),
                "{}",
                row.id
            );
        }
    }
}
