//! `#[event(...)]`: a stored name and its schema version, or the mark of the variant for unknown types.

use crate::names;
use proc_macro2::Span;
use syn::parse::ParseStream;
use syn::{Attribute, Ident, LitInt, LitStr, Token};

/// How it is written.
const FORM: &str =
    "write #[event(\"stored.name\")], #[event(\"stored.name\", version = 2)] or #[event(unknown)]";

/// What an item is marked as.
pub(crate) enum Mark {
    /// `#[event("name", version = 2)]`.
    Named(Name),
    /// `#[event(unknown)]`, and where that stands.
    Unknown(Span),
}

/// The name that an event is stored under, and the version of its schema.
pub(crate) struct Name {
    pub(crate) text: LitStr,
    pub(crate) version: u32,
}

fn is_event(attribute: &&Attribute) -> bool {
    attribute.path().is_ident("event")
}

/// The mark of an item, `None` if it has none.
///
/// # Errors
/// If it is written in another way, stands twice, or has a name that may not be stored.
pub(crate) fn mark(attributes: &[Attribute]) -> syn::Result<Option<Mark>> {
    let mut found = attributes.iter().filter(is_event);
    let Some(attribute) = found.next() else { return Ok(None) };
    if let Some(second) = found.next() {
        return Err(syn::Error::new_spanned(second, "a second #[event(...)]: an event has one stored name"));
    }
    if attribute.meta.require_list().is_err() {
        return Err(syn::Error::new_spanned(attribute, FORM));
    }
    attribute.parse_args_with(arguments).map(Some)
}

/// Refuses the attribute where it means nothing.
///
/// # Errors
/// If it is there; `instead` says where it belongs.
pub(crate) fn refuse(attributes: &[Attribute], instead: &str) -> syn::Result<()> {
    match attributes.iter().find(is_event) {
        Some(attribute) => Err(syn::Error::new_spanned(attribute, format!("#[event(...)] {instead}"))),
        None => Ok(()),
    }
}

fn arguments(input: ParseStream<'_>) -> syn::Result<Mark> {
    let mark = if input.peek(Ident) {
        let word: Ident = input.parse()?;
        if word != "unknown" {
            return Err(syn::Error::new(word.span(), FORM));
        }
        Mark::Unknown(word.span())
    } else {
        let text: LitStr = input.parse().map_err(|error| syn::Error::new(error.span(), FORM))?;
        names::check(&text)?;
        let version =
            if input.peek(Token![,]) && !input.peek2(syn::parse::End) { version(input)? } else { 1 };
        Mark::Named(Name { text, version })
    };
    input.parse::<Option<Token![,]>>()?;
    if input.is_empty() { Ok(mark) } else { Err(input.error(FORM)) }
}

/// `, version = 2`.
fn version(input: ParseStream<'_>) -> syn::Result<u32> {
    input.parse::<Token![,]>()?;
    let word: Ident = input.parse().map_err(|error| syn::Error::new(error.span(), FORM))?;
    if word != "version" {
        return Err(syn::Error::new(word.span(), FORM));
    }
    input.parse::<Token![=]>()?;
    let number = input.lookahead1();
    if !number.peek(LitInt) {
        return Err(input.error("a schema version is a number from 1 on"));
    }
    let number: LitInt = input.parse()?;
    match number.base10_parse() {
        Ok(version) if version > 0 => Ok(version),
        _ => {
            let most = u32::MAX;
            Err(syn::Error::new(number.span(), format!("a schema version is a number from 1 to {most}")))
        }
    }
}
