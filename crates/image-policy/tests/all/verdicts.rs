//! Verdicts on signed images. The signatures and certificates in `data/cases.json` were made with
//! gpg and with podman's library, which gave the verdicts too. A case with the field `podman` is
//! one that podman accepts and this crate refuses.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use layerhold_image_policy::{
    Acceptance, Context, ImageLocation, KeyError, Policy, Reason, Refusal, Signature,
    UnverifiedImage,
};
use serde_json::Value;

const CASES: &str = include_str!("../data/cases.json");
/// The manifest of most cases.
const MANIFEST: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[]}"#;

/// A time after the cases were made.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_796_060_000)
}

fn cases() -> Vec<Value> {
    serde_json::from_str(CASES).unwrap()
}

fn case(name: &str) -> Value {
    let mut cases = cases().into_iter();
    cases.find(|case| case["name"] == name).unwrap()
}

fn signatures(case: &Value) -> Vec<Signature> {
    let list = case["signatures"].as_array().unwrap();
    let blobs = list
        .iter()
        .map(|text| STANDARD.decode(text.as_str().unwrap()).unwrap());
    blobs.map(|blob| Signature::parse(&blob).unwrap()).collect()
}

fn verdict(case: &Value, time: SystemTime) -> Result<Acceptance, Refusal> {
    let policy = Policy::parse(case["policy"].to_string().as_bytes()).unwrap();
    let image = case["image"]
        .as_str()
        .unwrap()
        .strip_prefix("docker://")
        .unwrap();
    let location = ImageLocation::docker(&image.parse().unwrap()).unwrap();
    let signatures = signatures(case);
    let manifest = case["manifest"].as_str().unwrap_or(MANIFEST);
    let image = UnverifiedImage::new(&location, manifest.as_bytes()).with_signatures(&signatures);
    let files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    let verdict = policy.check(&image, &Context::new(&files).at(time));
    verdict.map_err(|refused| *refused.refusal)
}

/// A refusal with its causes.
fn whole(refusal: &Refusal) -> String {
    let mut text = refusal.to_string();
    let mut cause = refusal.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[test]
fn verdicts_are_those_of_podman() {
    let cases = cases();
    assert!(cases.len() > 80);
    for case in &cases {
        let name = &case["name"];
        match verdict(case, now()) {
            Ok(acceptance) => {
                assert_eq!(case["accepted"], true, "{name}");
                assert_eq!(acceptance.signatures.len(), 1, "{name}");
            }
            Err(refusal) => {
                assert_eq!(case["accepted"], false, "{name}: {}", whole(&refusal));
                assert_eq!(case["refusal"], whole(&refusal), "{name}");
            }
        }
    }
}

#[test]
fn what_podman_refuses_is_refused() {
    let is_looser = |case: &Value| case["accepted"] == true && case["podman"] == false;
    assert!(!cases().iter().any(is_looser));
}

#[test]
fn an_accepted_signature_says_what_it_is_for() {
    let acceptance = verdict(&case("gpg/many/bad-good"), now()).unwrap();
    let [accepted] = acceptance.signatures.as_slice() else {
        panic!("{acceptance:?}");
    };
    assert_eq!(accepted.index, 1);
    let name = "registry.example.com/ns/app:1".parse().unwrap();
    assert_eq!(accepted.reference, name);
    assert!(accepted.digest.as_str().starts_with("sha256:21d94c4a"));
}

#[test]
fn keys_and_certificates_have_to_be_valid_at_the_time() {
    for name in ["gpg/alg/ed", "pki/good/both"] {
        let case = case(name);
        assert!(verdict(&case, now()).is_ok());
        // Before the key and the certificate were made.
        let early = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert!(verdict(&case, early).is_err(), "{name}");
        assert!(verdict(&case, UNIX_EPOCH - Duration::from_secs(1)).is_err());
    }
    // What a transparency log recorded counts at the time of the record.
    let case = case("fulcio/good");
    let late = now() + Duration::from_secs(100 * 365 * 24 * 3600);
    assert!(verdict(&case, late).is_ok());
}

#[test]
fn the_digest_of_an_index_has_to_fit() {
    let case = case("key/p256");
    let policy = Policy::parse(case["policy"].to_string().as_bytes()).unwrap();
    let location =
        ImageLocation::docker(&"registry.example.com/ns/app:1".parse().unwrap()).unwrap();
    let signatures = signatures(&case);
    let files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    let other = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let right = "sha256:21d94c4ae81f56d81b98c4468796264cbff924c3fae1fd9e8379120a7d264f31";
    for (digest, is_right) in [(right, true), (other, false)] {
        let digest = digest.parse().unwrap();
        let image = UnverifiedImage::new(&location, MANIFEST.as_bytes())
            .with_signatures(&signatures)
            .with_digest(&digest);
        let verdict = policy.check(&image, &Context::new(&files));
        assert_eq!(verdict.is_ok(), is_right);
        if let Err(refused) = verdict {
            let Refusal::Signatures { reasons } = *refused.refusal else {
                panic!("{refused:?}");
            };
            assert!(matches!(reasons[0], (0, Reason::OtherManifest { .. })));
        }
    }
}

#[test]
fn keys_are_read_from_files() {
    let case = case("key/p256");
    let key = case["policy"]["default"][0]["keyData"].as_str().unwrap();
    let key = STANDARD.decode(key).unwrap();
    let json = br#"{"default":[{"type":"sigstoreSigned","keyPath":"/keys/a"}]}"#;
    let policy = Policy::parse(json).unwrap();
    let location =
        ImageLocation::docker(&"registry.example.com/ns/app:1".parse().unwrap()).unwrap();
    let signatures = signatures(&case);
    let image = UnverifiedImage::new(&location, MANIFEST.as_bytes()).with_signatures(&signatures);
    let mut files = BTreeMap::from([(PathBuf::from("/keys/a"), key)]);
    assert!(policy.check(&image, &Context::new(&files)).is_ok());
    files.clear();
    let refused = policy.check(&image, &Context::new(&files)).unwrap_err();
    assert!(matches!(
        *refused.refusal,
        Refusal::Keys(KeyError::Read { path, .. }) if path == std::path::Path::new("/keys/a")
    ));
}

/// Every bit of a signature matters, and so does every bit of what is signed.
#[test]
fn no_changed_signature_is_accepted() {
    for name in ["gpg/form/ed/z0", "key/ed25519", "rekor/good", "fulcio/good"] {
        let case = case(name);
        let original = signatures(&case).remove(0);
        let policy = Policy::parse(case["policy"].to_string().as_bytes()).unwrap();
        let location =
            ImageLocation::docker(&"registry.example.com/ns/app:1".parse().unwrap()).unwrap();
        let files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
        let bytes = signed_bytes(&original);
        for index in (0..bytes.len()).step_by(7) {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            let signatures = [with_signed_bytes(&original, changed)];
            let image =
                UnverifiedImage::new(&location, MANIFEST.as_bytes()).with_signatures(&signatures);
            if let Ok(acceptance) = policy.check(&image, &Context::new(&files).at(now())) {
                // Parts of an OpenPGP message are not signed, such as the time of the literal.
                assert_eq!(name, "gpg/form/ed/z0", "{index}");
                assert_eq!(acceptance.signatures[0].reference.tag(), Some("1"));
            }
        }
    }
}

fn signed_bytes(signature: &Signature) -> Vec<u8> {
    match signature {
        Signature::Simple(message) => message.clone(),
        Signature::Sigstore(parts) => parts.payload.clone(),
        other => panic!("{other:?}"),
    }
}

fn with_signed_bytes(signature: &Signature, bytes: Vec<u8>) -> Signature {
    match signature.clone() {
        Signature::Sigstore(mut parts) => {
            parts.payload = bytes;
            Signature::Sigstore(parts)
        }
        _ => Signature::Simple(bytes),
    }
}
