//! Reads everything of a store in every way.

use orchestrix::prelude::*;
use orchestrix::{Error, Head, RecordedEvent};

/// Everything that a store tells of its events.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Content {
    all: Vec<RecordedEvent>,
    streams: Vec<(String, Head)>,
}

impl Content {
    pub(crate) fn events(&self) -> u64 {
        self.all.len() as u64
    }
}

fn copies<'v>(
    events: impl Iterator<Item = Result<EventRef<'v>, Error>>,
) -> Result<Vec<RecordedEvent>, Error> {
    events.map(|event| event.map(EventRef::to_recorded)).collect()
}

/// Reads forward, and checks that every other way tells the same. Fails where an event is refused.
pub(crate) fn content(store: &Store) -> Result<Content, Error> {
    let view = store.view();
    let all = copies(view.all())?;
    assert_eq!(view.watermark(), Position(all.len() as u64));
    for (event, position) in all.iter().zip(1..) {
        assert_eq!(event.as_ref().position(), Position(position));
    }
    same(copies(view.all().rev())?, all.iter().rev());
    let streams: Vec<_> = view.streams().collect::<Result<_, _>>()?;
    for (name, head) in &streams {
        let own = || all.iter().filter(|event| event.as_ref().stream() == name);
        same(copies(view.stream(name))?, own());
        same(copies(view.stream(name).rev())?, own().rev());
        assert_eq!(view.head(name)?, Some(*head));
        let last = own().next_back().expect("an event").as_ref();
        assert_eq!(*head, Head::new(last.revision(), last.position()));
        assert_eq!(head.revision, Revision(own().count() as u64 - 1));
    }
    for name in ["account", "order", "solo"] {
        let own = || all.iter().filter(|event| event.as_ref().category() == name);
        same(copies(view.category(name))?, own());
        same(copies(view.category(name).rev())?, own().rev());
    }
    for name in ["opened", "credited", "closed"] {
        let own = || all.iter().filter(|event| event.as_ref().event_type() == name);
        same(copies(view.event_type(name))?, own());
        same(copies(view.event_type(name).rev())?, own().rev());
    }
    Ok(Content { all, streams })
}

fn same<'e>(found: Vec<RecordedEvent>, expected: impl Iterator<Item = &'e RecordedEvent>) {
    assert!(found.iter().eq(expected), "{found:?}");
}
