//! A copy of the workspace with the instrumented model, and the programs built from it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use xxhash_rust::xxh3::Xxh3;

use crate::instrument::{self, Instrumented, instrument};

/// The crates that the copy consists of.
const CRATES: &[&str] = &[
    "model",
    "checker/world",
    "checker/explore",
    "checker/sim",
    "checker/mutate",
];

/// The crate of the worker, which only the copy has.
const RUNNER: &str = "runner";

const RUNNER_MANIFEST: &str = r#"[package]
name = "runner"
edition.workspace = true

[dependencies]
lockstep-model.workspace = true
lockstep-mutate.workspace = true
mimalloc.workspace = true
"#;

const RUNNER_MAIN: &str = r"use lockstep_model::mutant::{forget, noted, select};
use lockstep_mutate::worker::{Switch, main as work};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    work(&Switch { select, forget, noted })
}
";

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The model can't be instrumented.
    #[error(transparent)]
    Instrument(#[from] instrument::Error),
    /// A file can't be read or written.
    #[error("failed to copy {}: {error}", path.display())]
    Copy {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The compiler doesn't take it.
    #[error("failed to build the instrumented copy:\n{0}")]
    Build(String),
}

/// What was built.
#[derive(Clone, Debug)]
pub struct Built {
    /// What is switched.
    pub instrumented: Instrumented,
    /// The worker.
    pub runner: PathBuf,
    /// Where the copy's sources lie, and what is built from them.
    source: PathBuf,
    target: PathBuf,
    /// What the sources of all of it come to: results of other sources mean nothing.
    pub digest: u128,
}

/// Makes the copy of the workspace `root` in `work` and builds it.
///
/// # Errors
///
/// See [`Error`].
pub fn build(root: &Path, work: &Path, jobs: usize) -> Result<Built, Error> {
    let instrumented = instrument(root)?;
    let mut files = BTreeMap::new();
    for one in CRATES {
        read_all(root, &root.join(one), &mut files)?;
    }
    for (name, text) in &instrumented.files {
        files.insert(name.clone(), text.clone().into_bytes());
    }
    // The worker explains nothing; so a new explanation builds nothing anew.
    files.insert("checker/mutate/explained.json".into(), "[]".into());
    let manifest = read(&root.join("Cargo.toml"))?;
    let manifest = String::from_utf8_lossy(&manifest);
    files.insert("Cargo.toml".into(), members(&manifest).into_bytes());
    files.insert("Cargo.lock".into(), read(&root.join("Cargo.lock"))?);
    files.insert(format!("{RUNNER}/Cargo.toml"), RUNNER_MANIFEST.into());
    files.insert(format!("{RUNNER}/src/main.rs"), RUNNER_MAIN.into());
    let mut hash = Xxh3::new();
    // Of this crate itself only what runs in the copy has a say: explaining changes no result.
    let says = |name: &str| {
        let here = name.starts_with("checker/mutate/");
        !here || name.ends_with("/job.rs") || name.ends_with("/worker.rs")
    };
    for (name, text) in files.iter().filter(|(name, _)| says(name)) {
        hash.update(name.as_bytes());
        hash.update(&text.len().to_le_bytes());
        hash.update(text);
    }
    let source = work.join("source");
    write_all(&source, &files)?;
    let target = work.join("build");
    let jobs = jobs.to_string();
    let asked = ["build", "--release", "-p", RUNNER, "-j", &jobs];
    cargo(&source, &target, &asked)?;
    Ok(Built {
        instrumented,
        runner: target.join("release").join(RUNNER),
        source,
        target,
        digest: hash.digest128(),
    })
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |error| Error::Copy { path, error }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(failed(path))
}

/// The files below a folder, by their paths from the root.
fn read_all(
    root: &Path,
    folder: &Path,
    files: &mut BTreeMap<String, Vec<u8>>,
) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        if path.is_dir() {
            read_all(root, &path, files)?;
        } else if let Ok(name) = path.strip_prefix(root) {
            files.insert(name.to_string_lossy().into_owned(), read(&path)?);
        }
    }
    Ok(())
}

/// The manifest of the workspace with the copy's members.
fn members(manifest: &str) -> String {
    let (start, rest) = manifest
        .split_once("members = [")
        .unwrap_or((manifest, "]"));
    let end = rest.split_once(']').map_or("", |(_, end)| end);
    let names = CRATES.iter().chain([&RUNNER]);
    let names: String = names.map(|name| format!("\n    \"{name}\",")).collect();
    format!("{start}members = [{names}\n]{end}")
}

/// Writes what differs, and removes what isn't part of it, so that only what has changed is built.
fn write_all(source: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<(), Error> {
    let mut present = BTreeMap::new();
    if source.is_dir() {
        read_all(source, source, &mut present)?;
    }
    for name in present.keys().filter(|name| !files.contains_key(*name)) {
        let path = source.join(name);
        fs::remove_file(&path).map_err(failed(&path))?;
    }
    for (name, text) in files {
        if present.get(name) == Some(text) {
            continue;
        }
        let path = source.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed(folder))?;
        }
        fs::write(&path, text).map_err(failed(&path))?;
    }
    Ok(())
}

/// A line of what cargo says.
#[derive(Deserialize)]
struct Message {
    reason: String,
    executable: Option<PathBuf>,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

impl Built {
    /// Builds the model's own tests, for what no search catches; their programs.
    ///
    /// # Errors
    ///
    /// The compiler doesn't take them.
    pub fn tests(&self, jobs: usize) -> Result<Vec<PathBuf>, Error> {
        let jobs = jobs.to_string();
        let asked = ["test", "--no-run", "-p", "lockstep-model", "-j", &jobs];
        let more = ["--lib", "--tests", "--message-format=json"];
        let said = cargo(
            &self.source,
            &self.target,
            &[&asked[..], &more[..]].concat(),
        )?;
        let messages = said
            .lines()
            .filter_map(|line| serde_json::from_str::<Message>(line).ok());
        let is_test = |message: &Message| {
            let kinds = message.target.iter().flat_map(|target| &target.kind);
            message.reason == "compiler-artifact"
                && kinds
                    .into_iter()
                    .any(|kind| kind == "test" || kind == "lib")
        };
        let tests = messages.filter(is_test);
        Ok(tests.filter_map(|message| message.executable).collect())
    }
}

fn cargo(source: &Path, target: &Path, arguments: &[&str]) -> Result<String, Error> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program)
        .current_dir(source)
        .args(arguments)
        .args(["--offline", "--quiet"])
        .env("CARGO_TARGET_DIR", target)
        // A copy needs no documentation.
        .env("RUSTFLAGS", "--cap-lints allow")
        .stdin(Stdio::null())
        .output()
        .map_err(failed(source))?;
    if !output.status.success() {
        return Err(Error::Build(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
