//! The runs that `docs/checking.md` explains, and their pictures.
//!
//! `docs/traces` has each run as a counterexample, `docs/pictures` what it looks like.
//! `UPDATE_PICTURES=1` draws anew. `UPDATE_TRACES=1` searches the runs anew, which takes a minute or
//! more; the pictures have to be drawn after it.

mod kept;

use std::fs;
use std::path::{Path, PathBuf};

use lockstep_explore::configuration::{self, Configuration, Expectation};
use lockstep_explore::counterexample::{Counterexample, Replay};
use lockstep_explore::picture::picture;
use lockstep_explore::search::{Options, Verdict};
use lockstep_world::property::Property;

fn explained() -> Vec<(String, Configuration)> {
    let all = configuration::all().into_iter();
    let named = all.filter_map(|one| {
        let name = one.name.strip_prefix("reference/")?.to_owned();
        Some((name, one))
    });
    named.collect()
}

fn trace_path(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.join(format!("docs/traces/{name}.json"))
}

fn must_fail(configuration: &Configuration) -> Property {
    match configuration.expectation {
        Expectation::RuleBroken(property) | Expectation::AssumptionBroken(property) => property,
        Expectation::Holds | Expectation::NeverHappens(_) => {
            panic!("{} breaks nothing", configuration.name)
        }
    }
}

fn searched(configuration: &Configuration) -> Counterexample {
    let found = configuration.explore(&Options::default(), |_| ());
    assert!(
        matches!(found.verdict, Verdict::Violated { .. }),
        "{}",
        configuration.name
    );
    let traces = found.properties.into_iter();
    let trace = traces
        .filter_map(|property| property.trace)
        .next()
        .expect("a violation has one");
    let actions = trace.steps.into_iter().map(|step| step.action).collect();
    Counterexample::new(configuration.clone(), must_fail(configuration), actions)
}

fn kept(name: &str, configuration: &Configuration) -> Counterexample {
    let path = trace_path(name);
    if std::env::var_os("UPDATE_TRACES").is_some() {
        let text = searched(configuration)
            .to_json()
            .expect("actions can be written");
        fs::write(&path, text).expect("the file can be written");
    }
    let text = fs::read_to_string(&path);
    let text = text.unwrap_or_else(|error| panic!("{name}: {error}; UPDATE_TRACES=1 writes it"));
    Counterexample::from_json(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_explained_run_happens_and_its_picture_shows_it() {
    let mut wrong = Vec::new();
    for (name, configuration) in explained() {
        let example = kept(&name, &configuration);
        assert_eq!(example.configuration.name, configuration.name);
        assert_eq!(example.property, must_fail(&configuration), "{name}");
        let Replay::AsStated(_) = example.replay() else {
            wrong.push(format!(
                "{name} doesn't happen any more; UPDATE_TRACES=1 searches anew"
            ));
            continue;
        };
        let now = picture(&example).expect("it can be carried out");
        wrong.extend(kept::compare(&format!("docs/pictures/{name}.svg"), &now));
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Who reads about a rule sees its picture, and no picture is left over.
#[test]
fn every_picture_is_shown() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = fs::read_to_string(root.join("docs/checking.md")).expect("it is there");
    let files = fs::read_dir(root.join("docs/pictures")).expect("it is there");
    for file in files {
        let file = file.expect("it can be listed");
        // Those of another document.
        if file.path().is_dir() {
            continue;
        }
        let name = file.file_name();
        let link = format!("](pictures/{})", name.to_string_lossy());
        assert!(text.contains(&link), "docs/checking.md doesn't show {link}");
    }
    for (name, _) in explained() {
        assert!(
            text.contains(&format!("](pictures/{name}.svg)")),
            "no picture of {name}"
        );
    }
}
