//! What the records of a store have in common.

use std::error::Error;
use std::fmt::Debug;

/// Where the values of a further key of a record come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySource {
    /// A string at the top level of the JSON object, under the name of the key.
    /// It is found without parsing the record.
    Field,
    /// [`Record::key_values`] tells, but every value stands somewhere in the JSON
    /// text of the record, without escapes. Only records that mention a value are parsed.
    Mentioned,
    /// [`Record::key_values`] alone tells. The first lookup parses all records.
    Computed,
}

/// Whether [`Snapshot::resolve`](crate::Snapshot::resolve) looks at a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyUse {
    /// Only lookups that name the key find its values.
    Explicit,
    /// Texts are also compared with its values, after IDs and names and before
    /// prefixes of IDs (as Go finds containers by their layer, Go: containers.go).
    Resolved,
}

/// A further key by which records are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySpec {
    name: &'static str,
    source: KeySource,
    usage: KeyUse,
}

impl KeySpec {
    /// A key that is a string at the top level of the JSON object, such as the
    /// parent of a layer. Records without it, or with an empty one, are not found by it.
    #[must_use]
    pub const fn field(name: &'static str) -> Self {
        Self {
            name,
            source: KeySource::Field,
            usage: KeyUse::Explicit,
        }
    }

    /// A key whose values only the record itself knows, but that stand in its JSON
    /// text as they are, such as the digests of an image.
    #[must_use]
    pub const fn mentioned(name: &'static str) -> Self {
        Self {
            name,
            source: KeySource::Mentioned,
            usage: KeyUse::Explicit,
        }
    }

    /// A key whose values only the record itself knows.
    #[must_use]
    pub const fn computed(name: &'static str) -> Self {
        Self {
            name,
            source: KeySource::Computed,
            usage: KeyUse::Explicit,
        }
    }

    /// The same key, considered by [`Snapshot::resolve`](crate::Snapshot::resolve) too.
    #[must_use]
    pub const fn resolved(mut self) -> Self {
        self.usage = KeyUse::Resolved;
        self
    }

    /// The name, which for [`KeySource::Field`] is the name of the JSON field.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Where the values come from.
    #[must_use]
    pub const fn source(&self) -> KeySource {
        self.source
    }

    /// Whether resolving considers it.
    #[must_use]
    pub const fn usage(&self) -> KeyUse {
        self.usage
    }
}

/// What a [`JsonStore`](crate::JsonStore) keeps: one object of a JSON array.
///
/// In the file a record has its ID in the string field `id` and its
/// names in the field `names`, a list of strings that may be missing.
pub trait Record: Clone + Debug + Send + Sync + 'static {
    /// What a record is called in messages, such as `layer`.
    const KIND: &'static str;

    /// The further keys by which records are found.
    const KEYS: &'static [KeySpec] = &[];

    /// Why bytes are not a record.
    type Error: Error + Send + Sync + 'static;

    /// Reads a record from one JSON object. Fields it does not know must
    /// come out of [`write`](Self::write) again.
    fn parse(json: &[u8]) -> Result<Self, Self::Error>;

    /// Appends the record as one JSON object without line breaks.
    fn write(&self, out: &mut Vec<u8>);

    /// The ID, unique in a store.
    fn id(&self) -> &str;

    /// The names, each of which belongs to one record of a store at a time. The default is for
    /// records without names.
    fn names(&self) -> &[String] {
        &[]
    }

    /// Replaces the names and nothing else. Called when a name moves to
    /// another record, and by the default of [`assign_names`](Self::assign_names). The default is
    /// for records without names, and drops them.
    fn set_names(&mut self, names: Vec<String>) {
        let _unused = names;
    }

    /// Replaces the names on request. A record that keeps a history of names does so here; the
    /// default is [`set_names`](Self::set_names).
    fn assign_names(&mut self, names: Vec<String>) {
        self.set_names(names);
    }

    /// Passes the values of the key at this position of [`KEYS`](Self::KEYS)
    /// to `found`, for keys of all sources.
    fn key_values(&self, key: usize, found: &mut dyn FnMut(&str)) {
        let _unused = (key, found);
    }
}
