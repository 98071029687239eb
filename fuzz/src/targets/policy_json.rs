//! `policy.json`:
//!
//! - No text makes parsing panic.
//! - Every image has requirements, and those of the narrowest scope count.
//! - An image without signatures is accepted only where all requirements accept anything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use layerhold_image_policy::{Context, ImageLocation, Policy, Requirement, UnverifiedImage};

/// Checks one text.
pub fn run(data: &[u8]) {
    let policy = match Policy::parse(data) {
        Ok(policy) => policy,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    assert!(!policy.default_requirements().is_empty());
    for location in locations() {
        check(&policy, &location);
    }
    for (transport, scope, requirements) in policy.scopes() {
        let location = ImageLocation::other(transport, [scope.to_owned()], None);
        let rules = policy.requirements(&location);
        assert_eq!(
            (rules.scope, rules.requirements),
            (Some(scope), requirements)
        );
        check(&policy, &location);
    }
}

fn check(policy: &Policy, location: &ImageLocation) {
    let rules = policy.requirements(location);
    let accepts_all =
        |requirement: &Requirement| *requirement == Requirement::InsecureAcceptAnything;
    let files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    let verdict = policy.check(
        &UnverifiedImage::new(location, b"{}"),
        &Context::new(&files),
    );
    assert_eq!(verdict.is_ok(), rules.requirements.iter().all(accepts_all));
}

fn locations() -> Vec<ImageLocation> {
    let name = "quay.io/a/b:1".parse().expect("it is a name");
    vec![
        ImageLocation::docker(&name).expect("it has a tag"),
        ImageLocation::oci(Path::new("/a/b")).expect("it is absolute"),
        ImageLocation::containers_storage("overlay", Path::new("/g"), Some(&name), None),
    ]
}
