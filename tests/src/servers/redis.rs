//! A Redis of a test's own.

use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use crate::process::{Directory, Process, tool, tool_in};

/// A server, and the directory with its data, which it finds again when it is started again.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    program: PathBuf,
    settings: Vec<String>,
    data: Directory,
}

impl Redis {
    /// Starts one that keeps nothing on disk unless `settings` say so: `--name value` each. The environment variable `REDIS_SERVER` says
    /// which program, for example that of Valkey.
    ///
    /// Nothing if there is none, which has been said then.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start(settings: &[&str]) -> Option<Self> {
        let program = match env::var_os("REDIS_SERVER").map(PathBuf::from) {
            Some(path) => tool_in(
                path.file_name()?.to_str()?,
                [path.parent().unwrap_or_else(|| Path::new("")).to_owned()],
            )?,
            None => tool("redis-server")?,
        };
        let data = Directory::new("redis-data");
        let settings: Vec<_> = settings.iter().map(ToString::to_string).collect();
        let process = start(&program, &data, &settings);
        Some(Self { process, program, settings, data })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.process.address()
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}/", self.address())
    }

    /// The process, for signals.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Kills it without a warning.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Kills it, and starts it again on the same data, at another port.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn restart(&mut self) {
        self.kill();
        self.process = start(&self.program, &self.data, &self.settings);
    }
}

fn start(program: &Path, data: &Directory, settings: &[String]) -> Process {
    Process::start("redis", |_, address| {
        let mut command = Command::new(program);
        command.arg("--dir").arg(data.path()).args(["--save", "", "--bind", "127.0.0.1", "--port"]);
        command.arg(address.port().to_string()).args(settings);
        command
    })
}
