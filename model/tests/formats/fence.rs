//! Fence devices (specification, configuration §8).

use lockstep_model::format::fence::FenceConfig;

use super::shown;

#[track_caller]
fn read(text: &str) -> FenceConfig {
    let (devices, warnings) = FenceConfig::read("f", text).unwrap();
    assert_eq!(shown(&warnings), [""; 0], "{text:?}");
    devices
}

/// The command of a device with these arguments, for a node without more of its own but `x`.
#[track_caller]
fn check_command(arguments: &str, expected: &str) {
    let devices = read(&format!("device d a {arguments}\nconnect d node=n x"));
    let commands = devices.commands("n", 0);
    let lines: Vec<&str> = commands.iter().map(|one| one.line.as_str()).collect();
    assert_eq!(lines, [expected], "{arguments}");
}

#[test]
fn arguments_are_split_like_a_shell_does() {
    check_command(r"a\ b", "a --a b -x");
    check_command("p=1  q=2", "a -p 1 -q 2 -x");
    check_command(r#"password="12\"345""#, r#"a --password='12"345' -x"#);
    check_command(r"pw='a\b'", r"a --pw='a\b' -x");
    check_command(r#"pw=a"b c"d'e f'"#, "a --pw='ab cde f' -x");
    check_command(r"pw=a\\b\", r"a --pw='a\b\' -x");
    check_command("'' y", "a -- -y -x");
}

#[test]
fn values_are_quoted_for_a_shell() {
    for (argument, expected) in [
        ("key", "--key"),
        ("k", "-k"),
        ("ä", "-ä"),
        ("ke=", "--ke=''"),
        ("=v", "--=v"),
        ("ke=1=2", "--ke=1"),
        ("ke=aZ0_!%+,-./:@^", "--ke=aZ0_!%+,-./:@^"),
        ("ke=ä", "--ke='ä'"),
        (r#"ke="a'b""#, r"--ke='a'\''b'"),
        (r#"ke="'""#, r"--ke=\'"),
        (r#"ke="'a""#, r"--ke=\''a'"),
        (r#"ke="a'''b""#, r#"--ke='a'"'''"'b'"#),
        (r#"ke="''""#, r#"--ke="''""#),
    ] {
        check_command(argument, &format!("a {expected} -x"));
    }
}

#[test]
fn lines_of_another_shape_are_ignored() {
    for line in [
        "device d a",
        "devices d a b",
        "connect d node=n",
        "device -d a b",
        "x",
    ] {
        let (devices, warnings) = FenceConfig::read("f", &format!("# c\n \n {line} ")).unwrap();
        assert!(devices.devices().is_empty());
        assert_eq!(shown(&warnings), [format!("f ignore line 3: {line}")]);
    }
}

#[test]
fn a_quote_that_is_not_closed_is_said_to_cost_the_arguments() {
    let text = "device d a 'b\nconnect d node=n c";
    let (devices, warnings) = FenceConfig::read("f", text).unwrap();
    assert_eq!(devices.commands("n", 0)[0].line, "a -c");
    let warning = "f line 1: a quote isn't closed, so none of the arguments counts";
    assert_eq!(shown(&warnings), [warning]);
    assert!(devices.write().is_err());
}

#[test]
fn errors_are_collected_in_the_order_of_the_checks() {
    let text = "connect d:2 x y\ndevice d a b\ndevice d:1x a b\nconnect d:2 x y\nconnect d x y\n\
                connect d xnode=n-1/ y\nconnect d node=node=n-1 y\nconnect d node=-a y\nstray";
    let errors = FenceConfig::read("f", text).unwrap_err();
    let expected = "Encountered error(s) on parsing 'f':\n\
                    line 1: device 'd' must be declared before you can connect to it\n\
                    line 3: device 'd:1' already declared\n\
                    line 4: No parallel device 'd:2' found\n\
                    line 5: node=nodename needed to connect device 'd' to node\n\
                    line 8: node=nodename needed to connect device 'd' to node";
    assert_eq!(errors.to_string(), expected);
    assert_eq!(shown(&errors.warnings), ["f ignore line 9: stray"]);
    let twice = "device d a b\nconnect d node=n-1 y\nconnect d xnode=n-1 y";
    let errors = FenceConfig::read("f", twice).unwrap_err();
    let expected = "line 3: node 'n-1' already connected to device 'd:1'";
    assert!(errors.to_string().ends_with(expected), "{errors}");
}

#[test]
fn a_device_word_has_a_name_and_a_number() {
    for (word, name, number) in [
        ("d", "d", "1"),
        ("d:0", "d", "1"),
        ("d:007x", "d", "7"),
        ("d_1:", "d_1", "1"),
        ("a-b:2", "a", "1"),
    ] {
        let devices = read(&format!("device {word} a b"));
        let device = devices.devices().get(name).unwrap();
        let numbers: Vec<&str> = device.sub_devices.keys().map(|one| one.as_str()).collect();
        assert_eq!(numbers, [number], "{word}");
    }
}

#[test]
fn sub_devices_are_in_order_of_their_numbers_as_text() {
    let lines =
        |number: u8| format!("device d:{number} a{number} b\nconnect d:{number} node=n c\n");
    let devices = read(&[10, 2, 1].map(lines).concat());
    let mut commands = devices.commands("n", 0);
    let numbers = |commands: &[_]| {
        let number = |one: &lockstep_model::format::fence::Command| one.number.to_string();
        commands.iter().map(number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&commands), ["1", "10", "2"]);
    commands.sort_by(|a, b| a.number.cmp_number(&b.number));
    assert_eq!(numbers(&commands), ["1", "2", "10"]);
}

/// §8.3: 0 counts as none, so the first device moves when it gets another part.
#[test]
fn the_first_device_moves_behind_those_before_its_second_part() {
    let back_to_back = read("device a x y\ndevice a:2 x y\ndevice b x y\ndevice c x y");
    assert_eq!(back_to_back.by_priority(), ["a", "b", "c"]);
    let later = read("device a x y\ndevice b x y\ndevice a:2 x y\ndevice c x y\ndevice b:2 x y");
    assert_eq!(later.by_priority(), ["b", "a", "c"]);
}

#[test]
fn a_try_is_the_next_device_that_is_connected_to_the_node() {
    let devices = read(
        "device a x1 y\ndevice b x2 y\ndevice c x3 y\ndevice c:2 x4 y\nconnect a node=n z\n\
         connect c node=n z\nconnect c:2 node=n z\nconnect b node=m z",
    );
    assert_eq!(devices.devices_of("n"), ["a", "c"]);
    let agents = |node, attempt| {
        let commands = devices.commands(node, attempt);
        let agent = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
        commands
            .iter()
            .map(|one| agent(&one.line))
            .collect::<Vec<_>>()
    };
    assert_eq!(agents("n", 0), ["x1"]);
    assert_eq!(agents("n", 1), ["x3", "x4"]);
    assert_eq!(agents("n", 2), [""; 0]);
    assert_eq!(agents("m", 0), ["x2"]);
    assert_eq!(agents("other", 0), [""; 0]);
}

#[test]
fn devices_are_written_with_quotes_where_they_are_needed() {
    let devices = read(
        "device b x p=1 'q r'\nconnect b node=n2 p=1 'q r'\nconnect b node=n1 z\ndevice a y z",
    );
    let written = "\ndevice b:1 x 'p=1' 'q r'\nconnect b:1 node=n1 z\nconnect b:1 node=n2 p=1 'q r'\n\
                   \ndevice a:1 y z\n";
    assert_eq!(devices.write().unwrap(), written);
    assert_eq!(read(written), devices);
}
