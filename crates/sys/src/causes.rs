//! Walks the causes of an error.

use std::error::Error;
use std::io;

/// An error and all its causes, from the outside in. Includes the error inside an [`io::Error`],
/// which is not its [`source`](Error::source).
pub fn causes<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), next_cause)
}

fn next_cause<'e>(error: &&'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    let error = *error;
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(inside) => Some(inside),
        None => error.source(),
    }
}

/// Tells whether an error, or one of its causes, is that the disk is full or a quota used up.
#[must_use]
pub fn is_out_of_space(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| {
        let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        matches!(
            kind,
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        )
    })
}

/// Work stopped because a [`Cancel`](crate::Cancel) asked it to.
///
/// It is the last of the [`causes`] of every error that means this, in all crates, so
/// that [`is_cancelled`] recognises all of them. Readers and writers pass it on inside an
/// [`io::Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("cancelled")]
pub struct Cancelled;

impl From<Cancelled> for io::Error {
    /// Of the kind [`io::ErrorKind::Other`], because interrupted operations are retried.
    fn from(cancelled: Cancelled) -> Self {
        Self::other(cancelled)
    }
}

/// Tells whether an error, or one of its causes, is that the work was [cancelled](Cancelled).
#[must_use]
pub fn is_cancelled(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| cause.is::<Cancelled>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_inside_of_io_errors_are_found() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        assert!(is_out_of_space(&full()));
        assert!(is_out_of_space(&io::Error::other(full())));
        assert!(!is_out_of_space(&io::Error::other("full")));
        assert_eq!(causes(&io::Error::other(full())).count(), 2);
    }
}
