//! Placement: the specification's check values and traced cases, a second calculation straight
//! from its text, and what must hold for every choice.

mod cases;
mod oracle;
mod properties;
mod relations;
mod world;
