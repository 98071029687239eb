//! Reads and writes the types of fields.

use std::collections::BTreeMap;

use crate::error::{Fault, RecordErrorKind};
use crate::json::{Reader, write};
use crate::{Compression, Flags, Timestamp};

/// A type of field.
pub(crate) trait Field: Default {
    /// Reads a value; the caller has handled `null`.
    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault>;

    fn write(&self, out: &mut Vec<u8>);

    /// Tells whether Go's `omitempty` leaves the value out.
    fn is_empty(&self) -> bool;
}

impl Field for String {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        reader.string().map(Self::from)
    }

    fn write(&self, out: &mut Vec<u8>) {
        write::string(out, self);
    }

    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }
}

impl Field for i64 {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        reader.integer()
    }

    fn write(&self, out: &mut Vec<u8>) {
        write::integer(out, *self);
    }

    fn is_empty(&self) -> bool {
        *self == 0
    }
}

impl Field for u32 {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        reader.integer()
    }

    fn write(&self, out: &mut Vec<u8>) {
        write::integer(out, *self);
    }

    fn is_empty(&self) -> bool {
        *self == 0
    }
}

impl Field for Compression {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        reader.integer::<i64>().map(Self::from)
    }

    fn write(&self, out: &mut Vec<u8>) {
        write::integer(out, i64::from(*self));
    }

    fn is_empty(&self) -> bool {
        i64::from(*self) == 0
    }
}

impl Field for Timestamp {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let offset = reader.offset();
        let text = reader.string()?;
        text.parse()
            .map_err(|error| reader.fault_at(offset, RecordErrorKind::Time(error)))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        out.extend_from_slice(self.to_string().as_bytes());
        out.push(b'"');
    }

    /// In Go, a structure is never empty.
    fn is_empty(&self) -> bool {
        false
    }
}

impl<T: Field> Field for Vec<T> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let mut items = Self::new();
        reader.array(|reader| {
            items.push(reader.or_default(T::read)?);
            Ok(())
        })?;
        Ok(items)
    }

    fn write(&self, out: &mut Vec<u8>) {
        write::array(out, self, |out, item| item.write(out));
    }

    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }
}

impl<T: Field> Field for BTreeMap<String, T> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let mut members = Self::new();
        reader.object(|reader, name| {
            let value = reader
                .or_default(T::read)
                .map_err(|fault| fault.in_field(&name))?;
            members.insert(name.into_owned(), value);
            Ok(())
        })?;
        Ok(members)
    }

    fn write(&self, out: &mut Vec<u8>) {
        write::object(out, self, |out, value: &T| value.write(out));
    }

    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }
}

impl Field for Flags {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let mut flags = Self::default();
        reader.object(|reader, name| {
            let value = reader.value().map_err(|fault| fault.in_field(&name))?;
            flags.set(name, value);
            Ok(())
        })?;
        Ok(flags)
    }

    fn write(&self, out: &mut Vec<u8>) {
        write::object(out, &self.0, write::value);
    }

    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }
}
