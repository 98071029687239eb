//! Names of images, which may be given in short.

use layerhold_ids::dedupe_names;
use layerhold_oci::{ReferenceError, local_name};

/// Completes names that an image is to get, and leaves out those that occur again.
pub(super) fn complete_all(texts: &[String]) -> Result<Vec<String>, ReferenceError> {
    let names = texts.iter().map(|text| local_name(text));
    Ok(dedupe_names(names.collect::<Result<Vec<_>, _>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_given_twice_counts_once() {
        let texts = ["x", "y", "localhost/x:latest"].map(str::to_owned);
        assert_eq!(
            complete_all(&texts).unwrap(),
            ["localhost/x:latest", "localhost/y:latest"]
        );
        let bad = complete_all(&["x".to_owned(), "a\nb".to_owned()]).unwrap_err();
        assert_eq!(bad.text, "a\nb");
    }
}
