use layerhold_idmap::IdMappings;
use layerhold_sys::Dir;
use layerhold_tar_format::TarTime;

use crate::unpack::OverlayNamespace;

/// What it takes to write overlayfs's whiteouts as those of archives.
#[derive(Clone, Debug)]
pub struct OverlayLayers {
    /// Which attribute marks opaque directories.
    pub namespace: OverlayNamespace,
    /// The layers below, uppermost first. A directory is only told to be opaque
    /// if one of them has something of its name.
    pub lower: Vec<Dir>,
}

/// How to pack.
#[derive(Clone, Debug, Default)]
pub struct PackOptions {
    /// Owners on disk become owners in a container by these mappings; empty
    /// ones leave them as they are.
    pub id_maps: IdMappings,
    /// With this, the tree is the upper directory of an overlay.
    pub overlay: Option<OverlayLayers>,
    /// Stands for every modification time, for archives that come out the same.
    pub timestamp: Option<TarTime>,
}
