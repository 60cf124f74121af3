//! Which events are asked for: any of several items, each of which narrows by stream or category, types, tags and
//! correlation id. Says nothing about where events stand; see `event::matching` for what an item is compared with.

use crate::error::Error;
use crate::limits::{QUERY_ITEMS_MAX, QUERY_NAMES_MAX};
use std::fmt;

/// Which events: OR over items. An item is at most one stream or category, AND any of its types, AND all of its tags, AND
/// its correlation id. (The queries of the Dynamic Consistency Boundary specification, narrowed to a stream or category
/// where one is named.)
///
/// ```
/// use orchestrix::Query;
/// let about = Query::types(["course.defined", "course.subscribed"]).and_tags(["course:rust"]);
/// let both = about.or(Query::stream("student-7"));
/// assert_eq!(both.items().len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use = "a query does nothing until something is read or appended with it"]
pub struct Query {
    items: Vec<QueryItem>,
}

/// One of the items of a [`Query`]. What it doesn't name it doesn't ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct QueryItem {
    scope: Scope,
    types: Option<Vec<String>>,
    tags: Vec<String>,
    correlation: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
enum Scope {
    #[default]
    Everywhere,
    Stream(String),
    Category(String),
}

impl Query {
    fn one(item: QueryItem) -> Self {
        Self { items: vec![item] }
    }

    fn none() -> Self {
        Self { items: Vec::new() }
    }

    /// Every event.
    pub fn all() -> Self {
        Self::one(QueryItem::default())
    }

    /// The events of a stream.
    pub fn stream(name: impl Into<String>) -> Self {
        Self::one(QueryItem { scope: Scope::Stream(name.into()), ..QueryItem::default() })
    }

    /// The events of all streams of a category: what stands before the first `-` of a stream's name, or the whole name.
    pub fn category(name: impl Into<String>) -> Self {
        Self::one(QueryItem { scope: Scope::Category(name.into()), ..QueryItem::default() })
    }

    /// The events of any of these types. No types match no event.
    pub fn types<T: Into<String>>(any_of: impl IntoIterator<Item = T>) -> Self {
        Self::all().and_types(any_of)
    }

    /// The events that have all of these tags. No tags match no event: who wants everything says [`Query::all`].
    pub fn tags<T: Into<String>>(all_of: impl IntoIterator<Item = T>) -> Self {
        let narrowed = Self::all().and_tags(all_of);
        if narrowed.is_all() { Self::none() } else { narrowed }
    }

    /// The events with this correlation id.
    pub fn correlation(id: impl fmt::Display) -> Self {
        Self::one(QueryItem { correlation: Some(id.to_string()), ..QueryItem::default() })
    }

    /// Narrows every item to these types, of which an event must have any. An item that has types keeps those that stand in
    /// both lists.
    pub fn and_types<T: Into<String>>(mut self, any_of: impl IntoIterator<Item = T>) -> Self {
        let mut any_of: Vec<String> = any_of.into_iter().map(Into::into).collect();
        any_of.sort_unstable();
        any_of.dedup();
        for item in &mut self.items {
            match &mut item.types {
                Some(types) => types.retain(|own| any_of.contains(own)),
                None => item.types = Some(any_of.clone()),
            }
        }
        self
    }

    /// Narrows every item by tags that must all be there.
    pub fn and_tags<T: Into<String>>(mut self, all_of: impl IntoIterator<Item = T>) -> Self {
        let all_of: Vec<String> = all_of.into_iter().map(Into::into).collect();
        for item in &mut self.items {
            item.tags.extend_from_slice(&all_of);
            item.tags.sort_unstable();
            item.tags.dedup();
        }
        self
    }

    /// The events of this query and those of the other, each once.
    pub fn or(mut self, other: Query) -> Self {
        for item in other.items {
            if !self.items.contains(&item) {
                self.items.push(item);
            }
        }
        self
    }

    /// The items, of which an event must match any. Without one, none matches.
    pub fn items(&self) -> &[QueryItem] {
        &self.items
    }

    /// Refuses a query that is larger than [`limits`](crate::limits) say. `Store` asks before it reads or appends with one.
    ///
    /// # Errors
    /// `Limit`: too many items, or too many types and tags in one.
    pub fn check_limits(&self) -> Result<(), Error> {
        let within = |what: &str, limit: usize, found: usize| match found <= limit {
            true => Ok(()),
            false => Err(Error::limit(what, limit as u64, found as u64)),
        };
        within("items of a query", QUERY_ITEMS_MAX, self.items.len())?;
        self.items.iter().try_for_each(|item| {
            let types = item.types.as_ref().map_or(0, Vec::len);
            within("types and tags of one item of a query", QUERY_NAMES_MAX, types + item.tags.len())
        })
    }

    /// Whether an item asks for every event.
    pub fn is_all(&self) -> bool {
        self.items.iter().any(|item| *item == QueryItem::default())
    }
}

impl QueryItem {
    /// The stream that events must be of.
    pub fn stream(&self) -> Option<&str> {
        match &self.scope {
            Scope::Stream(name) => Some(name),
            _ => None,
        }
    }

    /// The category that their streams must be of.
    pub fn category(&self) -> Option<&str> {
        match &self.scope {
            Scope::Category(name) => Some(name),
            _ => None,
        }
    }

    /// The types of which they must have any, each once, sorted; `None` if the item asks for no type.
    pub fn types(&self) -> Option<&[String]> {
        self.types.as_deref()
    }

    /// The tags of which they must have all, each once, sorted.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// The correlation id that they must have.
    pub fn correlation(&self) -> Option<&str> {
        self.correlation.as_deref()
    }
}

impl fmt::Display for Query {
    /// As error messages show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.items.is_empty() {
            return f.write_str("no events");
        }
        for (number, item) in self.items.iter().enumerate() {
            if number > 0 {
                f.write_str(" or ")?;
            }
            item.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for QueryItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            Scope::Everywhere => f.write_str("events")?,
            Scope::Stream(name) => write!(f, "events of stream {name:?}")?,
            Scope::Category(name) => write!(f, "events of category {name:?}")?,
        }
        if let Some(types) = &self.types {
            write!(f, " with a type of {types:?}")?;
        }
        if !self.tags.is_empty() {
            write!(f, " with the tags {:?}", self.tags)?;
        }
        match &self.correlation {
            Some(id) => write!(f, " with the correlation id {id:?}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrowing_twice_narrows_further() {
        let query = Query::types(["a", "b", "a"]).and_types(["b", "c"]).and_tags(["y", "x"]).and_tags(["x"]);
        let [item] = query.items() else { panic!("one item, found {query:?}") };
        assert_eq!(item.types(), Some(&["b".to_owned()][..]));
        assert_eq!(item.tags(), ["x", "y"]);
    }

    #[test]
    fn only_all_is_all() {
        assert!(Query::all().is_all());
        assert!(Query::stream("a").or(Query::all()).is_all());
        assert!(!Query::tags(Vec::<String>::new()).is_all());
        assert!(!Query::types(Vec::<String>::new()).is_all());
        assert_eq!(Query::tags(Vec::<String>::new()).to_string(), "no events");
        assert_eq!(Query::all().to_string(), "events");
    }

    #[test]
    fn what_is_beyond_a_limit_is_named() {
        let names = |count: usize| (0..count).map(|n| format!("n{n}")).collect::<Vec<_>>();
        let items = |count: usize| names(count).iter().map(Query::stream).fold(Query::none(), Query::or);
        assert!(items(QUERY_ITEMS_MAX).check_limits().is_ok());
        let error = items(QUERY_ITEMS_MAX + 1).check_limits().expect_err("too many items").to_string();
        assert_eq!(error, "items of a query: at most 256, found 257");
        let narrow = Query::types(names(200)).and_tags(names(56));
        assert!(narrow.check_limits().is_ok());
        let error = narrow.and_tags(["more"]).check_limits().expect_err("too many names").to_string();
        assert_eq!(error, "types and tags of one item of a query: at most 256, found 257");
    }

    #[test]
    fn alternatives_stand_once() {
        assert_eq!(Query::stream("a").or(Query::stream("a")).or(Query::category("a")).items().len(), 2);
    }
}
