//! The micro rows on Windows' own heap, for Wine: runs what it is told on its standard input. See
//! `micro/wine.rs` for the orders; `micro` gives them.

#[cfg(windows)]
fn main() {
    rows::main();
}

#[cfg(not(windows))]
fn main() {
    println!("Windows' heap is on Windows, or under Wine");
}

#[cfg(windows)]
mod rows {
    use std::io::{self, BufRead, Write};

    use rtl_heap_benches::contestants::{Heaps, NtHeaps};
    use rtl_heap_benches::kernel32;
    use rtl_heap_benches::micro::rows::{ROWS, Task};
    use rtl_heap_benches::micro::work::{on_allocator, on_heaps};
    use rtl_heap_benches::rounds::Work;

    pub fn main() {
        assert!(
            kernel32::is_wine(),
            "the clock is Linux's; run this under Wine"
        );
        let mut work: Option<Work> = None;
        for line in io::stdin().lock().lines() {
            let line = line.expect("orders are text");
            let answer = match line.trim().split_once(' ') {
                Some(("open", id)) => {
                    work = open(id);
                    if work.is_some() { "ok" } else { "no" }.to_owned()
                }
                Some(("run", count)) => {
                    let work = work.as_mut().expect("something was opened");
                    work(count.parse().expect("a count")).to_string()
                }
                _ => {
                    work = None;
                    "ok".to_owned()
                }
            };
            let mut out = io::stdout().lock();
            writeln!(out, "{answer}")
                .and_then(|()| out.flush())
                .expect("somebody listens");
        }
    }

    /// A row's work on default heaps: serialized, without a limit.
    fn open(id: &str) -> Option<Work> {
        let heaps = NtHeaps {
            calls: kernel32::calls(),
            flags: 0,
            limit: 0,
        };
        let row = ROWS.iter().find(|row| row.id == id)?;
        match row.task {
            Task::Create { .. } | Task::InTurn { .. } => on_heaps(heaps, row.task),
            task => on_allocator(heaps.create(), task),
        }
    }
}
