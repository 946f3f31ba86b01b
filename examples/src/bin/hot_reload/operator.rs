//! Who changes the file, and looks what comes of it.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{sleep, timeout},
};

use crate::{Failure, WORK};

/// Over so long it is counted what the callers get.
const LOOK: Duration = Duration::from_millis(600);
/// For a change to be noticed, and for it to be seen in a look.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the callers get is to come from the settings that change, and from no others.
pub(crate) fn file(attempt_timeout: &str, rate: &str) -> String {
    format!(
        r#"[quotes]
attempt_timeout = "{attempt_timeout}"
retry = "off"
throttle = "off"
circuit_breaker = "off"
adaptive = "off"

[api]
adaptive = "off"
rate_limit = "{rate}"
"#
    )
}

/// What the callers got.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) answered: u32,
    pub(crate) timed_out: u32,
    pub(crate) too_many: u32,
    pub(crate) failed: u32,
}

/// The running program, as whoever changes the file sees it.
pub(crate) struct Operator {
    pub(crate) path: PathBuf,
    pub(crate) outcomes: UnboundedReceiver<Result<(), String>>,
    pub(crate) seen: Arc<Mutex<Seen>>,
}

impl Operator {
    /// Replaces the file as a whole, so that nobody reads half of it.
    fn write(&self, text: &str) -> Result<(), Failure> {
        let new = self.path.with_extension("new");
        fs::write(&new, text)?;
        Ok(fs::rename(new, &self.path)?)
    }

    /// Replaces the file, and waits until somebody has read it.
    async fn change(&mut self, what: &str, text: &str) -> Result<Result<(), String>, Failure> {
        println!("\n{what}");
        self.write(text)?;
        let outcome = timeout(PATIENCE, self.outcomes.recv())
            .await
            .ok()
            .flatten()
            .ok_or("nobody has noticed the change")?;
        match &outcome {
            Ok(()) => println!("  in force"),
            Err(why) => println!("  refused: {}", why.trim_end().replace('\n', "\n  ")),
        }
        Ok(outcome)
    }

    /// What the callers get for a while.
    async fn look(&self) -> Seen {
        *self.seen.lock() = Seen::default();
        sleep(LOOK).await;
        *self.seen.lock()
    }

    /// Looks until it is as it should be; calls that began under other settings are not done at once.
    async fn expect(&self, is_as_it_should: fn(Seen) -> bool) -> Result<(), Failure> {
        for _ in 0..PATIENCE.as_millis() / LOOK.as_millis() {
            let seen = self.look().await;
            if is_as_it_should(seen) {
                println!("  {seen:?}");
                return Ok(());
            }
        }
        Err(format!("not as it should be: {:?}", self.look().await).into())
    }

    pub(crate) async fn operate(&mut self) -> Result<(), Failure> {
        let all_answered =
            |seen: Seen| seen.answered > 0 && seen.timed_out + seen.too_many + seen.failed == 0;
        println!("as started: an attempt may take 50ms, and an answer takes {WORK:?}");
        self.expect(|seen| seen.answered == 0 && seen.timed_out > 0).await?;

        let good = file("1s", "1000/s");
        self.change("an attempt may take 1s", &good).await?.map_err(|why| format!("refused: {why}"))?;
        self.expect(all_answered).await?;

        let Err(why) = self.change("an attempt may take 6s", &file("6s", "1000/s")).await? else {
            return Err("an attempt that takes longer than the whole operation is in force".into());
        };
        if !why.contains("`attempt_timeout` is 6s and `total_timeout` 5s") {
            return Err(format!("refused for another reason: {why}").into());
        }
        // What was in force still is: there is no call to wait for.
        let seen = self.look().await;
        if !all_answered(seen) {
            return Err(format!("a file that was refused has changed something: {seen:?}").into());
        }
        println!("  {seen:?}");

        let few = self.change("the server answers 10 requests a second", &file("1s", "10/s")).await?;
        few.map_err(|why| format!("refused: {why}"))?;
        self.expect(|seen| seen.too_many > seen.answered && seen.answered > 0 && seen.timed_out == 0).await
    }
}
