//! A PostgreSQL of a test's own.

use std::{
    env, fs,
    net::SocketAddr,
    os::unix::fs::{MetadataExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tokio_postgres::{Client, Config, NoTls};

use crate::process::{Directory, Process, tool_in, until};

/// The user of the system that runs the server when the tests are run by `root`, which PostgreSQL refuses.
const USER: &str = "postgres";

/// A server, and its data, which it finds again when it is started again.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    programs: PathBuf,
    settings: Vec<String>,
    data: Directory,
}

impl Postgres {
    /// Starts one with these settings, `name=value` each. It does not wait for the disk unless they say `fsync=on`.
    ///
    /// It is looked for in the directory that the environment variable `POSTGRES_BIN` names, in those of `PATH`, and where Debian puts it.
    /// Nothing if there is none, which has been said then.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub async fn start(settings: &[&str]) -> Option<Self> {
        let programs = tool_in("postgres", directories())?.parent()?.to_owned();
        let data = Directory::new("postgres-data");
        give_away(data.path());
        let mut initdb = command(&programs.join("initdb"));
        initdb.args([
            "--no-sync",
            "--auth=trust",
            "--no-locale",
            "--encoding=UTF8",
            "--username=postgres",
            "--pgdata",
        ]);
        let made = initdb.arg(data.path().join("data")).output();
        let made = made.unwrap_or_else(|error| panic!("initdb: {error}"));
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));

        let settings: Vec<_> = settings.iter().map(ToString::to_string).collect();
        let process = start(&programs, &data, &settings);
        let server = Self { process, programs, settings, data };
        server.until_it_answers().await;
        Some(server)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.process.address()
    }

    /// How to connect to it.
    #[must_use]
    pub fn config(&self) -> Config {
        config(self.address())
    }

    /// A connection of its own.
    ///
    /// # Panics
    ///
    /// If there is none to be had.
    pub async fn client(&self) -> Client {
        let connected = self.config().connect(NoTls).await;
        let (client, connection) = connected.unwrap_or_else(|error| panic!("cannot connect: {error}"));
        tokio::spawn(connection);
        client
    }

    /// The process, for signals.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Stops it as a crash would, without a checkpoint, and starts it again on the same data, at another port.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub async fn crash_and_restart(&mut self) {
        self.process.signal("QUIT");
        self.process.wait();
        self.process = start(&self.programs, &self.data, &self.settings);
        self.until_it_answers().await;
    }

    /// It listens before it lets anybody in.
    async fn until_it_answers(&self) {
        let config = self.config();
        let connects = async || config.connect(NoTls).await.is_ok().then_some(());
        until("PostgreSQL", Duration::from_secs(60), connects).await;
    }
}

/// How to connect to the server at this address, or behind it.
#[must_use]
pub fn config(address: SocketAddr) -> Config {
    let mut config = Config::new();
    config.host(address.ip().to_string()).port(address.port()).user("postgres").dbname("postgres");
    config
}

fn directories() -> Vec<PathBuf> {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let path = env::var_os("PATH").unwrap_or_default();
    let named = env::var_os("POSTGRES_BIN").map(PathBuf::from);
    named
        .into_iter()
        .chain(env::split_paths(&path))
        .chain(debian.map(|version| version.path().join("bin")))
        .collect()
}

fn start(programs: &Path, data: &Directory, settings: &[String]) -> Process {
    Process::start("postgres", |_, address| {
        let mut server = command(&programs.join("postgres"));
        server.arg("-D").arg(data.path().join("data")).args(["-h", "127.0.0.1", "-k", "", "-p"]);
        server.arg(address.port().to_string()).args(["-c", "fsync=off"]);
        settings.iter().for_each(|setting| {
            server.args(["-c", setting]);
        });
        server
    })
}

/// A program, run by another user if this is `root`.
fn command(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={USER}")).arg(format!("--regid={USER}")).args(["--init-groups", "--"]);
    command.arg(program).env_remove("HOME").current_dir("/");
    command
}

/// Lets the server write into its directory.
fn give_away(directory: &Path) {
    if is_root() {
        let id = |flag| {
            let said = Command::new("id").args([flag, USER]).output();
            let said = said.unwrap_or_else(|error| panic!("id: {error}"));
            String::from_utf8_lossy(&said.stdout).trim().parse().ok()
        };
        let given = chown(directory, id("-u"), id("-g"));
        given.unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    }
}

/// A process that owns its own directory in `/proc` as user 0 is `root`.
fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
