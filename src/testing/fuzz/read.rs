//! Reads events by every accessor, and a store in every way.

use crate::Position;
use crate::event::commit::CommitRef;
use crate::event::{EventRef, RecordedEvent};
use crate::store::Store;
use std::hint::black_box;

/// Reads all events of a frame that was checked. Returns how many.
pub(super) fn commit(commit: CommitRef<'_>) -> u64 {
    let mut events = 0;
    for event in commit.events() {
        assert_eq!(event.position().0, commit.first_position().0 + events);
        read(event);
        events += 1;
    }
    assert_eq!(events, u64::from(commit.event_count()));
    events
}

fn read(event: EventRef<'_>) -> RecordedEvent {
    let copy = event.to_recorded();
    let own = copy.as_ref();
    assert_eq!((own.id(), own.stream(), own.event_type()), (event.id(), event.stream(), event.event_type()));
    assert_eq!(
        (own.revision(), own.position(), own.data()),
        (event.revision(), event.position(), event.data())
    );
    assert_eq!((own.time(), own.commit_time()), (event.time(), event.commit_time()));
    assert_eq!((own.correlation(), own.content_type()), (event.correlation(), event.content_type()));
    assert!(own.tags().eq(event.tags()));
    let (metadata, copied) = (event.metadata(), own.metadata());
    assert_eq!((metadata.source(), metadata.subject()), (copied.source(), copied.subject()));
    assert_eq!((metadata.causation(), metadata.trace_parent()), (copied.causation(), copied.trace_parent()));
    assert_eq!(
        (metadata.schema_version(), metadata.data_schema()),
        (event.schema_version(), copied.data_schema())
    );
    assert!(metadata.extensions().eq(copied.extensions()));
    for (name, value) in metadata.extensions() {
        black_box((metadata.extension(name), value));
    }
    black_box((event.category(), format!("{event:?}"), copy.to_new_event()));
    #[cfg(feature = "json")]
    {
        let mut line = Vec::new();
        crate::cloudevents::to_json_line(event, &mut line);
        assert!(std::str::from_utf8(&line).is_ok() && !line.contains(&b'\n'));
        // It may say what an import refuses.
        let _ = black_box(crate::cloudevents::parse_json_line(&line));
    }
    copy
}

/// All events of a store, read forward, backward and by stream, category and type. What can't be read by this version is
/// left out. `whole`: a check of the log has found nothing, so that no revision is missing.
pub(super) fn store(store: &Store, whole: bool) -> Vec<RecordedEvent> {
    let view = store.view();
    let all: Vec<_> = view.all().flatten().map(read).collect();
    let mut back: Vec<_> = view.all().rev().flatten().map(EventRef::to_recorded).collect();
    back.reverse();
    assert!(back == all, "backward as forward");
    assert_eq!(view.watermark(), Position(view.all().len() as u64));
    let mut streams = 0;
    for (name, head) in view.streams().flatten() {
        let events: Vec<_> = view.stream(&name).collect();
        assert_eq!(events.len() as u64, head.revision.0 + 1);
        assert!(view.head(&name).is_ok_and(|found| found == Some(head)));
        for (event, revision) in events.into_iter().zip(0..) {
            let Ok(event) = event else { continue };
            assert_eq!((event.stream(), event.revision().0), (name.as_str(), revision));
        }
        streams += view.stream(&name).rev().flatten().count();
    }
    assert!(streams == all.len() || !whole, "each event is in a stream");
    for event in &all {
        let event = event.as_ref();
        let before = |position: u64| Position(position.saturating_sub(1));
        let holds = |found: EventRef<'_>| found.position() == event.position();
        let from = before(event.position().0);
        assert!(view.event_type(event.event_type()).after(from).flatten().next().is_some_and(holds));
        assert!(view.category(event.category()).after(from).flatten().next().is_some_and(holds));
    }
    all
}
