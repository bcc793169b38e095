//! What LRMs are to leave alone, and when they are to give up.

use lockstep_model::mutation::Mutant;
use lockstep_world::property::Property;
use lockstep_world::setup::Order;
use lockstep_world::{Fault, Setup};

use super::{Case, case};
use crate::configuration::{orders, swift_kappa_one};

pub(super) fn obeyed() -> Vec<Case> {
    let rule = "orders and moves";
    let timing = swift_kappa_one();
    let one = |given: &[Order], faults: &[Fault]| orders::in_turn(&timing, given, faults);
    vec![
        case(
            Mutant::UntouchedStopped,
            rule,
            Property::ErrorUntouched,
            one(&[Order::LeaveUntouched], &[]),
        ),
        case(
            Mutant::IgnoredStopped,
            rule,
            Property::IgnoredUntouched,
            one(&[Order::Ignore], &[]),
        ),
        case(
            Mutant::StartsForEver,
            rule,
            Property::PolicyBounds,
            Setup {
                instant_agents: false,
                ..one(&[Order::Stop, Order::Start], &[Fault::AgentFails])
            },
        ),
    ]
}
