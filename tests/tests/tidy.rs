//! What the compiler doesn't check: sizes, who may depend on whom, licences, and that production
//! carries nothing of the checker.

use std::any::type_name;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lockstep_model::config::{Config, Policy, Timing};
use lockstep_model::contender::Contender;
use lockstep_model::crm::Crm;
use lockstep_model::id::Ranks;
use lockstep_model::lock::Client;
use lockstep_model::lrm::Lrm;
use lockstep_model::lrm::rounds::RoundLrm;
use lockstep_model::manager::Manager;
use lockstep_model::mutation::NoMutation;
use lockstep_model::watchdog::Multiplexer;
use serde_json::Value;

/// The most lines of a file. The aim is 500.
const FILE_LINES_MAX: usize = 700;

/// The most lines of a function, signature and closing brace included.
const FUNCTION_LINES_MAX: usize = 70;

/// Files that are longer. They may shrink, not grow; none may be added.
const LONG_FILES: &[(&str, usize)] = &[];

/// Functions that are longer, likewise.
const LONG_FUNCTIONS: &[(&str, usize)] = &[];

/// The crates of the workspace by their folders, and on which folders each may rest.
const LAYERS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("impl/", &["model", "impl/"]),
    ("checker/world", &["model"]),
    ("checker/explore", &["model", "checker/world"]),
    ("checker/", &["model", "checker/"]),
    ("tests", &["model", "checker/", "impl/"]),
];

/// Licences that the product may be built from.
const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "0BSD",
];

/// What follows the keyword where code is unsafe, or has to be.
const UNSAFE: &[&str] = &["{", "fn", "impl", "trait", "extern"];

/// The directories at the root of a machine that a text may speak of: those of every Linux.
const ROOTS: &[&str] = &[
    "bin", "dev", "etc", "proc", "run", "sys", "tmp", "usr", "var",
];

/// The workspace that is tested: asked for when the test runs, because the one that it was compiled
/// in may be another checkout that shares the target directory.
fn workspace() -> PathBuf {
    let own = env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the crate lies");
    Path::new(&own)
        .parent()
        .expect("the crate lies in the workspace")
        .to_owned()
}

/// The text files of the repository, by their paths in it.
fn files() -> BTreeMap<String, String> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).expect("a readable folder") {
            let path = entry.expect("a readable folder").path();
            let name = path.strip_prefix(root).expect("below the root");
            let name = name.to_str().expect("a name in UTF-8").to_owned();
            let skipped = matches!(name.as_str(), ".git" | "target");
            if skipped {
                continue;
            }
            if path.is_dir() {
                walk(root, &path, found);
            } else if let Ok(text) = fs::read_to_string(&path) {
                found.insert(name, text);
            }
        }
    }
    let root = workspace();
    let mut found = BTreeMap::new();
    walk(&root, &root, &mut found);
    assert!(found.contains_key("Cargo.lock"), "this is the workspace");
    found
}

fn sources() -> BTreeMap<String, String> {
    let mut files = files();
    files.retain(|name, _| Path::new(name).extension().is_some_and(|end| end == "rs"));
    files
}

/// Compares sizes with a limit, and with what is longer already.
fn check_sizes(sizes: &BTreeMap<String, usize>, limit: usize, longer: &[(&str, usize)]) {
    let mut wrong = Vec::new();
    for (name, size) in sizes {
        let listed = longer.iter().find(|(other, _)| other == name);
        let most = listed.map_or(limit, |(_, most)| *most);
        if *size > most {
            wrong.push(format!("{name}: {size} lines, at most {most}"));
        }
    }
    for (name, _) in longer {
        if sizes.get(*name).is_none_or(|size| *size <= limit) {
            wrong.push(format!(
                "{name}: no longer too long; strike it from the list"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_short() {
    let length = |(name, text): (String, String)| (name, text.lines().count());
    let sizes = sources().into_iter().map(length).collect();
    check_sizes(&sizes, FILE_LINES_MAX, LONG_FILES);
}

/// The name of the function whose signature begins on this line, unless it ends on it.
fn function_begun(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let keyword = words.by_ref().find(|word| {
        let before = ["pub", "const", "async", "unsafe", "extern", "in"];
        let qualifies = before.iter().any(|other| word.starts_with(other));
        !qualifies && !word.starts_with('"')
    })?;
    let name = words.next().filter(|_| keyword == "fn")?;
    let ends_here = line.ends_with(';') || line.ends_with('}');
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_');
    (!ends_here).then_some(&name[..end.unwrap_or(name.len())])
}

/// How many lines each function has, in text that rustfmt has laid out.
fn functions(text: &str) -> Vec<(&str, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (first, line) in lines.iter().enumerate() {
        let Some(name) = function_begun(line) else {
            continue;
        };
        let indent = &line[..line.len() - line.trim_start().len()];
        let at_indent = |line: &str| line.strip_prefix(indent).map(str::to_owned);
        let last = lines[first..].iter().position(|line| {
            let rest = at_indent(line).unwrap_or_default();
            rest == "}" || (rest.starts_with(')') && rest.ends_with(';'))
        });
        found.push((name, last.expect("a function ends") + 1));
    }
    found
}

#[test]
fn functions_are_short() {
    let mut sizes = BTreeMap::new();
    for (file, text) in sources() {
        // What is measured: examples are programs of one function each.
        if file.contains("/examples/") {
            continue;
        }
        for (name, size) in functions(&text) {
            let most = sizes.entry(format!("{file} {name}")).or_insert(0);
            *most = size.max(*most);
        }
    }
    assert!(sizes.len() > 500, "functions are found: {}", sizes.len());
    check_sizes(&sizes, FUNCTION_LINES_MAX, LONG_FUNCTIONS);
}

#[test]
fn functions_are_measured() {
    let text = "impl A {\n    fn one() {}\n    pub(crate) const fn two(\n        a: A,\n    ) -> B {\n        \
                if a {\n        }\n    }\n    fn three(\n        a: A,\n    );\n}\nfn four<T>() {\n}\n";
    assert_eq!(functions(text), [("two", 6), ("three", 3), ("four", 2)]);
}

#[test]
fn unsafe_code_is_where_it_may_be() {
    let root = fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
    assert!(root.contains("unsafe_code = \"forbid\""));
    for (name, text) in files() {
        if name.ends_with("/Cargo.toml") {
            let inherits = text.contains("[lints]\nworkspace = true");
            assert!(inherits, "{name}: doesn't inherit the workspace's lints");
        }
        if !name.ends_with(".rs") || name.starts_with("impl/watchdog/") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let mut after = code.split("unsafe ").skip(1);
            let found = after.any(|rest| UNSAFE.iter().any(|next| rest.starts_with(next)));
            assert!(!found, "{name}:{}: unsafe code", number + 1);
        }
    }
}

#[test]
fn the_model_promises_its_purity() {
    let root = fs::read_to_string(workspace().join("model/src/lib.rs")).unwrap();
    for promise in ["#![no_std]", "#![forbid(unsafe_code)]"] {
        assert!(root.lines().any(|line| line == promise), "{promise}");
    }
}

/// The first absolute path in a line that isn't one of every Linux machine.
fn machine_path(line: &str) -> Option<&str> {
    let before = |c: char| c.is_whitespace() || "\"'`(=[<:,".contains(c);
    line.split(before).find(|word| {
        let mut parts = word.strip_prefix('/').unwrap_or_default().split('/');
        let first = parts.next().unwrap_or_default();
        let is_name = |c: char| c.is_alphanumeric() || "._-".contains(c);
        let named = !first.is_empty() && first.chars().all(is_name);
        // Imaginary paths say so.
        named && parts.next().is_some() && !ROOTS.contains(&first) && first != "nonexistent"
    })
}

#[test]
fn no_text_speaks_of_one_machine() {
    assert_eq!(
        machine_path("see `/somewhere/else`."),
        Some("/somewhere/else")
    );
    assert_eq!(
        machine_path("/// and/or /dev/watchdog, https://a.b/c"),
        None
    );
    for (name, text) in files() {
        if name == "tests/tests/tidy.rs" {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let found = machine_path(line);
            assert_eq!(found, None, "{name}:{}: a machine's path", number + 1);
        }
    }
}

/// A package as cargo resolved it.
struct Package {
    name: String,
    /// Its folder in the workspace, if it is the product's own.
    folder: Option<String>,
    licence: Option<String>,
    /// Those it is built from, its build script included; tests are not.
    needs: Vec<String>,
    /// What its manifest declares as normal dependencies.
    declares: BTreeSet<String>,
}

/// All packages that this machine's build rests on, by id.
fn packages() -> BTreeMap<String, Package> {
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let platform = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    let output = Command::new(cargo)
        .current_dir(workspace())
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(["--filter-platform", &platform])
        .output()
        .expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {errors}");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("a JSON document");
    let mut needs = BTreeMap::new();
    for node in list(&metadata["resolve"]["nodes"]) {
        let built_from = list(&node["deps"]).iter().filter(|one| {
            let kinds = list(&one["dep_kinds"]);
            kinds.iter().any(|kind| kind["kind"] != "dev")
        });
        let ids: Vec<String> = built_from.map(|one| text(&one["pkg"])).collect();
        needs.insert(text(&node["id"]), ids);
    }
    let package = |one: &Value| {
        let id = text(&one["id"]);
        let declared = list(&one["dependencies"]);
        let normal = declared.iter().filter(|one| one["kind"].is_null());
        let manifest = text(&one["manifest_path"]);
        let folder = manifest
            .strip_suffix("/Cargo.toml")
            .and_then(|folder| Path::new(folder).strip_prefix(workspace()).ok())
            .and_then(|folder| folder.to_str())
            .filter(|_| one["source"].is_null());
        let package = Package {
            name: text(&one["name"]),
            folder: folder.map(str::to_owned),
            licence: one["license"].as_str().map(str::to_owned),
            needs: needs.remove(&id).unwrap_or_default(),
            declares: normal.map(|one| text(&one["name"])).collect(),
        };
        (id, package)
    };
    list(&metadata["packages"]).iter().map(package).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("an array")
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

/// The names of everything that a package is built from.
fn tree(packages: &BTreeMap<String, Package>, id: &str) -> BTreeSet<String> {
    let mut waiting = vec![id];
    let mut seen = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if seen.insert(id) {
            waiting.extend(packages[id].needs.iter().map(String::as_str));
        }
    }
    seen.iter().map(|id| packages[*id].name.clone()).collect()
}

#[test]
fn dependencies_point_one_way() {
    let packages = packages();
    let mut own = 0;
    for (id, package) in &packages {
        let Some(folder) = &package.folder else {
            continue;
        };
        own += 1;
        let layer = LAYERS.iter().find(|(layer, _)| folder.starts_with(layer));
        let (_, may_need) = layer.unwrap_or_else(|| panic!("{folder}: name its layer"));
        for need in package
            .needs
            .iter()
            .filter_map(|id| packages[id].folder.as_ref())
        {
            let allowed = may_need.iter().any(|layer| need.starts_with(layer));
            assert!(allowed, "{folder} must not rest on {need}");
        }
        let is_production = folder == "model" || folder.starts_with("impl/");
        if is_production {
            let tree = tree(&packages, id);
            assert!(!tree.contains("stateright"), "{folder} rests on stateright");
        }
    }
    assert!(own >= 7, "the workspace's crates are found: {own}");
}

#[test]
fn the_model_needs_serde_and_libm_alone() {
    let packages = packages();
    let model = packages
        .values()
        .find(|package| package.folder.as_deref() == Some("model"))
        .expect("there is a model");
    let allowed = BTreeSet::from(["libm".to_owned(), "serde".to_owned()]);
    let more: Vec<&String> = model.declares.difference(&allowed).collect();
    assert!(more.is_empty(), "{more:?}");
}

/// Whether a licence expression can be satisfied with the licences that are allowed. Alternatives
/// within parentheses are enough for what is in use.
fn is_allowed(expression: &str) -> bool {
    let all_of = expression.split(" AND ");
    all_of.into_iter().all(|part| {
        let part = part.trim_matches(['(', ')']).replace('/', " OR ");
        part.split(" OR ").any(|one| LICENCES.contains(&one))
    })
}

#[test]
fn licences_are_compatible() {
    assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
    assert!(!is_allowed("MIT AND GPL-3.0-only"));
    for package in packages().values() {
        let licence = package.licence.as_deref().unwrap_or("none");
        assert!(is_allowed(licence), "{}: {licence}", package.name);
    }
}

#[test]
fn production_carries_no_mutants() {
    assert_eq!(size_of::<NoMutation>(), 0);
    assert_eq!(
        size_of::<Config>(),
        size_of::<(Timing, Policy, Ranks, Ranks)>()
    );
    let machines = [
        type_name::<Lrm>(),
        type_name::<Multiplexer>(),
        type_name::<Client>(),
        type_name::<Contender>(),
        type_name::<Crm>(),
        type_name::<Manager>(),
        type_name::<RoundLrm>(),
    ];
    for machine in machines {
        assert!(!machine.contains('<'), "{machine} is generic");
    }
}
