//! One definition of a function, exported under each of its names.
//!
//! A function of NT's is exported as `rtlheap_<Name>` always, and as `<Name>` with the feature
//! `nt-names`. On Windows the second name is added to the library's export table by the linker
//! (see `build.rs`) and no object file defines it, because there it would take the place of the
//! system's own function, in this library as well.

/// An exported function as the headers have to declare it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Export {
    /// The name without prefix for a function of NT's, the whole name for one of ours.
    pub name: &'static str,
    /// It has an NT name besides the prefixed one.
    pub has_nt_name: bool,
    /// The C type of the result.
    pub result: &'static str,
    /// The C types of the parameters.
    pub parameters: &'static [&'static str],
}

/// Defines functions of NT's (`nt:`) or ours (`own:`), their exports, and a table of them named
/// `EXPORTS`.
macro_rules! exports {
    (nt: $($items:tt)*) => { $crate::exports::exports! { @each nt [] $($items)* } };
    (own: $($items:tt)*) => { $crate::exports::exports! { @each own [] $($items)* } };

    (@each $kind:ident [$($done:tt)*]) => {
        /// The functions of this module.
        pub(crate) const EXPORTS: &[$crate::exports::Export] = &[$($done)*];
    };

    (@each $kind:ident [$($done:tt)*]
        $(#[$meta:meta])*
        pub unsafe extern $abi:literal fn $name:ident($($arg:ident: $ty:ty),* $(,)?)
            $(-> $result:ty)? $body:block
        $($rest:tt)*
    ) => {
        $crate::exports::exports! {
            @define $kind [unsafe] [$(#[$meta])*] $abi $name [$($arg: $ty),*] [$($result)?] $body
        }
        $crate::exports::exports! {
            @each $kind
            [$($done)* $crate::exports::exports!(@row $kind $name [$($ty),*] [$($result)?]),]
            $($rest)*
        }
    };

    (@each $kind:ident [$($done:tt)*]
        $(#[$meta:meta])*
        pub extern $abi:literal fn $name:ident($($arg:ident: $ty:ty),* $(,)?)
            $(-> $result:ty)? $body:block
        $($rest:tt)*
    ) => {
        $crate::exports::exports! {
            @define $kind [] [$(#[$meta])*] $abi $name [$($arg: $ty),*] [$($result)?] $body
        }
        $crate::exports::exports! {
            @each $kind
            [$($done)* $crate::exports::exports!(@row $kind $name [$($ty),*] [$($result)?]),]
            $($rest)*
        }
    };

    (@define nt [$($unsafe:tt)?] [$($meta:tt)*] $abi:literal $name:ident
        [$($arg:ident: $ty:ty),*] [$($result:ty)?] $body:block
    ) => {
        $($meta)*
        #[unsafe(export_name = concat!("rtlheap_", stringify!($name)))]
        pub $($unsafe)? extern $abi fn $name($($arg: $ty),*) $(-> $result)? $body

        #[cfg(nt_symbols)]
        const _: () = {
            #[unsafe(no_mangle)]
            // The same once more, which the compiler makes one function of with two names. A call
            // would be a jump through the table of offsets.
            $($unsafe)? extern $abi fn $name($($arg: $ty),*) $(-> $result)? $body
        };
    };
    (@define own [$($unsafe:tt)?] [$($meta:tt)*] $abi:literal $name:ident
        [$($arg:ident: $ty:ty),*] [$($result:ty)?] $body:block
    ) => {
        $($meta)*
        #[unsafe(no_mangle)]
        pub $($unsafe)? extern $abi fn $name($($arg: $ty),*) $(-> $result)? $body
    };

    (@row $kind:ident $name:ident [$($ty:ty),*] [$($result:ty)?]) => {
        $crate::exports::Export {
            name: stringify!($name),
            has_nt_name: $crate::exports::exports!(@is_nt $kind),
            result: $crate::exports::exports!(@result $($result)?),
            parameters: &[$(stringify!($ty)),*],
        }
    };
    (@is_nt nt) => { true };
    (@is_nt own) => { false };
    (@result) => { "VOID" };
    (@result $result:ty) => { stringify!($result) };
}

pub(crate) use exports;
