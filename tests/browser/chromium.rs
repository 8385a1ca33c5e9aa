//! A headless Chromium, driven by a chromedriver of its own, with virtual authenticators.

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use url::{ParseError, Url};

/// How long anything in the browser may take. It is over at once when it works.
const PATIENCE: Duration = Duration::from_secs(30);

/// A browser session. Ends with the value.
pub struct Chromium {
    driver: Driver,
    client: Client,
}

impl Chromium {
    /// Starts one.
    pub async fn start() -> Self {
        let driver = Driver::start();
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments() },
        });
        let Value::Object(capabilities) = capabilities else {
            unreachable!("it is written as an object");
        };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{}", driver.port))
            .await
            .unwrap();
        Self { driver, client }
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
    /// browser asks all that there are, and the first answer counts, a refusal too.
    pub async fn plug_in(&self, authenticator: Value) -> Plugged {
        let command = Authenticator::Add(authenticator);
        let id = self.client.issue_cmd(command).await.unwrap();
        Plugged(id.as_str().unwrap().to_owned())
    }

    /// Takes it away again.
    pub async fn unplug(&self, authenticator: Plugged) {
        let command = Authenticator::Remove(authenticator.0);
        self.client.issue_cmd(command).await.unwrap();
    }

    /// Clicks on what this CSS selector finds.
    pub async fn click(&self, css: &str) {
        self.find(css).await.click().await.unwrap();
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

    /// What each element reads that this CSS selector finds now.
    pub async fn texts(&self, css: &str) -> Vec<String> {
        let script =
            "return [...document.querySelectorAll(arguments[0])].map(one => one.innerText)";
        let found = self.client.execute(script, vec![css.into()]).await.unwrap();
        serde_json::from_value(found).unwrap()
    }

    /// Waits until what this CSS selector finds reads like this.
    pub async fn until(&self, css: &str, part: &str) {
        let reads = async {
            while !self.texts(css).await.iter().any(|text| text.contains(part)) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, reads).await.is_err() {
            let page = self.texts("body").await.join("");
            panic!("{css} never reads {part:?}; the page:\n{page}");
        }
    }

    /// Runs the body of an asynchronous function in the page, and gives what it returns.
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

/// One that is built into the device: it verifies the user and keeps discoverable credentials.
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
    // Chromium has no sandbox for root; anybody else keeps it.
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        arguments.push("--no-sandbox");
    }
    arguments
}

/// An authenticator that the browser has.
pub struct Plugged(String);

/// The commands of WebAuthn Level 3 §11.3 and §11.4.
#[derive(Debug)]
enum Authenticator {
    Add(Value),
    Remove(String),
}

impl WebDriverCompatibleCommand for Authenticator {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        let session = session.expect("there is a session");
        let all = format!("session/{session}/webauthn/authenticator");
        match self {
            Self::Add(_) => base.join(&all),
            Self::Remove(id) => base.join(&format!("{all}/{id}")),
        }
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        match self {
            Self::Add(authenticator) => (Method::POST, Some(authenticator.to_string())),
            Self::Remove(_) => (Method::DELETE, None),
        }
    }
}

/// A chromedriver on a free port. Its browsers end with it, whatever happens to a test.
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

/// The port that it says it listens on.
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
