//! Every byte of a small store is damaged, one at a time, and its segment is cut at every length. Then it is looked at in
//! every way: what comes back is the right content or an error that names the place, never a panic, wrong data or a
//! shorter log (F18, F47, F52, F53).

use orchestrix::prelude::*;
use orchestrix::testing::Machine;
use orchestrix::{Error, ErrorKind, Options, StreamEvents};

const SEGMENT: &str = "log/00000000000000000000.seg";
const STREAMS: [&str; 3] = ["account-1", "account-2", "order-7"];

fn options() -> Options {
    Store::options().segment_bytes(8 << 10)
}

/// Everything about an event that a reader sees.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    position: u64,
    stream: String,
    revision: u64,
    event_type: String,
    id: String,
    data: Vec<u8>,
    tags: Vec<String>,
    correlation: Option<String>,
}

fn seen(event: EventRef<'_>) -> Seen {
    Seen {
        position: event.position().0,
        stream: event.stream().to_owned(),
        revision: event.revision().0,
        event_type: event.event_type().to_owned(),
        id: event.id().to_string(),
        data: event.data().to_vec(),
        tags: event.tags().map(str::to_owned).collect(),
        correlation: event.correlation().map(|id| id.to_string()),
    }
}

/// A store of one segment with a dozen commits, all of them acknowledged; closed, or not.
fn machine(closed: bool) -> Machine {
    let machine = Machine::new(11);
    let store = machine.open(options()).unwrap();
    for n in 0..10_u32 {
        let data = n.to_le_bytes().repeat(5);
        let event = NewEvent::raw("counted", &data).id(format!("event-{n}-with-a-long-id"));
        let event = if n % 3 == 0 { event.tag("red").tag("blue").correlation("story") } else { event };
        store.append(STREAMS[n as usize % 3], Any, event).wait().unwrap();
    }
    let both = store.transaction().append("account-1", Any, [NewEvent::raw("moved", b"-5").id("m1")]);
    both.append("account-2", Any, [NewEvent::raw("moved", b"+5").id("m2")]).commit().wait().unwrap();
    store.append("order-7", Any, NewEvent::raw("last", b"the very last").id("last")).wait().unwrap();
    if closed {
        store.close().wait().unwrap();
    }
    machine
}

/// All files: paths and bytes.
type Disk = Vec<(String, Vec<u8>)>;

fn files(machine: &Machine) -> Disk {
    machine.files().into_iter().map(|path| (path.clone(), machine.read_file(&path).unwrap())).collect()
}

fn machine_with(files: &Disk) -> Machine {
    let machine = Machine::new(12);
    files.iter().for_each(|(path, bytes)| machine.put_file(path, bytes));
    machine
}

fn everything(store: &Store) -> Result<Vec<Seen>, Error> {
    store.view().all().map(|event| event.map(seen)).collect()
}

/// Reads a store in every way that there is and compares it with what it must hold.
fn read_all_ways(store: &Store, wanted: &[Seen]) -> Result<(), Error> {
    let view = store.view();
    let forward: Vec<Seen> = everything(store)?;
    assert_eq!(forward, wanted, "the log, forward");
    let mut backward: Vec<Seen> = view.all().rev().map(|event| event.map(seen)).collect::<Result<_, _>>()?;
    backward.reverse();
    assert_eq!(backward, wanted, "the log, backward");
    let of = |events: StreamEvents<'_>| events.map(|event| event.map(seen)).collect::<Result<Vec<_>, _>>();
    for stream in STREAMS {
        let own: Vec<Seen> = wanted.iter().filter(|event| event.stream == stream).cloned().collect();
        assert_eq!(of(view.stream(stream))?, own, "{stream}");
        assert_eq!(view.head(stream).map(|head| head.revision.0 + 1), Some(own.len() as u64), "{stream}");
        let newest: Vec<Seen> =
            view.stream(stream).rev().take(1).map(|e| e.map(seen)).collect::<Result<_, _>>()?;
        assert_eq!(newest.as_slice(), &own[own.len() - 1..], "{stream}");
    }
    let accounts = view.category("account").map(|event| event.map(seen)).collect::<Result<Vec<_>, _>>()?;
    assert!(
        accounts.iter().eq(wanted.iter().filter(|event| event.stream.starts_with("account-"))),
        "a category"
    );
    let moved = view.event_type("moved").map(|event| event.map(seen)).collect::<Result<Vec<_>, _>>()?;
    assert!(moved.iter().eq(wanted.iter().filter(|event| event.event_type == "moved")), "a type");
    Ok(())
}

/// An error that says where: damage with its file, or a later version with its file in the text.
fn names_a_place(error: &Error, path: &str) {
    match error.kind() {
        ErrorKind::Corrupt => {
            let corruption = error.corruption().expect("Corrupt has its facts");
            assert_eq!(corruption.file.to_str(), Some(path), "{error}");
        }
        ErrorKind::Unsupported => assert!(error.to_string().contains(path), "{error}"),
        kind => panic!("{kind:?}: {error}"),
    }
}

/// Looks at a store whose file `path` was damaged. Whether anybody noticed.
fn look(machine: &Machine, path: &str, wanted: &[Seen]) -> bool {
    let mut noticed = false;
    let mut meet = |result: Result<(), Error>| {
        if let Err(error) = result {
            names_a_place(&error, path);
            noticed = true;
        }
    };
    match machine.verify() {
        Ok(report) if report.is_clean() => {
            assert_eq!(report.events, wanted.len() as u64);
            meet(Ok(()));
            if report.tail_bytes > 0 {
                noticed = true;
            }
        }
        Ok(report) => {
            noticed = true;
            for problem in &report.problems {
                assert_eq!(problem.file.to_str(), Some(path), "{problem}");
            }
        }
        Err(error) => meet(Err(error)),
    }
    for options in [Store::options().read_only(), options()] {
        let opened = machine.open(options);
        let read = opened.and_then(|store| read_all_ways(&store, wanted));
        if let Err(error) = read {
            names_a_place(&error, path);
            noticed = true;
        }
    }
    noticed
}

/// Where a flip may go unnoticed: places that testify or are rewritten, and that nothing is read from.
fn is_hint(path: &str, at: usize) -> bool {
    match path {
        "lock" => true,
        // The live words and the two slots of the mark; what lies between them.
        "watermark" => at >= 508,
        // A torn seal is written again.
        SEGMENT => (512..1024).contains(&at),
        _ => false,
    }
}

fn flip_each_byte(closed: bool, bits: fn(usize) -> u8) {
    let original = files(&machine(closed));
    let store = machine_with(&original).open(Store::options().read_only()).unwrap();
    let wanted = everything(&store).unwrap();
    assert_eq!(wanted.len(), 13);
    assert!(original.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() <= 16 << 10);
    for (index, (path, bytes)) in original.iter().enumerate() {
        for at in 0..bytes.len() {
            let mut damaged = original.clone();
            damaged[index].1[at] ^= bits(at);
            let machine = machine_with(&damaged);
            let noticed =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| look(&machine, path, &wanted)));
            match noticed {
                Ok(noticed) => assert!(noticed || is_hint(path, at), "{path} at {at}: nobody noticed"),
                Err(_) => panic!("{path} at {at}, closed {closed}: see above"),
            }
        }
    }
}

#[test]
fn one_bit_of_a_closed_store() {
    flip_each_byte(true, |at| 1 << (at % 8));
}

#[test]
fn one_byte_of_a_closed_store() {
    flip_each_byte(true, |_| 0xFF);
}

#[test]
fn one_bit_of_a_killed_store() {
    flip_each_byte(false, |at| 1 << (at * 5 % 8));
}

/// F18, F20: a segment of any other length than its own holds acknowledged data that is missing.
#[test]
fn a_segment_of_every_length() {
    for closed in [true, false] {
        let original = files(&machine(closed));
        let wanted = everything(&machine_with(&original).open(options()).unwrap()).unwrap();
        let whole = original.iter().find(|(path, _)| path == SEGMENT).unwrap().1.clone();
        for length in (0..whole.len()).chain([whole.len() + 1, 2 * whole.len()]) {
            let machine = machine_with(&original);
            let mut bytes = whole.clone();
            bytes.resize(length, 0);
            machine.put_file(SEGMENT, &bytes);
            assert!(look(&machine, SEGMENT, &wanted), "length {length}: nobody noticed");
        }
    }
}
