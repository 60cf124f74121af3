//! Reading: a view pins a watermark and lends events from the mapped log.

use super::core::Core;
use super::events::Events;
use super::key_events::{KeyEvents, StreamEvents};
use super::receipt::Head;
use crate::error::Error;
use crate::event::EventRef;
use crate::index::{KeyId, KeyKind};
use crate::log::{Place, Table};
use crate::{Position, Revision};
use std::fmt;
use std::sync::Arc;

/// Everything up to a watermark, to be read for as long as the view lives. A clone costs one count. Lends events from the
/// mapped log: nothing is copied, nothing is allocated for an event.
///
/// ```
/// use orchestrix::prelude::*;
/// let store = Store::in_memory();
/// store.append("room-1", NoStream, [NewEvent::raw("opened", b""), NewEvent::raw("closed", b"")]).wait()?;
/// let view = store.view();
/// let newest = view.stream("room-1").next_back().expect("an event")?;
/// assert_eq!((newest.event_type(), newest.revision()), ("closed", Revision(1)));
/// assert_eq!(view.all().count(), 2);
/// # Ok::<(), orchestrix::Error>(())
/// ```
#[derive(Clone)]
pub struct View(Arc<Pinned>);

/// What a view holds on to.
pub(super) struct Pinned {
    pub(super) core: Arc<Core>,
    pub(super) table: Arc<Table>,
    pub(super) position: u64,
    /// The first byte after the last frame that is seen.
    pub(super) end: Place,
}

impl View {
    pub(super) fn committed(core: &Arc<Core>) -> Self {
        if core.log.failure().is_some() {
            return Self::synced(core);
        }
        let through = core.index.read().through();
        Self::pin(core, through.position, through.place)
    }

    pub(super) fn synced(core: &Arc<Core>) -> Self {
        match core.log.write_side() {
            Ok(side) => {
                let mark = side.sync.mark();
                Self::pin(core, mark.synced, core.log.geometry.place(mark.segment, mark.offset))
            }
            Err(_) => {
                let through = core.index.read().through();
                let position = core.read_only_synced;
                let view = Self::pin(core, through.position, through.place);
                let end = view.0.place_of(position + 1).unwrap_or(through.place);
                Self::pin(core, position, end)
            }
        }
    }

    pub(super) fn pin(core: &Arc<Core>, position: u64, end: Place) -> Self {
        Self(Arc::new(Pinned { core: core.clone(), table: core.log.table(), position, end }))
    }

    /// The event at a place that this view has lent before.
    #[inline]
    pub(super) fn event_at(&self, place: Place) -> EventRef<'_> {
        self.0.core.event_at(&self.0.table, place)
    }

    /// Position of the last event that is seen; [`Position::START`] if there is none.
    pub fn watermark(&self) -> Position {
        Position(self.0.position)
    }

    /// All events, in order.
    pub fn all(&self) -> Events<'_> {
        Events::scan(&self.0)
    }

    /// The events of a stream, in order. A stream that isn't there has none.
    pub fn stream(&self, name: impl AsRef<str>) -> StreamEvents<'_> {
        StreamEvents::new(self.key_events(KeyKind::Stream, name.as_ref()))
    }

    /// The events of all streams of a category, in order. The category of a stream is what stands before the first `-`
    /// of its name, or the whole name.
    pub fn category(&self, name: impl AsRef<str>) -> Events<'_> {
        Events::keyed(self.key_events(KeyKind::Category, name.as_ref()))
    }

    /// The events of a type, in order.
    pub fn event_type(&self, name: impl AsRef<str>) -> Events<'_> {
        Events::keyed(self.key_events(KeyKind::Type, name.as_ref()))
    }

    /// The newest event of a stream; `None` if there is no such stream.
    pub fn head(&self, stream: impl AsRef<str>) -> Option<Head> {
        let id = self.0.key(KeyKind::Stream, stream.as_ref())?;
        self.0.head(id)
    }

    /// The streams, in the order of their first events, each with its newest event.
    pub fn streams(&self) -> Streams<'_> {
        Streams { pinned: &self.0, next: 0 }
    }

    /// How many streams there are.
    pub fn stream_count(&self) -> u64 {
        let keys = self.0.core.index.read();
        if keys.through().position == self.0.position {
            return keys.streams();
        }
        drop(keys);
        self.streams().count() as u64
    }

    /// The events of a stream, as those of any other key.
    pub(super) fn stream_in_order(&self, name: &str) -> Events<'_> {
        Events::keyed(self.key_events(KeyKind::Stream, name))
    }

    fn key_events(&self, kind: KeyKind, name: &str) -> KeyEvents<'_> {
        KeyEvents::new(&self.0, self.0.key(kind, name))
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("watermark", &self.0.position).finish_non_exhaustive()
    }
}

impl Pinned {
    fn key(&self, kind: KeyKind, name: &str) -> Option<KeyId> {
        let hash = self.core.index.hash(name.as_bytes());
        self.core.index.read().find(kind, name.as_bytes(), hash)
    }

    /// The number of events under a key that this view sees.
    pub(super) fn count(&self, id: KeyId) -> u64 {
        self.core.index.read().len_before(id, self.end)
    }

    fn head(&self, id: KeyId) -> Option<Head> {
        let keys = self.core.index.read();
        let revision = keys.len_before(id, self.end).checked_sub(1)?;
        if revision + 1 == keys.len(id) {
            return Some(Head::new(Revision(revision), Position(keys.last_position(id))));
        }
        let place = keys.posting(id, revision)?;
        drop(keys);
        Some(Head::new(Revision(revision), self.core.event_at(&self.table, place).position()))
    }

    /// Lends the event at a place that the index gave, if it may be handed out.
    #[inline]
    pub(super) fn lend(&self, place: Place) -> Result<EventRef<'_>, Error> {
        self.admit(self.core.event_at(&self.table, place))
    }

    /// After a failed sync nothing past the synced position is handed out; nor are coded bytes taken for plain ones.
    #[inline]
    pub(super) fn admit<'e>(&self, event: EventRef<'e>) -> Result<EventRef<'e>, Error> {
        if let Some((cause, synced)) = self.core.log.failure()
            && event.position().0 > synced
        {
            return Err(Error::poisoned(cause));
        }
        event.check_plain()?;
        Ok(event)
    }

    /// The place of the record of an event; `None` past the watermark.
    pub(super) fn place_of(&self, position: u64) -> Option<Place> {
        let mut scan = super::scan::Frames::at(self, position)?;
        let frame = scan.next()?;
        let number = position.checked_sub(frame.commit.first_position().0)?;
        let event = frame.commit.events().nth(usize::try_from(number).ok()?)?;
        Some(Place(frame.place.0 + u64::from(event.offset())))
    }
}

/// The streams of a view; see [`View::streams`].
pub struct Streams<'v> {
    pinned: &'v Pinned,
    next: usize,
}

impl Iterator for Streams<'_> {
    type Item = (String, Head);

    fn next(&mut self) -> Option<(String, Head)> {
        loop {
            let keys = self.pinned.core.index.read();
            let (name, id, next) = keys.stream_from(self.next)?;
            let name = String::from_utf8_lossy(name).into_owned();
            drop(keys);
            self.next = next;
            if let Some(head) = self.pinned.head(id) {
                return Some((name, head));
            }
        }
    }
}

impl fmt::Debug for Streams<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Streams")
    }
}
