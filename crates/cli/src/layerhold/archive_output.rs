//! Where an archive is written to.

use std::io::BufRead;
use std::path::PathBuf;

use layerhold_sys::OutputFile;

use super::call::Call;
use crate::failure::Failure;
use crate::streams::copy;

/// Why an archive is not written to a terminal.
pub(super) const ARCHIVE_ON_TERMINAL: &str =
    "cannot write an archive to a terminal: use --output, or redirect";

/// A file, or standard output.
#[derive(Debug)]
pub(super) struct ArchiveOutput(Option<PathBuf>);

impl ArchiveOutput {
    /// The file of that name; standard output for none and for `-`, unless it is a terminal.
    pub(super) fn new(call: &Call<'_, '_>, path: Option<PathBuf>) -> Result<Self, Failure> {
        let path = path.filter(|path| path.as_os_str() != "-");
        if path.is_none() && call.streams.out_is_terminal() {
            return Err(Failure::Flags(ARCHIVE_ON_TERMINAL));
        }
        Ok(Self(path))
    }

    /// Writes the archive to its end. A file gets its name, or replaces an older one, when it is
    /// complete.
    pub(super) fn write(
        self,
        call: &mut Call<'_, '_>,
        archive: &mut dyn BufRead,
    ) -> Result<(), Failure> {
        let Some(path) = self.0 else {
            return copy(archive, call.streams.exact());
        };
        let unwritable = |source| Failure::File {
            path: path.display().to_string(),
            source,
        };
        let mut file = OutputFile::create(&path).map_err(unwritable)?;
        copy(archive, &mut file).map_err(|failure| failure.writing(path.display()))?;
        file.publish().map_err(unwritable)
    }
}
