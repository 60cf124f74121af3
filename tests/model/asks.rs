//! What a query asks for, in the words of a case: as a query of the store, and as what the model compares events with.

use crate::ops::{CATEGORIES, STREAMS, TAGS, TYPES};
use crate::plain::Stored;
use orchestrix::Query;
use proptest::collection::vec;
use proptest::option::{of, weighted};
use proptest::prelude::*;

/// Correlation ids: two that events may have, and another spelling of the second, which is another id.
pub(crate) const CORRELATIONS: [&str; 3] =
    ["story", "67e55044-10b1-426f-9247-bb680e5fe0c8", "67E55044-10B1-426F-9247-BB680E5FE0C8"];
/// A name that nothing has.
const NOBODY: &str = "none-1";

/// Any of these.
#[derive(Clone, Debug)]
pub(crate) struct Ask(Vec<Item>);

#[derive(Clone, Debug)]
struct Item {
    scope: Scope,
    types: Option<Vec<u8>>,
    tags: Vec<u8>,
    correlation: Option<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Scope {
    Everywhere,
    Stream(u8),
    Category(u8),
}

fn name(names: &[&'static str], number: u8) -> &'static str {
    names.get(usize::from(number)).copied().unwrap_or(NOBODY)
}

impl Ask {
    pub(crate) fn query(&self) -> Query {
        let nothing = Query::tags(Vec::<String>::new());
        self.0.iter().fold(nothing, |query, item| query.or(item.query()))
    }

    /// The streams that are named.
    pub(crate) fn streams(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().filter_map(|item| match item.scope {
            Scope::Stream(n) => Some(name(&STREAMS, n)),
            _ => None,
        })
    }

    pub(crate) fn matches(&self, event: &Stored) -> bool {
        self.0.iter().any(|item| item.matches(event))
    }
}

impl Item {
    fn query(&self) -> Query {
        let query = match (self.scope, self.correlation) {
            (Scope::Stream(n), _) => Query::stream(name(&STREAMS, n)),
            (Scope::Category(n), _) => Query::category(name(&CATEGORIES, n)),
            (Scope::Everywhere, Some(n)) => Query::correlation(name(&CORRELATIONS, n)),
            (Scope::Everywhere, None) => Query::all(),
        };
        let types = self.types.iter().map(|types| types.iter().map(|n| name(&TYPES, *n)));
        types.fold(query, Query::and_types).and_tags(self.tags.iter().map(|n| name(&TAGS, *n)))
    }

    fn matches(&self, event: &Stored) -> bool {
        let fields = &event.fields;
        let in_scope = match (self.scope, self.correlation) {
            (Scope::Stream(n), _) => event.stream == name(&STREAMS, n),
            (Scope::Category(n), _) => event.stream.split('-').next() == Some(name(&CATEGORIES, n)),
            (Scope::Everywhere, Some(n)) => fields.correlation.as_deref() == Some(name(&CORRELATIONS, n)),
            (Scope::Everywhere, None) => true,
        };
        let has_tag = |n: &u8| fields.tags.iter().any(|tag| tag == name(&TAGS, *n));
        in_scope
            && self
                .types
                .as_ref()
                .is_none_or(|types| types.iter().any(|n| fields.event_type == name(&TYPES, *n)))
            && self.tags.iter().all(has_tag)
    }
}

/// A number of one of the names, or of none.
fn any_of(names: &[&str]) -> impl Strategy<Value = u8> + use<> {
    prop_oneof![9 => 0..names.len() as u8, 1 => Just(u8::MAX)]
}

fn item() -> impl Strategy<Value = Item> {
    let scope = prop_oneof![
        4 => Just(Scope::Everywhere),
        2 => any_of(&STREAMS).prop_map(Scope::Stream),
        2 => any_of(&CATEGORIES).prop_map(Scope::Category),
    ];
    let types = of(vec(any_of(&TYPES), 0..4));
    let tags = prop_oneof![2 => Just(Vec::new()), 3 => vec(any_of(&TAGS), 1..4)];
    (scope, types, tags, weighted(0.2, 0..CORRELATIONS.len() as u8))
        .prop_map(|(scope, types, tags, correlation)| Item { scope, types, tags, correlation })
}

pub(crate) fn ask() -> impl Strategy<Value = Ask> {
    prop_oneof![6 => vec(item(), 1..2), 3 => vec(item(), 2..5), 1 => Just(Vec::new())].prop_map(Ask)
}
