//! Which events of a consumer wait for one another.

/// Which events wait for one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Order {
    /// The events of a stream are handled one after another, streams side by side. One that fails holds back its stream alone.
    #[default]
    PerStream,
    /// All events are handled one after another. One that fails holds back all.
    Total,
    /// No event waits for another.
    None,
}
