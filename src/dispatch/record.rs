//! The records of consumers, wherever they are kept: a byte with their version, then bincode.

use crate::error::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Display;

/// Version of all of them.
const VERSION: u8 = 1;
const BINCODE: bincode::config::Configuration = bincode::config::standard();

pub(super) fn encode<T: Serialize + ?Sized>(record: &T) -> Result<Vec<u8>, Error> {
    bincode::serde::encode_to_vec((VERSION, record), BINCODE).map_err(Error::other)
}

/// Decodes a record, which takes at most so many bytes in memory; `what` names it.
///
/// # Errors
/// `Unsupported`: a later version wrote it. `Invalid`: it is none.
pub(super) fn decode<T: DeserializeOwned, const BYTES_MAX: usize>(
    what: &dyn Display,
    bytes: &[u8],
) -> Result<T, Error> {
    match bytes.first() {
        Some(&VERSION) => {}
        Some(later) if *later > VERSION => {
            return Err(Error::unsupported(format!(
                "{what}: version {later}, known are those up to {VERSION}"
            )));
        }
        found => {
            return Err(Error::invalid(format!("{what}: expected version {VERSION} first, found {found:?}")));
        }
    }
    let config = BINCODE.with_limit::<BYTES_MAX>();
    match bincode::serde::decode_from_slice::<(u8, T), _>(bytes, config) {
        Ok(((_, record), used)) if used == bytes.len() => Ok(record),
        Ok((_, used)) => Err(Error::invalid(format!("{what}: expected {used} bytes, found {}", bytes.len()))),
        Err(error) => Err(Error::invalid(format!("{what}: can't be decoded: {error}"))),
    }
}
