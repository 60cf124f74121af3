//! The lag of subscribers through the facade `metrics`, as a recorder of the program's receives it.

use metrics::{
    Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    with_local_recorder,
};
use orchestrix::Start;
use orchestrix::prelude::*;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Gauges by name and subscriber.
#[derive(Default)]
struct Gauges(Arc<Mutex<BTreeMap<(String, String), f64>>>);

struct Set(Arc<Mutex<BTreeMap<(String, String), f64>>>, (String, String));

impl GaugeFn for Set {
    fn increment(&self, _: f64) {
        panic!("gauges are set");
    }
    fn decrement(&self, _: f64) {
        panic!("gauges are set");
    }
    fn set(&self, value: f64) {
        self.0.lock().expect("a map").insert(self.1.clone(), value);
    }
}

impl Recorder for Gauges {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let label = key.labels().next().expect("a label");
        assert_eq!(label.key(), "subscriber");
        Gauge::from_arc(Arc::new(Set(self.0.clone(), (key.name().to_owned(), label.value().to_owned()))))
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn lags_are_gauges_by_name() {
    let store = Store::in_memory();
    let open = |name: &str| store.subscribe().name(name).start(Start::Beginning).open().expect("a cursor");
    let (mut behind, mut near, _far) = (open("mailer"), open("audit"), open("mailer"));
    for n in 0..10 {
        store.append("room-1", Any, NewEvent::raw("said", vec![n; 100])).wait().expect("an append");
    }
    store.sync().wait().expect("synced");
    for cursor in [&mut behind, &mut near] {
        while cursor.position() < Position(10) {
            cursor.poll_batch().expect("a batch").expect("open");
        }
    }
    let gauges = Gauges::default();
    with_local_recorder(&gauges, || store.record_metrics());
    let found = gauges.0.lock().expect("a map").clone();
    let gauge =
        |what: &str, name: &str| found[&(format!("orchestrix_subscriber_lag_{what}"), name.to_owned())];
    assert_eq!(
        (gauge("events", "audit"), gauge("bytes", "audit"), gauge("seconds", "audit")),
        (0.0, 0.0, 0.0)
    );
    // Of two mailers the one that has seen nothing.
    assert_eq!(gauge("events", "mailer"), 10.0);
    assert!(gauge("bytes", "mailer") > 1_000.0 && gauge("seconds", "mailer") > 0.0, "{found:?}");
    assert_eq!(found.len(), 6);
    drop(near);
    let gauges = Gauges::default();
    with_local_recorder(&gauges, || store.record_metrics());
    assert_eq!(gauges.0.lock().expect("a map").len(), 3, "who follows no more isn't told of");
}
