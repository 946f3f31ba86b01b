//! A short storm from end to end: it ends well, says everything, and protection helps.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::process::Command;

use serde_json::Value;

/// The rows of the shortest run there is, at a pace that a debug build keeps up with.
fn storm() -> Vec<Value> {
    let run = Command::new(env!("CARGO_BIN_EXE_storm"))
        .args(["--seconds", "29", "--rate", "50", "--json"])
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
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
    let rows = storm();
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
