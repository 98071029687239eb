//! Reads the labels that the system's policy has for containers.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use layerhold_sys::{OpenOptions, PathError, is_read_only, open_ambient_file, stat_file};

use crate::{Context, LabelError};

/// The longest file that is read, in bytes.
const MAX_FILE: usize = 1 << 20;

/// The labels that the policy has for containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The label for processes.
    pub process: Context,
    /// The label for files.
    pub file: Context,
}

impl Policy {
    /// Reads the labels for containers from the files below a root directory; `None` where SELinux
    /// is not in use, or has no label for them.
    ///
    /// # Errors
    ///
    /// [`LabelError::Context`] when a label of the policy cannot be parsed.
    pub fn read(root: &Path) -> Result<Option<Self>, LabelError> {
        if !is_enabled(root)? {
            return Ok(None);
        }
        let Some((path, contexts)) = contexts(root)? else {
            return Ok(None);
        };
        let (Some(process), Some(file)) =
            (setting(&contexts, "process"), setting(&contexts, "file"))
        else {
            return Ok(None);
        };
        let parse = |label: &str| {
            Context::parse(label).ok_or_else(|| LabelError::Context {
                path: path.clone(),
                label: label.to_owned(),
            })
        };
        Ok(Some(Self {
            process: parse(process)?,
            file: parse(file)?,
        }))
    }
}

/// Tells whether SELinux is in use: its filesystem is mounted writable (containers see it
/// read-only), and a policy is loaded.
fn is_enabled(root: &Path) -> Result<bool, PathError> {
    let enforce = open_ambient_file(
        root.join("sys/fs/selinux/enforce"),
        OpenOptions::path_only(),
    );
    let enforce = match enforce {
        Err(error) if error.is_not_found() => return Ok(false),
        other => other?,
    };
    if is_read_only(&enforce)? {
        return Ok(false);
    }
    let own = if_there(&root.join("proc/self/attr/current"))?;
    Ok(own.is_none_or(|label| label.trim_end_matches(['\0', '\n']) != "kernel"))
}

/// Finds the file with the labels for containers: that of the container tools, else that of the
/// policy.
fn contexts(root: &Path) -> Result<Option<(PathBuf, String)>, PathError> {
    let of_tools = root.join("usr/share/containers/selinux/contexts");
    if let Some(text) = if_there(&of_tools)? {
        return Ok(Some((of_tools, text)));
    }
    let config = if_there(&root.join("etc/selinux/config"))?.unwrap_or_default();
    let name = setting(&config, "SELINUXTYPE").unwrap_or_default();
    let of_policy = root
        .join("etc/selinux")
        .join(name)
        .join("contexts/lxc_contexts");
    Ok(if_there(&of_policy)?.map(|text| (of_policy, text)))
}

/// Reads a text file; `None` if it does not exist. Invalid UTF-8 is replaced.
fn if_there(path: &Path) -> Result<Option<String>, PathError> {
    let file = match open_ambient_file(path, OpenOptions::read()) {
        Err(error) if error.is_not_found() => return Ok(None),
        other => other?,
    };
    let mut bytes = Vec::new();
    let failed = |cause| PathError::new("read", path, cause);
    if !stat_file(&file)?.is_file() {
        return Err(failed(io::ErrorKind::InvalidInput.into()));
    }
    let length = file.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes);
    if length.map_err(failed)? > MAX_FILE {
        return Err(failed(io::ErrorKind::FileTooLarge.into()));
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Finds the last value of a name in lines of `name=value`, without the quotes around it. An empty
/// value counts as not set.
fn setting<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.starts_with(['#', ';']));
    let pairs = lines.filter_map(|line| line.split_once('='));
    let values = pairs.filter(|(key, _)| key.trim() == name);
    let value = values
        .map(|(_, value)| value.trim().trim_matches('"'))
        .next_back();
    value.filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_lines() {
        let text = "# process=\"x\"\n;file=y\n process = \"u:r:t:s0\" \nfile=a\nfile=\"b=c\"\nempty=\nnothing\n";
        assert_eq!(setting(text, "process"), Some("u:r:t:s0"));
        assert_eq!(setting(text, "file"), Some("b=c"));
        for missing in ["empty", "nothing", "# process", "ro_file"] {
            assert_eq!(setting(text, missing), None, "{missing}");
        }
    }
}
