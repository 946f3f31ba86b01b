//! Names that want to be more than names.

use metrics::{counter, gauge, with_local_recorder};
use resilience_metrics::live::Live;
use serde_json::{Value, json};
use tests::browser::{Browser, Result};

use super::server::{Server, mounted};

fn names() -> Vec<String> {
    let mut names = [
        "<img src=x onerror=\"window.hacked=1\">",
        "</script><script>window.hacked=1</script>",
        "--><svg onload=window.hacked=1>",
        "\"' onmouseover='window.hacked=1' x=\"",
        "&lt;b&gt; ${window.hacked=1} {{window.hacked=1}}",
        "javascript:window.hacked=1",
        "a line\nand\r\nanother\u{2028}one\u{2029}\ttab \0 nothing",
        "\u{202e}sdrawkcab\u{2067} \u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{645}\u{631}\u{62d}\u{628}\u{627}",
        "__proto__",
        "constructor",
        "",
        " ",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push("x".repeat(5000));
    names.push("\u{1f9ef}".repeat(500));
    names.push("several words ".repeat(500));
    names.sort();
    names
}

#[tokio::test]
async fn they_are_shown_as_they_are_and_do_nothing() -> Result<()> {
    let Some(mut browser) = Browser::start()? else { return Ok(()) };
    let (live, names) = (Live::new(), names());
    with_local_recorder(&live.recorder(), || {
        for name in &names {
            let [pipeline, policy, from, to, outcome] = [(); 5].map(|()| name.clone());
            let breaker = [("pipeline", pipeline.clone()), ("policy", policy)];
            gauge!("resilience_circuit_breaker_state", &breaker).set(2.0);
            counter!("resilience_circuit_breaker_transitions_total",
                "pipeline" => pipeline.clone(), "policy" => name.clone(), "from" => from, "to" => to)
            .increment(1);
            counter!("resilience_operations_total", "pipeline" => pipeline, "outcome" => outcome)
                .increment(1);
            counter!("resilience_retries_total", "pipeline" => name.clone(), "policy" => name.clone(), "reason" => name.clone())
                .increment(1);
        }
    });
    let server = Server::start(mounted(&live)).await;
    let page = browser.open(&server.url()).await?;
    let all = |selector: &str| {
        format!("[...document.querySelectorAll('{selector}')].map(node => node.textContent)")
    };
    browser.until(&page, "document.querySelectorAll('article').length > 0").await?;
    // Rates as well, which need two snapshots.
    browser.until(&page, "document.querySelector('.tiles .value').textContent === '0'").await?;

    assert_eq!(browser.value(&page, &all("h2")).await?, json!(names));
    assert_eq!(browser.value(&page, &all(".past li > span > span:first-child")).await?, json!(names));
    let who = browser.value(&page, &all(".policies .who > span")).await?;
    let twice: Vec<&String> = names.iter().flat_map(|name| [name, name]).collect();
    assert_eq!(who, json!(twice));

    assert_eq!(browser.value(&page, "typeof window.hacked").await?, "undefined");
    let made =
        "document.body.querySelectorAll('img, script, b > *, svg[onload], [onmouseover], [onerror]').length";
    assert_eq!(browser.value(&page, made).await?, 1, "the page's own script");
    for width in [1200, 360] {
        browser.picture(&page, width, false).await?;
        let fits = "[document.documentElement.scrollWidth <= innerWidth, \
            Math.max(...[...document.querySelectorAll('h2')].map(node => node.offsetHeight)) < 100]";
        assert_eq!(browser.value(&page, fits).await?, json!([true, true]), "at {width}");
    }
    assert_eq!(browser.complaints(), [""; 0]);
    Ok(())
}

#[tokio::test]
async fn the_policy_of_the_page_stops_what_would_be_put_into_it() -> Result<()> {
    let Some(mut browser) = Browser::start()? else { return Ok(()) };
    let server = Server::start(mounted(&Live::new())).await;
    let page = browser.open(&server.url()).await?;
    let put = |html: &str| format!("document.body.insertAdjacentHTML('beforeend', {})", Value::from(html));
    browser
        .value(&page, &put("<img src=x onerror='window.hacked=1'><style>body{display:none}</style>"))
        .await?;
    let script = "const made = document.createElement('script'); made.textContent = 'window.hacked = 1'; document.body.append(made)";
    browser.value(&page, script).await?;
    let fetched = "fetch('http://127.0.0.2:9/').then(() => 'got', error => error.name)";
    assert_eq!(browser.value(&page, fetched).await?, "TypeError");
    assert_eq!(browser.value(&page, "typeof window.hacked").await?, "undefined");
    assert_eq!(browser.value(&page, "getComputedStyle(document.body).display").await?, "block");
    let complaints = browser.complaints();
    assert!(
        complaints.iter().filter(|text| text.contains("Content Security Policy")).count() >= 3,
        "{complaints:#?}"
    );
    Ok(())
}
