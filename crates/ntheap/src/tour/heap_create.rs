//! A tutorial on `HeapCreate`, statement by statement.

use super::calls::{
    GENERATE_EXCEPTIONS, Heap, HeapCreate, NO_SERIALIZE, PAGE, last_error, process_heaps, query,
    shown,
};
use super::exhausted::Memory;
use super::row::Tour;

const ERROR_NOT_ENOUGH_MEMORY: u32 = 8;

/// What the Win32 face rounds sizes up to: a page of NT on 32-bit, two on 64-bit.
const ROUNDING: usize = rtl_heap::Limits::WINDOWS.rounding;

/// Goes through the document.
pub fn visit(tour: &mut Tour, memory: &Memory) {
    tour.document("\nHeapCreate, a tutorial");
    purpose(tour);
    arguments(tour);
    return_value(tour, memory);
}

fn purpose(tour: &mut Tour) {
    tour.section("HeapCreate");
    let call = HeapCreate::default();
    let heap = call.call();
    let handle = heap.as_ref().map(Heap::handle);
    let created = shown(&heap);
    let destroyed = heap.is_some_and(Heap::win32_destroy);
    let gone = handle.is_some_and(|handle| query(handle).is_none());
    tour.row(
        "\"to create a new heap, the HeapCreate function is used and in order to destroy that heap, \
         the HeapDestroy function is used\"",
        format!("{call}, HeapDestroy(heap), rtlheap_vm_query(heap)"),
        (format!("{created}, {}, no reservation there", as_bool(destroyed)), destroyed && gone),
    );

    let before = process_heaps();
    let more: Vec<_> = (0..3).filter_map(|_| call.call()).collect();
    let during = process_heaps();
    drop(more);
    tour.row(
        "\"Processes can allocate more heaps during runtime\"",
        format!("3 x {call}, RtlGetProcessHeaps(0, NULL)"),
        (
            format!("{before} heaps before, {during} after"),
            during == before + 3,
        ),
    );

    let heap = call.call();
    let own = heap
        .as_ref()
        .is_some_and(|heap| heap.region().heap == heap.handle());
    tour.row(
        "\"HANDLE type is just a pointer to some memory in heap\"",
        format!("{call}, rtlheap_vm_query(heap)"),
        (
            format!("{}, in a reservation of this heap", shown(&heap)),
            own,
        ),
    );
}

fn arguments(tour: &mut Tour) {
    tour.section("Arguments");
    let calls = [0, NO_SERIALIZE, GENERATE_EXCEPTIONS].map(|options| HeapCreate {
        options,
        ..HeapCreate::default()
    });
    let made = calls.iter().filter(|call| call.call().is_some()).count();
    tour.row(
        "flOptions \"is used to specify the heap allocation options. ... If you don't want to use \
         any of these options, you can specify 0\"",
        calls.map(|call| call.to_string()).join(", "),
        (format!("{made} handles"), made == calls.len()),
    );

    let call = HeapCreate {
        initial: 0x3_0000,
        ..HeapCreate::default()
    };
    let heap = call.call();
    let committed = heap.as_ref().map_or(0, Heap::committed);
    tour.row(
        "\"dwInitialSize. This argument is used to specify the size of heap in bytes. This is the \
         initial size of the created heap\"",
        call,
        (
            format!("{committed:#x} bytes committed"),
            committed == 0x3_0000,
        ),
    );

    let call = HeapCreate {
        initial: 0x2000,
        maximum: 0x4_0000,
        ..HeapCreate::default()
    };
    let heap = call.call();
    let before = heap.as_ref().map_or(0, Heap::committed);
    let total = heap
        .as_ref()
        .map_or(0, |heap| heap.exhaust(0x1000, 1000).len() * 0x1000);
    let after = heap.as_ref().map_or(0, Heap::committed);
    tour.row(
        "\"and this can be expanded more by specifying the next argument\"; \"dwMaximumSize. This \
         argument is used to specify the maximum size of heap\"",
        format!("{call}, HeapAlloc(heap, 0, 0x1000) until NULL"),
        (
            format!("{before:#x} bytes committed, then {after:#x}; {total:#x} bytes in blocks"),
            before == 0x2000 && after > before && (0x3_0000..0x4_0000).contains(&total),
        ),
    );

    let call = HeapCreate::default();
    let heap = call.call();
    let committed = heap.as_ref().map_or(0, Heap::committed);
    tour.row(
        "\"If you specify 0 as the third argument, the function will allocate a whole page.\"",
        call,
        (
            format!(
                "{committed:#x} bytes committed, {} page(s) of 4 KiB, the unit of this face",
                ROUNDING / PAGE
            ),
            committed == ROUNDING,
        ),
    );

    let call = HeapCreate {
        maximum: 0x1_2345,
        ..HeapCreate::default()
    };
    let heap = call.call();
    let size = heap.as_ref().map_or(0, |heap| heap.region().size);
    tour.row(
        "\"If this value is too big, this values will be rounded to the maximum page size of the \
         machine.\" [taken as: up to whole pages]",
        call,
        (
            format!("{size:#x} bytes reserved"),
            size == 0x1_2345usize.next_multiple_of(ROUNDING),
        ),
    );
}

fn return_value(tour: &mut Tour, memory: &Memory) {
    tour.section("Return value");
    let call = HeapCreate::default();
    let heap = call.call();
    let block = heap.as_ref().and_then(|heap| heap.allocate(100));
    tour.row(
        "\"The function returns a handle to the created heap region when it succeeds.\" \"The next \
         thing to do is to Allocate ... HeapAlloc\"",
        format!("{call}, HeapAlloc(heap, 0, 100)"),
        (
            format!("{}, {}", shown(&heap), block.map_or("NULL", |_| "a block")),
            block.is_some(),
        ),
    );

    let call = HeapCreate {
        maximum: usize::MAX,
        ..HeapCreate::default()
    };
    let heap = call.call();
    let error = last_error();
    let (refused, _) = memory.refusing(1, || HeapCreate::default().call());
    tour.row(
        "\"The function returns a NULL if the function fails.\"",
        format!(
            "{call}, GetLastError(); {} when there is no memory",
            HeapCreate::default()
        ),
        (
            format!("{}, {error}; {}", shown(&heap), shown(&refused)),
            heap.is_none() && refused.is_none() && error == ERROR_NOT_ENOUGH_MEMORY,
        ),
    );
}

fn as_bool(value: bool) -> &'static str {
    if value { "TRUE" } else { "FALSE" }
}
