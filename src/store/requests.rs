//! Requests to consumers in the embedded store: any process may send one, whether it may write to the store or not.

use super::blocking;
use super::checkpoints::{check_bytes, check_name};
use super::contract::SentRequest;
use super::core::Core;
use crate::error::{Corruption, Error};
use crate::limits::REQUEST_BYTES_MAX;
use crate::log;
use crate::log::requests::{self, RequestFile};
use crate::medium::Medium;
use crate::pending::Pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;

fn check(what: &str, consumer: &str, bytes: usize) -> Result<(), Error> {
    check_name(consumer)?;
    check_bytes(what, consumer, bytes, REQUEST_BYTES_MAX)
}

/// The time, or the next number if that was given already.
fn new_id(core: &Core) -> u64 {
    let now = u64::try_from(core.log.medium.time.now()).unwrap_or(0);
    let next = |last: u64| Some(now.max(last + 1));
    let last = core.last_request.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    now.max(last.unwrap_or(0) + 1)
}

/// Keeps a request.
pub(super) fn send(core: &Arc<Core>, consumer: &str, data: Vec<u8>) -> Pending<u64> {
    if let Err(error) = check("a request", consumer, data.len()) {
        return Pending::ready(Err(error));
    }
    let (shared, id) = (core.clone(), new_id(core));
    let request = RequestFile { consumer: consumer.to_owned(), id, data, answer: None };
    blocking::begin(core, id, move || requests::send(&shared.log.medium, &shared.log.id, &request))
}

/// The requests to a consumer.
pub(super) fn list(core: &Core, consumer: &str) -> Result<Vec<SentRequest>, Error> {
    check_name(consumer)?;
    let found = requests::list(&core.log.medium, &core.log.id, consumer)?;
    Ok(found.into_iter().map(|file| SentRequest::new(file.id, file.data).with_answer(file.answer)).collect())
}

/// Keeps the answer to a request.
pub(super) fn answer(core: &Arc<Core>, consumer: &str, id: u64, answer: Vec<u8>) -> Pending<()> {
    if let Err(error) = check("the answer to a request", consumer, answer.len()) {
        return Pending::ready(Err(error));
    }
    let (shared, consumer) = (core.clone(), consumer.to_owned());
    blocking::begin(core, (), move || {
        requests::answer(&shared.log.medium, &shared.log.id, &consumer, id, answer)
    })
}

/// Removes a request.
pub(super) fn remove(core: &Arc<Core>, consumer: &str, id: u64) -> Pending<()> {
    if let Err(error) = check_name(consumer) {
        return Pending::ready(Err(error));
    }
    let (shared, consumer) = (core.clone(), consumer.to_owned());
    blocking::begin(core, (), move || requests::remove(&shared.log.medium, &consumer, id))
}

/// What is wrong with the requests on a medium.
///
/// # Errors
/// `Unsupported`: one of a later program. `Io`.
pub(super) fn verify(medium: &Medium) -> Result<Vec<Corruption>, Error> {
    match log::read_store_file(medium) {
        Ok(Some(store)) => requests::verify(medium, &store.id),
        // Whose they are isn't known, and that is told already.
        _ => Ok(Vec::new()),
    }
}
