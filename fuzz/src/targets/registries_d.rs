//! Files of `registries.d`:
//!
//! - No content makes the reader or a question panic, and time and memory are bounded; an error
//!   names the file and changes nothing.
//! - The order of files does not matter.
//! - A place of signatures is an absolute path or a URL, and the place of a signature is below it.

use layerhold_registries_conf::layerhold_reference::Reference;
use layerhold_registries_conf::layerhold_reference::layerhold_ids::Digest;
use layerhold_registries_conf::{Lookaside, RegistriesD};

/// What the files say about an image; `None` if one of them is refused.
fn read(files: &[&[u8]], image: &Reference) -> Option<String> {
    let mut found = RegistriesD::default();
    for bytes in files {
        let before = said(&found, image);
        if let Err(error) = found.add("f.yaml", bytes) {
            assert!(error.to_string().contains("f.yaml"), "{error}");
            assert_eq!(said(&found, image), before);
            return None;
        }
    }
    for warning in found.warnings() {
        assert!(warning.to_string().starts_with("f.yaml:"));
    }
    check(&found, image);
    Some(said(&found, image))
}

fn said(found: &RegistriesD, image: &Reference) -> String {
    let uses = found.uses_attachments(image);
    format!(
        "{:?} {:?} {uses}",
        found.read_from(image),
        found.write_to(image)
    )
}

fn check(found: &RegistriesD, image: &Reference) {
    if let Ok(Some(path)) = found.write_to(image) {
        assert!(path.is_absolute(), "{path:?}");
    }
    let Ok(Some(place)) = found.read_from(image) else {
        return;
    };
    let digest = Digest::sha256([0; 32]);
    match (&place, place.signature(&digest, 0)) {
        (Lookaside::Path(base), Lookaside::Path(path)) => {
            assert!(path.is_absolute() && path.ends_with("signature-1"));
            assert!(path.as_os_str().len() > base.as_os_str().len());
        }
        (Lookaside::Url(base), Lookaside::Url(url)) => {
            let (base, url) = (base.expose(), url.expose());
            assert!(base.starts_with("http") && base.is_ascii() == url.is_ascii());
            assert!(url.contains("/signature-1"), "{url}");
        }
        other => panic!("{other:?}"),
    }
}

/// Checks one input: a name and files, separated by NUL.
pub fn run(data: &[u8]) {
    let mut parts = data.split(|byte| *byte == 0);
    let name = parts.next().and_then(|name| std::str::from_utf8(name).ok());
    let Some(Ok(image)) = name.map(str::parse::<Reference>) else {
        return;
    };
    let mut files: Vec<&[u8]> = parts.collect();
    let forward = read(&files, &image);
    files.reverse();
    assert_eq!(read(&files, &image), forward);
}
