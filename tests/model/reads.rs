//! Compares what a view shows with the model.

use crate::ops::{CATEGORIES, Read, STREAMS, TYPES, What};
use crate::plain::Plain;
use orchestrix::prelude::*;
use orchestrix::{Error, Events, Head, StreamEvents, View};
use std::collections::VecDeque;

/// Steps before a bound that is set late.
const STEPS_BEFORE: usize = 3;

/// Both kinds of iterators.
#[expect(clippy::large_enum_variant, reason = "one of each, on the stack")]
enum Shown<'v> {
    Stream(StreamEvents<'v>),
    Events(Events<'v>),
}

impl<'v> Shown<'v> {
    fn of(view: &'v View, what: What) -> Self {
        match what {
            What::All => Self::Events(view.all()),
            What::Stream(n) => {
                Self::Stream(view.stream(STREAMS.get(usize::from(n)).copied().unwrap_or("none-1")))
            }
            What::Category(n) => Self::Events(view.category(CATEGORIES[usize::from(n)])),
            What::Type(n) => Self::Events(view.event_type(TYPES[usize::from(n)])),
        }
    }

    fn step(&mut self, back: bool) -> Option<Result<EventRef<'v>, Error>> {
        match (self, back) {
            (Self::Stream(events), false) => events.next(),
            (Self::Stream(events), true) => events.next_back(),
            (Self::Events(events), false) => events.next(),
            (Self::Events(events), true) => events.next_back(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Stream(events) => events.len(),
            Self::Events(events) => events.len(),
        }
    }

    /// A stream from and up to revisions, inclusive; others after and before positions, exclusive.
    fn bound(self, low: Option<u64>, high: Option<u64>) -> Self {
        match self {
            Self::Stream(mut events) => {
                events = low.into_iter().fold(events, |events, low| events.from(Revision(low)));
                Self::Stream(high.into_iter().fold(events, |events, high| events.up_to(Revision(high))))
            }
            Self::Events(mut events) => {
                events = low.into_iter().fold(events, |events, low| events.after(Position(low)));
                Self::Events(high.into_iter().fold(events, |events, high| events.before(Position(high))))
            }
        }
    }
}

/// A part of what is there: from 0 to a little past the end, or far beyond it.
pub(crate) fn scaled(part: u16, count: usize) -> u64 {
    match part {
        65_000.. => u64::MAX,
        60_000.. => u64::from(part),
        _ => u64::from(part) * (count as u64 + 2) / 60_000,
    }
}

/// One read of a view that sees the first `seen` events.
pub(crate) fn check_read(plain: &mut Plain, view: &View, seen: usize, read: &Read) {
    let gone = gone(view);
    let mut expected: VecDeque<u64> = plain.select(read.what, gone, seen).into();
    let is_stream = matches!(read.what, What::Stream(_));
    let of = if is_stream { plain.select(read.what, 0, seen).len() } else { seen };
    let (low, high) = (read.low.map(|part| scaled(part, of)), read.high.map(|part| scaled(part, of)));
    let mut ends = (0..64).cycle().map(|bit| read.ends & (1 << bit) != 0);
    let mut shown = Shown::of(view, read.what);
    let bounded = |plain: &Plain, position: &u64| {
        if is_stream {
            let revision = plain.events[*position as usize - 1].revision;
            low.is_none_or(|low| revision >= low) && high.is_none_or(|high| revision <= high)
        } else {
            low.is_none_or(|low| *position > low) && high.is_none_or(|high| *position < high)
        }
    };
    let before = if read.late { STEPS_BEFORE } else { 0 };
    for _ in 0..before {
        step(plain, &mut shown, &mut expected, ends.next().expect("endless"), read);
    }
    shown = shown.bound(low, high);
    let is_gone = |low: u64| match read.what {
        What::Stream(n) => {
            STREAMS.get(usize::from(n)).is_some_and(|stream| low < plain.gone_of(stream, gone))
        }
        _ => low > 0 && low < gone,
    };
    if low.is_some_and(is_gone) {
        let ends = [ends.next().expect("endless"), false, true];
        let items = ends.map(|back| shown.step(back));
        assert_truncated(items, gone);
        return;
    }
    expected.retain(|position| bounded(plain, position));
    while !expected.is_empty() {
        step(plain, &mut shown, &mut expected, ends.next().expect("endless"), read);
    }
    for back in [false, true, false] {
        step(plain, &mut shown, &mut expected, back, read);
    }
}

/// How many events retention had removed when a view was taken.
pub(crate) fn gone(view: &View) -> u64 {
    view.first_position().0 - 1
}

/// The only item says that what was asked for is gone.
pub(crate) fn assert_truncated(items: [Option<Result<EventRef<'_>, Error>>; 3], gone: u64) {
    let [first, rest @ ..] = items;
    let error = first.expect("an item").expect_err("an error");
    assert!(error.is_truncated() && error.first_position() == Some(Position(gone + 1)), "{error}");
    assert!(rest.iter().all(Option::is_none), "{rest:?}");
}

fn step(plain: &mut Plain, shown: &mut Shown<'_>, expected: &mut VecDeque<u64>, back: bool, read: &Read) {
    assert_eq!(shown.len(), expected.len(), "{read:?}");
    let position = if back { expected.pop_back() } else { expected.pop_front() };
    match (shown.step(back), position) {
        (None, None) => {}
        (Some(event), Some(position)) => plain.assert_is(position, event.expect("an event")),
        (event, position) => panic!("expected position {position:?}, found {event:?} in {read:?}"),
    }
}

/// Heads, streams and counts of a view that sees the first `seen` events.
pub(crate) fn check_heads(plain: &Plain, view: &View, seen: usize) {
    assert_eq!(view.watermark(), Position(seen as u64));
    let mut streams: Vec<(String, Head)> = Vec::new();
    for (number, event) in plain.events[..seen].iter().enumerate() {
        let head = Head::new(Revision(event.revision), Position(number as u64 + 1));
        match streams.iter_mut().find(|(name, _)| name == event.stream) {
            Some((_, known)) => *known = head,
            None => streams.push((event.stream.to_owned(), head)),
        }
    }
    for stream in STREAMS.into_iter().chain(["none-1", "cart"]) {
        let head = streams.iter().find(|(name, _)| name == stream).map(|(_, head)| *head);
        assert_eq!(view.head(stream).expect("a head"), head, "head of {stream}");
    }
    assert_eq!(view.stream_count().expect("a count"), streams.len() as u64);
    assert_eq!(
        view.streams().collect::<Result<Vec<_>, _>>().expect("streams"),
        streams,
        "in the order of their first events"
    );
}

/// Everything that a view shows: each event once forward and once backward, and every other way to it.
pub(crate) fn check_all(plain: &mut Plain, view: &View, seen: usize) {
    check_heads(plain, view, seen);
    for ends in [0, u64::MAX] {
        let read = Read { view: 0, what: What::All, low: None, high: None, late: false, ends };
        check_read(plain, view, seen, &read);
    }
    let streams = (0..STREAMS.len()).map(|n| What::Stream(n as u8));
    let categories = (0..CATEGORIES.len()).map(|n| What::Category(n as u8));
    let types = (0..TYPES.len()).map(|n| What::Type(n as u8));
    for what in streams.chain(categories).chain(types) {
        let expected = plain.select(what, gone(view), seen);
        let mut shown = Shown::of(view, what);
        let positions: Vec<_> = std::iter::from_fn(|| shown.step(false))
            .map(|event| event.expect("an event").position().0)
            .collect();
        assert_eq!(positions, expected, "{what:?}");
    }
}
