//! Fuzz targets as ordinary functions, so that the fuzzer, the tests with past findings and a
//! debugger run the same code.

pub mod image_cases;
pub mod seeds;
pub mod targets;

/// A fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name on the command line, and that of its module.
    pub name: &'static str,
    /// Checks one input; panics if an invariant does not hold.
    pub run: fn(&[u8]),
    /// Makes the initial inputs.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub const TARGETS: [Target; 25] = [
    Target {
        name: "lock_token",
        run: targets::lock_token::run,
        seeds: seeds::lock_token,
    },
    Target {
        name: "layers",
        run: targets::layers::run,
        seeds: seeds::layers,
    },
    Target {
        name: "layers_json",
        run: targets::layers_json::run,
        seeds: seeds::layers_json,
    },
    Target {
        name: "images_json",
        run: targets::images_json::run,
        seeds: seeds::images_json,
    },
    Target {
        name: "image_json",
        run: targets::image_json::run,
        seeds: seeds::image_json,
    },
    Target {
        name: "containers_json",
        run: targets::containers_json::run,
        seeds: seeds::containers_json,
    },
    Target {
        name: "mountpoints_json",
        run: targets::mountpoints_json::run,
        seeds: seeds::mountpoints_json,
    },
    Target {
        name: "record_store",
        run: targets::record_store::run,
        seeds: seeds::record_store,
    },
    Target {
        name: "tar_split",
        run: targets::tar_split::run,
        seeds: seeds::tar_split,
    },
    Target {
        name: "tar_unpack",
        run: targets::tar_unpack::run,
        seeds: seeds::tar_unpack,
    },
    Target {
        name: "import",
        run: targets::import::run,
        seeds: seeds::import,
    },
    Target {
        name: "idmap_strings",
        run: targets::idmap_strings::run,
        seeds: seeds::idmap_strings,
    },
    Target {
        name: "storage_conf",
        run: targets::storage_conf::run,
        seeds: seeds::storage_conf,
    },
    Target {
        name: "auth_json",
        run: targets::auth_json::run,
        seeds: seeds::auth_json,
    },
    Target {
        name: "registries_conf",
        run: targets::registries_conf::run,
        seeds: seeds::registries_conf,
    },
    Target {
        name: "registries_d",
        run: targets::registries_d::run,
        seeds: seeds::registries_d,
    },
    Target {
        name: "short_names",
        run: targets::short_names::run,
        seeds: seeds::short_names,
    },
    Target {
        name: "reference",
        run: targets::reference::run,
        seeds: seeds::reference,
    },
    Target {
        name: "www_authenticate",
        run: targets::www_authenticate::run,
        seeds: seeds::www_authenticate,
    },
    Target {
        name: "link",
        run: targets::link::run,
        seeds: seeds::link,
    },
    Target {
        name: "content_range",
        run: targets::content_range::run,
        seeds: seeds::content_range,
    },
    Target {
        name: "policy_json",
        run: targets::policy_json::run,
        seeds: seeds::policy_json,
    },
    Target {
        name: "signature_blob",
        run: targets::signature_blob::run,
        seeds: seeds::signature_blob,
    },
    Target {
        name: "simple_signing_payload",
        run: targets::simple_signing_payload::run,
        seeds: seeds::simple_signing_payload,
    },
    Target {
        name: "truncindex",
        run: targets::truncindex::run,
        seeds: seeds::truncindex,
    },
];
