//! The switch itself, as it stands in the instrumented copy.

#[path = "../template/mutant.rs"]
pub mod mutant;

use mutant::{forget, ge, gt, guard, keep, le, lt, noted, pass, select};

/// What a function says with each of the mutants 0, 1 and 2 switched on.
fn with_each(ask: impl Fn() -> bool) -> [bool; 3] {
    [0, 1, 2].map(|id| {
        select(id);
        ask()
    })
}

/// One test, because one mutant is on for the whole process.
#[test]
fn each_place_is_broken_as_it_says() {
    assert_eq!(with_each(|| guard(1, true)), [true, false, true]);
    assert_eq!(with_each(|| guard(1, false)), [false, true, false]);
    assert_eq!(with_each(|| pass(1)), [true, false, true]);
    assert_eq!(with_each(|| keep(2)), [true, true, false]);
    for left in 0..5_u32 {
        for right in 0..5_u32 {
            let (more, also_more) = (left + 1, right + 1);
            assert_eq!(
                with_each(|| lt(1, &left, &right)),
                [left < right, more < right, left < also_more]
            );
            assert_eq!(
                with_each(|| le(1, &left, &right)),
                [left <= right, more <= right, left <= also_more]
            );
            assert_eq!(
                with_each(|| gt(1, &left, &right)),
                [left > right, more > right, left > also_more]
            );
            assert_eq!(
                with_each(|| ge(1, &left, &right)),
                [left >= right, more >= right, left >= also_more]
            );
        }
    }
    assert!(!with_each(|| lt(1, &Some(&u64::MAX), &Some(&u64::MAX)))[1]);

    select(0);
    forget();
    assert!(lt(3, &1_u64, &5));
    assert_eq!(
        (noted(3), noted(4), noted(5)),
        ((true, false), (true, false), (false, false))
    );
    assert!(lt(3, &4_u64, &5));
    assert_eq!((noted(3), noted(4)), ((true, true), (true, false)));
    assert!(!lt(3, &5_u64, &5));
    assert_eq!(noted(4), (true, true));
}
