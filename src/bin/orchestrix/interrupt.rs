//! Ctrl-C, and for some the polite kill, for commands that want to end in order: the first one sets a flag, a second one ends
//! the process at once, which a store survives.

use crate::failure::Failure;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether Ctrl-C was pressed.
#[derive(Clone, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Catches Ctrl-C from now on.
    pub(crate) fn install() -> Result<Self, Failure> {
        let interrupt = Self::default();
        interrupt.catch(SIGINT, 130, "catching Ctrl-C")?;
        Ok(interrupt)
    }

    /// As [`install`](Self::install), and SIGTERM sets the flag, too.
    pub(crate) fn install_for_both() -> Result<Self, Failure> {
        let interrupt = Self::install()?;
        interrupt.catch(SIGTERM, 143, "catching SIGTERM")?;
        Ok(interrupt)
    }

    fn catch(&self, signal: i32, status: i32, what: &str) -> Result<(), Failure> {
        // In this order the first one finds the flag unset and only the second one ends the process.
        flag::register_conditional_shutdown(signal, status, self.0.clone())
            .and_then(|_| flag::register(signal, self.0.clone()))
            .map_err(|e| Failure::io(what, &e))?;
        Ok(())
    }

    /// As if Ctrl-C had been pressed.
    #[cfg(test)]
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
