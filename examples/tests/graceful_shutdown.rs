//! The program that stops a server under load, run as it is.

use std::process::Command;

#[test]
fn a_server_stops_under_load_and_loses_no_call() {
    let output = Command::new(env!("CARGO_BIN_EXE_graceful_shutdown")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let figures: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("lost")).map(str::trim).collect();
    assert_eq!(figures, ["0"], "{text}");
    assert!(text.ends_with("no call was lost\n"), "{text}");
}
