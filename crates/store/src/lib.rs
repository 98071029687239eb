//! Container layers, images and containers on disk, in the format podman, buildah, skopeo and CRI-O share.
