//! A short storm from end to end: it ends well, says everything, and protection helps.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;

/// The rows of the shortest run there is, at a pace that a debug build keeps up with, and what its live view has said.
fn storm() -> (Vec<Value>, Value) {
    let mut run = Command::new(env!("CARGO_BIN_EXE_storm"))
        .args(["--seconds", "29", "--rate", "50", "--json", "--live", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = BufReader::new(run.stderr.take().unwrap());
    let mut line = String::new();
    errors.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("live view: http://").and_then(|rest| rest.strip_suffix('/'));
    let shown = seen(address.unwrap_or_else(|| panic!("no address: {line}")));
    let errors = thread::spawn(move || errors.read_to_string(&mut line).map(|_| line));
    let run = run.wait_with_output().unwrap();
    assert!(run.status.success(), "{}", errors.join().unwrap().unwrap());
    let lines = String::from_utf8(run.stdout).unwrap();
    (lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), shown)
}

/// The live view once both clients of the outage have been answered.
fn seen(address: &str) -> Value {
    loop {
        let mut connection = TcpStream::connect(address).unwrap();
        connection.write_all(b"GET /snapshot HTTP/1.0\r\nhost: storm\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let snapshot: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        let pipelines = snapshot["pipelines"].as_array().unwrap();
        if pipelines.iter().filter(|pipeline| successes(pipeline) > 0).count() == 2 {
            return snapshot;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn successes(pipeline: &Value) -> u64 {
    let mut counters = pipeline["counters"].as_array().unwrap().iter();
    let success = counters.find(|counter| {
        counter["name"] == "resilience_operations_total" && counter["labels"]["outcome"] == "success"
    });
    success.and_then(|counter| counter["value"].as_u64()).unwrap_or(0)
}

/// A count of the one row that all of these fields are in.
fn count(rows: &[Value], fields: &[(&str, &str)], name: &str) -> u64 {
    let mut found = rows.iter().filter(|row| fields.iter().all(|(field, value)| row[field] == *value));
    let row = found.next().unwrap_or_else(|| panic!("no row with {fields:?}"));
    assert!(found.next().is_none(), "several rows with {fields:?}");
    row[name].as_u64().unwrap_or_else(|| panic!("no count {name} in {row}"))
}

/// Whether the machine could send the calls of this phase when they were due. Where it could not, everything
/// waits for the processor, protected or not, and there is nothing to compare.
fn kept_up(rows: &[Value], phase: &str) -> bool {
    let late = rows.iter().filter(|row| row["phase"] == phase).filter_map(|row| row["late_p99_ms"].as_f64());
    let worst = late.fold(0.0, f64::max);
    eprintln!("{phase}: the slowest percent of the calls began {worst:.1} ms late");
    worst < 25.0
}

#[test]
fn protection_helps_in_every_part() {
    let (rows, shown) = storm();
    assert_eq!(shown["pipelines"][0]["name"], "outage, naive");
    assert_eq!(shown["pipelines"][1]["name"], "outage, protected");

    let of = |part: &str| rows.iter().filter(|row| row["part"] == part).count();
    assert_eq!(["outage", "overload", "slow_route"].map(of), [21, 9, 12]);

    let sent = |phase, stack| count(&rows, &[("phase", phase), ("stack", stack)], "attempts");
    assert!(10 * sent("down", "protected") < sent("down", "naive"));

    let overload = |phase, stack, name| count(&rows, &[("phase", phase), ("stack", stack)], name);
    assert_eq!(overload("x5", "bare", "calls"), overload("x5", "protected", "calls"), "the same work");
    for phase in ["x2", "x5"].into_iter().filter(|phase| kept_up(&rows, phase)) {
        let polite = |stack| overload(phase, stack, "polite_good");
        assert!(2 * polite("protected") > 3 * polite("bare"), "{phase}: {rows:#?}");
        assert!(overload(phase, "protected", "good") > 2 * overload(phase, "bare", "good"), "{rows:#?}");
        assert!(overload(phase, "protected", "lost") < overload(phase, "bare", "lost") / 4, "{rows:#?}");
        assert!(phase == "x2" || polite("protected") > 2 * polite("fixed"), "{rows:#?}");
    }

    let slow =
        |stack, route, name| count(&rows, &[("phase", "a_slow"), ("stack", stack), ("route", route)], name);
    assert!(slow("protected", "b", "good") > 2 * slow("bare", "b", "good"), "{rows:#?}");
    assert!(5 * slow("protected", "b", "failed") < slow("protected", "b", "calls"), "{rows:#?}");
    assert!(5 * slow("protected", "a", "sent") < slow("bare", "a", "sent"), "{rows:#?}");
}
