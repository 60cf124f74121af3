//! Whether a query asks for an event: the one definition, which every way of finding events is held to.

use super::EventRef;
use crate::query::{Query, QueryItem};

impl Query {
    /// Whether the event is one of those that are asked for.
    pub fn matches(&self, event: EventRef<'_>) -> bool {
        self.items().iter().any(|item| item.matches(event))
    }
}

impl QueryItem {
    /// Whether the event has everything that this item names.
    pub fn matches(&self, event: EventRef<'_>) -> bool {
        self.stream().is_none_or(|name| event.stream() == name)
            && self.category().is_none_or(|name| event.category() == name)
            && self.types().is_none_or(|types| types.iter().any(|own| own == event.event_type()))
            && self.correlation().is_none_or(|id| event.correlation().is_some_and(|own| own == *id))
            && self.tags().iter().all(|tag| event.tags().any(|own| own == tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{NewEvent, RecordedEvent};
    use crate::{Position, Revision};
    use std::time::SystemTime;

    #[test]
    fn every_part_of_an_item_must_hold() {
        let uuid = "0190d0c4-8a3e-7b1c-9d2e-3f4a5b6c7d8e";
        let new = NewEvent::raw("seat.taken", b"").tag("row:1").tag("film:2").correlation(uuid);
        let event = RecordedEvent::new("seat-9", Revision(0), Position(1), SystemTime::UNIX_EPOCH, &new);
        let event = event.as_ref();
        let held = [
            Query::all(),
            Query::stream("seat-9"),
            Query::category("seat"),
            Query::types(["seat.left", "seat.taken"]),
            Query::tags(["film:2", "row:1"]),
            Query::correlation(uuid),
            Query::stream("other").or(Query::category("seat").and_tags(["row:1"])),
        ];
        for query in held {
            assert!(query.matches(event), "{query}");
        }
        let unmet = [
            Query::stream("seat"),
            Query::category("seat-9"),
            Query::types(["seat"]),
            Query::tags(["row:1", "row:2"]),
            Query::correlation("0190d0c4"),
            Query::category("seat").and_types(["seat.left"]),
            Query::types(Vec::<String>::new()),
        ];
        for query in unmet {
            assert!(!query.matches(event), "{query}");
        }
    }
}
