//! The two kinds of IDs that a map joins.

use std::fmt;

mod sealed {
    pub trait Sealed {}
}

/// Either kind of ID. Sealed: there are exactly two sides of a map.
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
            /// The superuser.
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
    /// A user or group ID as the filesystem holds it and as processes outside the user namespace
    /// see it.
    HostId
}
id_type! {
    /// A user or group ID as processes inside the user namespace see it, and as layer archives hold
    /// it.
    ContainerId32
}
