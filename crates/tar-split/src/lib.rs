//! tar-split records: write them while a tar passes by, read them, and rebuild the tar bit for bit.
