//! Code that the three kinds of records share. They wrap three unrelated types of JSON records, so
//! it is written with macros.

/// Gives a kind of record the common accessors.
macro_rules! common_accessors {
    ($record:ident, $id:ident, $json:ident) => {
        impl $record {
            /// Returns the ID.
            #[must_use]
            pub fn id(&self) -> &$id {
                &self.id
            }

            /// Returns the names.
            #[must_use]
            pub fn names(&self) -> &[String] {
                &self.record.names
            }

            /// Returns the caller's metadata.
            #[must_use]
            pub fn metadata(&self) -> &str {
                &self.record.metadata
            }

            /// Returns the time of creation.
            #[must_use]
            pub fn created(&self) -> Timestamp {
                self.record.created
            }

            /// Returns the flags.
            #[must_use]
            pub fn flags(&self) -> &Flags {
                &self.record.flags
            }

            /// Returns the names of its big data items.
            #[must_use]
            pub fn big_data_names(&self) -> &[String] {
                &self.record.big_data_names
            }

            /// Returns the whole record.
            #[must_use]
            pub fn record(&self) -> &$json {
                &self.record
            }

            pub(crate) fn record_mut(&mut self) -> &mut $json {
                &mut self.record
            }
        }

        impl From<&$record> for $id {
            fn from(record: &$record) -> Self {
                record.id.clone()
            }
        }

        impl $crate::edit::update::EditableRecord for $record {
            fn metadata_mut(&mut self) -> &mut String {
                &mut self.record.metadata
            }

            fn flags_mut(&mut self) -> &mut Flags {
                &mut self.record.flags
            }
        }
    };
}

/// The part of [`Record`](layerhold_json_store::Record) that all kinds share.
macro_rules! plain_record {
    ($json:ident) => {
        type Error = InvalidRecord;

        fn parse(json: &[u8]) -> Result<Self, InvalidRecord> {
            Self::new($json::from_json(json)?)
        }

        fn write(&self, out: &mut Vec<u8>) {
            self.record.write_json(out);
        }

        fn id(&self) -> &str {
            self.id.as_str()
        }

        fn names(&self) -> &[String] {
            &self.record.names
        }

        fn set_names(&mut self, names: Vec<String>) {
            self.record.names = names;
        }
    };
}

pub(super) use {common_accessors, plain_record};
