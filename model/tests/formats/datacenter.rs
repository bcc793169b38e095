//! The settings of the cluster (specification, configuration §7).

use lockstep_model::format::datacenter::{
    Fencing, Method, Millionths, Scheduler, Settings, ShutdownPolicy,
};

use super::shown;

/// What is said, beside this change of the defaults.
#[track_caller]
fn check(text: &str, expected: &[&str], change: impl FnOnce(&mut Settings)) {
    let (settings, warnings) = Settings::read("f", text).unwrap();
    let mut wanted = Settings::default();
    change(&mut wanted);
    assert_eq!(settings, wanted, "{text:?}");
    assert_eq!(shown(&warnings), expected, "{text:?}");
}

#[test]
fn every_key_is_read() {
    let text = "# a description\nkeyboard: de\nha: shutdown_policy=migrate\n crs: ha=static, \
                ha-rebalance-on-start=yes,ha-auto-rebalance=on,ha-auto-rebalance-threshold=0.05,\
                ha-auto-rebalance-method=topsis,ha-auto-rebalance-hold-duration=5,\
                ha-auto-rebalance-margin=0 \r\nmax_workers: 7\nfencing: both\n\
                notify: fencing=always,target-fencing=x\n";
    check(text, &[], |settings| {
        settings.shutdown_policy = ShutdownPolicy::Migrate;
        settings.scheduler = Scheduler::Static;
        settings.rebalance_on_start = true;
        settings.balancing.is_on = true;
        settings.balancing.threshold = Millionths(50_000);
        settings.balancing.method = Method::Topsis;
        settings.balancing.hold_rounds = Millionths(5_000_000);
        settings.balancing.margin = Millionths(0);
        settings.workers_max = 7;
        settings.fencing = Fencing::Both;
    });
    check("", &[], |_| ());
    check("crs:\nha: ,", &[], |_| ());
}

#[test]
fn lines_that_are_no_settings_are_ignored() {
    let warnings = ["ignore config line: nothing", "ignore config line: a b: c"];
    check("nothing\na b: c\nmax_workers: 1", &warnings, |settings| {
        settings.workers_max = 1;
    });
}

#[test]
fn keys_that_are_wrong_are_dropped_as_a_whole() {
    let policies = "'freeze, failover, conditional, migrate'";
    for (line, error) in [
        (
            "max_workers: 0",
            "'max_workers': value must have a minimum value of 1",
        ),
        (
            "max_workers: x",
            "'max_workers': type check ('integer') failed - got 'x'",
        ),
        (
            "max_workers:",
            "'max_workers': type check ('integer') failed - got ''",
        ),
        (
            "fencing: none",
            "'fencing': value 'none' does not have a value in the enumeration 'watchdog, hardware, both'",
        ),
        (
            "ha: shutdown_policy=odd",
            &format!(
                "'ha': shutdown_policy: value 'odd' does not have a value in the enumeration {policies}"
            ),
        ),
        ("ha: x=1", "'ha': x: unknown property type"),
        (
            "crs: ha=static,ha-rebalance-on-start=2",
            "'crs': ha-rebalance-on-start: type check ('boolean') failed - got '2'",
        ),
        (
            "crs: ha=odd",
            "'crs': ha: value 'odd' does not have a value in the enumeration 'basic, static, dynamic'",
        ),
        (
            "crs: ha=static,ha-auto-rebalance-margin=0.2",
            "'crs': ha-auto-rebalance: missing property required by 'ha-auto-rebalance-margin'",
        ),
        (
            "crs: ha-auto-rebalance=1,ha-auto-rebalance-margin=-0.2",
            "'crs': ha-auto-rebalance-margin: value must have a minimum value of 0",
        ),
    ] {
        check(line, &[&format!("parse error in 'f' - {error}")], |_| ());
    }
    let warning = "parse error in 'f' - 'max_workers': duplicate attribute";
    check("max_workers: 2\nmax_workers: 3", &[warning], |settings| {
        settings.workers_max = 2;
    });
}

#[test]
fn malformed_values_make_the_file_unreadable() {
    for (text, error) in [
        ("\ncrs: ha", "line 2: value of 'crs': 'ha' is not KEY=VALUE"),
        ("crs: ha=", "line 1: value of 'crs': 'ha=' is not KEY=VALUE"),
        (
            "ha: =freeze",
            "line 1: value of 'ha': '=freeze' is not KEY=VALUE",
        ),
        (
            "crs: ha=static,ha=basic",
            "line 1: value of 'crs': 'ha=basic' comes twice",
        ),
        (
            "notify: x",
            "line 1: value of 'notify': 'x' is not KEY=VALUE",
        ),
    ] {
        assert_eq!(Settings::read("f", text).unwrap_err().to_string(), error);
    }
}

#[test]
fn settings_of_other_origin_may_have_unknown_words() {
    let mut settings = Settings::default();
    settings.set_ha_part("shutdown_policy", "odd").unwrap();
    settings.set_crs_part("ha", "odd").unwrap();
    settings
        .set_crs_part("ha-auto-rebalance-threshold", "1")
        .unwrap();
    assert_eq!(settings.shutdown_policy.to_string(), "odd");
    assert_eq!(settings.scheduler, Scheduler::Other("odd".into()));
    assert_eq!(settings.balancing.threshold, Millionths(1_000_000));
    let refused = settings.set_crs_part("odd", "1").unwrap_err();
    assert_eq!(refused.to_string(), "odd: unknown property type");
}

#[test]
fn decimals_are_exact() {
    for (text, number) in [
        ("0", 0),
        ("-0.0", 0),
        ("3", 3_000_000),
        ("+0.3", 300_000),
        ("0.000001", 1),
        ("0.0000014", 1),
        ("0.0000015", 2),
        ("0.99999951", 1_000_000),
        ("00012.5", 12_500_000),
        ("99999999999999999999", u64::MAX),
    ] {
        assert_eq!(Millionths::parse(text), Ok(Millionths(number)), "{text}");
    }
    for text in ["", ".5", "5.", "1e3", "1.2.3", "0x1", "--1", "NaN", " 1"] {
        assert!(Millionths::parse(text).is_err(), "{text}");
    }
}

/// With six decimals both are the nearest float to the same number.
#[test]
fn ratios_are_what_their_texts_stand_for() {
    for number in (0..2_000_000_u64).step_by(7).chain([100_000, 300_000]) {
        let text = format!("{}.{:06}", number / 1_000_000, number % 1_000_000);
        let ratio = Millionths::parse(&text).unwrap().ratio();
        assert!(ratio == text.parse::<f64>().unwrap(), "{text}");
    }
}
