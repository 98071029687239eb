//! What signatures say, of both kinds:
//!
//! - No text makes parsing panic.
//! - A text is a payload of one kind at most.
//! - Keys that are not known are refused: a text in which one is put in is no payload.

use layerhold_image_policy::Payload;

/// Checks one payload.
pub fn run(data: &[u8]) {
    let simple = Payload::parse_simple(data);
    let sigstore = Payload::parse_sigstore(data);
    assert!(simple.is_err() || sigstore.is_err());
    if simple.is_ok() || sigstore.is_ok() {
        let start = data.iter().position(|byte| *byte == b'{');
        let (before, after) = data.split_at(start.expect("it is an object") + 1);
        let more = [before, b"\"unknown\":0,", after].concat();
        assert!(Payload::parse_simple(&more).is_err());
        assert!(Payload::parse_sigstore(&more).is_err());
    }
}
