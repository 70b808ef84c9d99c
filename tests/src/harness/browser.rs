//! Chromium through its WebDriver, each with a profile of its own.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::output;
use super::process::{Process, Sandbox};
use super::wait::{LONG, SHORT, until, within};

/// Chromium's flags: no sandbox because CI runs as root, and nothing that talks to the world.
const FLAGS: [&str; 11] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    // A page in the background of a test keeps its timers.
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
];

/// As many ports are tried for a driver.
const DRIVERS: u32 = 8;

/// A browser window.
#[derive(Debug)]
pub struct Browser {
    /// The WebDriver session, for what this type has no word for.
    pub client: Client,
    console: Vec<Value>,
    // In this order: the driver ends before its directory, and the directory's drop ends what is left.
    _driver: Process,
    _sandbox: Sandbox,
}

/// A driver, and its port on 127.0.0.1. Chromedriver takes the same port on `::1`, which may be somebody else's.
async fn driver(sandbox: &Sandbox) -> (Process, u16) {
    for _ in 0..DRIVERS {
        let mut command = sandbox.command("chromedriver");
        command.arg("--port=0");
        let (driver, stdout) = Process::start("chromedriver", sandbox, command);
        let mut lines = BufReader::new(stdout).lines();
        let port = within("chromedriver's port", LONG, async {
            while let Some(line) = lines.next_line().await.expect("chromedriver's output is text") {
                let told = line.split("on port ").nth(1).filter(|_| line.contains("started successfully"));
                if let Some(port) = told.and_then(|text| text.trim_end_matches('.').parse().ok()) {
                    return Some(port);
                }
            }
            None
        })
        .await;
        if let Some(port) = port {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return (driver, port);
        }
        let why = driver.stderr();
        assert!(why.contains("Address already in use"), "chromedriver ended: {why}");
    }
    panic!("chromedriver finds no free port");
}

impl Browser {
    /// Starts a browser with a 1280×800 window.
    pub async fn start() -> Self {
        Self::sized(1280, 800).await
    }

    /// Starts a browser that has opened a link and is live.
    pub async fn watching(link: &str) -> Self {
        let browser = Self::start().await;
        browser.live(link).await;
        browser
    }

    /// Opens a link and waits until its session is live.
    pub async fn live(&self, link: &str) {
        self.open(link).await;
        self.status("live").await;
    }

    /// Starts a browser with the size of a phone, touch and a phone's pixel ratio.
    pub async fn phone() -> Self {
        // By flag: with a pixel ratio that is only emulated xterm.js draws its canvas for the window's own.
        let browser = Self::with_flags(390, 844, &["--force-device-scale-factor=3"]).await;
        let metrics = json!({"width": 390, "height": 844, "deviceScaleFactor": 3, "mobile": true});
        browser.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
        browser
            .cdp("Emulation.setTouchEmulationEnabled", json!({"enabled": true, "maxTouchPoints": 5}))
            .await;
        browser
    }

    /// Starts a browser with a window of this size in CSS pixels.
    pub async fn sized(width: u32, height: u32) -> Self {
        Self::with_flags(width, height, &[]).await
    }

    /// The same, with more of Chromium's flags.
    pub async fn with_flags(width: u32, height: u32, flags: &[&str]) -> Self {
        let sandbox = Sandbox::new();
        let (driver, port) = driver(&sandbox).await;
        let mut arguments: Vec<String> = FLAGS.iter().chain(flags).map(|&flag| flag.to_owned()).collect();
        arguments.push(format!("--user-data-dir={}", sandbox.path().join("chromium").display()));
        arguments.push(format!("--window-size={width},{height}"));
        let mut capabilities = Capabilities::new();
        // Certificates of tests come from an authority of the tests.
        capabilities.insert("acceptInsecureCerts".into(), json!(true));
        capabilities.insert("goog:chromeOptions".into(), json!({ "args": arguments }));
        capabilities.insert("goog:loggingPrefs".into(), json!({ "browser": "ALL" }));
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities);
        let url = format!("http://127.0.0.1:{port}");
        let client = within("Chromium to start", LONG, builder.connect(&url))
            .await
            .unwrap_or_else(|error| panic!("Chromium does not start: {error}; {}", driver.stderr()));
        let browser = Self { client, console: Vec::new(), _driver: driver, _sandbox: sandbox };
        // --window-size is the outer size; pages and screenshots want the inner one.
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        browser.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
        browser
    }

    /// Opens an address. The part after `#` counts: a page is loaded anew even if only that differs.
    pub async fn open(&self, url: &str) {
        self.client.goto("about:blank").await.expect("about:blank opens");
        self.client
            .goto(url)
            .await
            .unwrap_or_else(|error| panic!("{} does not open: {error}", without_secret(url)));
    }

    /// Loads the page again.
    pub async fn reload(&self) {
        self.client.refresh().await.expect("a page reloads");
    }

    /// Prefers dark or light.
    pub async fn prefer(&self, scheme: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.cdp("Emulation.setEmulatedMedia", features).await;
    }

    /// Cuts the page's network, or mends it. Sockets that are open stay so: use the fault proxy for those.
    pub async fn offline(&self, offline: bool) {
        let conditions =
            json!({"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1});
        self.cdp("Network.emulateNetworkConditions", conditions).await;
    }

    /// Runs a function body in the page and gives what it returns.
    pub async fn run(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Waits until an expression in the page is true, and gives its value.
    pub async fn until(&self, what: &str, expression: &str) -> Value {
        self.until_within(what, LONG, expression).await
    }

    /// As [`Self::until`], with a limit of its own.
    pub async fn until_within(&self, what: &str, limit: Duration, expression: &str) -> Value {
        let script = format!(
            "let value; try {{ value = ({expression}); }} catch (error) {{ value = null; window.__look = String(error); }} \
             return {{value, text: document.body?.innerText.slice(0, 2000), error: window.__look}};"
        );
        let look = async || match self.client.execute(&script, Vec::new()).await {
            Ok(seen) if truthy(&seen["value"]) => Ok(seen["value"].clone()),
            Ok(seen) => Err(seen.to_string()),
            Err(error) => Err(error.to_string()),
        };
        until(what, limit, look).await
    }

    /// Waits until an element is there and shown.
    pub async fn shown(&self, selector: &str) {
        let expression = format!("document.querySelector({})?.checkVisibility()", json!(selector));
        self.until(&format!("{selector} to be shown"), &expression).await;
    }

    /// Waits until the page's visible text has this part.
    pub async fn says(&self, text: &str) {
        let expression = format!("document.body.innerText.includes({})", json!(text));
        self.until(&format!("the page to say {text:?}"), &expression).await;
    }

    /// Waits for the element of role `status` to say exactly this.
    pub async fn status(&self, text: &str) {
        let expression = format!(
            "document.querySelector('[role=status]')?.innerText.trim().toLowerCase() === {}",
            json!(text)
        );
        self.until(&format!("the status {text:?}"), &expression).await;
    }

    /// Presses the button whose accessible name is this.
    pub async fn press(&self, name: &str) {
        let path = format!("//button[normalize-space()={0} or @aria-label={0}]", xpath_text(name));
        let look = async || {
            let button = self.client.find(Locator::XPath(&path)).await?;
            button.click().await
        };
        until(&format!("the button {name:?}"), SHORT, look).await;
    }

    /// Types text where the focus is, a key at a time.
    pub async fn type_text(&self, text: &str) {
        let mut keys = KeyActions::new("keyboard".into());
        for value in text.chars() {
            keys = keys.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        }
        self.client.perform_actions(keys).await.expect("keys can be typed");
    }

    /// Inserts text as an input method or a phone's keyboard does, without key events.
    pub async fn insert_text(&self, text: &str) {
        self.cdp("Input.insertText", json!({ "text": text })).await;
    }

    /// Holds one key while pressing another (`fantoccini::key::Key` as a char).
    pub async fn chord(&self, held: char, value: char) {
        let keys = KeyActions::new("keyboard".into())
            .then(KeyAction::Down { value: held })
            .then(KeyAction::Down { value })
            .then(KeyAction::Up { value })
            .then(KeyAction::Up { value: held });
        self.client.perform_actions(keys).await.expect("keys can be typed");
    }

    /// Leaves a picture of the page in `test-output/{name}.png`, once it is drawn and nothing moves any more.
    pub async fn screenshot(&self, name: &str) -> PathBuf {
        let frame = "await new Promise((drawn) => requestAnimationFrame(drawn));";
        let at_rest = format!(
            "return (async () => {{ {frame} {frame}
               const moving = document.getAnimations().filter((one) => one.effect.getComputedTiming().endTime < 2000);
               await Promise.allSettled(moving.map((one) => one.finished)); {frame} {frame} }})()"
        );
        self.run(&at_rest).await;
        let picture = self.cdp("Page.captureScreenshot", json!({"format": "png"})).await;
        let data = picture["data"].as_str().expect("a picture in base64");
        let path = output(&format!("{name}.png"));
        std::fs::write(&path, BASE64_STANDARD.decode(data).expect("base64"))
            .expect("test-output/ can be written");
        path
    }

    /// Calls the Chrome DevTools protocol.
    pub async fn cdp(&self, method: &str, parameters: Value) -> Value {
        let command = Vendor { path: "goog/cdp/execute", body: json!({"cmd": method, "params": parameters}) };
        self.client.issue_cmd(command).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// All the page's console has said since the browser's start, as `LEVEL message`.
    pub async fn console(&mut self) -> Vec<String> {
        let command = Vendor { path: "se/log", body: json!({"type": "browser"}) };
        let new = self.client.issue_cmd(command).await.expect("Chromium keeps its console");
        self.console.extend(new.as_array().cloned().unwrap_or_default());
        let line = |entry: &Value| {
            format!("{} {}", entry["level"].as_str().unwrap_or("?"), entry["message"].as_str().unwrap_or("?"))
        };
        self.console.iter().map(line).collect()
    }

    /// The console's lines that a healthy page has none of: errors, panics, violations of the content policy.
    pub async fn complaints(&mut self) -> Vec<String> {
        let bad = |line: &String| {
            let text = line.to_lowercase();
            text.starts_with("severe")
                || text.contains("content security policy")
                || text.contains("panicked at")
        };
        self.console().await.into_iter().filter(bad).collect()
    }

    /// The end of a story on a healthy page: fails if the console complained, then closes the window.
    pub async fn close(mut self) {
        let complaints = self.complaints().await;
        assert!(complaints.is_empty(), "the page's console complains: {complaints:#?}");
        within("Chromium to close", LONG, self.client.clone().close()).await.expect("a session closes");
    }
}

/// A command of Chromium's driver that WebDriver has no word for.
#[derive(Debug)]
struct Vendor {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Vendor {
    fn endpoint(&self, base_url: &url::Url, session_id: Option<&str>) -> Result<url::Url, url::ParseError> {
        base_url.join(&format!("session/{}/{}", session_id.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _request_url: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}

/// What a page counts as true.
fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(value) => value.as_f64() != Some(0.0),
        Value::String(value) => !value.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

/// A link as a failing test may print it.
fn without_secret(url: &str) -> &str {
    url.split('#').next().unwrap_or_default()
}

/// Text as an `XPath` literal; names of buttons have one kind of quote at most.
fn xpath_text(text: &str) -> String {
    if text.contains('"') { format!("'{text}'") } else { format!("\"{text}\"") }
}
