//! The two labels of a container.

/// The two SELinux labels of a container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels {
    /// The label of its processes.
    pub process: String,
    /// The label of its mounts.
    pub mount: String,
}
