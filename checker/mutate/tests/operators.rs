//! What is broken in small pieces of code, and what the broken code says.

use std::collections::BTreeMap;
use std::path::Path;

use lockstep_mutate::instrument::{Instrumented, instrument, instrument_texts};

fn instrumented(body: &str) -> (Instrumented, String) {
    let text = format!("impl Machine {{ {body} }}");
    let sources = BTreeMap::from([("model/src/a.rs".to_owned(), text)]);
    let result = instrument_texts(&sources).expect("it is Rust");
    let file = result.files["model/src/a.rs"].clone();
    (result, file)
}

/// Compares the mutants of a function with those expected, as `operator: snippet`.
#[track_caller]
fn check(function: &str, expected: &[&str]) {
    let (result, _) = instrumented(function);
    let found = result
        .mutants
        .iter()
        .map(|one| format!("{}: {}", one.operator.name(), one.snippet));
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

/// Compares a function's text with switches with that expected.
#[track_caller]
fn check_text(function: &str, expected: &str) {
    let (_, text) = instrumented(function);
    assert_eq!(text, format!("impl Machine {{ {expected} }}"));
}

#[test]
fn a_condition_is_negated_with_each_of_its_links() {
    check(
        "fn f(&self) { if self.a && !self.b && (self.c || self.d()) { g(); } }",
        &[
            "negated: self.a && !self.b && (self.c || self.d())",
            "negated: (self.c || self.d())",
            "negated: self.a",
            "negated: !self.b",
            "negated: self.c",
            "negated: self.d()",
        ],
    );
    check_text(
        "fn f(&self) { while !self.a { g(); } }",
        "fn f(&self) { while crate::mutant::guard(1, !self.a) { g(); } }",
    );
}

#[test]
fn a_comparison_is_negated_and_shifted_either_way() {
    check_text(
        "fn f(&self) -> bool { self.a + 1 < self.b }",
        "fn f(&self) -> bool { crate::mutant::guard(1, \
         crate::mutant::lt(2, &(self.a + 1), &(self.b))) }",
    );
    check(
        "fn f(&self) { let late = self.at >= now; let same = self.a == self.b; }",
        &[
            "negated: self.at >= now",
            "left-plus-one: self.at >= now",
            "right-plus-one: self.at >= now",
            "negated: self.a == self.b",
        ],
    );
}

#[test]
fn patterns_that_guard_never_match() {
    check_text(
        "fn f(&self) { if let Some(a) = self.a && a.b { g(a); } }",
        "fn f(&self) { if let Some(a) = self.a && crate::mutant::pass(2) \
         && crate::mutant::guard(1, a.b) { g(a); } }",
    );
    check_text(
        "fn f(&self) -> u8 { let Some(a) = self.a else { return 7; }; a }",
        "fn f(&self) -> u8 { if !crate::mutant::pass(1) { return 7; } \
         let Some(a) = self.a else { return 7; }; a }",
    );
}

#[test]
fn match_guards_and_predicates_are_guards() {
    check(
        "fn f(&self) { match self.a { A if self.b => {} A => {} } \
         self.list.retain(|one| one.c); let d = self.list.is_empty(); }",
        &[
            "negated: self.b",
            "negated: one.c",
            "negated: self.list.is_empty()",
        ],
    );
}

#[test]
fn effects_are_dropped_and_what_is_only_said_is_not() {
    check_text(
        "fn f(&self, effects: &mut E) { effects.push(A); effects.say(B); }",
        "fn f(&self, effects: &mut E) { if crate::mutant::keep(1) { effects.push(A); } \
         effects.say(B); }",
    );
    check(
        "fn f(&self, effects: &mut E) { match a { A => self.f(effects), B => {} } out.effects.push(C) }",
        &["dropped: self.f(effects)", "dropped: out.effects.push(C)"],
    );
}

#[test]
fn a_call_whose_value_is_used_is_kept() {
    check(
        "fn f(&self, effects: &mut E) -> u8 { self.f(effects) }",
        &[],
    );
}

#[test]
fn rules_that_are_broken_by_hand_are_left_to_that() {
    check(
        "fn f(&self) { if config.broken(Mutant::A) { g(self.a && self.b); } \
         if self.c && !config.broken(Mutant::B) { g(); } }",
        &[
            "negated: self.c && !config.broken(Mutant::B)",
            "negated: self.c",
        ],
    );
}

#[test]
fn tests_invariants_and_texts_are_no_protocol() {
    check(
        "fn check(&self) -> Result<(), Violation> { if self.a { g(); } Ok(()) }",
        &[],
    );
    let text = "impl Display for A { fn fmt(&self) -> bool { self.a == self.b } } \
                #[cfg(test)] mod tests { fn f() -> bool { a == b } }";
    let sources = BTreeMap::from([("a.rs".to_owned(), text.to_owned())]);
    let result = instrument_texts(&sources).expect("it is Rust");
    assert_eq!(result.mutants, []);
    assert_eq!(result.files["a.rs"], text);
}

#[test]
fn what_asks_the_switch_is_not_constant() {
    check_text(
        "const fn f(&self) -> bool { self.a } const fn g(&self) { self.f(); }",
        "fn f(&self) -> bool { crate::mutant::guard(1, self.a) } fn g(&self) { self.f(); }",
    );
    let constant = "const fn h() -> u8 { 1 }";
    check_text(constant, constant);
}

#[test]
fn the_model_has_every_kind_of_mutant_and_each_once() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = root.ancestors().nth(2).expect("it lies in the workspace");
    let result = instrument(root).expect("the model is Rust");
    assert!(result.mutants.len() > 1_000, "{}", result.mutants.len());
    for name in ["negated", "never-matches", "left-plus-one", "dropped"] {
        let mut all = result.mutants.iter();
        assert!(all.any(|one| one.operator.name() == name), "{name}");
    }
    let mut asked: Vec<usize> = Vec::new();
    for text in result.files.values() {
        for call in text.split("crate::mutant::").skip(1) {
            let (_, rest) = call.split_once('(').expect("the switch is called");
            let number = rest.split([',', ')']).next().expect("with a number");
            asked.push(number.parse().expect("a number"));
        }
    }
    asked.sort_unstable();
    // The second number of a comparison isn't written.
    let all = (1..).zip(&result.mutants);
    let first = all.filter(|(_, one)| one.operator.name() != "right-plus-one");
    let expected: Vec<usize> = first.map(|(id, _)| id).collect();
    assert_eq!(asked, expected);
}
