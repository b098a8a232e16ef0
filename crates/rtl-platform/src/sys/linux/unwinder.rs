//! The process's unwinder, which finds callers that keep no frame pointers, by the tables of each module.
//!
//! It belongs to the C compiler's library. That is loaded with Rust's standard library and with C++ and
//! asked for by name, so that a program without it needs none.

use core::ffi::{CStr, c_int, c_void};
use core::mem;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::pages::Span;

/// A frame that the unwinder stands at.
type Context = *mut c_void;
/// Goes on as long as it returns 0.
type Visit = unsafe extern "C" fn(Context, *mut c_void) -> c_int;
type Backtrace = unsafe extern "C" fn(Visit, *mut c_void) -> c_int;
type Ask = unsafe extern "C" fn(Context) -> usize;

const GO_ON: c_int = 0;
/// The code of a normal end of the stack.
const STOP: c_int = 5;

/// A function that is looked up once: its address, or one of these.
struct Function {
    name: &'static CStr,
    address: AtomicUsize,
}

const UNKNOWN: usize = 0;
const NONE: usize = 1;

static BACKTRACE: Function = Function::named(c"_Unwind_Backtrace");
static GET_IP: Function = Function::named(c"_Unwind_GetIP");
static GET_CFA: Function = Function::named(c"_Unwind_GetCFA");

impl Function {
    const fn named(name: &'static CStr) -> Self {
        Self {
            name,
            address: AtomicUsize::new(UNKNOWN),
        }
    }

    fn find(&self) -> Option<*const c_void> {
        let mut address = self.address.load(Ordering::Relaxed);
        if address == UNKNOWN {
            // SAFETY: the name ends with a zero byte.
            address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, self.name.as_ptr()) }.addr();
            address = address.max(NONE);
            self.address.store(address, Ordering::Relaxed);
        }
        (address != NONE).then(|| ptr::with_exposed_provenance(address))
    }
}

/// What a walk carries from frame to frame.
struct Walk<'a> {
    frames: &'a mut [usize],
    count: usize,
    stack: Span,
    get_ip: Ask,
    get_cfa: Ask,
}

/// Stores the return addresses of the callers, innermost first; how many there are. None without an
/// unwinder. It goes on as long as frames lie in `stack`.
pub fn capture(frames: &mut [usize], stack: Span) -> usize {
    let functions = (BACKTRACE.find(), GET_IP.find(), GET_CFA.find());
    let (Some(backtrace), Some(get_ip), Some(get_cfa)) = functions else {
        return 0;
    };
    // SAFETY: these and those below are the types that the ABI gives the functions of these names.
    let backtrace = unsafe { mem::transmute::<*const c_void, Backtrace>(backtrace) };
    let mut walk = Walk {
        frames,
        count: 0,
        stack,
        // SAFETY: as above.
        get_ip: unsafe { mem::transmute::<*const c_void, Ask>(get_ip) },
        // SAFETY: as above.
        get_cfa: unsafe { mem::transmute::<*const c_void, Ask>(get_cfa) },
    };
    // SAFETY: (1) `visit` gets the walk, which outlives the call.
    unsafe { backtrace(visit, (&raw mut walk).cast()) };
    walk.count
}

/// # Safety
/// 1. `walk` is a [`Walk`] that nobody else uses, and `context` the unwinder's.
unsafe extern "C" fn visit(context: Context, walk: *mut c_void) -> c_int {
    // SAFETY: (1).
    let walk = unsafe { &mut *walk.cast::<Walk<'_>>() };
    // SAFETY: (1).
    let address = unsafe { (walk.get_ip)(context) };
    // SAFETY: (1).
    let frame = unsafe { (walk.get_cfa)(context) };
    // The next step reads what this frame saved below its end.
    let is_inside = frame >= walk.stack.start && frame <= walk.stack.end;
    match walk.frames.get_mut(walk.count) {
        Some(slot) if is_inside && address != 0 => {
            *slot = address;
            walk.count += 1;
            GO_ON
        }
        _ => STOP,
    }
}
