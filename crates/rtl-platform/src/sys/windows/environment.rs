//! The environment of the process.

use windows_sys::Win32::System::Environment::GetEnvironmentVariableW;

use super::last_error::kept;

/// Longest name and value that can be read, in UTF-16 units.
const LONGEST: usize = 512;

/// Stores the value of a variable.
pub fn read(name: &[u8], value: &mut [u8]) -> Option<usize> {
    let mut wide_name = [0_u16; LONGEST];
    for (wide, byte) in wide_name[..LONGEST - 1].iter_mut().zip(name) {
        *wide = u16::from(*byte);
    }
    let mut wide_value = [0_u16; LONGEST];
    let length = kept(|| {
        // SAFETY: the name ends with a zero, and the value has as much room as the call is told.
        let length = unsafe {
            GetEnvironmentVariableW(wide_name.as_ptr(), wide_value.as_mut_ptr(), LONGEST as u32)
        };
        (length != 0).then_some(length as usize)
    })
    .ok()?;
    // A value that is too long is answered with its length, and not stored.
    let wide_value = wide_value.get(..length)?;
    let stored = length.min(value.len());
    for (byte, wide) in value.iter_mut().zip(wide_value) {
        *byte = u8::try_from(*wide)
            .ok()
            .filter(u8::is_ascii)
            .unwrap_or(b'?');
    }
    Some(stored)
}
