//! Environment variables, for whoever must not allocate.

use crate::sys::environment as sys;

/// Stores the value of the variable `name` in `value`, as many bytes as there is room for, and says
/// how many that are; `None` for a variable that is not set.
///
/// Allocates nothing, and takes no lock that an allocation could be under. A thread that changes
/// the environment meanwhile is the caller's to rule out. On Windows letters beyond ASCII come out
/// as `?`.
#[doc(alias = "GetEnvironmentVariable")]
pub fn read(name: &str, value: &mut [u8]) -> Option<usize> {
    sys::read(name.as_bytes(), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_read_as_far_as_there_is_room() {
        let path = std::env::var("PATH").expect("every test has a path");
        let mut value = [0; 3];
        let length = read("PATH", &mut value).expect("it is set");
        assert_eq!(&value[..length], &path.as_bytes()[..length]);
        assert_eq!(length, path.len().min(3));
    }

    #[test]
    fn what_is_not_set_is_not_found() {
        let mut value = [0; 16];
        for name in ["RTL_HEAP_NO_SUCH_VARIABLE", "PAT", "PATH=", ""] {
            assert_eq!(read(name, &mut value), None, "{name}");
        }
    }
}
