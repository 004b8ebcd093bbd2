//! Plugins from elsewhere: a registry on loopback, with and without credentials, a server of files.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::program::{Ended, PERMISSIONS, Program, noop};

/// What the registry with credentials knows: a user, and the hash of the password `opensesame` (htpasswd(1), `-B`).
const USER: &str = "author";
const HASH: &str = "$2y$05$xLIshEprQy8oyp7f4z.01ON4gCGZfbvWN4yeY1jF4EnRhCnCsmmXC";
/// `author:opensesame` as `docker login` writes it (RFC 4648).
const LOGIN: &str = "YXV0aG9yOm9wZW5zZXNhbWU=";

/// Debian's docker-registry.
pub struct Registry {
    child: Child,
    pub host: String,
    _folder: TempDir,
}

impl Registry {
    pub fn start(with_credentials: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let data = folder.path().join("data");
        let mut configuration = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: 127.0.0.1:{port}}}\n",
            data.display()
        );
        if with_credentials {
            let passwords = folder.path().join("passwords");
            fs::write(&passwords, format!("{USER}:{HASH}\n")).unwrap();
            configuration.push_str(&format!(
                "auth: {{htpasswd: {{realm: duress, path: {}}}}}\n",
                passwords.display()
            ));
        }
        let path = folder.path().join("registry.yaml");
        fs::write(&path, configuration).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("`cargo xtask test` brings docker-registry");
        let host = format!("127.0.0.1:{port}");
        let end = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(&host).is_err() {
            assert!(Instant::now() < end, "the registry listens");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self {
            child,
            host,
            _folder: folder,
        }
    }

    pub fn place(&self, name: &str) -> String {
        format!("oci://{}/{name}", self.host)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// An author with a plugin, and a user with a root.
pub struct People {
    pub program: Program,
}

impl People {
    pub fn new() -> Self {
        let people = Self {
            program: Program::new(),
        };
        people.publish("1.0.0", "theirs");
        let subject = people.root().join("subjects/theirs");
        fs::create_dir_all(&subject).unwrap();
        fs::write(
            subject.join("subject.yaml"),
            "name: theirs\nsummary: s\nplugin: theirs\n",
        )
        .unwrap();
        people
    }

    pub fn author(&self) -> PathBuf {
        self.program.folder.path().join("author")
    }

    fn root(&self) -> PathBuf {
        self.program.folder.path().join("user")
    }

    /// The author's folder has this version.
    fn publish(&self, version: &str, name: &str) {
        fs::create_dir_all(self.author()).unwrap();
        fs::write(self.author().join("theirs.wasm"), noop()).unwrap();
        fs::write(
            self.author().join("plugin.yaml"),
            format!(
                "name: {name}\nversion: {version}\nsummary: somebody's\nlicense: MIT\ncomponent: theirs.wasm\nwit: 0.1.1\nrequests: {PERMISSIONS}\n"
            ),
        )
        .unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        fs::create_dir_all(self.root()).unwrap();
        let folder = self.program.folder.path();
        let mut command = self.program.command(arguments);
        command
            .current_dir(self.root())
            .env("XDG_CACHE_HOME", folder.join("cache"))
            .env("DOCKER_CONFIG", folder.join("docker"));
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&mut self.command(arguments))
    }

    pub fn succeeds(&self, arguments: &[&str]) -> Ended {
        let ended = self.run(arguments);
        assert_eq!(ended.code(), 0, "{arguments:?}: {}", ended.said());
        ended
    }

    pub fn push(&self, to: &str) -> Ended {
        self.run(&["plugin", "push", self.author().to_str().unwrap(), to])
    }

    fn log_in(&self, host: &str) {
        let folder = self.program.folder.path().join("docker");
        fs::create_dir_all(&folder).unwrap();
        let text = format!("{{\"auths\":{{\"{host}\":{{\"auth\":\"{LOGIN}\"}}}}}}");
        fs::write(folder.join("config.json"), text).unwrap();
    }

    pub fn runs(&self) {
        self.succeeds(&[
            "run",
            "--subject",
            "theirs",
            "--baseline",
            "--duration",
            "0",
            "--locked",
        ]);
    }
}

#[test]
fn a_plugin_is_pushed_pulled_fetched_updated_and_removed() {
    let registry = Registry::start(false);
    let people = People::new();
    let place = registry.place("somebody/theirs:1");
    let pushed = people.push(&place);
    assert_eq!(pushed.code(), 0, "{}", pushed.said());
    assert!(
        pushed.printed().contains("(sha256:"),
        "{}",
        pushed.printed()
    );
    people
        .run(&["plugin", "add", &place])
        .refuses(&["cannot ask for confirmation"]);
    assert!(
        !people.root().join("plugins").exists(),
        "nothing is taken in missing"
    );
    let added = people.succeeds(&["plugin", "add", &place, "--yes"]);
    assert!(
        added.printed().contains("Requested permissions:"),
        "{}",
        added.printed()
    );
    people.runs();
    let lock = fs::read_to_string(people.root().join("duress.lock")).unwrap();
    assert!(
        lock.contains(&format!("source: {place}")) && lock.contains("digest: sha256:"),
        "{lock}"
    );

    // Another checkout has the lock, and not what git leaves out.
    let idle = people.succeeds(&["plugin", "fetch"]);
    assert!(idle.printed().contains("is present"), "{}", idle.printed());
    fs::remove_dir_all(people.root().join("plugins/theirs")).unwrap();
    people.succeeds(&["plugin", "fetch"]);
    people.runs();

    // A manifest that somebody changed or damaged is as it was granted again.
    let manifest = people.root().join("plugins/theirs/plugin.yaml");
    let granted = fs::read_to_string(&manifest).unwrap();
    for changed in [
        format!("{granted}settings: {{url: 'http://elsewhere/'}}\n"),
        "name: [".to_owned(),
    ] {
        fs::write(&manifest, changed).unwrap();
        let fetched = people.succeeds(&["plugin", "fetch"]);
        let printed = fetched.printed();
        assert!(printed.contains("theirs: fetched from"), "{printed}");
        assert_eq!(fs::read_to_string(&manifest).unwrap(), granted);
    }

    // What was fetched once is not fetched again, so the registry need not answer.
    let host = registry.host.clone();
    drop(registry);
    fs::remove_dir_all(people.root().join("plugins/theirs")).unwrap();
    people.succeeds(&["plugin", "fetch"]);
    people.runs();
    let down = people.run(&["plugin", "update", "theirs", "--yes"]);
    assert_eq!(down.code(), 3, "{}", down.said());
    assert!(
        down.said().contains(&format!("{host} does not answer")),
        "{}",
        down.said()
    );

    people.succeeds(&["plugin", "remove", "theirs"]);
    assert!(!people.root().join("plugins/theirs").exists());
}

#[test]
fn a_tag_that_means_another_component_is_told_and_granted_anew() {
    let registry = Registry::start(false);
    let people = People::new();
    let place = registry.place("somebody/theirs:latest");
    assert_eq!(people.push(&place).code(), 0);
    people.succeeds(&["plugin", "add", &place, "--yes"]);
    let before = fs::read_to_string(people.root().join("duress.lock")).unwrap();
    people.publish("1.1.0", "theirs");
    assert_eq!(people.push(&place).code(), 0);
    // Without the copy of what was granted, the tag leads elsewhere.
    fs::remove_dir_all(people.root().join("plugins/theirs")).unwrap();
    fs::remove_dir_all(people.program.folder.path().join("cache/duress/fetched")).unwrap();
    people
        .run(&["plugin", "fetch"])
        .refuses(&["another component than was granted", "duress plugin update"]);
    let updated = people.succeeds(&["plugin", "update", "theirs", "--yes"]);
    assert!(
        updated.said().contains("its digest was sha256:"),
        "{}",
        updated.said()
    );
    let after = fs::read_to_string(people.root().join("duress.lock")).unwrap();
    assert!(after != before && after.contains("1.1.0"), "{after}");
    people.runs();
    people.publish("2.0.0", "another");
    assert_eq!(people.push(&place).code(), 0);
    people
        .run(&["plugin", "update", "theirs", "--yes"])
        .refuses(&["is now the plugin `another`"]);
}

#[test]
fn a_registry_that_asks_who_it_is_is_told_what_docker_login_stored() {
    let registry = Registry::start(true);
    let people = People::new();
    let place = registry.place("somebody/theirs:1");
    for refused in [
        people.push(&place),
        people.run(&["plugin", "add", &place, "--yes"]),
    ] {
        assert_eq!(refused.code(), 3, "{}", refused.said());
        let hint = format!("docker login {}", registry.host);
        assert!(refused.said().contains("401"), "{}", refused.said());
        assert!(refused.said().contains(&hint), "{}", refused.said());
    }
    people.log_in(&registry.host);
    let pushed = people.push(&place);
    assert_eq!(pushed.code(), 0, "{}", pushed.said());
    people.succeeds(&["plugin", "add", &place, "--yes"]);
    people.runs();
}

#[test]
fn what_is_not_there_or_no_plugin_is_told_apart() {
    let registry = Registry::start(false);
    let people = People::new();
    people
        .run(&[
            "plugin",
            "add",
            &registry.place("nobody/nothing:1"),
            "--yes",
        ])
        .refuses(&["has no such thing (404)", "name and the tag"]);
    assert_eq!(people.push(&registry.place("theirs:1")).code(), 0);
    people
        .run(&["plugin", "add", &registry.place("theirs:2"), "--yes"])
        .refuses(&["has no such thing (404)"]);
    let nobody = format!("oci://127.0.0.1:{}/theirs:1", free_port());
    let down = people.run(&["plugin", "add", &nobody, "--yes"]);
    assert_eq!(down.code(), 3, "{}", down.said());
    assert!(down.said().contains("does not answer"), "{}", down.said());
    people
        .run(&["plugin", "add", "oci://?", "--yes"])
        .refuses(&["is not an address in a registry", "oci://HOST/NAME:TAG"]);
    people
        .push("somewhere")
        .refuses(&["is not an address in a registry", "oci://HOST/NAME:TAG"]);

    // A server that is not a registry.
    for (answer, says) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>",
            "is not that of a registry",
        ),
        ("HTTP/1.1 500 Oh\r\ncontent-length: 4\r\n\r\nhelp", "500"),
        ("nonsense\r\n\r\n", "does not answer"),
    ] {
        let server = Server::start(answer.as_bytes().to_vec());
        let garbage = people.run(&[
            "plugin",
            "add",
            &format!("oci://{}/theirs:1", server.host),
            "--yes",
        ]);
        assert_eq!(garbage.code(), 3, "{answer}: {}", garbage.said());
        assert!(
            garbage.said().contains(says),
            "{answer}: {}",
            garbage.said()
        );
    }
    assert!(
        !people.root().join("duress.lock").exists(),
        "nothing was granted"
    );
}

#[test]
fn a_component_is_taken_from_a_url() {
    let people = People::new();
    let packed = {
        let registry = Registry::start(false);
        assert_eq!(people.push(&registry.place("theirs:1")).code(), 0);
        people.succeeds(&["plugin", "add", &registry.place("theirs:1"), "--yes"]);
        fs::read(people.root().join("plugins/theirs/theirs.wasm")).unwrap()
    };
    people.succeeds(&["plugin", "remove", "theirs"]);
    // The same as a file.
    let file = people.program.folder.path().join("theirs.wasm");
    fs::write(&file, &packed).unwrap();
    let file = file.to_str().unwrap();
    let inspected = people.succeeds(&["plugin", "inspect", file]);
    assert!(
        inspected.printed().contains("somebody's"),
        "{}",
        inspected.printed()
    );
    people.succeeds(&["plugin", "add", file, "--yes"]);
    people.runs();
    people.succeeds(&["plugin", "remove", "theirs"]);
    let bare = people.author().join("theirs.wasm");
    people
        .run(&["plugin", "check", bare.to_str().unwrap()])
        .refuses(&["brings no manifest"]);

    let server = Server::with(&packed);
    let url = format!("http://{}/theirs.wasm", server.host);
    people.succeeds(&["plugin", "add", &url, "--yes"]);
    people.runs();
    people
        .run(&[
            "plugin",
            "add",
            "http://plugins.example/theirs.wasm",
            "--yes",
        ])
        .refuses(&["plain http is not allowed", "use https"]);
    let missing = Server::start(b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n".to_vec());
    people
        .run(&[
            "plugin",
            "add",
            &format!("http://{}/x.wasm", missing.host),
            "--yes",
        ])
        .refuses(&["404"]);
    for (content, says) in [
        (&b"<html>"[..], "gives is not a WebAssembly component"),
        (
            &packed[..packed.len() - 9],
            "not a valid WebAssembly component",
        ),
    ] {
        let wrong = Server::with(content);
        people
            .run(&[
                "plugin",
                "add",
                &format!("http://{}/x.wasm", wrong.host),
                "--yes",
            ])
            .refuses(&[says]);
    }
}

/// A server that answers every request with the same bytes.
struct Server {
    host: String,
}

impl Server {
    fn with(content: &[u8]) -> Self {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
            content.len()
        );
        Self::start([head.as_bytes(), content].concat())
    }

    fn start(answer: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        // It ends with the test.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                respond(stream, &answer);
            }
        });
        Self { host }
    }
}

/// Reads a request's head, and answers it.
fn respond(mut stream: TcpStream, answer: &[u8]) {
    let mut reader = BufReader::new(&stream);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        line.clear();
    }
    // The client may be gone.
    let _ = stream.write_all(answer);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = stream.read_to_end(&mut Vec::new());
}
