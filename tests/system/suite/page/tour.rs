//! What a person does on the page, one thing after the other: search, look closer, filter, open, follow, come back.

use super::documents::{Documents, iso, now_ms, text};
use crate::harness::browser::Browser;
use crate::harness::scene::Scene;
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::path::Path;

/// Height of a row in the table.
const ROW_PIXELS: u64 = 24;

/// The whole tour, on the page at `page` over the documents in `server`. Adds some documents on the way.
pub fn walk(
    scene: &Scene,
    pictures: &'static str,
    page: &str,
    server: &str,
    documents: &Documents,
) -> anyhow::Result<()> {
    let browser = Browser::start(scene, pictures)?;
    let tour = Tour { browser: &browser, page, server, documents };
    tour.first_look()?;
    tour.search()?;
    tour.suggestions()?;
    tour.zoom()?;
    tour.filters()?;
    tour.document()?;
    tour.saved_url()?;
    tour.endless()?;
    tour.live()?;
    tour.hostile()?;
    tour.keyboard_and_theme()?;
    Ok(())
}

struct Tour<'a> {
    browser: &'a Browser,
    page: &'a str,
    server: &'a str,
    documents: &'a Documents,
}

impl Tour<'_> {
    /// The page with all documents in its range, and more of the state.
    fn open(&self, more: &str) -> anyhow::Result<()> {
        let Documents { index, first_ms, last_ms, .. } = self.documents;
        let (from, to) = (iso(*first_ms), iso(*last_ms));
        self.browser.open(&format!("{}/#index={index}-*&from={from}&to={to}{more}", self.page))
    }

    fn wait_for_count(&self, what: &str, count: u64) -> anyhow::Result<()> {
        let shown = format!("document.querySelector('#count')?.innerText.replace(/\\D/g, '') === '{count}'");
        self.browser.until(&format!("{what}: {count} documents"), &shown)?;
        self.browser.until("the search to end", "!document.body.classList.contains('busy')")
    }

    /// Nothing was said in the URL: the newest documents, bars in colours, the fields.
    fn first_look(&self) -> anyhow::Result<()> {
        let browser = self.browser;
        browser.open(&format!("{}/", self.page))?;
        browser.until("rows", "document.querySelectorAll('.row').length > 20")?;
        browser.until("bars", "document.querySelector('#histogram canvas') !== null")?;
        browser.until("the legend", "document.querySelectorAll('.legend-item').length >= 5")?;
        self.open("")?;
        self.wait_for_count("all", self.documents.all.len() as u64)?;
        browser.until("the fields", "document.querySelector('[data-field=\"log.level\"]') !== null")?;
        let newest = text(self.documents.all.last().context("there are documents")?, "/@timestamp");
        let first = browser.text("#row-0 .time")?;
        ensure!(first.replace(' ', "T") + "Z" == newest, "newest first: want {newest}; got {first}");
        browser.point_nowhere()?;
        let picture = browser.picture("discover")?;
        if let Some(folder) = std::env::var_os("SLUICE_PICTURE") {
            std::fs::copy(&picture, Path::new(&folder).join("discover.png"))
                .context("keep the picture for the README")?;
        }
        self.no_complaints()
    }

    fn search(&self) -> anyhow::Result<()> {
        let browser = self.browser;
        let errors = self.documents.count(|it| text(it, "/log/level") == "error");
        browser.fill("#query", "log.level:error\n")?;
        self.wait_for_count("errors", errors)?;
        let levels =
            browser.value("[...document.querySelectorAll('.row .tag')].every((tag) => tag.innerText === 'error')")?;
        ensure!(levels == json!(true), "only errors are shown");

        let timeouts = self.documents.count(|it| text(it, "/message").contains("gateway timeout"));
        browser.fill("#query", "\"gateway timeout\" AND NOT log.level:warn\n")?;
        self.wait_for_count("a phrase", timeouts)?;
        ensure!(browser.text(".row mark")? == "gateway timeout", "what was asked for is marked");
        let bad =
            self.documents.count(|it| it.pointer("/http/response/status_code").and_then(Value::as_u64) >= Some(500));
        browser.fill("#query", "http.response.status_code:[500 TO 599]\n")?;
        self.wait_for_count("a range", bad)?;
        self.no_complaints()?;

        browser.fill("#query", "log.level:(error\n")?;
        browser.until("the reason", "document.querySelector('#error').innerText.includes('refused')")?;
        browser.complaints()?;
        browser.fill("#query", "\n")?;
        self.wait_for_count("all again", self.documents.all.len() as u64)?;
        ensure!(browser.text("#error")?.is_empty(), "the error is gone");
        Ok(())
    }

    fn suggestions(&self) -> anyhow::Result<()> {
        let browser = self.browser;
        browser.fill("#query", "log")?;
        browser.until(
            "a field",
            "[...document.querySelectorAll('#suggestions li span')].some((it) => it.innerText === 'log.level')",
        )?;
        // Tab in the same breath as the word: what it takes must replace all of it.
        browser.keys(".lev\u{e004}")?;
        browser.until("its name in the box", "document.querySelector('#query').value === 'log.level:'")?;
        browser.until(
            "its values",
            "[...document.querySelectorAll('#suggestions li span')].some((it) => it.innerText === 'warn')",
        )?;
        browser.picture("suggestions")?;
        browser.keys("wa\u{e004}\u{e007}")?; // Tab, Enter
        self.wait_for_count("what was suggested", self.documents.count(|it| text(it, "/log/level") == "warn"))?;
        browser.fill("#query", "\n")?;
        self.wait_for_count("all again", self.documents.all.len() as u64)
    }

    fn zoom(&self) -> anyhow::Result<()> {
        let browser = self.browser;
        browser.drag("#histogram .u-over", 0.55, 0.7)?;
        browser.until(
            "a smaller range",
            &format!("!decodeURIComponent(location.hash).includes('{}')", iso(self.documents.first_ms)),
        )?;
        let range = browser
            .value("['from', 'to'].map((name) => Date.parse(new URLSearchParams(location.hash.slice(1)).get(name)))")?;
        let (from, to) = (range[0].as_i64().context("from")?, range[1].as_i64().context("to")?);
        let length = self.documents.last_ms - self.documents.first_ms;
        ensure!((to - from) * 5 < length && (to - from) * 9 > length, "a seventh of the range: {from} to {to}");
        let within = |it: &Value| {
            text(it, "/@timestamp")
                .parse::<jiff::Timestamp>()
                .is_ok_and(|at| (from..=to).contains(&at.as_millisecond()))
        };
        self.wait_for_count("what lies there", self.documents.count(within))?;
        browser.point_nowhere()?;
        browser.picture("zoom")?;
        browser.value("history.back()")?;
        self.wait_for_count("the step back", self.documents.all.len() as u64)
    }

    fn filters(&self) -> anyhow::Result<()> {
        let (browser, all) = (self.browser, self.documents.all.len() as u64);
        browser.click("[data-field=\"event.dataset\"] .field-name")?;
        browser.until("the values", "document.querySelectorAll('.values .value').length === 3")?;
        let first = browser.text(".value .value-text")?;
        ensure!(first == "nginx.access", "the most frequent value comes first; got {first:?}");
        let access = self.documents.count(|it| text(it, "/event/dataset") == "nginx.access");
        browser.value("document.querySelector('.value .value-tools button').click()")?;
        self.wait_for_count("filtered for", access)?;
        ensure!(browser.text("#filters .pill")?.contains("event.dataset: nginx.access"), "the filter is shown");
        browser.click("#filters .pill button")?;
        self.wait_for_count("turned round", all - access)?;
        browser.click("#filters .pill .remove")?;
        self.wait_for_count("removed", all)?;
        browser.click("[data-field=\"event.dataset\"] .field-name")
    }

    /// A document opened as fields, as JSON, with its neighbours.
    fn document(&self) -> anyhow::Result<()> {
        let browser = self.browser;
        self.open("&q=log.level:warn")?;
        self.wait_for_count("warnings", self.documents.count(|it| text(it, "/log/level") == "warn"))?;
        browser.click("#row-1")?;
        browser.until("its fields", "document.querySelector('#drawer [data-field=\"trace.id\"]') !== null")?;
        let trace = browser.text("#drawer [data-field=\"trace.id\"] pre")?;
        browser.picture("document")?;
        browser.click("#tab-json")?;
        browser.until(
            "JSON",
            &format!("document.querySelector('#drawer-body .json')?.innerText.includes({})", json!(trace)),
        )?;
        browser.click("#tab-around")?;
        browser.until("its line", "document.querySelector('.around-line.this') !== null")?;
        let lines =
            browser.value("[...document.querySelectorAll('.around-line pre')].map((line) => line.innerText)")?;
        let of_file: Vec<&Value> =
            self.documents.all.iter().filter(|it| text(it, "/log/file/path") == "/srv/shop/app.log").collect();
        let place =
            of_file.iter().position(|it| text(it, "/trace/id") == trace).context("the document is one of ours")?;
        let around: Vec<&str> = of_file[place.saturating_sub(20)..(place + 21).min(of_file.len())]
            .iter()
            .map(|it| text(it, "/message"))
            .collect();
        ensure!(lines == json!(around), "want the lines around: {around:?}; got {lines}");
        browser.picture("surrounding")?;
        browser.click("#tab-fields")?;
        browser.value("document.querySelector('#drawer [data-field=\"service.name\"] .out').click()")?;
        self.wait_for_count("filtered out", 0)?;
        self.no_complaints()
    }

    /// Whoever opens a saved URL sees what was saved.
    fn saved_url(&self) -> anyhow::Result<()> {
        let browser = self.browser;
        self.open("&q=log.level:error")?;
        let errors = self.documents.count(|it| text(it, "/log/level") == "error");
        self.wait_for_count("errors", errors)?;
        browser.value("document.querySelector('[data-field=\"trace.id\"] .field-column').click()")?;
        browser.value("document.querySelector('[data-field=\"message\"] .field-column').click()")?;
        browser.click("#row-3")?;
        browser.value("document.querySelector('#drawer [data-field=\"message\"] .for').click()")?;
        let message = browser.text("#drawer [data-field=\"message\"] pre")?;
        let same = self.documents.count(|it| text(it, "/log/level") == "error" && text(it, "/message") == message);
        self.wait_for_count("filtered for", same)?;
        let saved = browser.url()?;
        let state = "JSON.stringify([document.querySelector('#query').value, document.querySelector('#head').innerText, \
            document.querySelector('#filters').innerText, document.querySelector('#drawer [data-field=\"trace.id\"] pre')?.innerText, \
            document.querySelector('#range-name').innerText, document.querySelector('#row-0')?.innerText])";
        let before = browser.value(state)?;
        browser.open(&saved)?;
        self.wait_for_count("the same", same)?;
        browser.until("the document", "document.querySelector('#drawer [data-field=\"trace.id\"] pre') !== null")?;
        let again = browser.value(state)?;
        ensure!(before == again, "want {before}; got {again}");
        browser.picture("saved")?;
        self.no_complaints()
    }

    /// Scrolling brings document after document, down to the first, each once.
    fn endless(&self) -> anyhow::Result<()> {
        let browser = self.browser;
        self.open("")?;
        let all = self.documents.all.len() as u64;
        self.wait_for_count("all", all)?;
        let whole = all * ROW_PIXELS;
        browser.until(
            "the end of the table",
            &format!(
                "(() => {{ const rows = document.querySelector('#rows'); rows.scrollTop = rows.scrollHeight; \
                return document.querySelector('#rows-space').offsetHeight === {whole}; }})()"
            ),
        )?;
        let oldest = iso(self.documents.first_ms);
        browser.until(
            "the oldest",
            &format!(
                "document.querySelector('#row-{} .time')?.innerText.replace(' ', 'T') + 'Z' === {}",
                all - 1,
                json!(oldest)
            ),
        )?;
        ensure!(browser.count(".row")? < 120, "only the rows that are seen are elements");
        Ok(())
    }

    /// New documents come by themselves, on top.
    fn live(&self) -> anyhow::Result<()> {
        let browser = self.browser;
        browser.open(&format!("{}/#index={}-*&from=now-1h&to=now", self.page, self.documents.index))?;
        browser.until("rows", "document.querySelectorAll('.row').length > 20")?;
        browser.until("the search to end", "!document.body.classList.contains('busy')")?;
        browser.keys("l")?;
        browser.until("live", "document.body.classList.contains('live') && location.hash.includes('live=1')")?;
        for (number, said) in ["the first that came live", "the second that came live"].into_iter().enumerate() {
            let document = json!({
                "@timestamp": iso(now_ms()), "message": said, "log": { "level": "notice", "file": { "path": "/tmp/live.log" }, "offset": number },
                "event": { "dataset": "live" },
            });
            self.documents.add(self.server, &[document])?;
            browser.until(said, &format!("document.querySelector('#row-0 .say')?.innerText === {}", json!(said)))?;
        }
        ensure!(browser.text("#row-1 .say")? == "the first that came live", "the one before lies below");
        browser.picture("live")?;
        browser.click("#live")?;
        browser
            .until("the end of it", "!document.body.classList.contains('live') && !location.hash.includes('live=1')")?;
        self.no_complaints()
    }

    /// A log line may say anything, and stays text.
    fn hostile(&self) -> anyhow::Result<()> {
        let browser = self.browser;
        let markup = "<script>document.title='owned'</script><img src=x onerror=alert(1)><b>bold</b>";
        let control = "\u{1b}[31mred\u{7} \u{202e}gnp.exe\u{202c} a\u{200b}b \u{0}";
        let lines = [markup, control, "javascript:alert(2)//\"'><svg onload=alert(3)>"];
        // One look at the clock: the order of the lines is theirs, however long making them takes.
        let now = now_ms();
        let documents: Vec<Value> = lines
            .iter()
            .enumerate()
            .map(|(number, line)| {
                json!({
                    "@timestamp": iso(now - number as i64), "message": line, "event": { "dataset": "hostile" },
                    "log": { "level": "<i>error</i>", "file": { "path": "/tmp/<b>x</b>.log" }, "offset": number },
                    "labels": { "<img src=x onerror=alert(4)>": "</td><script>alert(5)</script>" },
                })
            })
            .collect();
        self.documents.add(self.server, &documents)?;
        browser.open(&format!(
            "{}/#index={}-*&from=now-1h&to=now&q=event.dataset:hostile&column=log.level&column=message",
            self.page, self.documents.index
        ))?;
        self.wait_for_count("hostile ones", lines.len() as u64)?;
        let shown = browser.text("#row-0")?;
        ensure!(shown.contains(markup), "markup is text; got {shown:?}");
        let marks = browser.value("[...document.querySelectorAll('#row-1 .unseen')].map((it) => it.innerText)")?;
        ensure!(
            marks == json!(["\\x1b", "\\x07", "U+202E", "U+202C", "U+200B", "\\x00"]),
            "control characters are marks; got {marks}"
        );
        for number in 0..lines.len() {
            browser.click(&format!("#row-{number}"))?;
            browser.until("the document", "document.querySelector('#drawer [data-field=\"message\"]') !== null")?;
            browser.click("#tab-json")?;
            browser.click("#tab-around")?;
            browser.until("its file", "document.querySelector('.around-line.this') !== null")?;
            browser.click("#tab-fields")?;
        }
        browser.value("document.querySelector('[data-field=\"log.level\"] .field-name').click()")?;
        browser.until("its values", "document.querySelectorAll('.values .value').length === 1")?;
        browser.value("document.querySelector('.value .value-tools button').click()")?;
        browser.until("the filter", "document.querySelector('.pill')?.innerText.includes('<i>error</i>')")?;
        self.wait_for_count("hostile ones", lines.len() as u64)?;
        browser.picture("hostile")?;
        let made = browser.value("document.querySelectorAll('main img, main script, main svg, main b > i, #rows b, #rows i:not(.edge)').length")?;
        ensure!(made == json!(0), "no element comes from a document; got {made}");
        ensure!(browser.value("document.title")? != json!("owned"), "no script runs");
        ensure!(browser.dialog().is_none(), "no dialog opens");
        self.no_complaints()
    }

    fn keyboard_and_theme(&self) -> anyhow::Result<()> {
        let browser = self.browser;
        self.open("")?;
        self.wait_for_count("all", self.documents.all.len() as u64)?;
        browser.keys("jjj\u{e007}")?; // three down, Enter
        browser.until(
            "the third document",
            "document.querySelector('#row-2.at') !== null && !document.querySelector('#drawer').hidden",
        )?;
        browser.keys("2")?;
        browser.until("its JSON", "document.querySelector('#drawer .json') !== null")?;
        browser.keys("\u{e00c}")?; // Escape
        browser.until("the drawer to close", "document.querySelector('#drawer').hidden")?;
        browser.keys("/")?;
        browser.until("the search box", "document.activeElement.id === 'query'")?;
        browser.keys("\u{e00c}")?;
        browser.keys("t")?;
        browser.until("the picker", "!document.querySelector('#picker').hidden")?;
        browser.picture("picker")?;
        browser.keys("\u{e00c}")?;
        browser.until("the picker to close", "document.querySelector('#picker').hidden")?;
        let before = browser.value("getComputedStyle(document.body).backgroundColor")?;
        browser.keys("d")?;
        browser.until("the other theme", &format!("getComputedStyle(document.body).backgroundColor !== {before}"))?;
        browser.click("#row-1")?;
        browser.point_nowhere()?;
        browser.picture("dark")?;
        self.no_complaints()
    }

    fn no_complaints(&self) -> anyhow::Result<()> {
        let complaints = self.browser.complaints()?;
        ensure!(complaints.is_empty(), "the browser complains: {complaints:?}");
        Ok(())
    }
}
