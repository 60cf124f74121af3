//! Which events a query finds.

use super::check::{Broken, Check, event, finds, put};
use crate::Query;
use crate::event::NewEvent;
use crate::store::AnyStore;

pub(super) async fn a_stream_and_a_category_are_found_by_their_whole_names(store: AnyStore) -> Check {
    for stream in ["a-1", "a-10", "a", "ab-1", "A-1", "a-1-2", "b"] {
        put(&store, stream, event(stream)).await?;
    }
    finds(&store, Query::stream("a-1"), &["a-1"]).await?;
    finds(&store, Query::stream("a"), &["a"]).await?;
    finds(&store, Query::stream("a-"), &[]).await?;
    finds(&store, Query::category("a"), &["a-1", "a-10", "a", "a-1-2"]).await?;
    finds(&store, Query::category("a-1"), &[]).await?;
    finds(&store, Query::category("b"), &["b"]).await?;
    finds(&store, Query::category(""), &[]).await?;
    finds(&store, Query::all(), &["a-1", "a-10", "a", "ab-1", "A-1", "a-1-2", "b"]).await
}

/// Events `{category} {type} {tags}`, of two categories, three types and all sets of two tags.
async fn fill(store: &AnyStore) -> Result<(), Broken> {
    for (n, tags) in [&[][..], &["x"], &["y"], &["x", "y"]].into_iter().enumerate() {
        for (stream, of_type) in [("a-1", "t"), ("a-2", "u"), ("b-1", "t"), ("b-1", "tu")] {
            let text = format!("{} {of_type} {}", &stream[..1], tags.concat());
            let new = NewEvent::raw(of_type, text.into_bytes()).id(format!("{n} {stream} {of_type}"));
            put(store, stream, tags.iter().fold(new, |new, tag| new.tag(*tag))).await?;
        }
    }
    Ok(())
}

pub(super) async fn any_of_the_types_is_enough(store: AnyStore) -> Check {
    fill(&store).await?;
    let us = ["a u ", "a u x", "a u y", "a u xy"];
    finds(&store, Query::types(["u"]), &us).await?;
    finds(&store, Query::types(["u", "nothing"]), &us).await?;
    let both = ["a u ", "b tu ", "a u x", "b tu x", "a u y", "b tu y", "a u xy", "b tu xy"];
    finds(&store, Query::types(["tu", "u"]), &both).await?;
    finds(&store, Query::category("b").and_types(["u", "t"]), &["b t ", "b t x", "b t y", "b t xy"]).await?;
    finds(&store, Query::types(Vec::<String>::new()), &[]).await?;
    finds(&store, Query::types(["T"]), &[]).await
}

pub(super) async fn all_of_the_tags_are_needed(store: AnyStore) -> Check {
    fill(&store).await?;
    let xy = ["a t xy", "a u xy", "b t xy", "b tu xy"];
    finds(&store, Query::tags(["x", "y"]), &xy).await?;
    finds(&store, Query::tags(["y", "x"]), &xy).await?;
    let x = ["a t x", "a u x", "b t x", "b tu x", "a t xy", "a u xy", "b t xy", "b tu xy"];
    finds(&store, Query::tags(["x"]), &x).await?;
    finds(&store, Query::tags(["x", "z"]), &[]).await?;
    finds(&store, Query::tags(Vec::<String>::new()), &[]).await?;
    finds(&store, Query::stream("b-1").and_types(["t"]).and_tags(["x"]), &["b t x", "b t xy"]).await
}

pub(super) async fn a_correlation_id_is_found(store: AnyStore) -> Check {
    let uuid = "0190d0c4-8a3e-7b1c-9d2e-3f4a5b6c7d8e";
    put(&store, "a-1", event("0").correlation(uuid)).await?;
    put(&store, "a-1", event("1").correlation("story")).await?;
    put(&store, "b-1", event("2").correlation(uuid)).await?;
    put(&store, "b-1", event(uuid)).await?;
    finds(&store, Query::correlation(uuid), &["0", "2"]).await?;
    finds(&store, Query::correlation("story"), &["1"]).await?;
    finds(&store, Query::correlation("stor"), &[]).await
}

pub(super) async fn an_event_that_matches_twice_is_given_once(store: AnyStore) -> Check {
    fill(&store).await?;
    let query = Query::stream("a-2").and_tags(["x"]).or(Query::types(["u"]).and_tags(["y"]));
    finds(&store, query, &["a u x", "a u y", "a u xy"]).await?;
    let query = Query::stream("nothing").or(Query::tags(["x", "y"]).and_types(["tu"]));
    finds(&store, query, &["b tu xy"]).await?;
    let all = store.read(Query::all()).fetch().await?;
    let all: Vec<_> = super::check::texts(&all);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    finds(&store, Query::all().or(Query::types(["u"])), &all).await
}
