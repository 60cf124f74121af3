//! What doesn't compile: each message, and the text that it points at. That the compiler refuses it is shown by the
//! examples in `refused`, and what is accepted by `tests/derive.rs` of the library.

use crate::expand;
use syn::DeriveInput;

/// Every error for a definition: what it says, and the text that it points at.
fn errors(definition: &str) -> Vec<(String, String)> {
    let input: DeriveInput = syn::parse_str(definition).expect("a definition");
    let errors = expand::event(&input).map(|code| panic!("{definition}\nwas accepted:\n{code}")).unwrap_err();
    let place = |error: &syn::Error| error.span().source_text().expect("text of the definition");
    errors.into_iter().map(|error| (error.to_string(), place(&error))).collect()
}

#[track_caller]
fn assert_refused(definition: &str, place: &str, why: &str) {
    let errors = errors(definition);
    let [(message, text)] = errors.as_slice() else {
        panic!("one error for\n{definition}\nfound {errors:?}")
    };
    assert!(message.contains(why), "{definition}\n{message:?}\ndoesn't say {why:?}");
    assert_eq!(text, place, "{definition}\n{message}");
}

/// An enum of one variant with this in its attribute.
#[track_caller]
fn assert_attribute_refused(attribute: &str, place: &str, why: &str) {
    assert_refused(&format!("enum E {{ #[event{attribute}] A }}"), place, why);
}

#[test]
fn what_is_accepted() {
    for definition in [
        "enum E { #[event(\"a\", version = 4_294_967_295,)] A { x: u8 }, #[event(\"A\")] B(u8), #[event(unknown,)] C(R) }",
        "enum E { #[event(\"\u{e9} /:#$\")] A(), #[event(unknown)] C() }",
        "#[event(r\"a\")] struct S(u8);",
    ] {
        let input: DeriveInput = syn::parse_str(definition).expect("a definition");
        expand::event(&input).unwrap_or_else(|error| panic!("{definition}: {error}"));
    }
}

#[test]
fn a_variant_or_struct_without_a_name() {
    let proposed =
        "variant `PutOut` needs the name that it is stored under, for example #[event(\"lamp.put-out\")]";
    assert_refused("enum LampEvent { #[event(\"lamp.lit\")] Lit, PutOut { hours: u8 } }", "PutOut", proposed);
    assert_refused("enum Event { Lit }", "Lit", "for example #[event(\"event.lit\")]");
    let proposed = "struct `UserRegistered` needs the name that it is stored under, for example \
                    #[event(\"user-registered\")]";
    assert_refused("struct UserRegistered { email: String }", "UserRegistered", proposed);
}

#[test]
fn all_errors_are_told_at_once() {
    let errors =
        errors("enum E { A, #[event(\"b\")] B, C(u8), #[event(\"b\")] D(u8, u8), #[event(\"\")] F }");
    let places: Vec<_> = errors.iter().map(|(_, place)| place.as_str()).collect();
    assert_eq!(places, ["A", "C", "\"b\"", "\"\""]);
}

#[test]
fn two_variants_with_one_name() {
    let twice = "enum E { #[event(\"a.b\")] First, #[event(\"c\")] Other, #[event(r\"a.b\")] Second }";
    assert_refused(twice, "r\"a.b\"", "two variants are stored as \"a.b\": `First` is the first");
    let unknown = "enum E { #[event(\"a\")] A, #[event(unknown)] First, #[event(unknown)] Second }";
    assert_refused(unknown, "unknown", "a second variant for unknown types: `First` is the first");
}

#[test]
fn names_that_may_not_be_stored() {
    assert_attribute_refused("(\"\")", "\"\"", "at least one character");
    let name = format!("\"{}\"", "\u{e9}".repeat(128));
    assert_attribute_refused(&format!("({name})"), &name, "at most 255 bytes, this one has 256");
    for (name, shown) in [
        ("\"a\\nb\"", "'\\n'"),
        ("\"\\u{7f}\"", "'\\u{7f}'"),
        ("\"\\u{85}\"", "'\\u{85}'"),
        ("\"\\u{fdd0}\"", "'\\u{fdd0}'"),
        ("\"\\u{10ffff}\"", "'\\u{10ffff}'"),
    ] {
        assert_attribute_refused(&format!("({name})"), name, &format!("this one has {shown}"));
    }
}

#[test]
fn an_attribute_in_another_form() {
    let form = "write #[event(\"stored.name\")], #[event(\"stored.name\", version = 2)] or #[event(unknown)]";
    assert_attribute_refused("", "#[event]", form);
    assert_attribute_refused(" = \"a\"", "#[event = \"a\"]", form);
    assert_attribute_refused("(other)", "other", form);
    assert_attribute_refused("(b\"a\")", "b\"a\"", form);
    assert_attribute_refused("(7)", "7", form);
    assert_attribute_refused("(\"a\", \"b\")", "\"b\"", form);
    assert_attribute_refused("(\"a\" \"b\")", "\"b\"", form);
    assert_attribute_refused("(\"a\", ver = 2)", "ver", form);
    assert_attribute_refused("(\"a\", version = 2, x)", "x", form);
    assert_attribute_refused("(unknown, version = 2)", "version", form);
    assert_attribute_refused("(\"a\", version 2)", "2", "expected `=`");
    assert_attribute_refused("(\"a\", version = \"2\")", "\"2\"", "a schema version is a number");
    assert_attribute_refused("(\"a\", version = -2)", "-2", "a schema version is a number");
    assert_attribute_refused("(\"a\", version = 0)", "0", "from 1 to 4294967295");
    assert_attribute_refused("(\"a\", version = 4294967296)", "4294967296", "from 1 to 4294967295");
    assert_attribute_refused("(\"a\")] #[event(\"b\")", "#[event(\"b\")]", "a second #[event(...)]");
    let [(message, _)] = errors("enum E { #[event()] A }").try_into().expect("one error");
    assert!(message.contains(form), "{message}");
}

#[test]
fn an_attribute_in_another_place() {
    assert_refused(
        "#[event(\"e\")] enum E { #[event(\"a\")] A }",
        "#[event(\"e\")]",
        "belongs on each variant",
    );
    let field = "enum E { #[event(\"a\")] A { #[event(\"b\")] b: u8 } }";
    assert_refused(field, "#[event(\"b\")]", "a field is named by #[serde(rename");
    assert_refused("#[event(unknown)] struct S;", "unknown", "an event that is a struct has a name");
}

#[test]
fn types_that_cannot_be_events() {
    assert_refused("enum E<T, 'a> { #[event(\"a\")] A(T) }", "T, 'a", "no generic parameters");
    assert_refused("#[event(\"a\")] struct S<'a>(&'a str);", "'a", "owns its data");
    assert_refused("#[event(\"a\")] struct S<const N: usize>;", "const N: usize", "no generic parameters");
    assert_refused("#[event(\"a\")] struct S where u8: Copy;", "where u8: Copy", "no generic parameters");
    assert_refused("union U { a: u8 }", "union", "use an enum or a struct");
    assert_refused("enum E {}", "E", "at least one variant with a stored name");
    assert_refused("enum E { #[event(unknown)] A }", "E", "at least one variant with a stored name");
}

#[test]
fn fields_without_names() {
    let why = "in history they would have no names";
    assert_refused("enum E { #[event(\"a\")] A(u8, u8) }", "(u8, u8)", why);
    assert_refused("#[event(\"a\")] struct S(u8, u8);", "(u8, u8)", why);
    let why = "holds nothing, or one RecordedEvent";
    assert_refused("enum E { #[event(\"a\")] A, #[event(unknown)] B(R, R) }", "(R, R)", why);
    assert_refused("enum E { #[event(\"a\")] A, #[event(unknown)] B { e: R } }", "{ e: R }", why);
}

#[test]
fn attributes_of_serde_that_would_store_something_else() {
    let why = "what is stored of an event is its fields";
    let variant = "enum E { #[event(\"a\")] #[serde(rename = \"x\", with = \"m\")] A { b: u8 } }";
    assert_refused(variant, "with = \"m\"", why);
    assert_refused("#[serde(into = \"X\")] enum E { #[event(\"a\")] A }", "into = \"X\"", why);
    for skip in ["skip", "skip_serializing", "skip_deserializing", "skip_serializing_if = \"f\""] {
        let inner = format!("enum E {{ #[event(\"a\")] A(#[serde(default, {skip})] u8) }}");
        assert_refused(&inner, skip, why);
    }
    assert_refused("#[event(\"a\")] #[serde(tag = \"kind\")] struct S;", "tag = \"kind\"", why);
}
