//! Finding a place by time.

use super::scan::Frames;
use super::view::View;
use crate::Position;
use crate::error::Error;
use crate::event::new::nanos_of;
use std::time::SystemTime;

impl View {
    /// Position of the first event that was committed at a time or later; `None` if no event was. Where the clock went back,
    /// a commit counts as made at the latest time of those before it.
    ///
    /// # Errors
    /// `Corrupt`: the log is damaged there. `Io`.
    pub fn first_since(&self, time: SystemTime) -> Result<Option<Position>, Error> {
        let wanted = commit_time(time);
        let pinned = self.pinned();
        let until = pinned.look(|layers| layers.noted_until(wanted))?;
        let mut frames = match until {
            Some(place) => Frames::from(pinned, place),
            None => Frames::first(pinned),
        };
        while let Some(frame) = frames.next().transpose()? {
            if frame.commit.time() >= wanted {
                return Ok(Some(frame.commit.first_position()));
            }
        }
        Ok(None)
    }
}

/// A time as commits say it. Beyond what they can say, it is before or behind all of them.
pub(super) fn commit_time(time: SystemTime) -> i64 {
    nanos_of(time).unwrap_or(if time < SystemTime::UNIX_EPOCH { i64::MIN } else { i64::MAX })
}
