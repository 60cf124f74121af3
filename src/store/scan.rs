//! Walks the frames that a view sees, from any position on, without the index's postings.

use super::view::Pinned;
use crate::error::Error;
use crate::log::{FRAMES_AT, Place, Walk, Walked};

/// The frames of a view from some place on.
#[derive(Clone)]
pub(super) struct Frames<'v> {
    pinned: &'v Pinned,
    walk: Walk<'v>,
}

impl<'v> Frames<'v> {
    /// Begins at the frame that holds `position`; `None` past the watermark.
    pub(super) fn at(pinned: &'v Pinned, position: u64) -> Result<Option<Self>, Error> {
        if position == 0 || position > pinned.position {
            return Ok(None);
        }
        let noted = pinned.look(|layers| layers.noted_before(position))?;
        let Some(place) = noted else { return Ok(None) };
        let mut frames = Self::from(pinned, place);
        loop {
            let before = frames.clone();
            match frames.next().transpose()? {
                None => return Ok(None),
                Some(frame) if frame.commit.last_position().0 >= position => return Ok(Some(before)),
                Some(_) => {}
            }
        }
    }

    /// Begins at the first frame that is there.
    pub(super) fn first(pinned: &'v Pinned) -> Self {
        let geometry = pinned.core.log.geometry;
        Self::from(pinned, geometry.place(pinned.layers().base().first_segment(), FRAMES_AT))
    }

    /// Begins at the frame at `place`.
    pub(super) fn from(pinned: &'v Pinned, place: Place) -> Self {
        Self { pinned, walk: Walk::from(&pinned.table, pinned.core.log.geometry, place) }
    }

    /// The next frame, up to the watermark.
    #[inline]
    pub(super) fn next(&mut self) -> Option<Result<Walked<'v>, Error>> {
        self.walk.next(self.pinned.end)
    }
}
