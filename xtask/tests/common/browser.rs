//! Chromium without a screen, driven through `chromedriver`: just enough of the `WebDriver` protocol to open a page, run scripts in it, click and
//! press keys.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

/// How long the browser may take for one command.
const PATIENCE: Duration = Duration::from_secs(60);

/// One browser window; ends with its driver.
pub(crate) struct Browser {
    driver: Child,
    /// Open as long as the driver lives, which may say more.
    _said: BufReader<ChildStdout>,
    port: u16,
    session: String,
}

impl Browser {
    /// Starts a browser of this width, or says that the test is skipped.
    pub(crate) fn open(test: &str, width: u32) -> Option<Self> {
        let driver = test_kit::require_program(test, "chromedriver")?;
        let chromium = test_kit::require_program(test, "chromium")?;
        let mut driver = Command::new(driver).arg("--port=0").stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(driver.stdout.take().unwrap());
        let port = port_of(&mut said);
        let args =
            ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-device-scale-factor=1"];
        let args: Vec<String> =
            args.iter().map(ToString::to_string).chain([format!("--window-size={width},1000")]).collect();
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"binary": chromium, "args": args},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let mut browser = Self { driver, _said: said, port, session: String::new() };
        let answer = browser.send("POST", "/session", &wanted);
        browser.session = format!("/session/{}", answer["sessionId"].as_str().unwrap_or_else(|| panic!("{answer}")));
        Some(browser)
    }

    /// Opens a page and waits until it is loaded.
    pub(crate) fn load(&self, page: &Path) {
        self.post("/url", &json!({"url": format!("file://{}", page.display())}));
    }

    /// Runs a script's body in the page and gives what it returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// Clicks where a person would, on the element with this selector.
    pub(crate) fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.post(&format!("/element/{element}/click"), &json!({}));
    }

    /// Types into an element.
    pub(crate) fn type_into(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.post(&format!("/element/{element}/value"), &json!({"text": text}));
    }

    /// Sends a command of Chromium's own protocol.
    pub(crate) fn devtools(&self, command: &str, params: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({"cmd": command, "params": params}))
    }

    /// What the page has said on its console, errors of loading included.
    pub(crate) fn console(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({"type": "browser"}));
        log.as_array().unwrap().iter().map(|entry| entry["message"].to_string()).collect()
    }

    fn element(&self, selector: &str) -> String {
        let found = self.post("/element", &json!({"using": "css selector", "value": selector}));
        let found = found.as_object().and_then(|found| found.values().next());
        found.and_then(Value::as_str).unwrap_or_else(|| panic!("there is no {selector}")).to_owned()
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.send("POST", &format!("{}{path}", self.session), body);
        assert!(answer.get("error").is_none(), "{path}: {answer}");
        answer
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = "Content-Type: application/json\r\nConnection: close";
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost:{}\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}",
            self.port,
            body.len()
        )
        .unwrap();
        // The driver keeps the connection open, whatever is asked of it.
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = BufReader::new(stream);
        let mut length = 0;
        let mut line = String::new();
        while answer.read_line(&mut line).unwrap() > 2 {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut body = vec![0; length];
        answer.read_exact(&mut body).unwrap();
        serde_json::from_slice::<Value>(&body).unwrap()["value"].take()
    }
}

/// The port that the driver chose, once it listens there.
fn port_of(said: &mut BufReader<ChildStdout>) -> u16 {
    let mut line = String::new();
    while said.read_line(&mut line).unwrap() > 0 {
        if line.contains("started successfully")
            && let Some(port) = line.split("on port ").nth(1)
        {
            return port.trim().trim_end_matches('.').parse().unwrap();
        }
        line.clear();
    }
    panic!("chromedriver ended without a port");
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.send("DELETE", &self.session, &json!({}));
        }
        let _ = self.driver.kill(); // it may have ended by itself
        let _ = self.driver.wait();
    }
}
