//! The names in the directories that skopeo calls `dir:`, which hold one image with its signatures
//! (Go: `image/directory`).

use layerhold_ids::{Algorithm, Digest};

/// The file with the version of the format.
pub(crate) const VERSION_FILE: &str = "version";
/// The manifest, or the index whose manifests are beside it.
pub(crate) const MANIFEST_FILE: &str = "manifest.json";
/// Its contents where all digests are of SHA-256.
pub(crate) const VERSION: &str = "Directory Transport Version: 1.1\n";
/// The newest version that is read.
const NEWEST: (u32, u32) = (1, 2);

/// Whether the contents of the version file are a version that is read.
pub(crate) fn is_known(version: &str) -> bool {
    let numbers = version
        .strip_prefix("Directory Transport Version: ")
        .and_then(|rest| rest.strip_suffix('\n')?.split_once('.'));
    // Go compares the text with what it would write, so there are no signs and no leading zeros.
    let number = |text: &str| {
        let number: u32 = text.parse().ok()?;
        (number.to_string() == text).then_some(number)
    };
    let version = numbers.and_then(|(major, minor)| Some((number(major)?, number(minor)?)));
    version.is_some_and(|version| version <= NEWEST)
}

/// The file of a blob.
pub(crate) fn blob_file(digest: &Digest) -> String {
    match digest.algorithm() {
        Algorithm::Sha256 => digest.hex().to_owned(),
        other => format!("{other}-{}", digest.hex()),
    }
}

/// The file of a manifest that an index lists.
pub(crate) fn manifest_file(digest: &Digest) -> String {
    format!("{}.{MANIFEST_FILE}", blob_file(digest))
}

/// The file of a signature, counted from 1: of the manifest in [`MANIFEST_FILE`], or of one that
/// the index there lists.
pub(crate) fn signature_file(listed: Option<&Digest>, number: usize) -> String {
    match listed {
        None => format!("signature-{number}"),
        Some(digest) => format!("{}.signature-{number}", blob_file(digest)),
    }
}

/// Whether a file belongs to an image.
pub(crate) fn is_of_image(name: &str) -> bool {
    let (digest, rest) = match name.split_once('.') {
        Some((digest, rest)) => (digest, Some(rest)),
        None => (name, None),
    };
    let is_digest = || match digest.split_once('-') {
        Some((algorithm, hex)) => format!("{algorithm}:{hex}").parse::<Digest>().is_ok(),
        None => format!("sha256:{digest}").parse::<Digest>().is_ok(),
    };
    match rest {
        _ if name == MANIFEST_FILE || is_signature(name) => true,
        None => is_digest(),
        Some(rest) => (rest == MANIFEST_FILE || is_signature(rest)) && is_digest(),
    }
}

fn is_signature(name: &str) -> bool {
    let number = name.strip_prefix("signature-");
    number.is_some_and(|number| number.parse::<usize>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_up_to_the_newest_are_known() {
        for (version, is) in [
            ("Directory Transport Version: 1.0\n", true),
            (VERSION, true),
            ("Directory Transport Version: 1.2\n", true),
            ("Directory Transport Version: 0.9\n", true),
            ("Directory Transport Version: 1.3\n", false),
            ("Directory Transport Version: 2.0\n", false),
            ("Directory Transport Version: 1.1", false),
            ("Directory Transport Version: 1.01\n", false),
            ("Directory Transport Version: +1.1\n", false),
            ("Directory Transport Version:  1.1\n", false),
            ("directory transport version: 1.1\n", false),
            ("", false),
        ] {
            assert_eq!(is_known(version), is, "{version:?}");
        }
    }

    #[test]
    fn files_of_images_are_told_from_others() {
        let short: Digest = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
        let long: Digest = format!("sha512:{}", "b".repeat(128)).parse().unwrap();
        for digest in [&short, &long] {
            assert!(is_of_image(&blob_file(digest)));
            assert!(is_of_image(&manifest_file(digest)));
            assert!(is_of_image(&signature_file(Some(digest), 12)));
        }
        assert_eq!(blob_file(&short), "a".repeat(64));
        assert_eq!(blob_file(&long), format!("sha512-{}", "b".repeat(128)));
        assert!(is_of_image(&signature_file(None, 1)) && is_of_image(MANIFEST_FILE));
        for other in [
            VERSION_FILE,
            "notes.txt",
            "signature-",
            "signature-x",
            "x.manifest.json",
            &"a".repeat(63),
            &format!("{}.json", "a".repeat(64)),
            &format!("md5-{}", "a".repeat(32)),
            "",
        ] {
            assert!(!is_of_image(other), "{other:?}");
        }
    }
}
