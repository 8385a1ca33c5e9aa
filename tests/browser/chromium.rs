//! A headless Chromium, driven by a chromedriver of its own, with virtual authenticators.

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use fantoccini::error::{CmdError, ErrorStatus};
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

use crate::support::poll::ATTEMPTS;

/// The longest wait for anything in the browser. Only a test that fails reaches it.
const PATIENCE: Duration = Duration::from_secs(30);

/// The errors of a click on an element that the page has redrawn or moved since it was found.
const MOVED: [ErrorStatus; 2] = [
    ErrorStatus::StaleElementReference,
    ErrorStatus::ElementClickIntercepted,
];

/// A browser session.
pub struct Chromium {
    driver: Driver,
    client: Client,
    /// The folder for downloads.
    pub downloads: TempDir,
}

impl Chromium {
    /// Starts one.
    pub async fn start() -> Self {
        let driver = Driver::start();
        let downloads = tempfile::tempdir().unwrap();
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": {
                "args": arguments(),
                "prefs": { "download.default_directory": downloads.path() },
            },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let Value::Object(capabilities) = capabilities else {
            unreachable!("it is written as an object");
        };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{}", driver.port))
            .await
            .unwrap();
        Self {
            driver,
            client,
            downloads,
        }
    }

    /// Ends the session and the browser.
    pub async fn close(self) {
        self.client.close().await.unwrap();
        drop(self.driver);
    }

    /// Opens a page.
    pub async fn open(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    /// Adds a virtual authenticator (WebAuthn Level 3 §11.3). There should be one at a time: the
    /// browser asks all of them and takes the first response, even a refusal.
    pub async fn plug_in(&self, authenticator: Value) -> Plugged {
        let command = Extension::AddAuthenticator(authenticator);
        let id = self.client.issue_cmd(command).await.unwrap();
        Plugged(id.as_str().unwrap().to_owned())
    }

    /// Takes it away again.
    pub async fn unplug(&self, authenticator: Plugged) {
        let command = Extension::RemoveAuthenticator(authenticator.0);
        self.client.issue_cmd(command).await.unwrap();
    }

    /// Clicks on the element that this CSS selector finds. If the page redraws or moves it between the
    /// two, finds it again, as a person would.
    pub async fn click(&self, css: &str) {
        for _ in 0..ATTEMPTS {
            match self.find(css).await.click().await {
                Err(CmdError::Standard(error)) if MOVED.contains(&error.error) => {}
                clicked => return clicked.unwrap(),
            }
        }
        panic!("{css} does not stay where it is");
    }

    /// Replaces the text of an input, as typing does.
    pub async fn fill(&self, css: &str, text: &str) {
        let input = self.find(css).await;
        input.clear().await.unwrap();
        input.send_keys(text).await.unwrap();
    }

    /// Chooses an option by its value.
    pub async fn choose(&self, css: &str, value: &str) {
        let select = self.find(css).await;
        select.select_by_value(value).await.unwrap();
    }

    /// The texts of the elements that this CSS selector finds now.
    pub async fn texts(&self, css: &str) -> Vec<String> {
        let script =
            "return [...document.querySelectorAll(arguments[0])].map(one => one.innerText)";
        let found = self.client.execute(script, vec![css.into()]).await.unwrap();
        serde_json::from_value(found).unwrap()
    }

    /// Waits until an element that this CSS selector finds contains this text.
    pub async fn until(&self, css: &str, part: &str) {
        let reads = "
            const [css, part, done] = arguments;
            const look = () => [...document.querySelectorAll(css)]
              .some(one => one.innerText.includes(part));
            if (look()) return done();
            const watch = new MutationObserver(() => {
              if (look()) { watch.disconnect(); done(); }
            });
            watch.observe(document, {
              attributes: true, characterData: true, childList: true, subtree: true,
            });";
        let arguments = vec![css.into(), part.into()];
        // The browser gives a script 30 seconds.
        if let Err(error) = self.client.execute_async(reads, arguments).await {
            let page = self.texts("body").await.join("");
            panic!("{css} never reads {part:?} ({error}); the page:\n{page}");
        }
    }

    /// Types into the focused element. `Key` has the keys that are not text.
    pub async fn keys(&self, keys: &str) {
        let focused = self.client.active_element().await.unwrap();
        focused.send_keys(keys).await.unwrap();
    }

    /// The id of the focused element.
    pub async fn focused(&self) -> String {
        let focused = self.client.active_element().await.unwrap();
        focused.attr("id").await.unwrap().unwrap_or_default()
    }

    /// The accessible names of the elements that this CSS selector finds, by id or text.
    pub async fn labels(&self, css: &str) -> Vec<(String, String)> {
        let mut labels = Vec::new();
        for found in self.client.find_all(Locator::Css(css)).await.unwrap() {
            let label = Extension::Label(found.element_id().to_string());
            let label = self.client.issue_cmd(label).await.unwrap();
            let html = found.html(false).await.unwrap();
            labels.push((html, label.as_str().unwrap().to_owned()));
        }
        labels
    }

    /// The console output since the last call, without refused requests, which the browser lists as
    /// failures to load.
    pub async fn complaints(&self) -> Vec<Value> {
        let entries = self.client.issue_cmd(Extension::Console).await.unwrap();
        let mut entries: Vec<Value> = serde_json::from_value(entries).unwrap();
        let refusal = "the server responded with a status of 4";
        entries.retain(|entry| !entry["message"].as_str().unwrap().contains(refusal));
        entries
    }

    /// Makes the viewport this wide, in CSS pixels, without the window system's limits.
    pub async fn widen(&self, width: u32) {
        let metrics = json!({
            "width": width, "height": 844, "deviceScaleFactor": 1, "mobile": false,
        });
        let command = Extension::DevTools("Emulation.setDeviceMetricsOverride", metrics);
        self.client.issue_cmd(command).await.unwrap();
    }

    /// Shows pages as on this medium, such as `print`.
    pub async fn media(&self, medium: &str) {
        let command = Extension::DevTools("Emulation.setEmulatedMedia", json!({ "media": medium }));
        self.client.issue_cmd(command).await.unwrap();
    }

    /// Runs a script like a script element: its top-level definitions belong to the page.
    pub async fn load(&self, script: &str) {
        let command = Extension::DevTools("Runtime.evaluate", json!({ "expression": script }));
        let loaded = self.client.issue_cmd(command).await.unwrap();
        assert_eq!(loaded["exceptionDetails"], Value::Null);
    }

    /// Runs the body of an asynchronous function in the page and returns its result.
    pub async fn run(&self, body: &str, arguments: Vec<Value>) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             (async (...given) => {{ {body} }})(...[...arguments].slice(0, -1))
               .then(value => done({{ value }}), error => done({{ error: `${{error}}` }}));"
        );
        let answer = self.client.execute_async(&script, arguments).await.unwrap();
        assert_eq!(answer["error"], Value::Null, "{body}");
        answer["value"].clone()
    }

    async fn find(&self, css: &str) -> fantoccini::elements::Element {
        let wait = self.client.wait().at_most(PATIENCE);
        match wait.for_element(Locator::Css(css)).await {
            Ok(element) => element,
            Err(error) => {
                let page = self.texts("body").await.join("");
                panic!("{css} is not there ({error}); the page:\n{page}");
            }
        }
    }
}

/// A built-in authenticator: it verifies the user and keeps discoverable credentials.
pub fn built_in() -> Value {
    json!({
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": true,
        "hasUserVerification": true,
        "isUserConsenting": true,
        "isUserVerified": true,
    })
}

/// A security key without a PIN.
pub fn security_key() -> Value {
    json!({
        "protocol": "ctap2",
        "transport": "usb",
        "hasResidentKey": false,
        "hasUserVerification": false,
        "isUserConsenting": true,
    })
}

fn arguments() -> Vec<&'static str> {
    let mut arguments = vec![
        "--headless=new",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-default-apps",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--disable-sync",
    ];
    // Chromium's sandbox does not work for root.
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        arguments.push("--no-sandbox");
    }
    arguments
}

/// The id of an authenticator in the browser.
pub struct Plugged(String);

/// Commands that fantoccini does not have.
#[derive(Debug)]
enum Extension {
    /// WebAuthn Level 3 §11.3.
    AddAuthenticator(Value),
    /// WebAuthn Level 3 §11.4.
    RemoveAuthenticator(String),
    /// WebDriver 2 §12.4.9: the accessible name of an element.
    Label(String),
    /// A command of chromedriver: the console's output.
    Console,
    /// A command of chromedriver: one of the DevTools protocol.
    DevTools(&'static str, Value),
}

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        let path = match self {
            Self::AddAuthenticator(_) => "webauthn/authenticator".to_owned(),
            Self::RemoveAuthenticator(id) => format!("webauthn/authenticator/{id}"),
            Self::Label(element) => format!("element/{element}/computedlabel"),
            Self::Console => "se/log".to_owned(),
            Self::DevTools(..) => "goog/cdp/execute".to_owned(),
        };
        let session = session.expect("there is a session");
        base.join(&format!("session/{session}/{path}"))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        let body = match self {
            Self::AddAuthenticator(authenticator) => authenticator.clone(),
            Self::RemoveAuthenticator(_) => return (Method::DELETE, None),
            Self::Label(_) => return (Method::GET, None),
            Self::Console => json!({ "type": "browser" }),
            Self::DevTools(command, parameters) => json!({ "cmd": command, "params": parameters }),
        };
        (Method::POST, Some(body.to_string()))
    }
}

/// A chromedriver on a free port. Dropping it ends its browsers too.
struct Driver {
    process: Child,
    port: u16,
}

impl Driver {
    fn start() -> Self {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("chromedriver is installed (tests/run installs it)");
        let port = port(process.stdout.take().unwrap());
        Self { process, port }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let group = format!("-{}", self.process.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.process.wait();
    }
}

/// Reads the port that chromedriver listens on.
fn port(stdout: impl Read + Send + 'static) -> u16 {
    const SAYS: &str = "started successfully on port ";
    let (found, port) = mpsc::channel();
    thread::spawn(move || {
        // read to the end, so that it never stalls
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some((_, port)) = line.split_once(SAYS) {
                let port = port.trim_end_matches('.').parse::<u16>();
                let _ = found.send(port.unwrap());
            }
        }
    });
    port.recv_timeout(PATIENCE).expect("chromedriver starts")
}
