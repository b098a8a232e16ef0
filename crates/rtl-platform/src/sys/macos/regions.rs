//! The address space as Mach tells it.

use crate::pages::Span;
use crate::sys::region::Region;
use crate::vm::Protection;

/// The address after the last that programs can have.
const LIMIT: usize = 0x7fff_fe00_0000;

/// `VM_REGION_BASIC_INFO_64`.
const BASIC_INFO: i32 = 9;

/// `vm_region_basic_info_64`, whose members are aligned to four bytes.
#[repr(C, packed(4))]
#[derive(Default)]
struct BasicInfo {
    protection: i32,
    max_protection: i32,
    inheritance: u32,
    shared: u32,
    reserved: u32,
    offset: u64,
    behavior: i32,
    user_wired_count: u16,
}

const _: () = assert!(size_of::<BasicInfo>() == 36);

unsafe extern "C" {
    static mach_task_self_: u32;
    fn mach_vm_region(
        task: u32,
        address: *mut u64,
        size: *mut u64,
        flavor: i32,
        info: *mut BasicInfo,
        words: *mut u32,
        object: *mut u32,
    ) -> i32;
}

/// All regions, upwards; the last one is what programs cannot have.
pub struct Regions {
    next: Option<usize>,
}

impl Regions {
    /// Starts at the lowest region.
    pub fn open() -> Option<Self> {
        Some(Self { next: Some(0) })
    }
}

impl Iterator for Regions {
    type Item = Region;

    fn next(&mut self) -> Option<Region> {
        let from = self.next?;
        let region = at_or_above(from).filter(|region| region.span.start < LIMIT);
        self.next = region.map(|region| region.span.end);
        Some(region.unwrap_or(Region {
            span: Span {
                start: from.max(LIMIT),
                end: usize::MAX,
            },
            protection: Protection::NoAccess,
            is_stack: false,
        }))
    }
}

fn at_or_above(from: usize) -> Option<Region> {
    let mut address = from as u64;
    let mut size = 0;
    let mut info = BasicInfo::default();
    let mut words = (size_of::<BasicInfo>() / 4) as u32;
    let mut object = 0;
    // SAFETY: the loader stores the task's own port there before the program starts.
    let task = unsafe { mach_task_self_ };
    // SAFETY: every place is valid for writing, and the one for the answer as long as told.
    let result = unsafe {
        mach_vm_region(
            task,
            &mut address,
            &mut size,
            BASIC_INFO,
            &mut info,
            &mut words,
            &mut object,
        )
    };
    if result != 0 {
        return None;
    }
    let protection = info.protection;
    let has = |bit| protection & bit != 0;
    let protection = if has(libc::PROT_WRITE) && has(libc::PROT_EXEC) {
        Protection::ReadWriteExecute
    } else if has(libc::PROT_WRITE) {
        Protection::ReadWrite
    } else if has(libc::PROT_READ | libc::PROT_EXEC) {
        Protection::ReadOnly
    } else {
        Protection::NoAccess
    };
    let start = usize::try_from(address).ok()?;
    let end = start.saturating_add(usize::try_from(size).ok()?);
    Some(Region {
        span: Span { start, end },
        protection,
        is_stack: false,
    })
}
