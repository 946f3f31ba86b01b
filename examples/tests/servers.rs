//! The short programs about servers and policies of one's own, run as they are.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::process::Command;

fn run(program: &str) -> String {
    let output = Command::new(program).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn clients_of_a_server_see_answers_and_refusals_that_say_what_to_do() {
    let text = run(env!("CARGO_BIN_EXE_axum_server"));
    assert!(text.ends_with("every client knew what to do\n"), "{text}");
    assert!(
        text.contains(r#""reason":"rate_limited""#) && text.contains(r#""reason":"overloaded""#),
        "{text}"
    );
}

#[test]
fn a_policy_of_ones_own_refuses_in_both_slots_of_a_stack() {
    let text = run(env!("CARGO_BIN_EXE_custom_policy"));
    let calls: Vec<_> = text.lines().filter(|line| line.contains(" attempts: ")).collect();
    let expected = [
        "order        1 attempts: done",
        "order        0 attempts: the dependency is being worked on",
        "break down   1 attempts: the dependency is being worked on",
        "order        1 attempts: done",
    ];
    assert!(
        calls.len() == 4 && calls.iter().zip(expected).all(|(line, begins)| line.starts_with(begins)),
        "{text}"
    );
    assert!(text.contains("orders/maintenance: maintained, limiting"), "{text}");
}
