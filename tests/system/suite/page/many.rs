//! A large store below the page: whoever looks at it is not kept waiting by the browser.

use super::documents::{iso, now_ms};
use super::with_store;
use crate::harness::browser::Browser;
use crate::harness::http;
use crate::harness::scene::Scene;
use crate::harness::soak::soak;
use anyhow::ensure;
use serde_json::{Value, json};
use std::fmt::Write;

/// Documents, and those of the full mode.
const DOCUMENTS: i64 = 300_000;
const DOCUMENTS_FULL: i64 = 10_000_000;
/// Of one bulk request.
const BULK: i64 = 10_000;
/// A second has so many documents.
const PER_SECOND: i64 = 100;
/// Longest time in milliseconds in which the page does nothing else, in a browser that shares two cores with builds; a person
/// would notice a tenth of it.
const PAUSE_MAX: i64 = 3_000;

/// Search, zoom, scrolling and a change of range over many documents, while the page's own clock goes on.
pub fn documents_do_not_freeze_it(scene: &Scene) -> anyhow::Result<()> {
    let all = soak(DOCUMENTS, DOCUMENTS_FULL);
    let (page, _process) = with_store(scene)?;
    let last = now_ms() - 1_000;
    let first = last - all * 1_000 / PER_SECOND;
    fill(&page, all, first)?;

    let browser = Browser::start(scene, "many")?;
    let count = |what: &str, number: i64| {
        let shown = format!("document.querySelector('#count')?.innerText.replace(/\\D/g, '') === '{number}'");
        browser.until(&format!("{what}: {number} documents"), &shown)?;
        browser.until("the search to end", "!document.body.classList.contains('busy')")
    };
    browser.open(&format!("{page}/#from={}&to={}", iso(first), iso(last)))?;
    browser.until("rows", "document.querySelectorAll('.row').length > 20")?;
    // The longest time between two ticks of a clock that should tick every 20 ms.
    browser.value(
        "(() => { window.pause = 0; let last = performance.now(); setInterval(() => { const now = performance.now(); \
         window.pause = Math.max(window.pause, now - last); last = now; }, 20); return true; })()",
    )?;
    count("all", all)?;
    browser.fill("#query", "log.level:error AND message:cart\n")?;
    count("errors", all / 10)?;
    browser.fill("#query", "\n")?;
    count("all again", all)?;
    browser.drag("#histogram .u-over", 0.4, 0.6)?;
    browser.until("a smaller range", &format!("!decodeURIComponent(location.hash).includes('{}')", iso(first)))?;
    browser.until("the search to end", "!document.body.classList.contains('busy')")?;
    browser.value("history.back()")?;
    count("the step back", all)?;
    browser.until(
        "a thousand rows below each other",
        "(() => { const rows = document.querySelector('#rows'); rows.scrollTop = rows.scrollHeight; \
         return document.querySelector('#rows-space').offsetHeight >= 24 * 1000; })()",
    )?;
    browser.picture("many")?;
    let pause = browser.value("Math.round(window.pause)")?.as_i64().unwrap_or(i64::MAX);
    ensure!(pause < PAUSE_MAX, "the page did nothing else for {pause} ms; want less than {PAUSE_MAX}");
    let complaints = browser.complaints()?;
    ensure!(complaints.is_empty(), "the browser complains: {complaints:?}");
    Ok(())
}

fn fill(server: &str, all: i64, first_ms: i64) -> anyhow::Result<()> {
    for bulk in 0..all / BULK {
        let mut body = String::new();
        for number in bulk * BULK..(bulk + 1) * BULK {
            let (level, status) = if number % 10 == 3 { ("error", 500) } else { ("info", 200) };
            writeln!(
                body,
                "{{\"create\":{{\"_index\":\"sluice-shop\",\"_id\":\"{number}\"}}}}\n{{\"@timestamp\":{},\"message\":\"GET /cart/{number} \
                 took {} ms\",\"log\":{{\"level\":\"{level}\",\"offset\":{number}}},\"http\":{{\"response\":{{\"status_code\":{status}}}}},\
                 \"host\":{{\"name\":\"web{}\"}},\"event\":{{\"dataset\":\"shop\"}}}}",
                first_ms + number * 1_000 / PER_SECOND,
                number % 977,
                number % 7,
            )?;
        }
        let answer = http::client().post(format!("{server}/_bulk?filter_path=errors")).body(body).send()?;
        let answer: Value = answer.json()?;
        ensure!(answer == json!({ "errors": false }), "a bulk request failed: {answer}");
    }
    http::client().post(format!("{server}/_refresh")).send()?.error_for_status()?;
    Ok(())
}
