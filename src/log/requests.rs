//! Requests to consumers, each a small file that any process may put there: written aside and renamed, so that one is there as a
//! whole or not at all. Its answer takes its place. `docs/format.md` is the home of the layout.

use super::blocks::{self, BLOCK_BYTES, BlockFault, StoreId, u32_at, u64_at};
use crate::error::{Corruption, Error};
use crate::limits;
use crate::medium::{Medium, bug};
use std::io::ErrorKind;
use std::path::Path;
use twox_hash::XxHash3_64;

/// Folder of the requests.
const REQUESTS_DIR: &str = "requests";
const REQUEST_MAGIC: &[u8; 8] = b"ORCHASKS";
const FIELDS_END: usize = 72;
const FILE_BYTES_MAX: usize = BLOCK_BYTES + limits::CONSUMER_NAME_BYTES_MAX + 2 * limits::REQUEST_BYTES_MAX;

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestFile {
    pub(crate) consumer: String,
    /// Nanoseconds since 1970-01-01 UTC.
    pub(crate) id: u64,
    pub(crate) data: Vec<u8>,
    pub(crate) answer: Option<Vec<u8>>,
}

impl RequestFile {
    fn encode(&self, store: &StoreId) -> Vec<u8> {
        let mut head = blocks::start(REQUEST_MAGIC, store);
        let answer = self.answer.as_deref();
        let body = [self.consumer.as_bytes(), &self.data, answer.unwrap_or_default()].concat();
        let lengths = self.consumer.len() as u64 | (self.data.len() as u64) << 32;
        let words = [
            self.id,
            lengths,
            answer.map_or(0, |answer| answer.len() as u64 + 1),
            u64::from(crc32fast::hash(&body)),
        ];
        for (field, word) in head[40..FIELDS_END].as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *field = word.to_le_bytes();
        }
        [&blocks::finish(head)[..], &body].concat()
    }

    fn decode(bytes: &[u8], store: &StoreId) -> Result<Self, BlockFault> {
        blocks::check(bytes, REQUEST_MAGIC, FIELDS_END)?;
        let wrong =
            |at: usize, expected: String, found: String| Err(BlockFault::Damaged(at as u64, expected, found));
        if blocks::store_id(bytes) != *store {
            return wrong(24, "the id of this store".to_owned(), "that of another one".to_owned());
        }
        let (name, data) = (u64::from(u32_at(bytes, 48)), u64::from(u32_at(bytes, 52)));
        let (answer, body) = (u64_at(bytes, 56), &bytes[BLOCK_BYTES..]);
        if Some(body.len() as u64) != (name + data).checked_add(answer.saturating_sub(1)) {
            let expected = format!("{name}, {data} and {} bytes behind the block", answer.saturating_sub(1));
            return wrong(BLOCK_BYTES, expected, format!("{} bytes", body.len()));
        }
        let (expected, found) = (crc32fast::hash(body), u64_at(bytes, 64));
        if u64::from(expected) != found {
            return wrong(64, format!("checksum {expected:#010x}"), format!("{found:#010x}"));
        }
        let (name, rest) = body.split_at(name as usize);
        let (data, told) = rest.split_at(data as usize);
        let Ok(consumer) = String::from_utf8(name.to_vec()) else {
            return wrong(BLOCK_BYTES, "a name in UTF-8".to_owned(), "other bytes".to_owned());
        };
        let answer = (answer > 0).then(|| told.to_vec());
        Ok(Self { consumer, id: u64_at(bytes, 40), data: data.to_vec(), answer })
    }
}

fn prefix(consumer: &str) -> String {
    format!("{:016x}-", XxHash3_64::oneshot(consumer.as_bytes()))
}

fn path_of(consumer: &str, id: u64) -> String {
    format!("{REQUESTS_DIR}/{}{id:016x}", prefix(consumer))
}

/// Whether a name is that of a request.
fn is_request(name: &str) -> bool {
    let is_hex = |part: &str| part.len() == 16 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    name.split_once('-').is_some_and(|(consumer, id)| is_hex(consumer) && is_hex(id))
}

/// What a file holds, if it is there.
fn read(medium: &Medium, store: &StoreId, path: &str) -> Result<Option<RequestFile>, Error> {
    match medium.files.read(path, FILE_BYTES_MAX + 1) {
        Ok(bytes) => match RequestFile::decode(&bytes, store) {
            Ok(request) => Ok(Some(request)),
            Err(fault) => Err(fault.into_error("request", path, None)),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("reading request", Path::new(path), error)),
    }
}

/// The paths of the requests whose names begin so, those sent first before the others.
fn paths(medium: &Medium, prefix: &str) -> Result<Vec<String>, Error> {
    let entries = match medium.files.list(REQUESTS_DIR) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("listing", Path::new(REQUESTS_DIR), error)),
    };
    let names = entries.into_iter().filter(|entry| entry.is_file && is_request(&entry.name));
    let asked = names.filter(|entry| entry.name.starts_with(prefix));
    Ok(asked.map(|entry| format!("{REQUESTS_DIR}/{}", entry.name)).collect())
}

/// Puts a whole file there, or in the place of one. Durable when it returns.
fn put(medium: &Medium, store: &StoreId, request: &RequestFile) -> Result<(), Error> {
    let (files, path) = (&medium.files, path_of(&request.consumer, request.id));
    let draft = format!("{path}.new");
    let done = files
        .write(&draft, &request.encode(store))
        .and_then(|()| files.rename(&draft, &path))
        .and_then(|()| if bug!(medium, request_unsynced) { Ok(()) } else { files.sync_dir(REQUESTS_DIR) });
    done.map_err(|error| Error::io("writing request", Path::new(&path), error))
}

/// Keeps a request. Durable when it returns.
///
/// # Errors
/// `DiskFull`, `Io`: it isn't there.
pub(crate) fn send(medium: &Medium, store: &StoreId, request: &RequestFile) -> Result<(), Error> {
    let failed = |error| Error::io("making", Path::new(REQUESTS_DIR), error);
    medium.files.create_dir(REQUESTS_DIR).and_then(|()| medium.files.sync_dir("")).map_err(failed)?;
    put(medium, store, request)
}

/// The requests to a consumer, those sent first before the others.
///
/// # Errors
/// `Corrupt`: one is damaged. `Unsupported`, `Io`.
pub(crate) fn list(medium: &Medium, store: &StoreId, consumer: &str) -> Result<Vec<RequestFile>, Error> {
    let mut found = Vec::new();
    for path in paths(medium, &prefix(consumer))? {
        // One that is removed meanwhile isn't there; one of another consumer has a name of the same hash.
        found.extend(read(medium, store, &path)?.filter(|request| request.consumer == consumer));
    }
    Ok(found)
}

/// Answers a request, if it is still there. Durable when it returns.
///
/// # Errors
/// As [`list`]; `DiskFull`: it isn't answered.
pub(crate) fn answer(
    medium: &Medium,
    store: &StoreId,
    consumer: &str,
    id: u64,
    answer: Vec<u8>,
) -> Result<(), Error> {
    match read(medium, store, &path_of(consumer, id))? {
        Some(request) => put(medium, store, &RequestFile { answer: Some(answer), ..request }),
        None => Ok(()),
    }
}

/// Removes a request, if it is there. Durable when it returns.
///
/// # Errors
/// `Io`.
pub(crate) fn remove(medium: &Medium, consumer: &str, id: u64) -> Result<(), Error> {
    let path = path_of(consumer, id);
    match medium.files.remove(&path).and_then(|()| medium.files.sync_dir(REQUESTS_DIR)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::io("removing request", Path::new(&path), error))
        }
        _ => Ok(()),
    }
}

/// What is wrong with the requests on a medium.
///
/// # Errors
/// `Unsupported`: one of a later program. `Io`.
pub(crate) fn verify(medium: &Medium, store: &StoreId) -> Result<Vec<Corruption>, Error> {
    let mut problems = Vec::new();
    for path in paths(medium, "")? {
        if let Err(error) = read(medium, store, &path) {
            problems.push(error.corruption().cloned().ok_or(error)?);
        }
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> RequestFile {
        RequestFile {
            consumer: "mailer".to_owned(),
            id: 0x0102_0304_0506_0708,
            data: b"\x01\x02\x03".to_vec(),
            answer: Some(b"\x09".to_vec()),
        }
    }

    /// As `docs/format.md` has it: no build may write other bytes under this version.
    #[test]
    fn the_bytes_of_a_request_are_pinned() {
        let bytes = request().encode(&[0xAB; 16]);
        assert_eq!(bytes.len(), 512 + 10);
        assert_eq!(&bytes[..24], b"ORCHASKS\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(bytes[24..40], [0xAB; 16]);
        assert_eq!(u64_at(&bytes, 40), 0x0102_0304_0506_0708);
        assert_eq!((u32_at(&bytes, 48), u32_at(&bytes, 52), u64_at(&bytes, 56)), (6, 3, 2));
        assert_eq!(u64_at(&bytes, 64), u64::from(crc32fast::hash(b"mailer\x01\x02\x03\x09")));
        assert!(bytes[72..508].iter().all(|byte| *byte == 0));
        assert_eq!(&bytes[512..], b"mailer\x01\x02\x03\x09");
        let open = RequestFile { answer: None, ..request() };
        let answered = RequestFile { answer: Some(Vec::new()), ..request() };
        for request in [request(), open, answered] {
            assert_eq!(RequestFile::decode(&request.encode(&[0xAB; 16]), &[0xAB; 16]).unwrap(), request);
        }
        assert_eq!(path_of("mailer", 7), "requests/9d0f093f95b77a85-0000000000000007");
    }

    #[test]
    fn other_bytes_are_refused() {
        let store = [0xAB; 16];
        let bytes = request().encode(&store);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert!(RequestFile::decode(&flipped, &store).is_err(), "bit {bit} of byte {at}");
            }
        }
        for length in 0..bytes.len() {
            assert!(RequestFile::decode(&bytes[..length], &store).is_err(), "{length} bytes");
        }
        assert!(RequestFile::decode(&bytes, &[0xAC; 16]).is_err());
    }
}
