//! A program that a test needs: found, started with a directory and a port of its own, killed when the test is over.
//!
//! ```no_run
//! use std::process::Command;
//! use tests::process::{Process, tool};
//!
//! let Some(redis) = tool("redis-server") else { return };
//! let server = Process::start("redis", |directory, address| {
//!     let mut command = Command::new(&redis);
//!     command.arg("--dir").arg(directory).args(["--save", "", "--bind", "127.0.0.1", "--port"]);
//!     command.arg(address.port().to_string());
//!     command
//! });
//! let url = format!("redis://{}", server.address());
//! # let _ = url;
//! ```

use std::{
    env,
    fs::{self, File},
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use crate::time::now;

/// Set to 1 where a missing program is an error: `tests/run` installs them all.
const REQUIRED: &str = "RESILIENCE_REQUIRE_TOOLS";

/// Where `program` is, among the directories of `PATH`.
///
/// A test that gets `None` has to return without having tested anything: that it is skipped has been said on the terminal.
///
/// # Panics
///
/// If the program is missing and the environment variable `RESILIENCE_REQUIRE_TOOLS` is 1.
#[must_use]
pub fn tool(program: &str) -> Option<PathBuf> {
    tool_in(program, env::split_paths(&env::var_os("PATH").unwrap_or_default()))
}

/// As [`tool`], in other directories than those of `PATH`.
///
/// # Panics
///
/// As [`tool`].
#[must_use]
pub fn tool_in(program: &str, directories: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    let found = directories.into_iter().map(|directory| directory.join(program)).find(|path| path.is_file());
    if found.is_none() {
        let required = env::var_os(REQUIRED).is_some_and(|value| value == "1");
        assert!(!required, "`{program}` is missing, and {REQUIRED}=1 says that it must be there");
        let test = thread::current().name().unwrap_or("a test").to_owned();
        // Not `eprintln!`, which shows only of tests that fail.
        let _ = writeln!(io::stderr(), "\n!!! SKIPPED: {test} needs `{program}`, which is not installed\n");
    }
    found
}

/// A new directory, removed with all that is in it when this is dropped.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// An empty directory whose name begins with `name`.
    ///
    /// # Panics
    ///
    /// If there can be none.
    #[must_use]
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = env::temp_dir().join(format!("resilience-{name}-{}-{count}", process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Self(path),
                // Left there by a process of the same number that was killed.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => panic!("cannot make {}: {error}", path.display()),
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server that listens at a port of its own.
///
/// When it is dropped it is killed, and its directory removed. If that is because the test panics, its log is printed.
/// What it writes to its standard output and error is the file `log` in its directory.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    directory: Directory,
    address: SocketAddr,
}

impl Process {
    /// Starts what `command` says, which is given a new directory and a free port on the loopback interface, and waits until
    /// somebody listens there.
    ///
    /// If the program ends instead, it is started again, twice at most, with another directory and port: another process may
    /// have been faster to take the first.
    ///
    /// # Panics
    ///
    /// If it cannot be started, or does not listen within a minute. The message has its log.
    #[must_use]
    #[track_caller]
    pub fn start(name: &str, mut command: impl FnMut(&Path, SocketAddr) -> Command) -> Self {
        let mut started = || {
            let mut process = Self::spawn(name, &mut command);
            process.wait_until_it_listens().map(|()| process)
        };
        match started().or_else(|_| started()).or_else(|_| started()) {
            Ok(process) => process,
            Err(why) => panic!("{why}"),
        }
    }

    #[track_caller]
    fn spawn(name: &str, command: &mut impl FnMut(&Path, SocketAddr) -> Command) -> Self {
        let directory = Directory::new(name);
        let address = free_address();
        let mut command = command(directory.path(), address);
        let log =
            || File::create_new(directory.path().join("log")).and_then(|log| Ok((log.try_clone()?, log)));
        let (output, errors) = log().unwrap_or_else(|error| panic!("{name} has no log: {error}"));
        let spawned = command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn();
        let child = spawned.unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self { name: name.to_owned(), child, directory, address }
    }

    fn wait_until_it_listens(&mut self) -> Result<(), String> {
        const PAUSE: Duration = Duration::from_millis(20);
        const TRIES: u32 = 3000;
        for _ in 0..TRIES {
            if listens(self.address) {
                return Ok(());
            }
            match self.child.try_wait() {
                Ok(None) => thread::sleep(PAUSE),
                Ok(Some(status)) => return Err(format!("{} ended, {status}:\n{}", self.name, self.log())),
                Err(error) => return Err(format!("nothing is known of {}: {error}", self.name)),
            }
        }
        Err(format!("{} does not listen at {}:\n{}", self.name, self.address, self.log()))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Its number, for signals.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said.
    #[must_use]
    pub fn log(&self) -> String {
        let log = fs::read(self.directory().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Sends it a signal: `STOP`, `CONT`, `QUIT`.
    ///
    /// # Panics
    ///
    /// If there is no such process.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(self.id().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "{} did not get {signal}", self.name);
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    ///
    /// If nothing is known of it.
    pub fn wait(&mut self) {
        let ended = self.child.wait();
        assert!(ended.is_ok(), "nothing is known of {}", self.name);
    }

    /// Kills it without a warning, as a crash would. Its directory stays until this is dropped.
    pub fn kill(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("the log of {}:\n{}", self.name, self.log());
        }
    }
}

/// A port that nobody listens at now.
fn free_address() -> SocketAddr {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    bound.unwrap_or_else(|error| panic!("there is no free port: {error}"))
}

/// Whether anybody listens there.
fn listens(address: SocketAddr) -> bool {
    let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else { return false };
    // A connection may get the very port that it asks for, and is then connected to itself.
    stream.local_addr().is_ok_and(|from| from != address)
}

/// Asks again and again until there is an answer.
///
/// For what other processes do, so the clock of the runtime must not be paused. `limit` is for a machine that is very busy, not
/// for what is expected.
///
/// # Panics
///
/// If there is none within `limit`. The message says `what` was waited for.
pub async fn until<T>(what: &str, limit: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let began = now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(now() - began < limit, "waited {limit:?} for {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
