//! Enumerations whose values have a name and say something.

/// Makes an enumeration of what is listed: each with a statement, which is its documentation too, and
/// a name.
macro_rules! named {
    (
        $(#[$meta:meta])*
        $type:ident:
        $(#[doc = $doc:literal] $variant:ident = $name:literal,)*
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $type {
            $(#[doc = $doc] $variant,)*
        }

        impl $type {
            /// All of them, in their order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name in reports, in files and on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What it says.
            #[must_use]
            pub const fn statement(self) -> &'static str {
                match self {
                    $(Self::$variant => $doc,)*
                }
            }
        }
    };
}
pub(crate) use named;
