//! The names that images get in a store.

use super::LoadError;
use crate::reference::{ParseNameError, normalize_name};

/// Completes names as podman does: those without a registry belong to this machine, also in
/// archives that docker wrote, where they mean docker's registry.
pub(super) fn complete(names: &[String]) -> Result<Vec<String>, LoadError> {
    let mut full: Vec<String> = Vec::new();
    for name in names {
        let completed = normalize_name(&localize(name)).map_err(|error| ParseNameError {
            text: name.clone(),
            ..error
        })?;
        if !full.contains(&completed) {
            full.push(completed);
        }
    }
    Ok(full)
}

/// Puts `localhost/` before a name that has no registry.
fn localize(name: &str) -> String {
    match name.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => name.to_owned(),
        _ => format!("localhost/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_a_registry_belong_to_this_machine() {
        let names = [
            "1.0",
            "a/b:2",
            "busybox",
            "quay.io/a/b",
            "localhost:5000/x:1",
        ];
        assert_eq!(
            complete(&names.map(str::to_owned)).unwrap(),
            [
                "localhost/1.0:latest",
                "localhost/a/b:2",
                "localhost/busybox:latest",
                "quay.io/a/b:latest",
                "localhost:5000/x:1",
            ]
        );
    }

    #[test]
    fn a_name_counts_once() {
        let names = ["x:1", "localhost/x:1"].map(str::to_owned);
        assert_eq!(complete(&names).unwrap(), ["localhost/x:1"]);
    }

    #[test]
    fn an_error_shows_the_name_as_it_was_given() {
        let error = complete(&["../../etc".to_owned()]).unwrap_err();
        assert!(matches!(error, LoadError::Name(error) if error.text == "../../etc"));
    }
}
