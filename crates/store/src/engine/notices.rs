//! Notices: what a store reports while it works.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Work that takes time and that the caller did not ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// Leftovers of killed processes are about to be erased. The time this takes grows with the
    /// number of files.
    ErasingLeftovers {
        /// The temporary areas.
        areas: Vec<PathBuf>,
    },
}

/// The function that is called with each [`Notice`]. There is none by default.
#[derive(Clone, Default)]
pub struct Notices(Option<Arc<Listener>>);

type Listener = dyn Fn(&Notice) + Send + Sync;

impl Notices {
    /// Calls a function on the thread that does the work, before the work begins. No lock of the
    /// store is held during the call.
    pub fn new(listener: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    pub(crate) fn tell(&self, notice: &Notice) {
        if let Some(listener) = &self.0 {
            listener(notice);
        }
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Notices").field(&self.0.is_some()).finish()
    }
}
