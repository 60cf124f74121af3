//! The code of an implementation of `Event`.
//!
//! Fields are written and read by types that serde derives, which have the fields of a variant, their types and their
//! attributes, and neither its name nor the enum's. Writing goes through serde's remote derive, so that an attribute
//! sees a field as it would in the user's type. Everything else is done by functions of the library.

use crate::attribute::Name;
use crate::model::{EnumModel, Model, Shape, StructModel, UnknownModel, VariantModel};
use crate::passed;
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, Field, Ident, LitStr, Meta};

/// # Errors
/// Everything that keeps the type from being one of events.
pub(crate) fn event(input: &DeriveInput) -> syn::Result<TokenStream> {
    let me = &input.ident;
    Ok(match Model::read(input)? {
        Model::Enum(model) => enum_code(me, &model),
        Model::Struct(model) => struct_code(me, &model),
    })
}

/// The parts of an implementation.
struct Parts<'a> {
    /// Types that the functions share.
    items: TokenStream,
    names: Vec<&'a Name>,
    event_type: TokenStream,
    /// Writes an `event: &Self` to a serializer `to`.
    write: TokenStream,
    /// Arms of a match on the type of `event: EventRef`, the last of which takes what is left.
    decode: TokenStream,
}

fn implementation(me: &Ident, parts: Parts<'_>) -> TokenStream {
    let Parts { items, names, event_type, write, decode } = parts;
    let types =
        names.iter().map(|Name { text, version }| quote!(::orchestrix::EventType::new(#text, #version)));
    quote! {
        #[doc(hidden)]
        #[allow(dead_code, deprecated, non_camel_case_types, unused_attributes, unused_qualifications, clippy::all)]
        const _: () = {
            use ::orchestrix::__private as __orchestrix;
            use ::orchestrix::__private::serde as __serde;
            #items
            #[automatically_derived]
            impl ::orchestrix::Event for #me {
                const TYPES: &'static [::orchestrix::EventType] = &[#(#types),*];
                fn event_type(&self) -> ::core::option::Option<&'static ::orchestrix::EventType> {
                    #event_type
                }
                fn encode(&self) -> ::core::result::Result<::std::vec::Vec<u8>, ::orchestrix::Error> {
                    __orchestrix::encode(self, |event, to| #write)
                }
                fn decode(
                    event: ::orchestrix::EventRef<'_>,
                ) -> ::core::result::Result<Self, ::orchestrix::Error> {
                    match event.event_type() { #decode }
                }
            }
        };
    }
}

fn enum_code(me: &Ident, model: &EnumModel<'_>) -> TokenStream {
    let written = model.variants.iter().map(written_variant);
    let written_unknown = model.unknown.as_ref().map(|UnknownModel { ident, holds }| {
        let holds = holds.map(|ty| quote!((#ty)));
        quote!(#[serde(skip)] #ident #holds,)
    });
    let types = model.variants.iter().enumerate().map(|(number, VariantModel { ident, .. })| {
        quote!(Self::#ident { .. } => ::core::option::Option::Some(&<Self as ::orchestrix::Event>::TYPES[#number]))
    });
    let no_type = model
        .unknown
        .as_ref()
        .map(|UnknownModel { ident, .. }| quote!(Self::#ident { .. } => ::core::option::Option::None));
    let types = types.chain(no_type);
    let arms = model.variants.iter().enumerate().map(|(number, variant)| read_variant(number, variant));
    let otherwise = match &model.unknown {
        None => unknown_type(),
        Some(UnknownModel { ident, holds: None }) => quote!(_ => ::core::result::Result::Ok(Self::#ident {})),
        Some(UnknownModel { ident, holds: Some(ty) }) => {
            let held = quote_spanned!(ty.span()=>
                <#ty as ::core::convert::From<::orchestrix::RecordedEvent>>::from(event.to_recorded()));
            quote!(_ => ::core::result::Result::Ok(Self::#ident(#held)))
        }
    };
    let remote = path_text(me);
    implementation(
        me,
        Parts {
            items: quote! {
                #[derive(__serde::Serialize)]
                #[serde(crate = "::orchestrix::__private::serde", remote = #remote, untagged)]
                enum __Written { #(#written)* #written_unknown }
            },
            names: model.variants.iter().map(|variant| &variant.name).collect(),
            event_type: quote!(match self { #(#types),* }),
            write: quote!(__Written::serialize(event, to)),
            decode: quote!(#(#arms)* #otherwise),
        },
    )
}

fn struct_code(me: &Ident, model: &StructModel<'_>) -> TokenStream {
    let StructModel { name, shape, passed } = model;
    let remote = path_text(me);
    let fields = match shape {
        Shape::Object(fields) => {
            let fields = fields.iter().map(|field| named_field(field));
            quote!({ #(#fields),* })
        }
        Shape::Inner(field) => {
            let field = inner_field(field);
            quote!((#field);)
        }
    };
    let passed = passed.iter().map(|meta| match meta {
        // serde would ask for the default of the type that stands in.
        Meta::Path(path) if path.is_ident("default") => {
            let default = format!("<{me} as ::core::default::Default>::default");
            quote!(default = #default)
        }
        meta => quote!(#meta),
    });
    let is_told = model.passed.iter().any(|meta| meta.path().is_ident("expecting"));
    let expecting = (!is_told).then(|| expecting(name));
    let text = &name.text;
    let decode = decode_function(shape);
    let otherwise = unknown_type();
    implementation(
        me,
        Parts {
            items: quote! {
                #[derive(__serde::Serialize, __serde::Deserialize)]
                #[serde(crate = "::orchestrix::__private::serde", remote = #remote, #expecting)]
                #[serde(#(#passed),*)]
                struct __Stored #fields
            },
            names: vec![name],
            event_type: quote!(::core::option::Option::Some(&<Self as ::orchestrix::Event>::TYPES[0])),
            write: quote!(__Stored::serialize(event, to)),
            decode: quote! {
                #text => #decode(
                    event,
                    &<Self as ::orchestrix::Event>::TYPES[0],
                    |from| __Stored::deserialize(from),
                ),
                #otherwise
            },
        },
    )
}

/// A variant of the type that writes: without a name, nothing is written but its fields.
fn written_variant(variant: &VariantModel<'_>) -> TokenStream {
    let VariantModel { ident, shape, rules, .. } = variant;
    match shape {
        Shape::Object(fields) => {
            let rename = rules.to_write().map(|rename| quote!(#[serde(#rename)]));
            let fields = fields.iter().map(|field| named_field(field));
            quote!(#rename #ident { #(#fields),* },)
        }
        Shape::Inner(field) => {
            let field = inner_field(field);
            quote!(#ident(#field),)
        }
    }
}

/// The arm that reads a variant.
fn read_variant(number: usize, variant: &VariantModel<'_>) -> TokenStream {
    let VariantModel { ident, name, shape, rules } = variant;
    let (text, expecting, decode) = (&name.text, expecting(name), decode_function(shape));
    let (stored, pattern, value) = match shape {
        Shape::Object(fields) => {
            let stored = fields.iter().map(|field| named_field(field));
            let names: Vec<_> = fields.iter().map(|field| &field.ident).collect();
            let rules = rules.to_read();
            let stored = quote!(#[serde(#(#rules),*)] struct __Stored { #(#stored),* });
            (stored, quote!(__Stored { #(#names),* }), quote!(Self::#ident { #(#names),* }))
        }
        Shape::Inner(field) => {
            let field = inner_field(field);
            (quote!(struct __Stored(#field);), quote!(__Stored(inner)), quote!(Self::#ident(inner)))
        }
    };
    quote! {
        #text => {
            #[derive(__serde::Deserialize)]
            #[serde(crate = "::orchestrix::__private::serde", #expecting)]
            #stored
            #decode(
                event,
                &<Self as ::orchestrix::Event>::TYPES[#number],
                |from| <__Stored as __serde::Deserialize>::deserialize(from),
            )
            .map(|#pattern| #value)
        }
    }
}

/// The function that reads data of this shape: data may be missing where there are no fields.
fn decode_function(shape: &Shape<'_>) -> TokenStream {
    match shape {
        Shape::Object(fields) if fields.is_empty() => quote!(__orchestrix::decode_bare),
        _ => quote!(__orchestrix::decode),
    }
}

fn unknown_type() -> TokenStream {
    quote!(_ => ::core::result::Result::Err(::orchestrix::Error::unknown_type::<Self>(event)))
}

/// What serde says it expected, where it would name a type of ours.
fn expecting(Name { text, .. }: &Name) -> TokenStream {
    let expecting = format!("the fields of {:?}", text.value());
    quote!(expecting = #expecting)
}

fn named_field(field: &Field) -> TokenStream {
    let Field { ident, ty, .. } = field;
    let passed = passed::of_field(&field.attrs);
    quote!(#(#passed)* #ident: #ty)
}

fn inner_field(field: &Field) -> TokenStream {
    let ty = &field.ty;
    let passed = passed::of_field(&field.attrs);
    quote!(#(#passed)* #ty)
}

/// As serde takes a path: in quotes, resolved where the type is defined.
fn path_text(ident: &Ident) -> LitStr {
    LitStr::new(&ident.to_string(), ident.span())
}
