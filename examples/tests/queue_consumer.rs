//! The program that consumes a queue, run as it is.

use std::process::Command;

#[test]
fn each_job_is_done_once() {
    let output = Command::new(env!("CARGO_BIN_EXE_queue_consumer")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let figure = |what: &str| -> u32 {
        let line = text.lines().find(|line| line.ends_with(what)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    // Each kind of mishap has happened.
    for what in ["acknowledgement was lost", "died in the middle", "nothing was sent", "only acknowledged"] {
        assert!(figure(what) > 0, "{text}");
    }
    assert!(text.ends_with("each letter was sent once\n"), "{text}");
}
