//! The cases of the tests of `layerhold-image-policy`, to begin with.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use layerhold_image_policy::Policy;
use serde_json::Value;

const CASES: &str = include_str!("../../crates/image-policy/tests/data/cases.json");

/// The image of most cases.
pub const IMAGE: &str = "registry.example.com/ns/app:1";
/// Its manifest.
pub const MANIFEST: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[]}"#;
/// The digest of the manifest.
pub const DIGEST: &str = "sha256:21d94c4ae81f56d81b98c4468796264cbff924c3fae1fd9e8379120a7d264f31";

fn cases() -> Vec<Value> {
    serde_json::from_str(CASES).expect("the cases are a list")
}

/// One policy for each way to sign.
static POLICIES: LazyLock<Vec<Policy>> = LazyLock::new(|| {
    const NAMES: [&str; 6] = [
        "gpg/alg/ed",
        "gpg/alg/sub",
        "key/p256",
        "rekor/good",
        "fulcio/good",
        "pki/good/both",
    ];
    let cases = cases();
    let chosen = cases
        .iter()
        .filter(|case| NAMES.iter().any(|name| case["name"] == *name));
    let texts = chosen.map(|case| case["policy"].to_string());
    let policies = texts.map(|text| Policy::parse(text.as_bytes()));
    policies
        .map(|policy| policy.expect("it is a policy"))
        .collect()
});

/// Policies with keys.
#[must_use]
pub fn policies() -> &'static [Policy] {
    &POLICIES
}

/// All signatures, as they are stored.
#[must_use]
pub fn signatures() -> Vec<Vec<u8>> {
    let cases = cases();
    let lists = cases
        .iter()
        .filter_map(|case| case["signatures"].as_array());
    let signatures = lists.flatten().filter_map(Value::as_str);
    signatures
        .map(|text| STANDARD.decode(text).expect("signatures are in base64"))
        .collect()
}

/// All policies, as texts.
#[must_use]
pub fn policy_texts() -> Vec<Vec<u8>> {
    let cases = cases();
    let texts = cases.iter().map(|case| case["policy"].to_string());
    texts.map(String::into_bytes).collect()
}
