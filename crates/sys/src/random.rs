use rustix::rand::{GetRandomFlags, getrandom};

use crate::error::{Context, Result};

/// Fills a buffer with the kernel's random bytes, which are fit for secrets.
pub fn random_bytes(mut buffer: &mut [u8]) -> Result<()> {
    while !buffer.is_empty() {
        let filled = match getrandom(&mut *buffer, GetRandomFlags::empty()) {
            Err(rustix::io::Errno::INTR) => 0,
            other => other.context("read random bytes from", || "the kernel".into())?,
        };
        buffer = buffer.get_mut(filled..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_the_whole_buffer() {
        let mut bytes = vec![0_u8; 4096];
        random_bytes(&mut bytes).unwrap();
        // 32 zero bytes in a row do not happen by chance.
        assert!(
            bytes
                .windows(32)
                .all(|run| run.iter().any(|byte| *byte != 0))
        );
    }
}
