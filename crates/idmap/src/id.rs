//! The two types of ID that a map translates between.

use std::fmt;

mod sealed {
    pub trait Sealed {}
}

/// Either type of ID. Sealed: a map has exactly two sides.
pub trait Id: Copy + Ord + fmt::Debug + sealed::Sealed {
    /// Makes an ID of a number.
    fn from_raw(raw: u32) -> Self;
    /// Returns the number.
    fn raw(self) -> u32;
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(u32);

        impl $name {
            /// The root user or group.
            pub const ROOT: Self = Self(0);

            /// Makes an ID of a number.
            #[must_use]
            pub const fn new(raw: u32) -> Self {
                Self(raw)
            }

            /// Returns the number.
            #[must_use]
            pub const fn get(self) -> u32 {
                self.0
            }
        }

        impl sealed::Sealed for $name {}

        impl Id for $name {
            fn from_raw(raw: u32) -> Self {
                Self(raw)
            }

            fn raw(self) -> u32 {
                self.0
            }
        }

        impl From<u32> for $name {
            fn from(raw: u32) -> Self {
                Self(raw)
            }
        }

        impl From<$name> for u32 {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id_type! {
    /// A user or group ID on disk, which is also the one that processes outside the user namespace
    /// see.
    HostId
}
id_type! {
    /// A user or group ID that processes inside the user namespace see, which is also the one in
    /// layer archives.
    ContainerId32
}
