//! The barrier on every processor.

use windows_sys::Win32::System::Threading::FlushProcessWriteBuffers;

/// It is always there.
pub fn enlist() -> bool {
    true
}

/// A barrier on every processor.
pub fn on_every_processor() {
    // SAFETY: takes nothing.
    unsafe { FlushProcessWriteBuffers() };
}
