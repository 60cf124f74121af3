//! Whether two events say the same. Where they stand is left out, and so is what doesn't change their meaning: the order
//! of their extensions and the spelling of a time.

use orchestrix::{EventRef, NewEvent, RecordedEvent};

/// Whether `event`, appended in the place of `there`, would be the same event. An event without a time of its own has
/// that of its commit.
pub(crate) fn is_same(there: EventRef<'_>, event: &NewEvent<'_>) -> bool {
    let stream = there.stream();
    let (revision, position) = (there.revision(), there.position());
    let copy = RecordedEvent::new(stream, revision, position, there.commit_time(), event);
    say_the_same(there, copy.as_ref())
}

fn say_the_same(a: EventRef<'_>, b: EventRef<'_>) -> bool {
    let (of_a, of_b) = (a.metadata(), b.metadata());
    a.id() == b.id()
        && a.data() == b.data()
        && a.event_type() == b.event_type()
        && a.time() == b.time()
        && a.content_type() == b.content_type()
        && a.schema_version() == b.schema_version()
        && a.correlation() == b.correlation()
        && a.tags().eq(b.tags())
        && of_a.source() == of_b.source()
        && of_a.subject() == of_b.subject()
        && of_a.causation() == of_b.causation()
        && of_a.trace_parent() == of_b.trace_parent()
        && of_a.data_schema() == of_b.data_schema()
        && extensions(a) == extensions(b)
}

fn extensions(event: EventRef<'_>) -> Vec<(&str, orchestrix::ExtensionValue<'_>)> {
    let mut all: Vec<_> = event.metadata().extensions().collect();
    all.sort_unstable_by_key(|(name, _)| *name);
    all
}
