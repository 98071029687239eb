//! Names of images:
//!
//! - No text makes a parser panic.
//! - A name is parsed to itself from its full form and from the form that docker shows.
//! - Its parts follow the rules for them, and completing it twice changes nothing.

use layerhold_reference::{Reference, is_registry, is_repository, is_short_name, is_tag};

/// The longest name without tag and digest, with the registry that completes it.
const LONGEST_NAME: usize = 255;

/// Checks one input: a text.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _is_short = is_short_name(&text);
    for reference in [text.parse::<Reference>(), Reference::local(&text)] {
        match reference {
            Ok(reference) => check(&reference),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

fn check(reference: &Reference) {
    let text = reference.to_string();
    assert_eq!(text.parse::<Reference>().as_ref(), Ok(reference), "{text}");
    let familiar = reference.familiar();
    assert_eq!(
        familiar.parse::<Reference>().as_ref(),
        Ok(reference),
        "{familiar}"
    );
    assert!(familiar.len() <= text.len());
    assert!(is_registry(reference.registry()), "{text}");
    assert!(is_repository(reference.repository()), "{text}");
    assert!(reference.tag().is_none_or(is_tag), "{text}");
    assert!(reference.name().len() <= LONGEST_NAME, "{text}");
    assert!(!is_short_name(&text), "{text}");
    let complete = reference.clone().or_latest();
    assert!(
        complete.tag().is_some() || complete.digest().is_some(),
        "{text}"
    );
    assert_eq!(complete.clone().or_latest(), complete);
}
