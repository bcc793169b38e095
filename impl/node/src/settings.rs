//! `node.json`: what the daemons of a node are told.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use lockstep_model::config::profile::Profile;
use lockstep_model::config::{Config, Timing};
use lockstep_model::id::{BootId, Holder, Incarnation, MachineId, NodeId, Ranks, ServiceId};
use serde::Deserialize;

use crate::error::{Error, system};

/// The longest path of a Unix socket, without the zero byte that ends it.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// What a node's daemons are told, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The node.
    pub node: NodeId,
    /// The machine under it.
    pub machine: MachineId,
    /// The present boot.
    pub boot: BootId,
    /// Where the daemons keep what has to survive them: locks, intents, markers, journals.
    pub state_dir: PathBuf,
    /// The embedded store.
    pub store: PathBuf,
    /// Where the multiplexer listens.
    pub multiplexer_socket: PathBuf,
    /// Where the stand-in for the watchdog's device listens.
    pub watchdog: PathBuf,
    /// The numbers, whose inequalities hold.
    pub config: Config,
    /// The command of each service.
    pub services: BTreeMap<ServiceId, Vec<String>>,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeFile {
    node: u16,
    machine_id: Id,
    boot_id: Id,
    state_dir: PathBuf,
    store: PathBuf,
    multiplexer_socket: PathBuf,
    watchdog: Watchdog,
    profile: Option<String>,
    timing: Option<Timing>,
    #[serde(default)]
    services: BTreeMap<u16, Service>,
}

/// Where an id comes from. Nodes that share a kernel are given literal ones.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Id {
    File(PathBuf),
    Literal(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Watchdog {
    StandIn(PathBuf),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Service {
    exec: Vec<String>,
}

/// The file's text, to say where in it something is wrong.
struct Source<'a> {
    path: &'a Path,
    text: String,
}

impl Source<'_> {
    /// `PATH:LINE: KEY: WHAT`, at the first line in which the key stands.
    fn wrong(&self, key: &str, what: impl Display) -> Error {
        let quoted = format!("\"{key}\"");
        let line = self.text.lines().position(|line| line.contains(&quoted));
        self.wrong_at(line.map_or(1, |line| line + 1), key, what)
    }

    fn wrong_at(&self, line: usize, key: &str, what: impl Display) -> Error {
        let path = self.path.display();
        let what = what.to_string().replace('\n', " ");
        Error::Settings(format!(
            "read the configuration {path}:{line}: {key}: {what}"
        ))
    }

    fn parse(&self) -> Result<NodeFile, Error> {
        let mut json = serde_json::Deserializer::from_str(&self.text);
        let parsed = serde_path_to_error::deserialize(&mut json);
        let file: NodeFile = parsed.map_err(|error| {
            let key = match error.path().to_string().as_str() {
                "." | "?" => "the document".to_owned(),
                key => key.to_owned(),
            };
            self.wrong_json(&key, error.inner())
        })?;
        let end = json.end();
        end.map_err(|error| self.wrong_json("the document", &error))?;
        Ok(file)
    }

    fn wrong_json(&self, key: &str, error: &serde_json::Error) -> Error {
        let (line, text) = (error.line(), error.to_string());
        let place = format!(" at line {line} column {}", error.column());
        self.wrong_at(line, key, text.trim_end_matches(&place))
    }

    fn id(&self, key: &str, id: &Id) -> Result<u128, Error> {
        let text = match id {
            Id::Literal(text) => text.clone(),
            Id::File(file) => fs::read_to_string(file)
                .map_err(|error| self.wrong(key, format!("{}: {error}", file.display())))?,
        };
        let digits: String = text.trim().chars().filter(|one| *one != '-').collect();
        let is_id = digits.len() == 32 && digits.bytes().all(|one| one.is_ascii_hexdigit());
        u128::from_str_radix(&digits, 16)
            .ok()
            .filter(|_| is_id)
            .ok_or_else(|| {
                let text = text.trim();
                self.wrong(
                    key,
                    format!("found '{text}'; expected 32 hexadecimal digits"),
                )
            })
    }

    fn config(&self, file: &NodeFile) -> Result<Config, Error> {
        let (key, timing) = match (&file.profile, &file.timing) {
            (Some(name), None) => {
                let profile = Profile::parse(name).map_err(|error| self.wrong("profile", error))?;
                ("profile", profile.timing())
            }
            (None, Some(timing)) => ("timing", timing.clone()),
            (Some(_), Some(_)) => {
                return Err(self.wrong("timing", "found beside 'profile'; expected one of the two"));
            }
            (None, None) => {
                let what = "missing, as is 'timing'; expected one of the two";
                return Err(self.wrong("profile", what));
            }
        };
        Config::new(timing, Ranks::default()).map_err(|broken| {
            let all: Vec<String> = broken.iter().map(ToString::to_string).collect();
            self.wrong(key, all.join("; "))
        })
    }

    fn absolute(&self, key: &str, path: &Path) -> Result<PathBuf, Error> {
        if path.is_absolute() {
            return Ok(path.to_owned());
        }
        let path = path.display();
        Err(self.wrong(key, format!("found '{path}'; expected an absolute path")))
    }

    /// What is to be made at one of these paths would remove, or be taken for, what is at another.
    fn check_distinct(&self, settings: &Settings) -> Result<(), Error> {
        let paths = [
            ("state_dir", &settings.state_dir),
            ("store", &settings.store),
            ("multiplexer_socket", &settings.multiplexer_socket),
            ("watchdog", &settings.watchdog),
        ];
        for (number, (key, path)) in paths.iter().enumerate() {
            // Compared by their components: doubled slashes make no other path.
            let same = paths[..number].iter().find(|(_, other)| other == path);
            if let Some((other, _)) = same {
                let path = path.display();
                let what = format!("found '{path}', as for '{other}'; expected a path of its own");
                return Err(self.wrong(key, what));
            }
        }
        Ok(())
    }

    /// The kernel's limit, and the directory without which nobody can listen.
    fn check_sockets(&self, settings: &Settings) -> Result<(), Error> {
        for (key, path) in [
            ("multiplexer_socket", &settings.multiplexer_socket),
            ("watchdog", &settings.watchdog),
        ] {
            let bytes = path.as_os_str().len();
            if bytes > SOCKET_PATH_BYTES_MAX {
                let what = format!(
                    "found a path of {bytes} bytes; expected at most {SOCKET_PATH_BYTES_MAX}, as the kernel's sockets have it"
                );
                return Err(self.wrong(key, what));
            }
        }
        let directory = settings.multiplexer_socket.parent();
        let directory = directory.unwrap_or(Path::new("/"));
        if !directory.is_dir() {
            let directory = directory.display();
            let what = format!("'{directory}' is no directory; expected one to listen in");
            return Err(self.wrong("multiplexer_socket", what));
        }
        Ok(())
    }

    /// The line of a service's command.
    fn exec_line(&self, id: u16) -> usize {
        let after = |text: &str, start: usize, key: &str| {
            let quoted = format!("\"{key}\"");
            let is_key = |at: &usize| text[*at + quoted.len()..].trim_start().starts_with(':');
            let mut found = text[start..].match_indices(&quoted);
            found
                .find_map(|(at, _)| Some(start + at).filter(is_key))
                .map(|at| at + quoted.len())
        };
        let text = &self.text;
        let end = after(text, 0, "services")
            .and_then(|at| after(text, at, &id.to_string()))
            .and_then(|at| after(text, at, "exec"));
        1 + text[..end.unwrap_or(0)].matches('\n').count()
    }

    fn services(&self, file: &NodeFile) -> Result<BTreeMap<ServiceId, Vec<String>>, Error> {
        let mut services = BTreeMap::new();
        for (id, service) in &file.services {
            let program = service.exec.first().map_or("", String::as_str);
            if !Path::new(program).is_absolute() {
                let what = format!(
                    "found '{program}'; expected the absolute path of a program and its arguments"
                );
                let key = format!("services.{id}.exec");
                return Err(self.wrong_at(self.exec_line(*id), &key, what));
            }
            services.insert(ServiceId(*id), service.exec.clone());
        }
        Ok(services)
    }
}

impl Settings {
    /// Reads the file, checks it, and makes the state directory.
    ///
    /// # Errors
    ///
    /// [`Error::Settings`]: which key is wrong, where, and what would be right.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|error| {
            let path = path.display();
            Error::Settings(format!("read the configuration {path}: {error}"))
        })?;
        let source = Source { path, text };
        let file = source.parse()?;
        let Watchdog::StandIn(watchdog) = &file.watchdog;
        let settings = Self {
            node: NodeId(file.node),
            machine: MachineId(source.id("machine_id", &file.machine_id)?),
            boot: BootId(source.id("boot_id", &file.boot_id)?),
            state_dir: source.absolute("state_dir", &file.state_dir)?,
            store: source.absolute("store", &file.store)?,
            multiplexer_socket: source.absolute("multiplexer_socket", &file.multiplexer_socket)?,
            watchdog: source.absolute("watchdog", watchdog)?,
            config: source.config(&file)?,
            services: source.services(&file)?,
        };
        source.check_distinct(&settings)?;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&settings.state_dir)
            .map_err(|error| source.wrong("state_dir", error))?;
        source.check_sockets(&settings)?;
        Ok(settings)
    }

    /// The identity of a new process of this node's LRM.
    ///
    /// # Errors
    ///
    /// The kernel gave no random number.
    pub fn new_holder(&self) -> Result<Holder, Error> {
        Ok(Holder {
            node: self.node,
            machine: self.machine,
            boot: self.boot,
            incarnation: self.new_incarnation()?,
        })
    }

    /// A number that no other process has had: 53 random bits, which every reader of JSON keeps.
    ///
    /// # Errors
    ///
    /// The kernel gave no random number.
    pub fn new_incarnation(&self) -> Result<Incarnation, Error> {
        let source = "/dev/urandom";
        let mut bytes = [0; 8];
        let read: io::Result<()> =
            File::open(source).and_then(|mut file| file.read_exact(&mut bytes));
        system("read", source, read)?;
        Ok(Incarnation(u64::from_le_bytes(bytes) >> 11))
    }
}
