//! The program that follows its file, run as it is.

use std::process::Command;

#[test]
fn stacks_follow_their_file() {
    let output = Command::new(env!("CARGO_BIN_EXE_hot_reload")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let outcomes: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("in force") || line.starts_with("refused"))
        .collect();
    assert_eq!(outcomes.len(), 3, "{text}");
    assert!(outcomes[1].starts_with("refused: ") && text.contains("`attempt_timeout` is 6s"), "{text}");
    assert!(text.ends_with("every change was seen\n"), "{text}");
}
