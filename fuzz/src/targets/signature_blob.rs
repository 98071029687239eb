//! Stored signatures:
//!
//! - No bytes make parsing or verification panic, or take much memory.
//! - A signature that is printed is parsed to the same.
//! - What is accepted is for the image that was asked for.

use std::collections::BTreeMap;
use std::path::PathBuf;

use layerhold_image_policy::{Context, ImageLocation, Signature, UnverifiedImage};

use crate::image_cases;

/// Checks one signature.
pub fn run(data: &[u8]) {
    let Ok(signature) = Signature::parse(data) else {
        return;
    };
    match Signature::parse(&signature.to_blob()) {
        Ok(again) => assert_eq!(again, signature),
        // An OpenPGP message has no name in its printed form, so that its first byte has to tell.
        Err(_) => assert!(matches!(signature, Signature::Simple(_))),
    }
    let name = image_cases::IMAGE.parse().expect("it is a name");
    let location = ImageLocation::docker(&name).expect("it has a tag");
    let signatures = [signature];
    let files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    for policy in image_cases::policies() {
        let manifest = image_cases::MANIFEST.as_bytes();
        let image = UnverifiedImage::new(&location, manifest).with_signatures(&signatures);
        if let Ok(acceptance) = policy.check(&image, &Context::new(&files)) {
            for accepted in acceptance.signatures {
                assert_eq!(accepted.reference.name(), name.name());
                assert_eq!(accepted.digest.as_str(), image_cases::DIGEST);
            }
        }
    }
}
