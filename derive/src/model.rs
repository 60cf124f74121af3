//! What a type of event consists of, read from its definition. Refuses what can't be one, all of it at once.

use crate::attribute::{self, Mark, Name};
use crate::names;
use crate::passed::{self, FieldRules};
use syn::{Data, DataEnum, DeriveInput, Error, Field, Fields, Generics, Ident, Meta, Type, Variant};

/// A type of event.
pub(crate) enum Model<'a> {
    Enum(EnumModel<'a>),
    Struct(StructModel<'a>),
}

pub(crate) struct EnumModel<'a> {
    /// In the order in which they are defined.
    pub(crate) variants: Vec<VariantModel<'a>>,
    pub(crate) unknown: Option<UnknownModel<'a>>,
}

pub(crate) struct StructModel<'a> {
    pub(crate) name: Name,
    pub(crate) shape: Shape<'a>,
    pub(crate) passed: Vec<Meta>,
}

/// A variant with a stored name.
pub(crate) struct VariantModel<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) name: Name,
    pub(crate) shape: Shape<'a>,
    pub(crate) rules: FieldRules,
}

/// The variant for types that the enum doesn't have.
pub(crate) struct UnknownModel<'a> {
    pub(crate) ident: &'a Ident,
    /// What it holds, if anything.
    pub(crate) holds: Option<&'a Type>,
}

/// The fields that are stored.
pub(crate) enum Shape<'a> {
    /// An object of these, possibly none.
    Object(Vec<&'a Field>),
    /// What the only, unnamed field is.
    Inner(&'a Field),
}

impl<'a> Model<'a> {
    /// # Errors
    /// Everything that keeps the type from being one of events, each at its place.
    pub(crate) fn read(input: &'a DeriveInput) -> syn::Result<Self> {
        check_generics(input)?;
        match &input.data {
            Data::Enum(data) => read_enum(input, data).map(Model::Enum),
            Data::Struct(data) => read_struct(input, &data.fields).map(Model::Struct),
            Data::Union(data) => {
                Err(Error::new(data.union_token.span, "a union can't be an event: use an enum or a struct"))
            }
        }
    }
}

fn check_generics(input: &DeriveInput) -> syn::Result<()> {
    let why = "an event has no generic parameters and owns its data: a stored name stands for one type";
    let Generics { params, where_clause, .. } = &input.generics;
    match where_clause {
        _ if !params.is_empty() => Err(Error::new_spanned(params, why)),
        Some(clause) => Err(Error::new_spanned(clause, why)),
        None => Ok(()),
    }
}

fn read_struct<'a>(input: &'a DeriveInput, fields: &'a Fields) -> syn::Result<StructModel<'a>> {
    let name = match attribute::mark(&input.attrs)? {
        Some(Mark::Named(name)) => name,
        Some(Mark::Unknown(place)) => {
            let why =
                "only a variant of an enum can stand for unknown types; an event that is a struct has a name";
            return Err(Error::new(place, why));
        }
        None => {
            let (of, example) = (&input.ident, names::for_struct(&input.ident));
            return Err(unnamed(of, &format!("struct `{of}`"), &example));
        }
    };
    Ok(StructModel { name, shape: shape(fields)?, passed: passed::of_struct(&input.attrs)? })
}

fn read_enum<'a>(input: &'a DeriveInput, data: &'a DataEnum) -> syn::Result<EnumModel<'a>> {
    let mut errors = Vec::new();
    errors.extend(
        attribute::refuse(&input.attrs, "belongs on each variant: an enum has no stored name of its own")
            .err(),
    );
    let rules = passed::of_enum(&input.attrs).unwrap_or_else(|error| {
        errors.push(error);
        FieldRules::default()
    });
    let mut model = EnumModel { variants: Vec::new(), unknown: None };
    for variant in &data.variants {
        if let Err(error) = read_variant(&input.ident, variant, &rules, &mut model) {
            errors.push(error);
        }
    }
    if errors.is_empty() && model.variants.is_empty() {
        let why = "an enum of events has at least one variant with a stored name: #[event(\"stored.name\")]";
        errors.push(Error::new(input.ident.span(), why));
    }
    match errors.into_iter().reduce(|mut all, next| {
        all.combine(next);
        all
    }) {
        Some(errors) => Err(errors),
        None => Ok(model),
    }
}

/// Adds a variant to the model.
fn read_variant<'a>(
    of: &Ident,
    variant: &'a Variant,
    inherited: &FieldRules,
    model: &mut EnumModel<'a>,
) -> syn::Result<()> {
    let ident = &variant.ident;
    match attribute::mark(&variant.attrs)? {
        Some(Mark::Named(name)) => {
            check_distinct(&name, &model.variants)?;
            let rules = passed::of_variant(&variant.attrs, inherited)?;
            let shape = shape(&variant.fields)?;
            model.variants.push(VariantModel { ident, name, shape, rules });
        }
        Some(Mark::Unknown(place)) => {
            if let Some(first) = &model.unknown {
                let why = format!("a second variant for unknown types: `{}` is the first", first.ident);
                return Err(Error::new(place, why));
            }
            model.unknown = Some(UnknownModel { ident, holds: held(&variant.fields)? });
        }
        None => {
            let example = names::for_variant(of, ident);
            return Err(unnamed(ident, &format!("variant `{ident}`"), &example));
        }
    }
    Ok(())
}

fn unnamed(ident: &Ident, what: &str, example: &str) -> Error {
    let why = format!(
        "{what} needs the name that it is stored under, for example #[event(\"{example}\")]: it is written out, so \
         that renaming things in the code never renames history"
    );
    Error::new(ident.span(), why)
}

fn check_distinct(name: &Name, before: &[VariantModel<'_>]) -> syn::Result<()> {
    let value = name.text.value();
    match before.iter().find(|variant| variant.name.text.value() == value) {
        Some(first) => {
            let why = format!("two variants are stored as {value:?}: `{}` is the first", first.ident);
            Err(Error::new(name.text.span(), why))
        }
        None => Ok(()),
    }
}

fn shape(fields: &Fields) -> syn::Result<Shape<'_>> {
    for field in fields {
        attribute::refuse(
            &field.attrs,
            "belongs on a variant or a struct; a field is named by #[serde(rename = \"...\")]",
        )?;
    }
    match fields {
        Fields::Unnamed(unnamed) if unnamed.unnamed.len() > 1 => {
            let why = "several unnamed fields: in history they would have no names; name them";
            Err(Error::new_spanned(unnamed, why))
        }
        Fields::Unnamed(unnamed) if unnamed.unnamed.len() == 1 => {
            passed::check_inner(&unnamed.unnamed[0].attrs)?;
            Ok(Shape::Inner(&unnamed.unnamed[0]))
        }
        _ => Ok(Shape::Object(fields.iter().collect())),
    }
}

/// What the variant for unknown types holds.
fn held(fields: &Fields) -> syn::Result<Option<&Type>> {
    match fields {
        Fields::Unnamed(unnamed) if unnamed.unnamed.len() == 1 => Ok(Some(&unnamed.unnamed[0].ty)),
        _ if fields.is_empty() => Ok(None),
        _ => Err(Error::new_spanned(
            fields,
            "the variant for unknown types holds nothing, or one RecordedEvent",
        )),
    }
}
