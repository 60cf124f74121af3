//! What the cases compare, and how they say that it is otherwise.

use crate::error::{Conflict, Error};
use crate::event::NewEvent;
use crate::expected::Expected;
use crate::store::{AnyStore, Batch, Receipt};
use crate::{Position, Query};
use std::fmt::Debug;

/// Why a store doesn't meet the contract.
#[derive(Debug)]
pub(super) struct Broken(pub(super) String);

/// What a case comes to.
pub(super) type Check = Result<(), Broken>;

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self(format!("expected no error, found: {error}"))
    }
}

pub(super) fn same<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> Check {
    match found == expected {
        true => Ok(()),
        false => Err(Broken(format!("{what}: expected {expected:?}, found {found:?}"))),
    }
}

pub(super) fn holds(what: &str, holds: bool) -> Check {
    if holds { Ok(()) } else { Err(Broken(format!("expected {what}"))) }
}

/// An event whose id and data are the text.
pub(super) fn event(text: &str) -> NewEvent<'static> {
    NewEvent::raw("happened", text.as_bytes().to_vec()).id(text)
}

pub(super) fn events(texts: &[&str]) -> Vec<NewEvent<'static>> {
    texts.iter().map(|text| event(text)).collect()
}

/// The data of a batch, as text.
pub(super) fn texts(batch: &Batch) -> Vec<String> {
    batch.iter().map(|event| String::from_utf8_lossy(event.data()).into_owned()).collect()
}

/// That a query finds these events, forward, and the same backward.
pub(super) async fn finds(store: &AnyStore, query: Query, expected: &[&str]) -> Check {
    let what = query.to_string();
    let mut found = texts(&store.read(query.clone()).fetch().await?);
    same(&what, &found[..], &owned(expected))?;
    found = texts(&store.read(query).backward().fetch().await?);
    found.reverse();
    same(&format!("{what}, backward"), &found[..], &owned(expected))
}

pub(super) fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// The facts of the conflict that an append must end in.
pub(super) fn conflict(what: &str, result: Result<Receipt, Error>) -> Result<Conflict, Broken> {
    match result {
        Err(error) => match error.conflict() {
            Some(conflict) => Ok(conflict.clone()),
            None => Err(Broken(format!("{what}: expected a conflict, found: {error}"))),
        },
        Ok(receipt) => Err(Broken(format!("{what}: expected a conflict, found {receipt:?}"))),
    }
}

/// That an append was refused, other than by a conflict.
pub(super) fn refused<T: Debug>(what: &str, result: Result<T, Error>) -> Result<Error, Broken> {
    match result {
        Err(error) if !error.is_conflict() => Ok(error),
        other => Err(Broken(format!("{what}: expected to be refused, found {other:?}"))),
    }
}

/// Appends one event; its position.
pub(super) async fn put(store: &AnyStore, stream: &str, new: NewEvent<'_>) -> Result<Position, Broken> {
    Ok(store.append(stream, Expected::Any, new).await?.position())
}
