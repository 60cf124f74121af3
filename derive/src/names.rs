//! The names that events are stored under: which may be written, and one to propose where none is given.

use proc_macro2::Ident;
use syn::LitStr;

/// Longest name, in bytes of UTF-8: `EVENT_TYPE_BYTES_MAX` of the store.
const NAME_BYTES_MAX: usize = 255;

/// Whether the store takes the name as an event's type.
///
/// # Errors
/// What it must be, at the name.
pub(crate) fn check(name: &LitStr) -> syn::Result<()> {
    let value = name.value();
    let refuse = |why: String| Err(syn::Error::new(name.span(), why));
    if value.is_empty() {
        return refuse("a stored name has at least one character".into());
    }
    if value.len() > NAME_BYTES_MAX {
        return refuse(format!(
            "a stored name has at most {NAME_BYTES_MAX} bytes, this one has {}",
            value.len()
        ));
    }
    match value.chars().find(|c| !is_plain(*c)) {
        Some(c) => {
            refuse(format!("a stored name has no control characters and noncharacters, this one has {c:?}"))
        }
        None => Ok(()),
    }
}

/// As the store has it: no control characters and no noncharacters of Unicode.
fn is_plain(c: char) -> bool {
    let code = u32::from(c);
    !c.is_control() && code & 0xFFFE != 0xFFFE && !(0xFDD0..=0xFDEF).contains(&code)
}

/// A name for a variant of an enum: `AccountEvent::PutOut` is `account.put-out`.
pub(crate) fn for_variant(of: &Ident, variant: &Ident) -> String {
    format!("{}.{}", for_struct(of), in_words(&variant.to_string()))
}

/// A name for a struct: `LampMovedEvent` is `lamp-moved`.
pub(crate) fn for_struct(of: &Ident) -> String {
    let name = of.to_string();
    let stem = name.strip_suffix("Events").or_else(|| name.strip_suffix("Event"));
    in_words(stem.filter(|stem| !stem.is_empty()).unwrap_or(&name))
}

fn in_words(name: &str) -> String {
    let mut words = String::new();
    for c in name.trim_start_matches("r#").chars() {
        if c.is_uppercase() && !words.is_empty() {
            words.push('-');
        }
        words.extend(c.to_lowercase());
    }
    words
}
