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
