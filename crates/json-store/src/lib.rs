//! A store of records in JSON files shared between processes, generic over the record type.
