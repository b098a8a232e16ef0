//! How the family takes over the program's `malloc`: one file per way a system has for it.
//!
//! `build.rs` chooses. Where there is no way (`none`: the linker of Windows binds every import to
//! a named library), the crate is only its [`calls`](crate::calls).

#[cfg(takeover = "dyld")]
mod dyld;
#[cfg(takeover = "elf")]
mod elf;
#[cfg(takeover = "elf")]
mod glibc;
#[cfg(any(takeover = "elf", takeover = "dyld"))]
mod session;
