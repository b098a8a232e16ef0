//! Layouts the specification gives, checked when the library is compiled.

/// Pins a structure's size and its members' offsets for 32-bit and 64-bit.
macro_rules! pin_layout {
    ($type:ty, $size32:literal / $size64:literal $(, $($field:ident).+ = $at32:literal / $at64:literal)* $(,)?) => {
        const _: () = {
            const WIDE: bool = size_of::<usize>() == 8;
            assert!(size_of::<$type>() == if WIDE { $size64 } else { $size32 });
            $(assert!(
                core::mem::offset_of!($type, $($field).+) == if WIDE { $at64 } else { $at32 }
            );)*
        };
    };
}

pub(crate) use pin_layout;
