//! Where signatures of images are: `registries.d` (Go: `docker/registries_d.go`).

mod load;
pub(crate) mod registries_d;
mod section;
mod yaml;
mod scopes;
pub(crate) mod lookaside;
pub(crate) mod error;
