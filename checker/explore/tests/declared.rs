//! That nothing is judged that can't fail, and nothing explored that needn't happen.

use std::collections::BTreeSet;

use lockstep_explore::configuration::{Expectation, Tier, all};
use lockstep_explore::mutants::{Declared, cases};
use lockstep_model::mutation::Mutant;
use lockstep_world::leads::Leads;
use lockstep_world::property::Property;

#[test]
fn every_property_is_one_that_some_broken_rule_breaks() {
    let mut declared: BTreeSet<&str> = cases().iter().map(|case| case.property.name()).collect();
    for configuration in all() {
        declared.extend(match configuration.expectation {
            Expectation::RuleBroken(property) | Expectation::AssumptionBroken(property) => {
                Some(Declared::Always(property).name())
            }
            Expectation::NeverHappens(leads) => Some(Declared::Leads(leads).name()),
            Expectation::Holds => None,
        });
    }
    let properties = Property::ALL.iter().map(|property| property.name());
    let leads = Leads::ALL.iter().map(|leads| leads.name());
    let undeclared: Vec<&str> = properties
        .chain(leads)
        .filter(|name| !declared.contains(name))
        .collect();
    assert_eq!(
        undeclared,
        Vec::<&str>::new(),
        "nothing shows that these can fail"
    );
}

#[test]
fn every_mutant_has_a_case() {
    let cases = cases();
    for mutant in Mutant::ALL {
        let count = cases.iter().filter(|case| case.mutant == *mutant).count();
        assert!(count > 0, "{} is declared nowhere", mutant.name());
    }
}

/// What such configurations are there for, the coverage of edges and of fault x phase asserts; in
/// the last three nothing happens but that time passes, or that an LRM ends.
const FOR_COVERAGE: &[&str] = &[
    "l2/k1/any-",
    "l3/any-fault-",
    "l2/k1/hung-",
    "l3/run",
    "l3/shutdown",
    "l4/undisturbed",
];

#[test]
fn whatever_must_hold_must_have_something_happen() {
    let vacuous: Vec<String> = all()
        .into_iter()
        .filter(|one| one.expectation == Expectation::Holds && one.tier == Tier::Quick)
        .filter(|one| one.meets.is_empty() && one.leads().is_empty())
        .map(|one| one.name)
        .filter(|name| !FOR_COVERAGE.iter().any(|prefix| name.starts_with(prefix)))
        .collect();
    assert_eq!(
        vacuous,
        Vec::<String>::new(),
        "these name nothing that must happen"
    );
}
