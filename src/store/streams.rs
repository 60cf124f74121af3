//! The streams of a view, layer by layer, each where its first event is.

use super::core::check_base;
use super::receipt::Head;
use super::view::Pinned;
use crate::error::Error;
use crate::index::{Damaged, KeyKind, Layers, Run, Tail};
use crate::log::{Base, Place};
use std::fmt;
use std::sync::Arc;

/// The streams of a view; see [`View::streams`](crate::View::streams).
pub struct Streams<'v> {
    pinned: &'v Pinned,
    /// Layers that are left, the next one last.
    layers: Vec<Layer>,
    current: Option<(Layer, Order)>,
}

enum Layer {
    Base(Arc<Base>),
    Run(Arc<Run>),
    Tail(Arc<Tail>),
}

/// Where to go on in a layer.
enum Order {
    /// Number of the next key of a tail.
    From(usize),
    /// Number of the next stream of a base.
    Lost(u64),
    /// Numbers of slots of a run, the next one last.
    Slots(Vec<u32>),
}

impl<'v> Streams<'v> {
    pub(super) fn new(pinned: &'v Pinned) -> Self {
        Self { pinned, layers: all(pinned.layers()), current: None }
    }

    /// The next layer that has streams of its own. A run that is damaged is made again; its streams are then those of the runs
    /// that took its place.
    fn enter(&mut self, layer: Layer) -> Result<(), Error> {
        let order = match &layer {
            Layer::Base(_) => Order::Lost(0),
            Layer::Tail(_) => Order::From(0),
            Layer::Run(run) => match new_streams(run) {
                Ok(slots) => Order::Slots(slots),
                Err(damaged) => {
                    let range = (run.covered().first_segment, run.covered().next_segment());
                    let fits = |run: &Run| {
                        run.covered().first_segment >= range.0 && run.covered().next_segment() <= range.1
                    };
                    self.pinned.core.mend(&damaged)?;
                    let now = self.pinned.core.index.layers();
                    check_base(self.pinned.layers(), &now)?;
                    let again = now.runs().iter().rev().filter(|run| fits(run));
                    self.layers.extend(again.cloned().map(Layer::Run));
                    return Ok(());
                }
            },
        };
        self.current = Some((layer, order));
        Ok(())
    }
}

fn all(layers: &Layers) -> Vec<Layer> {
    let tails = layers.frozen().iter().chain([layers.tail()]).rev().cloned().map(Layer::Tail);
    let runs = layers.runs().iter().rev().cloned().map(Layer::Run);
    tails.chain(runs).chain([Layer::Base(layers.base().clone())]).collect()
}

/// The slots of the streams whose first event is in a run, the first one last.
fn new_streams(run: &Run) -> Result<Vec<u32>, Damaged> {
    run.check_all()?;
    let mut found: Vec<(Place, u32)> = Vec::new();
    for number in 0..run.keys() {
        let slot = run.slot(number)?;
        if slot.kind == KeyKind::Stream as u8 && slot.earlier == 0 {
            let mut first = [Place(0)];
            run.copy(&slot, 0, &mut first)?;
            found.push((first[0], number));
        }
    }
    found.sort_unstable_by_key(|(place, _)| std::cmp::Reverse(*place));
    Ok(found.into_iter().map(|(_, number)| number).collect())
}

/// The next stream of a layer.
fn next_of(layer: &Layer, order: &mut Order) -> Option<String> {
    match (layer, order) {
        (Layer::Base(base), Order::Lost(n)) => {
            if *n == base.stream_count() {
                return None;
            }
            *n += 1;
            Some(String::from_utf8_lossy(base.stream(*n - 1).name).into_owned())
        }
        (Layer::Tail(tail), Order::From(from)) => {
            let keys = tail.read();
            let (name, next) = keys.new_stream_from(*from)?;
            *from = next;
            Some(String::from_utf8_lossy(name).into_owned())
        }
        (Layer::Run(run), Order::Slots(slots)) => {
            let slot = run.slot(slots.pop()?).ok()?;
            Some(String::from_utf8_lossy(run.name(&slot).ok()?).into_owned())
        }
        _ => None,
    }
}

impl Iterator for Streams<'_> {
    type Item = Result<(String, Head), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((layer, order)) = &mut self.current else {
                let layer = self.layers.pop()?;
                if let Err(error) = self.enter(layer) {
                    self.layers.clear();
                    return Some(Err(error));
                }
                continue;
            };
            match next_of(layer, order) {
                None => self.current = None,
                Some(name) => match self.pinned.head(&name) {
                    Ok(Some(head)) => return Some(Ok((name, head))),
                    Ok(None) => {}
                    Err(error) => return Some(Err(error)),
                },
            }
        }
    }
}

impl fmt::Debug for Streams<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Streams")
    }
}
