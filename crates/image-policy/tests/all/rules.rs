//! Which requirements count for an image, and the verdicts of those without signatures.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use layerhold_image_policy::{
    Acceptance, Context, ImageLocation, Policy, Refusal, Signature, SigstoreSignature,
    UnverifiedImage,
};

/// A policy in which each scope has requirements of its own number.
fn numbered(scopes: &[(&str, &str)]) -> Policy {
    let mut transports: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (number, (transport, scope)) in scopes.iter().enumerate() {
        let list = vec![r#"{"type":"reject"}"#; number + 1].join(",");
        let scopes = transports.entry(transport).or_default();
        scopes.push(format!(r#""{scope}":[{list}]"#));
    }
    let transports: Vec<String> = transports
        .iter()
        .map(|(transport, scopes)| format!(r#""{transport}":{{{}}}"#, scopes.join(",")))
        .collect();
    let json = format!(
        r#"{{"default":[{{"type":"insecureAcceptAnything"}}],"transports":{{{}}}}}"#,
        transports.join(",")
    );
    Policy::parse(json.as_bytes()).unwrap()
}

fn check(policy: &Policy, location: &ImageLocation, wanted: Option<&str>) {
    let rules = policy.requirements(location);
    assert_eq!(rules.scope, wanted, "{location}");
    assert!(!rules.requirements.is_empty());
}

#[test]
fn the_narrowest_scope_counts() {
    let policy = numbered(&[
        ("docker", ""),
        ("docker", "docker.io"),
        ("docker", "docker.io/library"),
        ("docker", "docker.io/library/busybox"),
        ("docker", "docker.io/library/busybox:1"),
        ("docker", "*.example.com"),
        ("docker", "*.com"),
        ("docker", "a.example.com:5000/x"),
        ("docker", "short"),
        ("dir", "/a/b"),
    ]);
    for (image, wanted) in [
        ("busybox:1", "docker.io/library/busybox:1"),
        ("busybox:2", "docker.io/library/busybox"),
        ("alpine:1", "docker.io/library"),
        ("a/b:1", "docker.io"),
        ("x.example.com/a:1", "*.example.com"),
        ("x.y.example.com:80/a:1", "*.example.com"),
        ("example.com/a:1", "*.com"),
        ("a.example.com:5000/x/y:1", "a.example.com:5000/x"),
        ("a.example.com/x/y:1", "*.example.com"),
        ("short:1", "docker.io/library"),
        ("quay.io/a:1", ""),
    ] {
        let location = ImageLocation::docker(&image.parse().unwrap()).unwrap();
        check(&policy, &location, Some(wanted));
    }
    let atomic = ImageLocation::atomic(&"docker.io/a/b:1".parse().unwrap()).unwrap();
    check(&policy, &atomic, None);
    let dir = ImageLocation::dir(Path::new("/a/b/c")).unwrap();
    check(&policy, &dir, Some("/a/b"));
    let dir = ImageLocation::dir(Path::new("/a/bc")).unwrap();
    check(&policy, &dir, None);
    let archive = ImageLocation::docker_archive(Path::new("/a/b"), None);
    check(&policy, &archive, None);
}

fn verdict(requirements: &str, signatures: &[Signature]) -> Result<Acceptance, (usize, Refusal)> {
    let json = format!(r#"{{"default":[{requirements}]}}"#);
    let policy = Policy::parse(json.as_bytes()).unwrap();
    let location = ImageLocation::docker(&"busybox:1".parse().unwrap()).unwrap();
    let image = UnverifiedImage::new(&location, b"{}").with_signatures(signatures);
    let files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    let verdict = policy.check(&image, &Context::new(&files));
    verdict.map_err(|refused| (refused.index, *refused.refusal))
}

const ACCEPT: &str = r#"{"type":"insecureAcceptAnything"}"#;
const REJECT: &str = r#"{"type":"reject"}"#;
const SIGNED: &str = r#"{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k"}"#;
const SIGSTORE: &str = r#"{"type":"sigstoreSigned","keyPath":"/k"}"#;

#[test]
fn all_requirements_have_to_be_met() {
    assert_eq!(verdict(ACCEPT, &[]).unwrap(), Acceptance::default());
    let (index, refusal) = verdict(&format!("{ACCEPT},{REJECT}"), &[]).unwrap_err();
    assert!(matches!((index, refusal), (1, Refusal::Rejected)));
    let (index, refusal) = verdict(&format!("{REJECT},{ACCEPT}"), &[]).unwrap_err();
    assert!(matches!((index, refusal), (0, Refusal::Rejected)));
    let base = r#"{"type":"signedBaseLayer","baseLayerIdentity":{"type":"matchExact"}}"#;
    let (_, refusal) = verdict(base, &[]).unwrap_err();
    assert!(matches!(refusal, Refusal::SignedBaseLayer));
}

#[test]
fn signatures_of_the_right_kind_are_needed() {
    let simple = Signature::Simple(vec![0xa3]);
    let sigstore = Signature::Sigstore(SigstoreSignature::default());
    for (requirement, signatures, wanted) in [
        (SIGNED, &[][..], "the image has no simple signing signature"),
        (
            SIGNED,
            std::slice::from_ref(&sigstore),
            "the image has no simple signing signature, and one of another kind",
        ),
        (
            SIGSTORE,
            &[simple.clone(), simple.clone()],
            "the image has no sigstore signature, and 2 of other kinds",
        ),
    ] {
        let (_, refusal) = verdict(requirement, signatures).unwrap_err();
        assert_eq!(refusal.to_string(), wanted);
    }
}

#[test]
fn a_refusal_says_what_refuses_which_image() {
    let policy = numbered(&[("docker", ""), ("docker", "quay.io")]);
    let files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    for (image, wanted) in [
        (
            "a:1",
            "the policy refuses docker://docker.io/library/a:1: its part for docker requires reject",
        ),
        (
            "quay.io/a:1",
            r#"the policy refuses docker://quay.io/a:1: its part for docker, "quay.io", requires reject"#,
        ),
    ] {
        let location = ImageLocation::docker(&image.parse().unwrap()).unwrap();
        let image = UnverifiedImage::new(&location, b"{}");
        let refused = policy.check(&image, &Context::new(&files)).unwrap_err();
        assert_eq!(refused.to_string(), wanted);
        let cause = refused.source().unwrap().to_string();
        assert_eq!(cause, "all such images are rejected");
    }
}

#[test]
fn policies_made_in_a_program() {
    let location = ImageLocation::docker_daemon_id("sha256:1");
    let image = UnverifiedImage::new(&location, b"{}");
    let files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    let context = Context::new(&files);
    assert!(
        Policy::insecure_accept_anything()
            .check(&image, &context)
            .is_ok()
    );
    assert!(Policy::reject().check(&image, &context).is_err());
}
