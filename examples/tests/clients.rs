//! The short examples run by themselves, end well, and say what they promise.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::process::Command;

fn said_by(program: &str) -> String {
    let run = Command::new(program).output().unwrap();
    let said = String::from_utf8(run.stdout).unwrap();
    assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));
    said
}

#[test]
fn a_client_retries_then_refuses_then_comes_back() {
    let said = said_by(env!("CARGO_BIN_EXE_reqwest_client"));
    assert!(said.contains("  2 arrived  200 OK\n"), "{said}");
    assert!(said.contains("  0 arrived  refused: circuit breaker"), "{said}");
    assert!(said.trim_end().ends_with("200 OK"), "{said}");
}

#[test]
fn a_host_that_is_down_does_not_hurt_the_other() {
    let said = said_by(env!("CARGO_BIN_EXE_per_host"));
    let well = said.lines().find_map(|line| line.strip_prefix("host that is well")).unwrap();
    assert_eq!(well.split_whitespace().collect::<Vec<_>>(), ["60", "0", "0"]);
}
