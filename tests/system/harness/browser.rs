//! A headless Chromium, driven through W3C WebDriver (https://www.w3.org/TR/webdriver2/): the few commands that the tests
//! of the page need, over the HTTP client that is there.

use super::process::Process;
use super::scene::{Scene, Skipped};
use super::{http, ports, wait};
use anyhow::{Context, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// For a browser to start, and for a page to show what it was asked for, on a loaded machine with two cores.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Size of the window: that of the pictures, too.
const WIDTH: u32 = 1360;
const HEIGHT: u32 = 900;
/// The key under which WebDriver answers with an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A window of a browser. Dropping it ends the browser.
pub struct Browser {
    /// Base URL of the session.
    session: String,
    /// Where pictures go, below `target/tmp/page`.
    pictures: &'static str,
    /// Ended after the session.
    _driver: Process,
}

impl Browser {
    /// Starts a browser that reaches nothing but this machine.
    pub fn start(scene: &Scene, pictures: &'static str) -> anyhow::Result<Self> {
        let found = |name: &str| {
            std::env::var_os("PATH")
                .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
        };
        if !found("chromedriver") || !found("chromium") {
            return Err(Skipped { reason: "needs Chromium (Debian: chromium and chromium-driver)".into() }.into());
        }
        let port = ports::free();
        let mut command = Command::new("chromedriver");
        // Times in pictures and in what is typed are the same everywhere.
        command.arg(format!("--port={port}")).env("TZ", "UTC").env("LANG", "C.UTF-8");
        let mut driver = scene.start("chromedriver", command);
        let base = format!("http://127.0.0.1:{port}");
        let ready = wait::until("chromedriver", PATIENCE, || {
            let ready = http::get(&format!("{base}/status")).is_ok_and(|(status, _)| status == 200);
            (ready || !driver.is_running()).then_some(ready)
        })?;
        ensure!(ready, "chromedriver ended: {}", driver.stderr());
        let options = json!({
            "binary": "chromium",
            "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--lang=en-GB",
                // A browser whose driver is gone ends.
                "--remote-debugging-pipe",
                // Whoever asks for another machine is told that there is none.
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                "--force-prefers-reduced-motion",
                format!("--window-size={WIDTH},{HEIGHT}"),
                format!("--user-data-dir={}", scene.directory("chromium").display()),
            ],
        });
        // The driver does not look for the binary in PATH.
        let mut options = options;
        if let Some(binary) =
            ["/usr/bin/chromium", "/usr/local/bin/chromium"].iter().find(|path| Path::new(path).exists())
        {
            options["binary"] = json!(binary);
        }
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" }, "unhandledPromptBehavior": "ignore",
        } } });
        let answer = call(Method::POST, &format!("{base}/session"), Some(&wanted)).context("start Chromium")?;
        let id = answer["sessionId"].as_str().context("a session has an id")?;
        Ok(Self { session: format!("{base}/session/{id}"), pictures, _driver: driver })
    }

    fn post(&self, command: &str, body: &Value) -> anyhow::Result<Value> {
        call(Method::POST, &format!("{}/{command}", self.session), Some(body))
            .with_context(|| format!("{command} {body}"))
    }

    /// Goes to a page, and forgets the one before: also where only the part behind `#` differs.
    pub fn open(&self, url: &str) -> anyhow::Result<()> {
        self.post("url", &json!({ "url": "about:blank" }))?;
        self.post("url", &json!({ "url": url })).map(drop)
    }

    pub fn url(&self) -> anyhow::Result<String> {
        let url = call(Method::GET, &format!("{}/url", self.session), None)?;
        Ok(url.as_str().unwrap_or_default().to_owned())
    }

    /// What `expression` of JavaScript is in the page.
    pub fn value(&self, expression: &str) -> anyhow::Result<Value> {
        self.post("execute/sync", &json!({ "script": format!("return ({expression})"), "args": [] }))
    }

    /// The text of the first element that `selector` finds, as it is seen; empty when there is none.
    pub fn text(&self, selector: &str) -> anyhow::Result<String> {
        let selector = json!(selector);
        let text = self.value(&format!("document.querySelector({selector})?.innerText ?? ''"))?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// How many elements `selector` finds.
    pub fn count(&self, selector: &str) -> anyhow::Result<u64> {
        let selector = json!(selector);
        Ok(self.value(&format!("document.querySelectorAll({selector}).length"))?.as_u64().unwrap_or_default())
    }

    /// Waits until `expression` of JavaScript is true.
    pub fn until(&self, what: &str, expression: &str) -> anyhow::Result<()> {
        let mut last = None;
        let reached = wait::until(what, PATIENCE, || {
            last = Some(self.value(expression));
            matches!(last, Some(Ok(Value::Bool(true)))).then_some(())
        });
        reached.with_context(|| format!("{expression}: {last:?}; the page says {:?}", self.text("body")))
    }

    /// Waits until `selector` finds an element, and clicks on it.
    pub fn click(&self, selector: &str) -> anyhow::Result<()> {
        // The page may draw it anew between the two questions; then it is the new one that is meant.
        wait::until(&format!("a click on {selector}"), PATIENCE, || {
            let clicked = self
                .element(selector)
                .and_then(|element| self.post(&format!("element/{element}/click"), &json!({})).map(drop));
            let is_drawn_anew = |error: &anyhow::Error| {
                let said = format!("{error:#}");
                said.contains("stale element reference") || said.contains("no such element")
            };
            (!clicked.as_ref().is_err_and(is_drawn_anew)).then_some(clicked)
        })?
    }

    fn element(&self, selector: &str) -> anyhow::Result<String> {
        self.until(selector, &format!("document.querySelector({}) !== null", json!(selector)))?;
        let found = self.post("element", &json!({ "using": "css selector", "value": selector }))?;
        Ok(found[ELEMENT].as_str().context("an element has an id")?.to_owned())
    }

    /// Types into an element in place of what is there; `\n` is Enter.
    pub fn fill(&self, selector: &str, text: &str) -> anyhow::Result<()> {
        let element = self.element(selector)?;
        self.post(&format!("element/{element}/clear"), &json!({}))?;
        self.post(&format!("element/{element}/value"), &json!({ "text": text.replace('\n', "\u{e007}") })).map(drop)
    }

    /// Presses keys one after the other, wherever the focus is.
    pub fn keys(&self, keys: &str) -> anyhow::Result<()> {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })])
            .collect();
        self.post("actions", &json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": strokes }] })).map(drop)
    }

    /// Drags over an element from one part of its width to another.
    pub fn drag(&self, selector: &str, from: f64, to: f64) -> anyhow::Result<()> {
        self.element(selector)?;
        let place = self.value(&format!(
            "(() => {{ const r = document.querySelector({}).getBoundingClientRect(); return [r.left, r.top, r.width, r.height]; }})()",
            json!(selector)
        ))?;
        let place: Vec<f64> = serde_json::from_value(place)?;
        let [left, top, width, height] = place[..] else { bail!("{selector} has no place") };
        let at = |part: f64| (left + width * part).round();
        let y = (top + height / 2.0).round();
        let go = |x: f64| json!({ "type": "pointerMove", "duration": 40, "x": x, "y": y });
        let steps = json!([go(at(from)), { "type": "pointerDown", "button": 0 }, go(at((from + to) / 2.0)), go(at(to)), { "type": "pointerUp", "button": 0 }]);
        let pointer =
            json!({ "type": "pointer", "id": "mouse", "parameters": { "pointerType": "mouse" }, "actions": steps });
        self.post("actions", &json!({ "actions": [pointer] })).map(drop)
    }

    /// Puts the pointer where nothing is below it.
    pub fn point_nowhere(&self) -> anyhow::Result<()> {
        let away = json!([{ "type": "pointerMove", "duration": 0, "x": 1, "y": 1 }]);
        let pointer =
            json!({ "type": "pointer", "id": "mouse", "parameters": { "pointerType": "mouse" }, "actions": away });
        self.post("actions", &json!({ "actions": [pointer] })).map(drop)
    }

    /// A picture of the window, kept as `target/tmp/page/PICTURES/NAME.png`.
    pub fn picture(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page").join(self.pictures);
        std::fs::create_dir_all(&folder).with_context(|| format!("make {folder:?}"))?;
        let picture = call(Method::GET, &format!("{}/screenshot", self.session), None)?;
        let bytes = STANDARD.decode(picture.as_str().unwrap_or_default()).context("a picture is base64")?;
        let path = folder.join(format!("{name}.png"));
        std::fs::write(&path, bytes).with_context(|| format!("write {path:?}"))?;
        Ok(path)
    }

    /// A dialog that a script opened, if there is one.
    pub fn dialog(&self) -> Option<String> {
        let text = call(Method::GET, &format!("{}/alert/text", self.session), None).ok()?;
        Some(text.as_str().unwrap_or_default().to_owned())
    }

    /// What the browser complained of since the last look: errors of scripts, what the page's policy forbade, failed
    /// requests.
    pub fn complaints(&self) -> anyhow::Result<Vec<String>> {
        let entries = self.post("se/log", &json!({ "type": "browser" }))?;
        let entries = entries.as_array().cloned().unwrap_or_default();
        let severe = entries.iter().filter(|entry| entry["level"] == "SEVERE");
        Ok(severe.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser with the session.
        let _ = call(Method::DELETE, &self.session, None);
    }
}

fn call(method: Method, url: &str, body: Option<&Value>) -> anyhow::Result<Value> {
    let mut request = http::client().request(method, url);
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = request.send()?;
    let is_good = answer.status().is_success();
    let mut answer: Value = answer.json()?;
    ensure!(is_good, "{}: {}", answer["value"]["error"], answer["value"]["message"]);
    Ok(answer["value"].take())
}
