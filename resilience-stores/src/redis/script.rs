//! The scripts, and how one is asked for.

use std::{borrow::Cow, sync::LazyLock};

use redis::{Cmd, RedisResult, Script, Value, aio::ConnectionLike};

use super::error;

/// A script, and the hash that a server knows it by.
pub(super) struct Source {
    code: &'static str,
    hash: LazyLock<String>,
}

macro_rules! source {
    ($file:literal) => {{
        const CODE: &str =
            concat!(include_str!("../../redis/record.lua"), include_str!(concat!("../../redis/", $file)));
        Source { code: CODE, hash: LazyLock::new(|| Script::new(CODE).get_hash().to_owned()) }
    }};
}

pub(super) static BEGIN: Source = source!("begin.lua");
pub(super) static RENEW: Source = source!("renew.lua");
pub(super) static FINISH: Source = source!("finish.lua");
pub(super) static RELEASE: Source = source!("release.lua");

/// How many replicas must have what was written, and for how long a server waits for them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acks {
    pub(super) replicas: u32,
    pub(super) milliseconds: i64,
}

/// What a script has answered, and how many replicas have what was written, if that was asked.
pub(super) struct Answer {
    pub(super) value: Value,
    pub(super) acks: Option<i64>,
}

/// A script with its key and arguments.
pub(super) struct Call<'a> {
    script: &'static Source,
    key: &'a str,
    arguments: Vec<Cow<'a, [u8]>>,
}

impl<'a> Call<'a> {
    pub(super) fn new(script: &'static Source, key: &'a str) -> Self {
        Self { script, key, arguments: Vec::with_capacity(6) }
    }

    pub(super) fn bytes(mut self, argument: &'a [u8]) -> Self {
        self.arguments.push(Cow::Borrowed(argument));
        self
    }

    pub(super) fn number(mut self, argument: impl Into<i128>) -> Self {
        self.arguments.push(Cow::Owned(argument.into().to_string().into_bytes()));
        self
    }

    pub(super) fn flag(self, argument: bool) -> Self {
        self.number(u8::from(argument))
    }

    /// Sends it by its hash; a server that does not know it yet gets it whole.
    pub(super) async fn send(
        &self,
        connection: &mut impl ConnectionLike,
        acks: Option<Acks>,
    ) -> RedisResult<Answer> {
        let answer = send(self.command("EVALSHA", &self.script.hash), connection, acks).await;
        match answer {
            Err(error) if error::is_unknown_script(&error) => {
                send(self.command("EVAL", self.script.code), connection, acks).await
            }
            answer => answer,
        }
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(1).arg(self.key);
        for argument in &self.arguments {
            command.arg(argument.as_ref());
        }
        command
    }
}

/// One command; or two in one go, because a script itself cannot wait for replicas.
async fn send(command: Cmd, connection: &mut impl ConnectionLike, acks: Option<Acks>) -> RedisResult<Answer> {
    let Some(Acks { replicas, milliseconds }) = acks else {
        let value = command.query_async(connection).await?;
        return Ok(Answer { value, acks: None });
    };
    let mut both = redis::pipe();
    both.add_command(command).cmd("WAIT").arg(replicas).arg(milliseconds);
    let (value, acks) = both.query_async(connection).await?;
    Ok(Answer { value, acks: Some(acks) })
}
