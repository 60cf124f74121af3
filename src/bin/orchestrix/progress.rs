//! Progress on standard error, if that is a terminal; nothing otherwise.

use crate::output::grouped;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

const REDRAWS_A_SECOND: u8 = 8;

/// A bar for input of a known length, else a spinner.
pub(crate) struct Progress {
    bar: ProgressBar,
    started: Instant,
}

impl Progress {
    /// Starts at zero of `bytes`.
    pub(crate) fn of_bytes(bytes: Option<u64>) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden(), started: Instant::now() };
        }
        let (bar, template) = match bytes {
            Some(bytes) => {
                (ProgressBar::new(bytes), "{bar:30} {percent:>3}% {bytes}/{total_bytes} {msg} (eta {eta})")
            }
            None => (ProgressBar::new_spinner(), "{spinner} {bytes} {msg}"),
        };
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(REDRAWS_A_SECOND));
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { bar, started: Instant::now() }
    }

    /// So many bytes of input and so many events are behind us.
    pub(crate) fn at(&self, bytes: u64, events: u64) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_position(bytes);
        self.bar.set_message(format!("{} events, {}/s", grouped(events), grouped(self.rate(events))));
    }

    /// Prints a line above the bar.
    pub(crate) fn note(&self, text: &str) {
        self.bar.suspend(|| crate::output::note(text));
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// `events` a second, so far.
    pub(crate) fn rate(&self, events: u64) -> u64 {
        let seconds = self.started.elapsed().as_secs_f64();
        if seconds > 0.0 { (events as f64 / seconds).round() as u64 } else { 0 }
    }
}
