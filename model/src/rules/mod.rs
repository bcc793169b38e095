//! From affinity rules as they are written to what placement asks (specification, rules).
//!
//! Everything is on names. [`translate`] checks all enabled rules, leaves out those that contradict
//! each other or can't be met, works out what the others imply, and compiles that. Positive and
//! negative resource affinity are hard constraints; node affinity may be strict or not.
//!
//! * [`feasibility`]: seven checks, all on the same rules, each a function in a table,
//! * [`transform`]: what follows from the rules that are left,
//! * [`compile`]: the compiled form,
//! * [`groups`]: rules in place of groups, and what their migration writes,
//! * [`version`]: whether a node is new enough for that.

pub mod budget;
pub mod compile;
pub mod feasibility;
pub mod groups;
mod index;
pub mod transform;
pub mod version;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::format::rules::Rules;
use budget::Budget;
pub use budget::TooLarge;
pub use compile::Compiled;
pub use feasibility::{Dropped, Reason};

/// What becomes of a set of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translated {
    /// The rules that were left out, by id, each once for every reason, by the order of the checks.
    pub dropped: Vec<Dropped>,
    /// The rules that are left, with those that they imply. Disabled ones are among them.
    pub rules: Rules,
    /// What placement asks.
    pub compiled: Compiled,
}

/// Checks, transforms and compiles the enabled rules. `nodes` are all nodes of the cluster, online
/// or not: without any, every negative rule is left out.
///
/// The order of the rules matters only for the order numbers of those that are added: messages,
/// contents and the compiled form are the same for every order.
///
/// The checks are not repeated on what is left. Dropping a rule may join positive ones otherwise than
/// the checks saw them, or take nodes from negative ones; so it is in the reference. Placement has to
/// cope with resources that are to be together and apart.
///
/// # Errors
///
/// If the result would be out of all proportion ([`budget`]).
pub fn translate(mut rules: Rules, nodes: &BTreeSet<&str>) -> Result<Translated, TooLarge> {
    let mut budget = Budget::new();
    let dropped = feasibility::check(&rules, nodes.len(), &mut budget)?;
    for one in &dropped {
        rules.remove(&one.rule);
    }
    transform::transform(&mut rules, &mut budget)?;
    let compiled = compile::compile(&rules, nodes, &mut budget)?;
    Ok(Translated {
        dropped,
        rules,
        compiled,
    })
}
