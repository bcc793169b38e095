//! The model with a switch at every place that can be broken.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

use syn::visit::{self, Visit};

use crate::edit::Edits;
use crate::places::{Mutant, Units, find};
use crate::reading::says_nothing;

/// What is broken: the protocol, without the reference's rounds, without what reads files, counts
/// scores and makes texts. A name that ends in `/` stands for what lies directly in that folder.
pub const SCOPE: &[&str] = &[
    "model/src/contender.rs",
    "model/src/crm.rs",
    "model/src/lock/",
    "model/src/lrm/",
    "model/src/manager/",
    "model/src/master/",
    "model/src/presence.rs",
    "model/src/record.rs",
    "model/src/watchdog/",
];

/// Files in [`SCOPE`] that only say things: events and their texts, shapes of data.
const NO_PROTOCOL: &[&str] = &[
    "model/src/manager/event.rs",
    "model/src/manager/text.rs",
    "model/src/manager/command.rs",
];

/// The tuple structs of one number that the model compares.
const TICKS: &[&str] = &[
    "crate::id::Epoch",
    "crate::id::Revision",
    "crate::id::Uid",
    "crate::time::Instant",
    "crate::time::Span",
];

/// The most mutants that the switch has numbers for.
const MUTANTS_MAX: usize = (1 << 13) - 1;

/// The switch itself.
const TEMPLATE: &str = include_str!("../template/mutant.rs");

/// The model's sources with switches, and what they switch.
#[derive(Clone, Debug)]
pub struct Instrumented {
    /// The mutants; the number of each is its index plus one.
    pub mutants: Vec<Mutant>,
    /// The files that change, by their paths from the workspace's root.
    pub files: BTreeMap<String, String>,
}

/// Why sources could not be instrumented.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can't be read.
    #[error("failed to read {file}: {error}")]
    Read {
        /// Which.
        file: String,
        /// Why.
        error: io::Error,
    },
    /// A file isn't what the compiler would take.
    #[error("failed to parse {file}: {error}")]
    Parse {
        /// Which.
        file: String,
        /// Why.
        error: syn::Error,
    },
    /// There are more places than numbers.
    #[error("failed to number {0} mutants: there are numbers for {MUTANTS_MAX}")]
    TooMany(usize),
}

/// Instruments the model of the workspace that lies in `root`.
///
/// # Errors
///
/// See [`Error`].
pub fn instrument(root: &Path) -> Result<Instrumented, Error> {
    let sources = sources(root)?;
    let mut result = instrument_texts(&sources)?;
    let lib = "model/src/lib.rs";
    let text = read(root, lib)?;
    let with_switch = text.replacen(
        "extern crate alloc;",
        "extern crate alloc;\nextern crate std;\n#[doc(hidden)]\npub mod mutant;",
        1,
    );
    result.files.insert(lib.to_owned(), with_switch);
    let ticks = TICKS.iter().map(|name| tick(name));
    let switch = format!("{TEMPLATE}{}", ticks.collect::<String>());
    result
        .files
        .insert("model/src/mutant.rs".to_owned(), switch);
    Ok(result)
}

/// What makes a type of one number count in its units.
const TICK: &str = "
impl Tick for NAME {
    fn is_less_by_more_than_one(&self, other: &Self) -> bool {
        self.0.is_less_by_more_than_one(&other.0)
    }
}
";

/// A type of one number counts in its units.
fn tick(name: &str) -> String {
    TICK.replace("NAME", name)
}

/// Instruments texts, by the names of their files.
///
/// # Errors
///
/// See [`Error`].
pub fn instrument_texts(sources: &BTreeMap<String, String>) -> Result<Instrumented, Error> {
    let units = units(sources)?;
    let mut mutants: Vec<Mutant> = Vec::new();
    let mut changes: BTreeMap<&String, Edits> = BTreeMap::new();
    let mut constants = Vec::new();
    for (file, text) in sources {
        let first = u32::try_from(mutants.len() + 1).map_err(|_| Error::TooMany(mutants.len()))?;
        let found = find(file, text, first, &units).map_err(|error| Error::Parse {
            file: file.clone(),
            error,
        })?;
        mutants.extend(found.mutants);
        changes.insert(file, found.edits);
        constants.extend(found.constants.into_iter().map(|one| (file, one)));
    }
    if mutants.len() > MUTANTS_MAX {
        return Err(Error::TooMany(mutants.len()));
    }
    // What asks the switch can't be constant, nor what calls it.
    let mut plain: BTreeSet<String> = BTreeSet::new();
    loop {
        let before = plain.len();
        for (_, one) in &constants {
            if one.has_places || !one.calls.is_disjoint(&plain) {
                plain.insert(one.name.clone());
            }
        }
        if plain.len() == before {
            break;
        }
    }
    for (file, one) in constants {
        let strips = one.has_places || !one.calls.is_disjoint(&plain);
        if let Some(edits) = changes.get_mut(file).filter(|_| strips) {
            edits.instead(one.keyword, "");
        }
    }
    let apply = |(file, edits): (&String, Edits)| (file.clone(), edits.apply(&sources[file]));
    Ok(Instrumented {
        mutants,
        files: changes.into_iter().map(apply).collect(),
    })
}

fn read(root: &Path, file: &str) -> Result<String, Error> {
    fs::read_to_string(root.join(file)).map_err(|error| Error::Read {
        file: file.to_owned(),
        error,
    })
}

/// The files in [`SCOPE`].
fn sources(root: &Path) -> Result<BTreeMap<String, String>, Error> {
    let mut names = Vec::new();
    for scope in SCOPE {
        let Some(folder) = scope.strip_suffix('/') else {
            names.push((*scope).to_owned());
            continue;
        };
        let failed = |error| Error::Read {
            file: folder.to_owned(),
            error,
        };
        for entry in fs::read_dir(root.join(folder)).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let name = name.to_string_lossy();
            if name.ends_with(".rs") {
                names.push(format!("{folder}/{name}"));
            }
        }
    }
    names.retain(|name| !NO_PROTOCOL.contains(&&**name));
    names.sort();
    names
        .into_iter()
        .map(|name| Ok((name.clone(), read(root, &name)?)))
        .collect()
}

/// Functions by name, and whether all of that name return nothing.
#[derive(Default)]
struct Signatures(BTreeMap<String, bool>);

impl Signatures {
    fn note(&mut self, signature: &syn::Signature) {
        let nothing = self.0.entry(signature.ident.to_string()).or_insert(true);
        *nothing &= says_nothing(signature);
    }
}

impl<'ast> Visit<'ast> for Signatures {
    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.note(signature);
        visit::visit_signature(self, signature);
    }
}

fn units(sources: &BTreeMap<String, String>) -> Result<Units, Error> {
    let mut signatures = Signatures::default();
    for (file, text) in sources {
        let parsed = syn::parse_file(text).map_err(|error| Error::Parse {
            file: file.clone(),
            error,
        })?;
        signatures.visit_file(&parsed);
    }
    let nothing = signatures.0.into_iter().filter(|(_, nothing)| *nothing);
    Ok(nothing.map(|(name, _)| name).collect())
}
