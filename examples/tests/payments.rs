//! The program that kills a service and its database among payments, run as it is.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    env,
    io::{self, Write as _},
    process::Command,
};

/// What it ends with if there is no PostgreSQL.
const MISSING: i32 = 2;

fn figure(text: &str, what: &str) -> u32 {
    let line = text.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}?\n{text}"));
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn no_charge_is_doubled_or_lost() {
    // One that is given would not be killed.
    let output = Command::new(env!("CARGO_BIN_EXE_payments")).env_remove("DATABASE_URL").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(MISSING) {
        let required = env::var_os("RESILIENCE_REQUIRE_TOOLS").is_some_and(|value| value == "1");
        assert!(!required, "{errors}and RESILIENCE_REQUIRE_TOOLS=1 says that it must be there");
        // Not `eprintln!`, which shows only of tests that fail.
        let _ =
            writeln!(io::stderr(), "\n!!! SKIPPED: the payments need PostgreSQL, which is not installed\n");
        return;
    }
    assert!(output.status.success(), "{text}{errors}");
    // It was killed where it hurts: in the middle of a charge, and between a charge and its answer.
    assert!(figure(&text, "charges were made by a second run") > 0, "{text}");
    assert!(figure(&text, "charges had been made when") > 0, "{text}");
    assert!(text.contains("    all        96       96\n"), "{text}");
    assert!(text.ends_with("every payment was charged once\n"), "{text}");
}
