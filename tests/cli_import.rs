//! `import` from outside: what it takes, what it refuses, and that nothing is added twice. The yardstick is what `read`
//! prints: two stores of which it prints the same hold the same.

#[path = "cli/run.rs"]
#[allow(dead_code, reason = "shared by several tests")]
mod run;

use orchestrix::prelude::*;
use run::{Place, event, quakes};
use serde_json::{Value, json};
use std::fs;

/// CloudEvents of every shape.
fn shapes() -> String {
    [
        json!({"specversion": "1.0", "id": "1", "source": "/a", "type": "t", "streamid": "shapes-1"}),
        json!({"specversion": "1.0", "id": "2", "source": "/a", "type": "t", "streamid": "shapes-1", "data": null}),
        json!({"specversion": "1.0", "id": "3", "source": "/a", "type": "t", "streamid": "shapes-1", "data": "text"}),
        json!({"specversion": "1.0", "id": "4", "source": "/a", "type": "t", "subject": "shapes-2", "data": {"a": [1, 2.50, -0.0, 1e3]}}),
        json!({"specversion": "1.0", "id": "5", "source": "shapes-3", "type": "t", "data_base64": "AAECAwQ="}),
        json!({"specversion": "1.0", "id": "6", "source": "/a", "type": "t", "streamid": "shapes-1", "datacontenttype": "text/plain", "data": "plain \u{1F30B} text"}),
        json!({"specversion": "1.0", "id": "7", "source": "/a", "type": "t", "streamid": "shapes-1", "datacontenttype": "image/png", "data_base64": "iVBORw0KGgo="}),
        json!({"specversion": "1.0", "id": "8", "source": "/a", "type": "t", "streamid": "shapes-1", "time": "2024-01-02T03:04:05.500+02:00"}),
        json!({"specversion": "1.0", "id": "9", "source": "/a", "type": "t", "streamid": "shapes-1", "dataschema": "https://example.com/schema", "correlationid": "c-1", "causationid": "0190d8f2-5a5b-7c3d-9e4f-0123456789ab", "tags": "a,b"}),
        json!({"specversion": "1.0", "id": "10", "source": "/a", "type": "t", "streamid": "shapes-1", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "custom": "x", "anumber": -7, "truth": true}),
        json!({"specversion": "1.0", "id": "0190d8f2-5a5b-7c3d-9e4f-0123456789ab", "source": "/a", "type": "t", "streamid": "über-straße-1", "data": {"ключ": "значение"}}),
    ]
    .map(|event| event.to_string() + "\n")
    .concat()
}

/// What `read` printed, without what differs from store to store: when what has no time of its own was committed.
fn without_times(read: &str) -> Vec<Value> {
    read.lines()
        .map(|line| {
            let mut event: Value = serde_json::from_str(line).expect(line);
            event.as_object_mut().expect("an object").remove("time");
            event
        })
        .collect()
}

#[test]
fn what_read_prints_import_takes_back_unchanged() {
    for (input, events) in [(fs::read_to_string(quakes()).unwrap(), 1_707), (shapes(), 11)] {
        let (first, second) = (Place::new(), Place::new());
        first.run_with(&["import"], &input).ended(0);
        let read = first.all();
        assert_eq!(read.lines().count(), events);
        let again = first.run_with(&["import", "--json"], &read).ended(0).json();
        assert_eq!((&again["added"], &again["skipped"]), (&0.into(), &events.into()), "into the same store");
        second.run_with(&["import"], &read).ended(0);
        assert_eq!(second.all(), read);
        for (sent, got) in input.lines().zip(read.lines()) {
            let (sent, got): (Value, Value) =
                (serde_json::from_str(sent).unwrap(), serde_json::from_str(got).unwrap());
            for (name, value) in sent.as_object().unwrap() {
                if name == "data" && sent["datacontenttype"] == "text/plain" {
                    assert!(got["data_base64"].is_string(), "{got}");
                    continue;
                }
                assert_eq!(got.get(name), Some(value), "{name} of {sent}");
            }
        }
    }
}

#[test]
fn a_second_run_adds_nothing_whatever_the_batches_and_the_order() {
    let input = fs::read_to_string(quakes()).unwrap();
    let reference = Place::new();
    assert_eq!(reference.run(&["import", &quakes()]).ended(0).out, "added 1707, skipped 0\n");
    let expected = reference.all();
    for batch in ["1", "7", "1000", "65535"] {
        let place = Place::new();
        let out = place.run_with(&["import", "-", "--batch", batch], &input).ended(0).out;
        assert_eq!(out, "added 1707, skipped 0\n");
        assert!(place.all() == expected, "batches of {batch}");
        let mut lines: Vec<_> = input.lines().collect();
        lines.reverse();
        let twice = [lines.clone(), lines].concat().join("\n");
        for again in ["1", "500"] {
            let out = place.run_with(&["import", "--batch", again], &twice).ended(0).out;
            assert_eq!(out, "added 0, skipped 3414\n");
        }
        assert!(place.all() == expected, "batches of {batch}");
    }
}

#[test]
fn what_is_there_in_part_is_completed() {
    let input = fs::read_to_string(quakes()).unwrap();
    let lines: Vec<_> = input.lines().collect();
    let place = Place::new();
    let every_third: Vec<_> = lines.iter().copied().step_by(3).collect();
    place.run_with(&["import", "--batch", "10"], every_third.join("\n")).ended(0);
    let doubled: Vec<_> = lines.iter().flat_map(|line| [*line, *line]).collect();
    let counts = place.run_with(&["import", "--batch", "64", "--json"], doubled.join("\n")).ended(0).json();
    assert_eq!(counts["added"], 1_707 - 569);
    assert_eq!(counts["skipped"], 1_707 + 569);
    assert_eq!(counts["lines"], 2 * 1_707);
    let mut ids: Vec<_> =
        without_times(&place.all()).iter().map(|e| e["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 1_707);
    place.run(&["verify"]).ended(0);
}

#[test]
fn the_stream_is_streamid_else_subject_else_source() {
    let place = Place::new();
    place.run_with(&["import"], shapes()).ended(0);
    let streams = place.run(&["streams", "--json"]).ended(0).out;
    let counts: Vec<_> = streams
        .lines()
        .map(|row| serde_json::from_str::<Value>(row).unwrap())
        .map(|row| (row["stream"].as_str().unwrap().to_owned(), row["events"].as_u64().unwrap()))
        .collect();
    let expected = [("shapes-1", 8), ("shapes-2", 1), ("shapes-3", 1), ("über-straße-1", 1)];
    assert_eq!(counts, expected.map(|(name, count)| (name.to_owned(), count)));
}

#[test]
fn any_json_objects_by_their_fields() {
    let input = concat!(
        "{\"who\":{\"name\":\"ada\"},\"what\":\"came\",\"nr\":7,\"at\":1517966773.84}\n",
        " {\"who\": {\"name\":\"bob\"},  \"what\":\"went\",\"nr\":8,\"at\":\"2018-02-07T01:26:13.84Z\"} \r\n",
        "\n",
        "{\"who\":{\"name\":\"ada\"},\"what\":\"went\",\"nr\":9,\"at\":1517966773840,\"x\":1.10}",
    );
    let place = Place::new();
    let fields =
        ["--stream-field", "who.name", "--type-field", "/what", "--id-field", "nr", "--time-field", "at"];
    let import = || place.run_with(&[&["import"], &fields[..]].concat(), input);
    assert_eq!(import().ended(0).out, "added 3, skipped 0\n");
    assert_eq!(import().ended(0).out, "added 0, skipped 3\n");
    let store = Store::open(place.store()).unwrap();
    let view = store.view();
    let events: Vec<_> = view.all().map(Result::unwrap).collect();
    let found = |f: fn(&EventRef<'_>) -> String| events.iter().map(f).collect::<Vec<_>>();
    assert_eq!(found(|e| e.stream().into()), ["ada", "bob", "ada"]);
    assert_eq!(found(|e| e.event_type().into()), ["came", "went", "went"]);
    assert_eq!(found(|e| e.id().to_string()), ["7", "8", "9"]);
    assert!(events.windows(2).all(|pair| pair[0].time() == pair[1].time()));
    // The object is kept byte for byte.
    assert_eq!(found(|e| String::from_utf8(e.data().to_vec()).unwrap()), {
        let lines: Vec<_> = input.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        lines
    });
}

#[test]
fn without_an_id_field_line_number_and_content_are_the_id() {
    let place = Place::new();
    let args = ["import", "--stream-field", "s", "--type", "noted", "--json"];
    let run = |input: &str| {
        let counts = place.run_with(&args, input).ended(0).json();
        (counts["added"].as_u64().unwrap(), counts["skipped"].as_u64().unwrap())
    };
    let lines = "{\"s\":\"a\"}\n{\"s\":\"a\"}\n{\"s\":\"b\",\"n\":1}\n";
    assert_eq!(run(lines), (3, 0), "the same content in two lines is two events");
    assert_eq!(run(lines), (0, 3));
    assert_eq!(run(&format!("{lines}{{\"s\":\"b\"}}\n")), (1, 3), "a file that has grown");
    assert_eq!(run("{\"s\":\"a\",\"n\":2}\n"), (1, 0), "other content in the same line is another event");
}

/// A bad line, and a part of the reason that is given for it.
fn bad_lines() -> Vec<(Vec<u8>, &'static str)> {
    let text = |line: &str, reason| (line.as_bytes().to_vec(), reason);
    let cloud = |change: fn(&mut serde_json::Map<String, Value>), reason| {
        let mut line: Value = serde_json::from_str(&event("bad", "1")).unwrap();
        change(line.as_object_mut().unwrap());
        (line.to_string().into_bytes(), reason)
    };
    vec![
        (b"{\"id\":\"\xff\"}".to_vec(), "not UTF-8 at byte 8"),
        text("{", "line 2"),
        text("nonsense", "line 2"),
        text("[1]", "line 2"),
        text("1", "line 2"),
        cloud(|e| _ = e.remove("id"), "id"),
        cloud(|e| _ = e.remove("type"), "type"),
        cloud(|e| _ = e.remove("source"), "source"),
        cloud(|e| _ = e.remove("specversion"), "specversion"),
        cloud(|e| _ = e.insert("specversion".into(), "0.3".into()), "specversion"),
        cloud(|e| _ = e.insert("id".into(), "".into()), "id"),
        cloud(|e| _ = e.insert("id".into(), "x".repeat(256).into()), "255"),
        cloud(|e| _ = e.insert("type".into(), "x".repeat(256).into()), "255"),
        cloud(|e| _ = e.insert("streamid".into(), "x".repeat(1_025).into()), "1024"),
        cloud(|e| _ = e.insert("streamid".into(), "$secret".into()), "reserved"),
        cloud(|e| _ = e.insert("time".into(), "yesterday".into()), "time"),
        cloud(|e| _ = e.insert("Upper".into(), "x".into()), "Upper"),
        cloud(|e| _ = e.insert("nested".into(), json!({})), "nested"),
        cloud(|e| _ = e.insert("data_base64".into(), "AA==".into()), "data"),
        text(&event("good-1", "\"other content\""), "other content"),
        text(&event("long", &format!("\"{}\"", "x".repeat(5_000))), "--max-line"),
    ]
}

#[test]
fn a_bad_line_stops_the_import_after_what_was_before_it() {
    let (before, after) = (event("good-1", "1"), event("good-2", "2"));
    for ((bad, reason), batch) in bad_lines().into_iter().zip(["1", "2", "1000"].into_iter().cycle()) {
        let place = Place::new();
        let input = [before.as_bytes(), &bad, after.as_bytes()].join(&b'\n');
        let ran = place.run_with(&["import", "--batch", batch, "--max-line", "4096"], &input).ended(1);
        assert_eq!(ran.out, "added 1, skipped 0\n", "{ran:?}");
        let ran = ran.says("line 2: ").says(reason);
        assert!(!ran.err.contains('\x1b'), "{:?}", ran.err);
        let store = Store::options().read_only().open(place.store()).unwrap();
        let ids: Vec<_> = store.view().all().map(|event| event.unwrap().id().to_string()).collect();
        assert_eq!(ids, ["good-1"]);
    }
}

#[test]
fn bad_lines_are_set_aside_byte_for_byte() {
    let place = Place::new();
    let bad = bad_lines();
    let mut input = event("good-1", "1").into_bytes();
    for ((line, _), number) in bad.iter().zip(2..) {
        input.push(b'\n');
        input.extend_from_slice(line);
        input.push(b'\n');
        input.extend_from_slice(event(&format!("good-{number}"), "2").as_bytes());
    }
    place.file("rejects", "what was here before");
    let rejects = place.path("rejects");
    let args = ["import", "--max-line", "4096", "--rejects", rejects.to_str().unwrap()];
    let good = bad.len() + 1;
    for (added, skipped) in [(good, 0), (0, good)] {
        let ran = place.run_with(&args, &input).ended(0);
        assert_eq!(ran.out, format!("added {added}, skipped {skipped}, rejected {}\n", bad.len()));
        let mut expected: Vec<Vec<u8>> = bad.iter().map(|(line, _)| line.clone()).collect();
        let mut found: Vec<Vec<u8>> = fs::read(&rejects)
            .unwrap()
            .split_inclusive(|b| *b == b'\n')
            .map(|l| l[..l.len() - 1].to_vec())
            .collect();
        // What only the store can refuse is set aside when its batch is committed.
        expected.sort();
        found.sort();
        assert!(found == expected, "{}", String::from_utf8_lossy(&fs::read(&rejects).unwrap()));
    }
    assert_eq!(place.all().lines().count(), good);

    let file = place.file("input", &input);
    place.run(&["import", &file, "--rejects", &file]).ended(1).says("the input itself");
    assert_eq!(fs::read(file).unwrap(), input);
}

#[test]
fn fields_that_are_missing_or_no_text_make_bad_lines() {
    let place = Place::new();
    let fields =
        ["import", "--stream-field", "s", "--type-field", "t", "--id-field", "i", "--time-field", "at"];
    for (line, reason) in [
        ("{\"t\":\"t\",\"i\":1}", "field s is missing"),
        ("{\"s\":null,\"t\":\"t\",\"i\":1}", "field s is missing"),
        ("{\"s\":\"s\",\"i\":1}", "field t is missing"),
        ("{\"s\":\"s\",\"t\":\"t\"}", "field i is missing"),
        ("{\"s\":{},\"t\":\"t\",\"i\":1}", "field s"),
        ("{\"s\":\"s\",\"t\":[],\"i\":1}", "field t"),
        ("{\"s\":\"s\",\"t\":\"t\",\"i\":1,\"at\":\"noon\"}", "field at"),
        ("{\"s\":\"s\",\"t\":\"t\",\"i\":1,\"at\":true}", "field at"),
        ("{\"s\":\"\",\"t\":\"t\",\"i\":1}", "stream name"),
        ("{\"s\":\"s\",\"t\":\"\",\"i\":1}", "type"),
        ("[1]", "not a JSON object"),
        ("{\"s\":\"s\",\"t\":\"t\",\"i\":1", "not JSON"),
    ] {
        place.run_with(&fields, line).ended(1).says("line 1: ").says(reason);
    }
    assert_eq!(place.all(), "");
}

#[test]
fn a_store_of_small_segments_takes_smaller_commits_and_refuses_what_never_fits() {
    let place = Place::new();
    Store::options().segment_bytes(8 << 10).open(place.store()).unwrap().close().wait().unwrap();
    let mut lines: Vec<_> = (0..300).map(|n| event(&n.to_string(), "\"some data\"")).collect();
    lines.insert(150, event("large", &format!("\"{}\"", "x".repeat(2_000))));
    let rejects = place.path("rejects");
    let args = ["import", "--rejects", rejects.to_str().unwrap()];
    assert_eq!(place.run_with(&args, lines.join("\n")).ended(0).out, "added 300, skipped 0, rejected 1\n");
    assert_eq!(fs::read_to_string(&rejects).unwrap(), format!("{}\n", lines[150]));
    let ids = without_times(&place.all()).into_iter().map(|event| event["id"].as_str().unwrap().to_owned());
    assert!(ids.eq((0..300).map(|n| n.to_string())));
    let ran = place.run_with(&["import"], lines.join("\n")).ended(1).says("line 151: ");
    assert_eq!(ran.out, "added 0, skipped 150\n");
    place.run(&["verify"]).ended(0);
}

#[test]
fn the_ends_of_lines_and_of_the_input_may_be_any() {
    let lines = [event("1", "1"), event("2", "2"), event("3", "3")];
    let inputs = [
        lines.join("\n"),
        lines.join("\r\n") + "\r\n",
        format!("\u{feff}{}", lines.join("\n\n \n")),
        lines.join("\n") + "\n\n\n",
    ];
    for input in inputs {
        let place = Place::new();
        assert_eq!(place.run_with(&["import"], &input).ended(0).out, "added 3, skipped 0\n", "{input:?}");
    }
    let place = Place::new();
    assert_eq!(place.run_with(&["import"], "").ended(0).out, "added 0, skipped 0\n");
}

#[test]
fn input_that_cannot_be_opened_is_bad_input_and_makes_no_store() {
    let place = Place::new();
    place.run(&["import", "/nowhere/at.all"]).ended(1).says("/nowhere/at.all");
    place.run(&["import", "/"]).ended(1).says("a directory");
    let input = place.file("input", event("1", "1"));
    place.run(&["import", &input, "--rejects", "/nowhere/at.all"]).ended(4).says("/nowhere/at.all");
    assert!(!place.store().exists());
}
