//! The barrier on every processor: macOS documents none.

/// It is not offered.
pub fn enlist() -> bool {
    false
}

/// Never called, for it is not offered.
pub fn on_every_processor() {}
