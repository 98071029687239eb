//! Questions about the causes of an error.

use std::error::Error;
use std::io;

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
}
