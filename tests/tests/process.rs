//! Programs that tests start: they end with the test, however it ends, and leave nothing.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    cell::RefCell,
    net::{SocketAddr, TcpListener},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::Command,
};

use tests::process::{Directory, Process, tool, tool_in};

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// Runs until it is killed, and the test listens in its place.
fn sleeper(listener: &RefCell<Option<TcpListener>>) -> impl Fn(&Path, SocketAddr) -> Command {
    move |_, address| {
        listener.replace(Some(TcpListener::bind(address).unwrap()));
        sh("echo begun; exec sleep 1000")
    }
}

fn is_running(id: u32) -> bool {
    sh(&format!("kill -0 {id} 2>/dev/null")).status().unwrap().success()
}

#[test]
fn it_is_killed_and_its_directory_removed_when_it_is_dropped() {
    let listener = RefCell::default();
    let process = Process::start("sleeper", sleeper(&listener));
    let (id, directory) = (process.id(), process.directory().to_owned());
    assert!(is_running(id) && directory.join("log").is_file());
    drop(process);
    assert!(!is_running(id));
    assert!(!directory.exists());
}

#[test]
fn it_is_killed_when_the_test_panics() {
    let listener = RefCell::default();
    let seen = RefCell::new(None);
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let process = Process::start("sleeper", sleeper(&listener));
        seen.replace(Some((process.id(), process.directory().to_owned())));
        std::panic::resume_unwind(Box::new("as told"));
    }));
    assert!(panic.is_err());
    let (id, directory) = seen.take().unwrap();
    assert!(!is_running(id));
    assert!(!directory.exists());
}

#[test]
fn one_that_is_killed_by_the_test_keeps_its_directory_and_its_log() {
    let listener = RefCell::default();
    let mut process = Process::start("sleeper", |directory: &Path, address| {
        let mut command = sleeper(&listener)(directory, address);
        command.current_dir(directory);
        command
    });
    let id = process.id();
    while process.log().is_empty() {
        std::thread::yield_now();
    }
    process.kill();
    process.kill();
    assert!(!is_running(id));
    assert_eq!(process.log(), "begun\n");
}

#[test]
fn one_that_ends_is_started_three_times_and_then_its_log_is_in_the_panic() {
    let directories = RefCell::new(Vec::<PathBuf>::new());
    let panic = catch_unwind(AssertUnwindSafe(|| {
        Process::start("grumbler", |directory, address| {
            assert_eq!(address.ip().to_string(), "127.0.0.1");
            directories.borrow_mut().push(directory.to_owned());
            sh("echo one thing; echo another >&2; exit 3")
        })
    }));
    let panic = panic.unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(
        message.contains("grumbler ended") && message.contains(": 3:\none thing\nanother\n"),
        "{message}"
    );
    let directories = directories.take();
    assert_eq!(directories.len(), 3);
    assert!(directories.iter().all(|directory| !directory.exists()));
}

#[test]
fn a_program_is_found_where_it_is_and_not_elsewhere() {
    assert!(tool("sh").is_some_and(|sh| sh.ends_with("sh") && sh.is_file()));
    let directory = Directory::new("tools");
    let here = || [directory.path().to_owned()];
    std::fs::write(directory.path().join("a-tool"), "").unwrap();
    assert_eq!(tool_in("a-tool", here()), Some(directory.path().join("a-tool")));
}

/// In a process of its own, because the variable is everybody's.
#[test]
fn a_missing_program_is_a_loud_skip_or_an_error() {
    const MISSING: &str = "no-such-program";
    const CHILD: &str = "RESILIENCE_TEST_MISSING_TOOL";
    if std::env::var_os(CHILD).is_some() {
        assert_eq!(tool(MISSING), None);
        return;
    }
    let run = |required: &str| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("a_missing_program_is_a_loud_skip_or_an_error");
        let output = command.env(CHILD, "1").env("RESILIENCE_REQUIRE_TOOLS", required).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).contains("SKIPPED"))
    };
    assert_eq!(run("0"), (true, true));
    assert_eq!(run("1"), (false, false));
}
