//! `ntheap tour`: the heaps of NT's documents, made one statement at a time.
//!
//! Two documents are gone through: the reference page of `RtlCreateHeap`, and a tutorial on
//! `HeapCreate`. For each statement that a program can see the truth of, the calls it speaks of
//! are made, on real heaps through the C interface, and what came back is set beside it. Chapters on
//! the other families of calls follow, whose statements are lines of the specification.

mod calls;
mod exhausted;
mod families;
mod heap_create;
mod row;
mod rtl_create_heap;

use std::process::ExitCode;

use row::Tour;

/// What to print, and how.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit status: 0 when every statement is met, 1 when one is not.")]
pub struct Arguments {
    /// Print the rows as JSON.
    #[arg(long)]
    json: bool,
}

/// Makes the calls and prints the rows.
pub fn tour(arguments: &Arguments) -> ExitCode {
    // First, because a source of memory can be named only before the first heap.
    let memory = exhausted::Memory::install();
    let mut tour = Tour::default();
    rtl_create_heap::visit(&mut tour, memory);
    heap_create::visit(&mut tour, memory);
    families::visit(&mut tour);
    if arguments.json {
        println!("{}", tour.json());
    } else {
        print!("{tour}");
    }
    if tour.is_met() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
