//! Files of aliases that people chose:
//!
//! - No content makes the reader panic, and an error names the file.
//! - What is printed is read again as the same.
//! - What is set is found, without tag and digest; what is removed is gone; other aliases stay.

use layerhold_registries_conf::layerhold_reference::Reference;
use layerhold_registries_conf::{RegistriesConf, ShortNames};

/// Checks one input: a short name, an image and a file, separated by NUL.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut parts = text.splitn(3, '\0');
    let [name, image, file] = [(); 3].map(|()| parts.next().unwrap_or_default());
    let before = match ShortNames::parse("f.conf", file) {
        Ok(before) => before,
        Err(error) => {
            assert!(error.to_string().starts_with("f.conf:"), "{error}");
            return;
        }
    };
    assert_eq!(again(&before), before);
    let image: Reference = image.parse().unwrap_or_else(|_| {
        let image = "quay.io/app:1".parse();
        image.expect("it is a name")
    });
    let mut after = before.clone();
    if after.insert(name, image.clone()).is_err() {
        assert_eq!(after, before);
        return;
    }
    let wanted = image.without_tag().without_digest();
    assert_eq!(after.get(name), Some(&wanted));
    assert_eq!(again(&after), after);
    let mut conf = RegistriesConf::default();
    conf.set_short_names(after.clone());
    let resolved = conf.resolve(name).expect("it has an alias");
    assert_eq!(resolved.candidates, [wanted.or_latest()]);
    let had_one = before.clone().remove(name);
    assert!(after.remove(name) && !after.remove(name));
    assert!(had_one || after == before);
}

fn again(short_names: &ShortNames) -> ShortNames {
    ShortNames::parse("f.conf", &short_names.to_string()).expect("it was printed")
}
