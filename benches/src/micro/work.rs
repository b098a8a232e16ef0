//! What an allocator, or something that makes heaps, makes of a task.

use super::loops::{self, Batches, Churn, Live, Sizes};
use super::rows::Task;
use super::threads;
use crate::contestants::{Allocator, Heaps};
use crate::rounds::{self, Work};

/// Work on one allocator.
pub fn on_allocator<A: Allocator>(allocator: A, task: Task) -> Option<Work> {
    Some(match task {
        Task::Pairs { size, live } => {
            let mut live = Live::new(allocator, size, live);
            rounds::timed(move |count| live.pairs(size, count))
        }
        Task::TouchedPairs { size, live } => {
            let mut live = Live::new(allocator, size, live);
            rounds::timed(move |count| live.touched_pairs(size, count))
        }
        Task::Batches(order) => {
            let mut batches = Batches::new(allocator, order);
            let mut timed = rounds::timed(move |count| batches.run(64, count));
            Box::new(move |count| {
                let rounded = Batches::<A>::rounded(count);
                (timed(count) as f64 * count as f64 / rounded as f64) as u64
            })
        }
        Task::Churn { sizes, live } => {
            let mut churn = Churn::new(allocator, sizes, live);
            rounds::timed(move |count| churn.run(count))
        }
        Task::SharedPairs { threads } => Box::new(threads::shared_pairs(allocator, threads, 64)),
        Task::Exchange { threads } => Box::new(threads::exchange(allocator, threads, 64)),
        Task::Replace { size, live } => {
            let mut churn = Churn::fresh(allocator, Sizes::Uniform(size, size), live);
            churn.run(live.min(1_000_000) as u64);
            rounds::timed(move |count| churn.run(count))
        }
        Task::ProducerConsumer { size } => Box::new(threads::producer_consumer(allocator, size)),
        Task::Growth { to, steps } => {
            let mut live = Live::new(allocator, 64, 100);
            rounds::timed(move |count| live.growths(to, steps, count))
        }
        Task::Size => {
            let mut live = Live::new(allocator, 64, 100);
            rounds::timed(move |count| live.sizes(count))
        }
        Task::Validate => {
            let mut live = Live::new(allocator, 64, 100);
            rounds::timed(move |count| live.validations(count))
        }
        Task::Create { .. } | Task::InTurn { .. } => return None,
    })
}

/// Work that makes heaps.
pub fn on_heaps<H: Heaps>(heaps: H, task: Task) -> Option<Work> {
    Some(match task {
        Task::Create { blocks } => {
            rounds::timed(move |count| loops::creations(&heaps, blocks, count))
        }
        Task::InTurn { heaps: how_many } => {
            let heaps: Vec<_> = (0..how_many).map(|_| heaps.create()).collect();
            rounds::timed(move |count| loops::in_turn(&heaps, count))
        }
        _ => return None,
    })
}
