//! Questions about the causes of an error.

use std::error::Error;
use std::io;

use layerhold::layerhold_json_store::ReadError;
use layerhold_archive::ImportError;

/// Whether the disk is full, or a quota used up, by this error or one of its causes.
pub(crate) fn is_out_of_space(error: &(dyn Error + 'static)) -> bool {
    any(error, |error| {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        matches!(
            kind,
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        )
    })
}

/// Whether an import or a wait for a lock was cancelled, by this error or one of its causes.
pub(crate) fn is_cancelled(error: &(dyn Error + 'static)) -> bool {
    any(error, |error| {
        matches!(is::<ImportError>(error), Some(ImportError::Cancelled))
            || is::<ReadError>(error).is_some_and(ReadError::is_cancelled)
    })
}

/// The error, if it is of a type, in a box or not.
fn is<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let boxed = || error.downcast_ref::<Box<E>>().map(Box::as_ref);
    error.downcast_ref().or_else(boxed)
}

/// Whether something holds of an error or one of its causes, those inside of I/O errors included.
fn any(error: &(dyn Error + 'static), holds: impl Fn(&(dyn Error + 'static)) -> bool) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if holds(error) {
            return true;
        }
        let inside = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        next = match inside {
            Some(inside) => Some(inside),
            None => error.source(),
        };
    }
    false
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
    }

    #[test]
    fn cancelled_imports_are_found_in_a_box_too() {
        let cancelled = || ImportError::Cancelled;
        assert!(is_cancelled(&cancelled()));
        assert!(is_cancelled(&Box::new(cancelled())));
        assert!(is_cancelled(&io::Error::other(Box::new(cancelled()))));
        assert!(!is_cancelled(&io::Error::other("cancelled")));
    }
}
