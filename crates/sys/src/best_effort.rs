//! A named way to discard a result.

/// Discards the result of a step whose failure changes nothing for the caller: removing a file that
/// the next writer removes as well, notifying a reader that is gone.
///
/// The name says at the call that the error is ignored on purpose.
pub fn best_effort<T, E>(result: Result<T, E>) {
    drop(result);
}
