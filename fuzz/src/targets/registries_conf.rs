//! Configurations of registries:
//!
//! - No content makes the reader or a question panic; an error names the file and changes nothing.
//! - Reading the same files again gives the same result.
//! - An image has a source or an error. No source is in a blocked registry, and each keeps tag and
//!   digest.
//! - What a short name stands for has a registry, and a tag or a digest.

use layerhold_registries_conf::layerhold_reference::Reference;
use layerhold_registries_conf::{FileKind, RegistriesConf, Registry};

/// Reads a main file and drop-ins.
fn read(files: &[&str]) -> RegistriesConf {
    let mut conf = RegistriesConf::default();
    let kinds = [FileKind::Main]
        .into_iter()
        .chain(std::iter::repeat(FileKind::DropIn));
    for (text, kind) in files.iter().zip(kinds) {
        let before = registries(&conf);
        if let Err(error) = conf.add("f.conf", kind, text) {
            assert!(error.to_string().starts_with("f.conf:"), "{error}");
            assert_eq!(registries(&conf), before);
        }
    }
    conf
}

fn registries(conf: &RegistriesConf) -> Vec<Registry> {
    conf.registries().cloned().collect()
}

/// Checks one input: a name and files, separated by NUL.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let mut parts = text.split('\0');
    let name = parts.next().unwrap_or_default();
    let files: Vec<&str> = parts.collect();
    let conf = read(&files);
    assert_eq!(registries(&read(&files)), registries(&conf));
    assert!(!conf.credential_helpers().is_empty());
    for warning in conf.warnings() {
        assert!(warning.to_string().starts_with("f.conf:"));
    }
    let of_name = conf.registry_of(name).map(|registry| &registry.prefix);
    assert!(!of_name.is_some_and(String::is_empty));
    if let Ok(image) = name.parse::<Reference>() {
        sources(&conf, &image);
    }
    for images in [
        conf.resolve(name).map(|resolved| resolved.candidates),
        conf.resolve_locally(name),
    ] {
        let Ok(images) = images else { continue };
        assert!(!images.is_empty());
        for image in images {
            assert!(image.tag().is_some() || image.digest().is_some(), "{image}");
            sources(&conf, &image);
        }
    }
}

fn sources(conf: &RegistriesConf, image: &Reference) {
    let Ok(sources) = conf.pull_sources(image) else {
        return;
    };
    assert!(!sources.is_empty());
    for source in sources {
        assert_eq!(conf.refusal(&source.reference), None);
        assert_eq!(source.reference.digest(), image.digest());
        assert_eq!(source.reference.tag(), image.tag());
    }
}
