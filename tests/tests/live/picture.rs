//! A picture of a page that is served elsewhere, for whoever changes it.

use std::{env, fs, path::Path};

use tests::browser::{Browser, Result};

/// Writes `live-light.png` and `live-dark.png` into the folder `LIVE_PICTURES`, of the page at `LIVE_URL`, after `LIVE_SECONDS` (20), with
/// `LIVE_WIDTH` (1240).
#[tokio::test]
#[ignore = "it needs somebody who serves"]
async fn take() -> Result<()> {
    let (url, folder) = (env::var("LIVE_URL")?, env::var("LIVE_PICTURES")?);
    let width = env::var("LIVE_WIDTH").map_or(Ok(1240), |width| width.parse())?;
    let seconds = env::var("LIVE_SECONDS").map_or(Ok(20), |seconds| seconds.parse())?;
    let Some(mut browser) = Browser::start()? else { return Ok(()) };
    let page = browser.open(&url).await?;
    browser.until(&page, "document.querySelector('article')").await?;
    tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
    for (name, dark) in [("live-light.png", false), ("live-dark.png", true)] {
        fs::write(Path::new(&folder).join(name), browser.picture(&page, width, dark).await?)?;
    }
    Ok(())
}
