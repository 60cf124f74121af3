//! Reading: a view pins a watermark and lends events from the mapped log.

use super::core::Core;
use super::events::Events;
use super::key_events::KeyEvents;
use super::receipt::Head;
use super::scan::Frames;
use super::stream_events::StreamEvents;
use super::streams::Streams;
use crate::error::Error;
use crate::event::EventRef;
use crate::index::{Damaged, Key, KeyKind, Layers};
use crate::log::{Base, Place, Table, Wanted};
use crate::medium::load_both;
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

/// Behind fewer events a walk is as fast.
const WORTH_THE_RUNS: u64 = 4_096;

/// What a view holds on to.
pub(super) struct Pinned {
    pub(super) core: Arc<Core>,
    pub(super) table: Arc<Table>,
    layers: Arc<Layers>,
    pub(super) position: u64,
    /// The first byte after the last frame that is seen.
    pub(super) end: Place,
}

impl View {
    pub(super) fn committed(core: &Arc<Core>) -> Self {
        if core.log.failure().is_some() {
            return Self::synced(core);
        }
        Self::written(core)
    }

    /// Everything that was written, whatever became of a sync.
    pub(super) fn written(core: &Arc<Core>) -> Self {
        let layers = core.index.layers();
        let through = layers.through();
        Self::pin(core, layers, through.position, through.place)
    }

    pub(super) fn synced(core: &Arc<Core>) -> Self {
        match core.log.write_side() {
            Ok(side) => {
                let mark = side.sync.mark();
                let place = core.log.geometry.place(mark.segment, mark.offset);
                Self::pin(core, core.index.layers(), mark.synced, place)
            }
            Err(_) => {
                let layers = core.index.layers();
                let through = layers.through();
                let position = core.read_only_synced;
                if position >= through.position {
                    return Self::pin(core, layers, through.position, through.place);
                }
                let view = Self::pin(core, layers.clone(), through.position, through.place);
                // Where the next frame can't be found, what is synced is bounded by positions alone.
                let end = view.0.frame_of(position + 1).ok().flatten().unwrap_or(through.place);
                Self::pin(core, layers, position, end)
            }
        }
    }

    /// What the runs cover, if reading by them may save something: of what is wanted, they have a large part and nothing more.
    /// With the epoch of their last frame. Takes no lock.
    pub(super) fn of_runs(core: &Arc<Core>, wanted: Wanted) -> Option<(Self, u64)> {
        let layers = core.index.layers_now();
        let run = layers.runs().last()?;
        let (last, epoch) = (run.covered().last_position, run.covered().epoch);
        if last > wanted.through || last < wanted.after.saturating_add(WORTH_THE_RUNS) {
            return None;
        }
        let layers = Arc::new(core.index.runs_only(&layers));
        let through = layers.through();
        let table = core.log.table();
        if table.first() > layers.base().first_segment() {
            // A retention is under way: the walk finds out what is there.
            return None;
        }
        let (position, end) = (through.position, through.place);
        Some((Self(Arc::new(Pinned { core: core.clone(), table, layers, position, end })), epoch))
    }

    fn pin(core: &Arc<Core>, layers: Arc<Layers>, position: u64, end: Place) -> Self {
        // Layers that are older than a retention are taken anew, with more behind the end of the view.
        let mut layers = Some(layers);
        let (layers, table) = load_both(
            || layers.take().unwrap_or_else(|| core.index.layers()),
            || core.log.table(),
            |layers, table| table.first() > layers.base().first_segment(),
        );
        Self(Arc::new(Pinned { core: core.clone(), table, layers, position, end }))
    }

    /// Position of the last event that is seen; [`Position::START`] if there is none.
    pub fn watermark(&self) -> Position {
        Position(self.0.position)
    }

    /// Position of the first event that is there, or will be: 1, unless retention has removed events.
    pub fn first_position(&self) -> Position {
        self.0.first_position()
    }

    /// All events that are there, in order.
    pub fn all(&self) -> Events<'_> {
        Events::scan(&self.0)
    }

    pub(super) fn base(&self) -> &Base {
        self.0.layers.base()
    }

    pub(super) fn pinned(&self) -> &Pinned {
        &self.0
    }

    /// The events of a stream, in order: those that are there. A stream that isn't there has none.
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

    /// The newest event of a stream, also if retention has removed it; `None` if there never was such a stream.
    ///
    /// # Errors
    /// `Corrupt`: the log is damaged where that event stands. `Io`.
    pub fn head(&self, stream: impl AsRef<str>) -> Result<Option<Head>, Error> {
        self.0.head(stream.as_ref())
    }

    /// The streams, in the order of their first events, each with its newest event. A stream that retention has emptied is one
    /// of them.
    pub fn streams(&self) -> Streams<'_> {
        Streams::new(&self.0)
    }

    /// How many streams there are.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub fn stream_count(&self) -> Result<u64, Error> {
        if self.0.layers.through().position == self.0.position {
            return Ok(self.0.layers.streams());
        }
        self.streams().try_fold(0, |count, stream| stream.map(|_| count + 1))
    }

    pub(super) fn key_events_of(&self, key: Key<'_>) -> KeyEvents<'_> {
        KeyEvents::new(&self.0, key)
    }

    fn key_events(&self, kind: KeyKind, name: &str) -> KeyEvents<'_> {
        self.key_events_of(Key { kind, name: name.as_bytes() })
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("watermark", &self.0.position).finish_non_exhaustive()
    }
}

impl Pinned {
    /// Looks something up as of this view.
    #[inline]
    pub(super) fn look<T>(&self, look: impl Fn(&Layers) -> Result<T, Damaged>) -> Result<T, Error> {
        self.core.look(&self.layers, look)
    }

    pub(super) fn layers(&self) -> &Layers {
        &self.layers
    }

    /// Position of the first event that retention hasn't removed.
    pub(super) fn first_position(&self) -> Position {
        Position(self.layers.base().first_position())
    }

    /// How many events the view sees.
    pub(super) fn event_count(&self) -> u64 {
        (self.position + 1).saturating_sub(self.first_position().0)
    }

    /// Whether everything behind a position is there.
    ///
    /// # Errors
    /// `Truncated`.
    pub(super) fn check_after(&self, position: Position) -> Result<(), Error> {
        let (next, first) = (Position(position.0.saturating_add(1)), self.first_position());
        if position == Position::START || next >= first { Ok(()) } else { Err(Error::truncated(next, first)) }
    }

    pub(super) fn head(&self, stream: &str) -> Result<Option<Head>, Error> {
        let key = Key { kind: KeyKind::Stream, name: stream.as_bytes() };
        let hash = self.core.index.hash(key.name);
        if let Some((tail, id)) = self.layers.newest_tail(key, hash) {
            let keys = tail.read();
            if keys.last(id).is_some_and(|last| last < self.end)
                && let Some(position) = keys.last_position(id)
            {
                return Ok(Some(Head::new(Revision(keys.count(id) - 1), Position(position))));
            }
        }
        // The newest event that this view sees is an older one, or stands in a run, or was removed.
        if let Some(head) = KeyEvents::new(self, key).head()? {
            return Ok(Some(head));
        }
        let lost = self.layers.base().find(key.name);
        Ok(lost.map(|lost| Head::new(Revision(lost.next - 1), Position(lost.last_position))))
    }

    /// Lends the event at a place that the index gave, if it may be handed out.
    #[inline]
    pub(super) fn lend(&self, place: Place) -> Result<EventRef<'_>, Error> {
        self.admit(self.core.event_at(&self.table, place)?)
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

    /// The place of the frame that holds an event; `None` past the watermark.
    fn frame_of(&self, position: u64) -> Result<Option<Place>, Error> {
        let Some(mut frames) = Frames::at(self, position)? else { return Ok(None) };
        Ok(frames.next().transpose()?.map(|frame| frame.place))
    }

    /// The place of the record of an event; `None` past the watermark.
    pub(super) fn place_of(&self, position: u64) -> Result<Option<Place>, Error> {
        let Some(mut frames) = Frames::at(self, position)? else { return Ok(None) };
        let Some(frame) = frames.next().transpose()? else { return Ok(None) };
        let number = position.checked_sub(frame.commit.first_position().0);
        let event = number.and_then(|number| frame.commit.events().nth(usize::try_from(number).ok()?));
        Ok(event.map(|event| Place(frame.place.0 + u64::from(event.offset()))))
    }
}
