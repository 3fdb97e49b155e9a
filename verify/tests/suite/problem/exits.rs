//! What the command says and returns for a problem file that cannot be used.

use std::process::Command;

use super::SOUND;

#[test]
fn exit_codes() {
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_ratecheck"))
            .args(arguments)
            .current_dir(directory.path())
            .output()
            .unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, message) = run(&["inspect", "--problem", "nowhere.toml"]);
    assert_eq!(code, 7);
    assert!(message.contains("nowhere.toml") && message.contains("docs/problem-file.md"), "{message}");

    std::fs::write(directory.path().join("net.toml"), SOUND.replace("epsilon", "epsilom")).unwrap();
    let (code, message) = run(&["inspect", "--problem", "net.toml"]);
    assert_eq!(
        (code, message.as_str()),
        (7, "ratecheck: net.toml:4: network.epsilom: unknown key; did you mean `epsilon`?\n")
    );

    let (start, _) = SOUND.split_once("[parameters]").unwrap();
    std::fs::write(directory.path().join("net.toml"), start).unwrap();
    let (code, message) = run(&["inspect", "--problem", "net.toml"]);
    assert_eq!(code, 7);
    assert!(message.starts_with("ratecheck: net.toml: parameters: is missing"), "{message}");

    // Two equal examples in every minibatch: nothing to divide by.
    let constant = SOUND
        .replace("\"smoothed-batch-norm\"\nepsilon = 0.1", "\"batch-norm\"")
        .replace("[[0.5, -1], [0x10, 2.5e-1], [-0.25, 0.125], [1_000.5, 3]]", "[[1, 2], [1, 2], [3, 4], [3, 4]]");
    std::fs::write(directory.path().join("net.toml"), constant).unwrap();
    let (code, message) = run(&["inspect", "--problem", "net.toml"]);
    assert_eq!(code, 7);
    assert!(message.contains("minibatch 1 of 2: layer 1, unit 1 has no spread over the minibatch"), "{message}");

    let (code, message) = run(&["inspect", "--instance", "raleigh"]);
    assert_eq!(code, 5);
    assert!(message.contains("did you mean `rayleigh`?") && message.contains("bn-regression"), "{message}");
    for usage in [&["inspect"][..], &["inspect", "--instance", "rayleigh", "--problem", "net.toml"]] {
        assert_eq!(run(usage).0, 2);
    }
}
