//! The program runs by itself, ends well, and shows what it promises.

use std::process::Command;

#[test]
fn a_client_retries_then_refuses_then_comes_back() {
    let run = Command::new(env!("CARGO_BIN_EXE_tonic_client_and_server")).output().unwrap();
    let said = String::from_utf8(run.stdout).unwrap();
    assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));
    for expected in [
        "  a stream says 15\n",
        "  2 arrived  17 pieces\n",
        "  3 arrived  DeadlineExceeded, refused here: attempt timed out",
        "  3 arrived  Unavailable: closed (no attempts left)\n",
        "  0 arrived  Unavailable, refused here: circuit breaker",
        "  0 arrived  ResourceExhausted: Too many requests",
    ] {
        assert!(said.contains(expected), "{expected:?} is not in:\n{said}");
    }
}
