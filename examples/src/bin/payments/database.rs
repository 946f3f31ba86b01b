//! A PostgreSQL to be killed, and how to reach it.

use std::{
    env, error, fmt, fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
};

use tokio_postgres::{Client, Config, NoTls};

use crate::Failure;

/// The user of the system that runs the server if this is run by `root`, which PostgreSQL refuses.
const USER: &str = "postgres";

/// Where the tables are.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) url: String,
    pub(crate) schema: String,
}

impl Address {
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        let mut config: Config = self.url.parse()?;
        config.options(format!("-c search_path={}", self.schema));
        Ok(config)
    }

    pub(crate) async fn connect(&self) -> Result<Client, Failure> {
        let (client, connection) = self.config()?.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }
}

pub(crate) struct Database {
    address: Address,
    own: Option<Server>,
}

impl Database {
    /// One that somebody else runs.
    pub(crate) fn given(url: String) -> Self {
        Self { address: Address { url, schema: format!("payments_{}", process::id()) }, own: None }
    }

    /// One in a directory of its own, which is gone with it.
    pub(crate) async fn start() -> Result<Self, Failure> {
        let server = Server::new()?;
        server.make().await?;
        server.start().await?;
        let url = format!("host=127.0.0.1 port={} user=postgres dbname=postgres", server.port);
        Ok(Self { own: Some(server), ..Self::given(url) })
    }

    pub(crate) fn address(&self) -> Address {
        self.address.clone()
    }

    pub(crate) fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// As a crash would: it writes nothing more, and says nothing to those who are connected.
    pub(crate) async fn kill(&self) -> Result<(), Failure> {
        match &self.own {
            Some(server) => ended_well(server.stop()).await,
            None => Ok(()),
        }
    }

    pub(crate) async fn start_again(&self) -> Result<(), Failure> {
        match &self.own {
            Some(server) => server.start().await,
            None => Ok(()),
        }
    }
}

struct Server {
    programs: PathBuf,
    directory: PathBuf,
    port: u16,
}

impl Server {
    fn new() -> Result<Self, Failure> {
        let programs = directories().into_iter().find(|bin| bin.join("initdb").is_file()).ok_or(Missing)?;
        let directory = env::temp_dir().join(format!("payments-{}", process::id()));
        fs::create_dir(&directory)?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        Ok(Self { programs, directory, port })
    }

    async fn make(&self) -> Result<(), Failure> {
        if is_root() {
            let mut chown = Command::new("chown");
            chown.arg(USER).arg(&self.directory);
            ended_well(chown).await?;
        }
        let mut initdb = self.command("initdb");
        initdb.args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--no-locale", "--username=postgres"]);
        ended_well(initdb).await
    }

    async fn start(&self) -> Result<(), Failure> {
        // It would have to wait for the disk only if the machine crashed.
        let options = format!("-h 127.0.0.1 -p {} -k '' -c fsync=off", self.port);
        let mut start = self.command("pg_ctl");
        start.args(["start", "--wait", "--options", &options, "--log"]).arg(self.directory.join("log"));
        ended_well(start).await
    }

    fn stop(&self) -> Command {
        let mut stop = self.command("pg_ctl");
        stop.args(["stop", "--wait", "--mode=immediate"]);
        stop
    }

    /// A program of PostgreSQL, run on its data by a user that it accepts.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.arg(format!("--reuid={USER}")).arg(format!("--regid={USER}"));
            command.args(["--init-groups", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.env("PGDATA", self.directory.join("data")).current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.stop().status();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn directories() -> Vec<PathBuf> {
    let named = env::var_os("POSTGRES_BIN").map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = debian.map(|version| version.path().join("bin"));
    named.into_iter().chain(env::split_paths(&path)).chain(debian).collect()
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n")
}

async fn ended_well(command: Command) -> Result<(), Failure> {
    let name = Path::new(command.get_program()).display().to_string();
    let status = tokio::process::Command::from(command).status().await?;
    if status.success() { Ok(()) } else { Err(format!("{name}: {status}").into()) }
}

/// There is no PostgreSQL.
#[derive(Debug)]
pub(crate) struct Missing;

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "there is no PostgreSQL: install it (on Debian: apt-get install postgresql), \
             or say where it is with POSTGRES_BIN or DATABASE_URL",
        )
    }
}

impl error::Error for Missing {}
