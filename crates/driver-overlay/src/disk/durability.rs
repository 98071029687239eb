//! Making contents, and the places of layers, durable.

use layerhold_sys::PathError;

use super::homes::Homes;

/// Flushes each filesystem that has a home once.
pub(crate) fn sync_filesystems(homes: &Homes) -> Result<(), PathError> {
    let mut synced = Vec::new();
    for home in homes.main() {
        let Some(dir) = home.open()? else { continue };
        let filesystem = dir.stat_self()?.dev;
        if !synced.contains(&filesystem) {
            dir.sync_filesystem()?;
            synced.push(filesystem);
        }
    }
    Ok(())
}

/// Syncs the directories of layers and those of their symbolic links.
pub(crate) fn sync_directories(homes: &Homes) -> Result<(), PathError> {
    for home in homes.main() {
        let Some(dir) = home.open()?.filter(|_| home.is_written()) else {
            continue;
        };
        dir.sync()?;
        if let Some(links) = home.open_links()? {
            links.sync()?;
        }
    }
    Ok(())
}
