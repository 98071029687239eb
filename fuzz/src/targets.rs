//! One module for each target.

pub mod auth_json;
pub mod containers_json;
pub mod content_range;
pub mod idmap_strings;
pub mod image_json;
pub mod images_json;
pub mod import;
pub mod layers;
pub mod layers_json;
pub mod link;
pub mod lock_token;
pub mod mountpoints_json;
pub mod policy_json;
pub mod record_store;
mod records;
pub mod reference;
pub mod registries_conf;
pub mod registries_d;
pub mod short_names;
pub mod signature_blob;
pub mod simple_signing_payload;
pub mod storage_conf;
pub mod tar_split;
pub mod tar_unpack;
pub mod truncindex;
pub mod www_authenticate;
