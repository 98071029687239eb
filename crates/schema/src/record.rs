//! The common form of all records.

use crate::error::{Fault, RecordError};
use crate::json::{Reader, write};

pub(crate) mod sealed {
    use crate::error::Fault;
    use crate::json::Reader;

    pub trait Sealed: Sized {
        /// The name of the type of record in messages.
        const RECORD: &'static str;

        #[expect(private_interfaces, reason = "a sealed trait has no callers outside")]
        fn read(reader: &mut Reader<'_>) -> Result<Self, Fault>;
    }
}

/// A record of one of the store's files. Sealed: the format defines the types of record.
pub trait JsonRecord: sealed::Sealed + Clone {
    /// Reads a record from one JSON object.
    ///
    /// # Errors
    ///
    /// If the bytes are not JSON or a field has the wrong type.
    fn from_json(json: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(json);
        let record = Self::read(&mut reader).and_then(|record| reader.end().map(|()| record));
        record.map_err(|fault| fault.of(Self::RECORD))
    }

    /// Appends the record in Go's form.
    fn write_json(&self, out: &mut Vec<u8>);

    /// Returns the record in Go's form.
    fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        self.write_json(&mut out);
        out
    }
}

/// Reads a whole file: an array of records.
///
/// As in Go, no bytes and `null` give no records. Whether an empty file is damage is for the caller
/// to decide.
///
/// ```
/// use layerhold_schema::{MountPointRecord, read_array, write_array};
///
/// let file = br#"[{"id":"abc","path":"/mnt","count":1}]"#;
/// let mounts: Vec<MountPointRecord> = read_array(file)?;
/// assert_eq!(mounts[0].count, 1);
/// assert_eq!(write_array(&mounts), file);
/// # Ok::<(), layerhold_schema::RecordError>(())
/// ```
///
/// # Errors
///
/// Fails at the first damaged record. To accept damaged ones, split the array first and read each
/// record by itself.
pub fn read_array<R: JsonRecord>(json: &[u8]) -> Result<Vec<R>, RecordError> {
    let mut records = Vec::new();
    let mut reader = Reader::new(json);
    let result = read_items(&mut reader, &mut records);
    result
        .map(|()| records)
        .map_err(|fault| fault.of(R::RECORD))
}

fn read_items<R: JsonRecord>(reader: &mut Reader<'_>, records: &mut Vec<R>) -> Result<(), Fault> {
    if reader.end().is_ok() {
        return Ok(());
    }
    if !reader.null()? {
        reader.array(|reader| {
            records.push(R::read(reader)?);
            Ok(())
        })?;
    }
    reader.end()
}

/// Writes a whole file: an array of records.
#[must_use]
pub fn write_array<'a, R: JsonRecord + 'a>(records: impl IntoIterator<Item = &'a R>) -> Vec<u8> {
    let mut out = Vec::new();
    write::array(&mut out, records, |out, record| record.write_json(out));
    out
}

/// Writes the separator between two fields.
pub(crate) fn separate(out: &mut Vec<u8>) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
}

/// Declares a record: its fields in Go's order, their names in the file, and whether they are
/// written if they are empty.
macro_rules! record {
    (
        $(#[$doc:meta])*
        $record:ident ($title:literal) {
            $($(#[$field_doc:meta])* $field:ident: $type:ty = $name:literal $mode:ident,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct $record {
            $($(#[$field_doc])* pub $field: $type,)*
            /// Unknown fields.
            pub extra: $crate::ExtraFields,
        }

        impl $record {
            /// Reads a record from one JSON object.
            ///
            /// # Errors
            ///
            /// If the bytes are not JSON or a field has the wrong type.
            pub fn from_json(json: &[u8]) -> Result<Self, $crate::RecordError> {
                $crate::JsonRecord::from_json(json)
            }

            /// Returns the record in Go's form.
            #[must_use]
            pub fn to_json(&self) -> Vec<u8> {
                $crate::JsonRecord::to_json(self)
            }

            /// Appends the record in Go's form.
            pub fn write_json(&self, out: &mut Vec<u8>) {
                $crate::JsonRecord::write_json(self, out);
            }
        }

        impl $crate::record::sealed::Sealed for $record {
            const RECORD: &'static str = $title;

            #[expect(private_interfaces, reason = "a sealed trait has no callers outside")]
            fn read(reader: &mut $crate::json::Reader<'_>) -> Result<Self, $crate::error::Fault> {
                let mut record = Self::default();
                reader.object(|reader, name| record.read_field(reader, name))?;
                Ok(record)
            }
        }

        impl $record {
            fn read_field(
                &mut self,
                reader: &mut $crate::json::Reader<'_>,
                name: std::borrow::Cow<'_, str>,
            ) -> Result<(), $crate::error::Fault> {
                match Self::known_name(&name) {
                    $(Some($name) => {
                        let value = reader.or_default(<$type as $crate::field::Field>::read);
                        self.$field = value.map_err(|fault| fault.in_field($name))?;
                    })*
                    _ => {
                        let value = reader.raw().map_err(|fault| fault.in_field(&name))?;
                        self.extra.set(name.into_owned(), $crate::RawJson::checked(value));
                    }
                }
                Ok(())
            }

            /// Finds the field for a name as Go does: by exact name, then in any case.
            fn known_name(name: &str) -> Option<&'static str> {
                match name {
                    $($name => Some($name),)*
                    _ => [$($name),*].into_iter().find(|known| known.eq_ignore_ascii_case(name)),
                }
            }
        }

        impl $crate::JsonRecord for $record {
            fn write_json(&self, out: &mut Vec<u8>) {
                out.push(b'{');
                $(record!(@write $mode self.$field, $name, out);)*
                for (name, value) in self.extra.iter() {
                    $crate::record::separate(out);
                    $crate::json::write::string(out, name);
                    out.push(b':');
                    out.extend_from_slice(value.as_str().as_bytes());
                }
                out.push(b'}');
            }
        }
    };
    (@write omitempty $self:ident.$field:ident, $name:literal, $out:ident) => {
        if !$crate::field::Field::is_empty(&$self.$field) {
            record!(@write always $self.$field, $name, $out);
        }
    };
    (@write always $self:ident.$field:ident, $name:literal, $out:ident) => {
        $crate::record::separate($out);
        $out.extend_from_slice(concat!("\"", $name, "\":").as_bytes());
        $crate::field::Field::write(&$self.$field, $out);
    };
}

pub(crate) use record;
