//! The stacks that follow a file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use resilience_tower::stack::{ClientHandle, ClientSettings, Invalid, ServerHandle, ServerSettings};
use serde::Deserialize;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use crate::Failure;

/// The file: a table for each stack.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) quotes: ClientSettings,
    pub(crate) api: ServerSettings,
}

/// The stacks that follow the file.
pub(crate) struct Live {
    pub(crate) client: ClientHandle,
    pub(crate) server: ServerHandle,
}

impl Live {
    /// Puts all of it in force, or nothing.
    fn apply(&self, settings: &Settings) -> Result<(), Invalid> {
        let before = self.client.settings();
        self.client.reconfigure(&settings.quotes)?;
        self.server.reconfigure(&settings.api).inspect_err(|_| {
            // They were in force a moment ago.
            let _ = self.client.reconfigure(&before);
        })
    }

    fn read(&self, text: &str) -> Result<(), String> {
        let settings = toml::from_str(text).map_err(|wrong| wrong.to_string())?;
        self.apply(&settings).map_err(|wrong| wrong.to_string())
    }
}

/// Says when something happens in the directory of the file: whoever replaces it as a whole makes another file of that name.
pub(crate) fn watch(path: &Path, changed: UnboundedSender<()>) -> Result<RecommendedWatcher, Failure> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // To read the file is an event too.
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let _ = changed.send(());
        }
    })?;
    watcher.watch(path.parent().ok_or("a file is in a directory")?, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

/// Puts in force what the file says whenever it says something else, and tells what came of it.
pub(crate) async fn follow(
    path: PathBuf,
    mut last: String,
    mut changes: UnboundedReceiver<()>,
    live: Live,
    outcomes: UnboundedSender<Result<(), String>>,
) {
    while changes.recv().await.is_some() {
        match fs::read_to_string(&path) {
            Ok(text) if text != last => {
                let _ = outcomes.send(live.read(&text));
                last = text;
            }
            // The same, or just being replaced.
            _ => {}
        }
    }
}
