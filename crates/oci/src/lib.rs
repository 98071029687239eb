//! OCI layouts and docker archives in and out of a layerhold store.
