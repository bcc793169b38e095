//! The document about coverage, with its figures and its pictures.

use std::collections::BTreeMap;

use lockstep_world::Fault;

use super::diagram::{Edge, Machine, Origin};
use super::draw::{draw, grouped};
use super::figures;
use super::judgement::{Coverage, Standing};
use super::pairs::Phase;
use crate::configuration::{self, Configuration, Expectation, Tier};

const INTRODUCTION: &str = "\
# What the searches cover

Made by `ha-checker coverage --document docs`, with the figures beside it ([coverage.json](coverage.json)):
each configuration of the quick tier in which everything must hold is explored, and counted what
its steps show. `ha-checker check --coverage` judges the same in CI: an edge or a pair that is neither
met nor explained fails, an edge that isn't allowed, and a reason that isn't true any more.
";

const MACHINES: &str = "\
## The state machines

States and edges are those of the specification (`checker/explore/src/coverage/diagram.rs` names the
section for each). A column is a state, with how often it was entered; a row is an edge, with the
number of steps of the state graph in which it is decided. A manager may decide several in one round and
writes what comes out of them. What happened before the first searched state of a configuration, while
its cluster settled, isn't counted.
";

const PAIRS: &str = "\
## Which fault happens in which phase

A cell names the layers in which the fault of its row happens while a service is in the phase of its
column, and how many hosts there are: `l2/2,3` is layer 2 with two hosts, and with three. What a phase
means is read off the store's records and off what runs where, in every layer likewise
(`checker/explore/src/coverage/pairs.rs`); a service may be in several. A number in brackets is that of
the reason below.
";

const FEATURES: &str = "\
## Which fault is explored with which feature

Every configuration in which everything must hold, by layer and feature: with how many hosts and
services, and which faults in which tier. `none`: nothing fails. Several faults with a `+` may happen in
the same run.
";

/// Every file, by its path in the directory of documents.
#[must_use]
pub fn files(coverage: &Coverage) -> Vec<(String, String)> {
    let pictures = Machine::ALL.map(|machine| (picture_path(machine), draw(machine, coverage)));
    let mut files = vec![
        ("coverage.md".to_owned(), document(coverage)),
        ("coverage.json".to_owned(), figures::write(coverage)),
    ];
    files.extend(pictures);
    files
}

fn picture_path(machine: Machine) -> String {
    format!("pictures/coverage/{}.svg", machine.name())
}

fn document(coverage: &Coverage) -> String {
    let states = coverage.each.iter().map(|one| one.states).sum();
    let mut text = format!(
        "{INTRODUCTION}\n{} configurations with {} states in all.\n\n{MACHINES}",
        coverage.each.len(),
        grouped(states)
    );
    for machine in Machine::ALL {
        text.push_str(&section(coverage, machine));
    }
    text.push_str(&pairs(coverage));
    text.push_str(&features());
    text
}

/// A machine's picture, and what it shows in words.
fn section(coverage: &Coverage, machine: Machine) -> String {
    let states = machine.states();
    let all: Vec<Edge> = machine.edges().collect();
    let of = |is: fn(Standing) -> bool| -> Vec<&Edge> {
        let chosen = all.iter().filter(|edge| is(coverage.edge(edge)));
        chosen.collect()
    };
    let taken = of(|standing| matches!(standing, Standing::Met(_)));
    let mut text = format!(
        "\n### {}\n\n{} of {} edges are taken.\n\n![{}: its states, with how often each edge is taken]({})\n",
        machine.title(),
        taken.len(),
        all.len(),
        machine.title(),
        picture_path(machine)
    );
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for edge in &all {
        if let Standing::Explained(reason) = coverage.edge(edge) {
            let edge = format!("`{}` → `{}`", states[edge.from], states[edge.to]);
            reasons.entry(reason).or_default().push(edge);
        }
    }
    if !reasons.is_empty() {
        text.push_str("\n| not taken | because |\n|---|---|\n");
        for (reason, edges) in reasons {
            text.push_str(&format!("| {} | {reason} |\n", edges.join(", ")));
        }
    }
    let ours = all.iter().filter_map(|edge| match edge.origin {
        Origin::Design(why) => Some((edge, why)),
        Origin::Protocol(_) => None,
    });
    let ours: Vec<_> = ours.collect();
    if !ours.is_empty() {
        text.push_str("\n| not in the reference | of our own design |\n|---|---|\n");
        for (edge, why) in ours {
            let (from, to) = (states[edge.from], states[edge.to]);
            text.push_str(&format!("| `{from}` → `{to}` | {why} |\n"));
        }
    }
    text
}

/// Faults by phases.
fn pairs(coverage: &Coverage) -> String {
    let mut notes: Vec<&str> = Vec::new();
    let mut table = String::from("| fault |");
    for phase in Phase::ALL {
        table.push_str(&format!(" {} |", phase.name()));
    }
    table.push_str(&format!("\n|---|{}\n", "---|".repeat(Phase::ALL.len())));
    for fault in Fault::ALL.iter().copied() {
        table.push_str(&format!("| `{}` |", fault.name()));
        for phase in Phase::ALL {
            let cell = match coverage.pair(fault, phase) {
                Standing::Met(_) | Standing::Contradicted(..) => {
                    places(&coverage.places(fault, phase))
                }
                Standing::Explained(reason) => {
                    let known = notes.iter().position(|note| *note == reason);
                    let place = known.unwrap_or_else(|| {
                        notes.push(reason);
                        notes.len() - 1
                    });
                    format!("\\[{}\\]", place + 1)
                }
                Standing::Missing => "**missing**".to_owned(),
            };
            table.push_str(&format!(" {cell} |"));
        }
        table.push('\n');
    }
    let mut text = format!("\n{PAIRS}\n{table}");
    if !notes.is_empty() {
        text.push('\n');
    }
    for (index, note) in notes.iter().enumerate() {
        text.push_str(&format!("{}. {note}\n", index + 1));
    }
    text
}

/// Layers with their numbers of hosts: `l2/2,3 l4/2`.
#[must_use]
pub fn places(places: &[(&str, usize)]) -> String {
    let mut text = String::new();
    let mut last = "";
    for (layer, hosts) in places {
        match *layer == last {
            true => text.push_str(&format!(",{hosts}")),
            false if text.is_empty() => text.push_str(&format!("{layer}/{hosts}")),
            false => text.push_str(&format!(" {layer}/{hosts}")),
        }
        last = layer;
    }
    text
}

/// What a row of the last table is about: layer and feature, hosts, services.
type Feature = (String, usize, usize);

/// Features by faults, from the configurations themselves.
fn features() -> String {
    let mut order: Vec<Feature> = Vec::new();
    let mut faults: BTreeMap<(Feature, u8), Vec<String>> = BTreeMap::new();
    let all = configuration::all().into_iter();
    for one in all.filter(|one| one.expectation == Expectation::Holds) {
        let (feature, fault) = apart(&one);
        if !order.contains(&feature) {
            order.push(feature.clone());
        }
        let there = faults.entry((feature, one.tier as u8)).or_default();
        if !there.contains(&fault) {
            there.push(fault);
        }
    }
    let mut text = format!(
        "\n{FEATURES}\n| layer and feature | hosts | services | quick | full | deep |\n|---|---|---|---|---|---|\n"
    );
    for feature in order {
        let (name, hosts, services) = &feature;
        text.push_str(&format!("| `{name}` | {hosts} | {services} |"));
        for tier in [Tier::Quick, Tier::Full, Tier::Deep] {
            let cell = faults.get(&(feature.clone(), tier as u8));
            let cell = cell.map_or(String::new(), |faults| faults.join(", "));
            text.push_str(&format!(" {cell} |"));
        }
        text.push('\n');
    }
    text
}

/// A configuration's name without its fault, and the fault.
fn apart(configuration: &Configuration) -> (Feature, String) {
    let setup = &configuration.setup;
    let name = configuration.name.as_str();
    let faults: Vec<&str> = setup.faults.iter().copied().map(Fault::name).collect();
    let fault = match faults.as_slice() {
        [] => "none".to_owned(),
        faults if faults.len() == Fault::ALL.len() => "any".to_owned(),
        faults => faults.join("+"),
    };
    let fault = match setup.fault_budget {
        0 | 1 => fault,
        budget => format!("{budget} of {fault}"),
    };
    let feature = match faults.as_slice() {
        [one] => name
            .strip_suffix(one)
            .map_or(name, |rest| rest.trim_end_matches(['-', '/'])),
        [] | [_, ..] => name,
    };
    let size = (setup.hosts.len(), setup.services.len());
    ((feature.to_owned(), size.0, size.1), fault)
}
