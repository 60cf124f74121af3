//! A week of earthquakes goes to a web service that fails at random, is stopped, and comes back: every quake arrives once, in the
//! order of its network, and what was given up meanwhile is redriven.
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Router, serve};
use orchestrix::prelude::*;
use orchestrix::{Durability, RetryPolicy};
use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;

static QUAKES: &str = include_str!("data/earthquakes.ndjson");

/// What the service has taken: ids by network, in the order in which they came, each once by its key.
#[derive(Default)]
struct Taken {
    networks: BTreeMap<String, Vec<String>>,
    keys: HashSet<String>,
    requests: u64,
    repeats: u64,
}

type Shared = Arc<Mutex<Taken>>;

/// Refuses every seventh request; takes one whose key it has seen without doing anything.
async fn take(
    State(taken): State<Shared>,
    Path(network): Path<String>,
    headers: HeaderMap,
    id: String,
) -> StatusCode {
    let mut taken = taken.lock().expect("no panic");
    taken.requests += 1;
    if taken.requests % 7 == 0 {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let Some(key) = headers.get("idempotency-key").and_then(|key| key.to_str().ok()) else {
        return StatusCode::BAD_REQUEST;
    };
    if taken.keys.insert(key.to_owned()) {
        taken.networks.entry(network).or_default().push(id);
    } else {
        taken.repeats += 1;
    }
    StatusCode::OK
}

/// The service, until it is told to stop.
struct Service {
    stop: oneshot::Sender<()>,
    runs: tokio::task::JoinHandle<std::io::Result<()>>,
    address: SocketAddr,
}

impl Service {
    async fn start(address: SocketAddr, taken: &Shared) -> std::io::Result<Self> {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(64)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let routes = Router::new().route("/{network}", post(take)).with_state(taken.clone());
        let server = serve(listener, routes).with_graceful_shutdown(async { drop(stopped.await) });
        Ok(Self { stop, runs: tokio::spawn(server.into_future()), address })
    }

    async fn stop(self) -> Result<SocketAddr, BoxError> {
        self.stop.send(()).map_err(|()| "it has ended by itself")?;
        self.runs.await??;
        Ok(self.address)
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let dir = tempfile::tempdir()?;
    let store = Store::options().durability(Durability::Process).open(dir.path())?;
    let mut expected = BTreeMap::<String, Vec<String>>::new();
    let mut last = Position::START;
    for line in QUAKES.lines() {
        let quake: serde_json::Value = serde_json::from_str(line)?;
        let text =
            |pointer: &str| quake.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default();
        let (id, network) = (text("/id").to_owned(), text("/data/net").to_owned());
        let event = NewEvent::raw("quake", line.as_bytes()).id(id.as_str());
        last = store.append(format!("quakes-{network}"), Any, event).await?.position();
        expected.entry(network).or_default().push(id);
    }

    let taken = Shared::default();
    let service = Service::start(SocketAddr::from(([127, 0, 0, 1], 0)), &taken).await?;
    let address = service.address;
    // One connection a request, so that a service that stops is noticed.
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(5)))
        .max_idle_connections(0)
        .build()
        .into();
    let webhook = Consumer::named("webhook")
        .category("quakes")
        .workers(4)
        .retry(
            RetryPolicy::exponential(Duration::from_millis(1), 2.0, Duration::from_millis(8))?.max_retries(3),
        )
        .handle(move |event: Delivery| {
            let (_, network) = event.stream().split_once('-').unwrap_or_default();
            agent
                .post(format!("http://{address}/{network}"))
                .header("idempotency-key", event.idempotency_key())
                .send(event.event().id().to_string())?;
            Ok(Ack)
        })
        .start(&store)?;

    // Half of it, then the service is gone for as long as it takes to give up on something.
    webhook.wait_for(Position(last.0 / 2)).await?;
    let address = service.stop().await?;
    while webhook.status().parked < 20 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let service = Service::start(address, &taken).await?;
    webhook.wait_for(last).await?;

    let letters = store.dead_letters().of("webhook");
    let parked = letters.count().await?;
    let first = letters.list().await?;
    println!(
        "{parked} dead letters, the first one since: {}",
        first.first().map_or("", |letter| &letter.reason)
    );
    let mut redriven = 0;
    while letters.count().await? > 0 {
        redriven += webhook.dead_letters().redrive_all().await?;
    }
    webhook.shutdown(Duration::from_secs(10)).await?;
    service.stop().await?;
    store.close().await?;

    let taken = taken.lock().expect("no panic");
    println!(
        "{} quakes of {} networks in {} requests, {} of them repeats; {redriven} redriven",
        taken.keys.len(),
        taken.networks.len(),
        taken.requests,
        taken.repeats
    );
    assert!(parked >= 20 && redriven == parked);
    assert!(taken.networks == expected, "every quake once, in the order of its network");
    Ok(())
}
