//! serde's attributes: which are passed on to the types that carry an event's fields, which belong to the user's own
//! derives of serde and change nothing here, and which are refused since they would store something else than the fields.

use proc_macro2::TokenStream;
use quote::quote;
use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Token};

/// What an enum or a variant says of how its fields are named and read.
#[derive(Default)]
pub(crate) struct FieldRules {
    /// `rename_all` of a variant, `rename_all_fields` of an enum.
    rename: Option<Meta>,
    deny_unknown_fields: bool,
}

/// On a variant: they replace its fields.
const REFUSED_ON_VARIANTS: &[&str] = &["with", "serialize_with", "deserialize_with"];
/// On an enum: they replace it.
const REFUSED_ON_ENUMS: &[&str] = &["from", "try_from", "into", "remote"];
/// On an only, unnamed field: nothing would be left.
const REFUSED_ON_INNER: &[&str] = &["skip", "skip_serializing", "skip_deserializing", "skip_serializing_if"];
/// On a struct: they store its name, or stand in the way.
const REFUSED_ON_STRUCTS: &[&str] = &["tag", "remote", "crate"];

fn is_serde(attribute: &&Attribute) -> bool {
    attribute.path().is_ident("serde")
}

/// Those of a field: all.
pub(crate) fn of_field(attributes: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attributes.iter().filter(is_serde)
}

/// Whether those of an only, unnamed field leave something to be stored.
///
/// # Errors
/// For one that doesn't.
pub(crate) fn check_inner(attributes: &[Attribute]) -> syn::Result<()> {
    arguments(attributes, REFUSED_ON_INNER, "an only, unnamed field").map(|_| ())
}

/// Those of a struct: all that are not refused.
///
/// # Errors
/// For one that is.
pub(crate) fn of_struct(attributes: &[Attribute]) -> syn::Result<Vec<Meta>> {
    arguments(attributes, REFUSED_ON_STRUCTS, "a struct that is an event")
}

/// Those of an enum that its fields obey.
///
/// # Errors
/// For one that is refused.
pub(crate) fn of_enum(attributes: &[Attribute]) -> syn::Result<FieldRules> {
    let metas = arguments(attributes, REFUSED_ON_ENUMS, "an enum of events")?;
    Ok(FieldRules {
        deny_unknown_fields: metas.iter().any(|meta| meta.path().is_ident("deny_unknown_fields")),
        rename: named(metas, "rename_all_fields"),
    })
}

/// Those of a variant that its fields obey, and what they inherit from the enum.
///
/// # Errors
/// For one that is refused.
pub(crate) fn of_variant(attributes: &[Attribute], inherited: &FieldRules) -> syn::Result<FieldRules> {
    let metas = arguments(attributes, REFUSED_ON_VARIANTS, "a variant")?;
    Ok(FieldRules {
        rename: named(metas, "rename_all").or_else(|| inherited.rename.clone()),
        deny_unknown_fields: inherited.deny_unknown_fields,
    })
}

impl FieldRules {
    /// `rename_all`, for what writes the fields.
    pub(crate) fn to_write(&self) -> Option<TokenStream> {
        self.rename.as_ref().map(|meta| match meta {
            Meta::NameValue(pair) => {
                let value = &pair.value;
                quote!(rename_all = #value)
            }
            Meta::List(list) => {
                let tokens = &list.tokens;
                quote!(rename_all(#tokens))
            }
            Meta::Path(path) => quote!(#path),
        })
    }

    /// The same and `deny_unknown_fields`, for what reads them.
    pub(crate) fn to_read(&self) -> Vec<TokenStream> {
        let deny = self.deny_unknown_fields.then(|| quote!(deny_unknown_fields));
        self.to_write().into_iter().chain(deny).collect()
    }
}

fn named(metas: Vec<Meta>, name: &str) -> Option<Meta> {
    metas.into_iter().find(|meta| meta.path().is_ident(name))
}

/// Everything in `#[serde(...)]`.
fn arguments(attributes: &[Attribute], refused: &[&str], on: &str) -> syn::Result<Vec<Meta>> {
    let mut metas = Vec::new();
    for attribute in attributes.iter().filter(is_serde) {
        metas.extend(attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)?);
    }
    let refuse = |meta: &&Meta| refused.iter().any(|name| meta.path().is_ident(name));
    match metas.iter().find(refuse) {
        Some(meta) => {
            let name = quote!(#meta).to_string();
            let why =
                format!("#[serde({name})] on {on}: what is stored of an event is its fields, by their names");
            Err(syn::Error::new_spanned(meta, why))
        }
        None => Ok(metas),
    }
}
