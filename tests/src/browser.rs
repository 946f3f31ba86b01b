//! Headless Chromium, driven over its DevTools protocol: JSON through a pipe, so no port and no WebSocket.

use std::{collections::VecDeque, error::Error, process::Stdio, thread, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::process::{Directory, tool};

/// What may go wrong between a test and its browser.
pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A test gives up on a page after this, in milliseconds.
const PATIENCE: u32 = 60_000;

const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox", // as root there is none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
    "--hide-scrollbars",
];

/// A browser of its own, with an empty profile. It ends when it is dropped.
#[derive(Debug)]
pub struct Browser {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    last: u64,
    /// What it has said without being asked.
    events: VecDeque<Value>,
    child: Child,
    _profile: Directory,
}

/// A page of a browser.
#[derive(Clone, Debug)]
pub struct Page {
    session: String,
}

impl Browser {
    /// Starts one. `None` if there is none: the test is skipped, and says so.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    ///
    /// # Panics
    ///
    /// As [`tool`].
    pub fn start() -> Result<Option<Self>> {
        let Some(program) = tool("chromium") else { return Ok(None) };
        let profile = Directory::new("browser");
        // The browser reads from descriptor 3 and writes to 4.
        let mut child = Command::new("sh")
            .args(["-c", r#"exec "$@" 3<&0 4>&1 0</dev/null 1>&0"#, "sh"])
            .arg(program)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let input = child.stdin.take().ok_or("no input")?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Some(Self { input, output, last: 0, events: VecDeque::new(), child, _profile: profile }))
    }

    /// Opens a page, and waits until it is loaded.
    ///
    /// # Errors
    ///
    /// If the browser fails.
    pub async fn open(&mut self, url: &str) -> Result<Page> {
        let target = self.ask(None, "Target.createTarget", json!({ "url": "about:blank" })).await?;
        let target = json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.ask(None, "Target.attachToTarget", target).await?;
        let session = session["sessionId"].as_str().ok_or("no session")?.to_owned();
        let page = Page { session };
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            self.ask(Some(&page), domain, json!({})).await?;
        }
        let went = self.ask(Some(&page), "Page.navigate", json!({ "url": url })).await?;
        if let Some(error) = went.get("errorText") {
            return Err(format!("{url}: {error}").into());
        }
        self.until(&page, "document.readyState === 'complete'").await?;
        Ok(page)
    }

    /// The value of an expression, or of what it promises.
    ///
    /// # Errors
    ///
    /// If it throws, or the browser fails.
    pub async fn value(&mut self, page: &Page, expression: &str) -> Result<Value> {
        let what = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.ask(Some(page), "Runtime.evaluate", what).await?;
        match answer.get("exceptionDetails") {
            Some(thrown) => Err(format!("{expression}: {thrown}").into()),
            None => Ok(answer["result"]["value"].clone()),
        }
    }

    /// Waits until an expression is true, looking whenever the page changes.
    ///
    /// # Errors
    ///
    /// If that takes too long; the error shows what stands on the page.
    pub async fn until(&mut self, page: &Page, condition: &str) -> Result<()> {
        // The page keeps the time, so that the clock of a test may stand still.
        let wait = format!(
            "new Promise(done => {{
                const end = found => {{ observer.disconnect(); clearTimeout(limit); done(found); }};
                const look = () => {{ if ({condition}) end(true); }};
                const observer = new MutationObserver(look);
                const limit = setTimeout(() => end(false), {PATIENCE});
                observer.observe(document, {{ subtree: true, childList: true, attributes: true, characterData: true }});
                document.addEventListener('readystatechange', look);
                look();
            }})"
        );
        if self.value(page, &wait).await? == true {
            return Ok(());
        }
        let text = self.value(page, "document.body.innerText").await?;
        Err(format!("it never came to `{condition}`; the page says:\n{}", text.as_str().unwrap_or("")).into())
    }

    /// A picture of the whole page, as PNG, at this width and in the colours for a dark or a light room.
    ///
    /// # Errors
    ///
    /// If the browser fails.
    pub async fn picture(&mut self, page: &Page, width: u32, dark: bool) -> Result<Vec<u8>> {
        let scheme = if dark { "dark" } else { "light" };
        let scheme = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.ask(Some(page), "Emulation.setEmulatedMedia", scheme).await?;
        let mut size = json!({ "width": width, "height": 100, "deviceScaleFactor": 1, "mobile": false });
        self.ask(Some(page), "Emulation.setDeviceMetricsOverride", size.clone()).await?;
        size["height"] = self.value(page, "document.documentElement.scrollHeight").await?;
        self.ask(Some(page), "Emulation.setDeviceMetricsOverride", size).await?;
        let picture = self.ask(Some(page), "Page.captureScreenshot", json!({ "format": "png" })).await?;
        Ok(BASE64_STANDARD.decode(picture["data"].as_str().ok_or("no picture")?)?)
    }

    /// What pages have complained of so far: exceptions, and what the log of the browser calls an error.
    pub fn complaints(&mut self) -> Vec<String> {
        let events = self.events.drain(..);
        let complaints = events.filter_map(|event| match event["method"].as_str()? {
            "Runtime.exceptionThrown" => Some(event["params"]["exceptionDetails"].to_string()),
            "Log.entryAdded" if event["params"]["entry"]["level"] == "error" => {
                Some(event["params"]["entry"].to_string())
            }
            _ => None,
        });
        complaints.collect()
    }

    /// Sends a command and waits for its answer.
    async fn ask(&mut self, page: Option<&Page>, method: &str, params: Value) -> Result<Value> {
        self.last += 1;
        let mut command = json!({ "id": self.last, "method": method, "params": params });
        if let Some(page) = page {
            command["sessionId"] = json!(page.session);
        }
        self.input.write_all(&[command.to_string().as_bytes(), b"\0"].concat()).await?;
        loop {
            let mut message = Vec::new();
            if self.output.read_until(0, &mut message).await? == 0 {
                return Err(format!("the browser has ended: {:?}", self.child.try_wait()?).into());
            }
            message.pop();
            let mut message: Value = serde_json::from_slice(&message)?;
            if message.get("id").is_none() {
                self.events.push_back(message);
            } else if message["id"] == self.last {
                return match message.get("error") {
                    Some(error) => Err(format!("{method}: {error}").into()),
                    None => Ok(message["result"].take()),
                };
            }
        }
    }
}

impl Drop for Browser {
    /// Kills all of its processes, so that none writes into the profile while that is removed.
    fn drop(&mut self) {
        if let Some(id) = self.child.id() {
            let group = format!("-{id}");
            let _ = std::process::Command::new("kill").args(["-KILL", "--", &group]).status();
        }
        let _ = self.child.start_kill();
        while let Ok(None) = self.child.try_wait() {
            thread::sleep(Duration::from_millis(1));
        }
    }
}
