//! Keys: how callers name an item.

use std::fmt;

use layerhold_ids::{ContainerId, ImageId, LayerId};

use crate::records::kinds::{ItemId, ItemKind};

/// Names an item: by its ID, or by a text that a person typed.
///
/// An ID names one item exactly. A text may be an ID, a name, or a unique prefix of an ID; a
/// container may also be named by the ID of its layer. Every method that takes `impl Into<Key<…>>`
/// takes typed IDs and texts alike. It resolves a text once, under the lock of the operation, and
/// works with the typed ID from there on. A key of [`ItemId`] names an item of any kind.
///
/// ```
/// use layerhold::Key;
/// use layerhold::layerhold_ids::{ImageId, LayerId};
/// use layerhold::ItemId;
///
/// let id: ImageId = "3b5c0d1c5c4d1f2e6e8a1c0f3b5c0d1c5c4d1f2e6e8a1c0f3b5c0d1c5c4d1f2e".parse()?;
/// assert_eq!(Key::<ImageId>::from(&id), Key::Id(id.clone()));
/// assert_eq!(Key::<ImageId>::from("alpine"), Key::Text("alpine"));
/// assert_eq!(Key::<ItemId>::from(&id), Key::Id(ItemId::Image(id.clone())));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Each call resolves a text again, and names can move to other items between two calls. A program
/// that does several things with an item that a person named therefore resolves the text once, and
/// continues with the ID:
///
/// ```
/// # use layerhold::{ImageSpec, StoreOptions};
/// use layerhold::{DeleteMode, Store};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let scratch = tempfile::tempdir()?;
/// # let (graph, run) = (scratch.path().join("graph"), scratch.path().join("run"));
/// # let store = Store::open(StoreOptions::new(graph, run).with_driver("vfs"))?;
/// # let mut tx = store.begin()?;
/// # tx.create_image(ImageSpec::new().without_manifest().name("alpine"))?;
/// # tx.commit()?;
/// let image = store.resolve_image("alpine")?;    // an ImageId
/// store.remove_names(&image, &["alpine".to_owned()])?;
/// store.delete_image(&image, DeleteMode::Delete)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key<'a, Id> {
    /// The ID.
    Id(Id),
    /// An ID, a name, or a unique prefix of an ID.
    Text(&'a str),
}

impl<Id: AsRef<str>> Key<'_, Id> {
    /// Returns the ID or the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Id(id) => id.as_ref(),
            Self::Text(text) => text,
        }
    }

    /// Returns the ID or the text as an owned string.
    pub(crate) fn to_text(&self) -> String {
        self.as_str().to_owned()
    }
}

impl<Id: AsRef<str>> fmt::Display for Key<'_, Id> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Key<'_, ItemId> {
    /// Returns the kind of item that is named, `item` for any.
    pub(crate) fn kind_name(&self) -> &'static str {
        match self {
            Self::Id(id) => id.kind().name(),
            Self::Text(_) => "item",
        }
    }
}

/// Narrows a key to one kind; `None` for the ID of another kind.
macro_rules! of_kind {
    ($($method:ident: $kind:ident, $id:ident;)*) => {
        impl<'a> Key<'a, ItemId> {
            $(pub(crate) fn $method(&self) -> Option<Key<'a, $id>> {
                match self {
                    Self::Text(text) => Some(Key::Text(text)),
                    Self::Id(ItemId::$kind(id)) => Some(Key::Id(id.clone())),
                    Self::Id(_) => None,
                }
            })*
        }

        $(
            impl<'a> From<&'a $id> for Key<'a, $id> {
                fn from(id: &'a $id) -> Self {
                    Self::Id(id.clone())
                }
            }

            impl Key<'_, $id> {
                /// Returns the kind of item that is named.
                pub(crate) fn kind_name(&self) -> &'static str {
                    ItemKind::$kind.name()
                }
            }

            impl From<$id> for Key<'_, $id> {
                fn from(id: $id) -> Self {
                    Self::Id(id)
                }
            }

            impl<'a> From<&'a $id> for Key<'a, ItemId> {
                fn from(id: &'a $id) -> Self {
                    Self::Id(ItemId::$kind(id.clone()))
                }
            }
        )*
    };
}

of_kind! {
    layer: Layer, LayerId;
    image: Image, ImageId;
    container: Container, ContainerId;
}

impl<'a> From<&'a ItemId> for Key<'a, ItemId> {
    fn from(id: &'a ItemId) -> Self {
        Self::Id(id.clone())
    }
}

impl From<ItemId> for Key<'_, ItemId> {
    fn from(id: ItemId) -> Self {
        Self::Id(id)
    }
}

impl<'a, Id> From<&'a str> for Key<'a, Id> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a, Id> From<&'a String> for Key<'a, Id> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a, Id> From<&&'a str> for Key<'a, Id> {
    fn from(text: &&'a str) -> Self {
        Self::Text(text)
    }
}
