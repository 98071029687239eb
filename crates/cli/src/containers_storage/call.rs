//! What a command is given, and what it returns.

use layerhold::Store;

use super::flags::Values;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::streams::Streams;

/// Exit code of a command that failed.
pub const FAILED: u8 = 1;
/// What a command is given.
pub(crate) struct Call<'a, 'b> {
    pub(crate) store: &'a Store,
    pub(crate) environment: &'a Environment,
    pub(crate) flags: &'a Values,
    pub(crate) operands: &'a [String],
    pub(crate) streams: &'a mut Streams<'b>,
}

/// What a command that needs no store is given.
pub(crate) struct AloneCall<'a, 'b> {
    pub(crate) environment: &'a Environment,
    pub(crate) operands: &'a [String],
    pub(crate) streams: &'a mut Streams<'b>,
}

/// A command: its exit code, or an error that is printed before exiting with 1.
#[derive(Clone, Copy)]
pub(crate) enum Action {
    /// It needs a store, which is opened first.
    OnStore(fn(&mut Call<'_, '_>) -> Result<u8, Failure>),
    /// It needs none.
    Alone(fn(&mut AloneCall<'_, '_>) -> Result<u8, Failure>),
}
