//! `ratecheck completions` and `ratecheck man`.

use std::path::Path;

use super::{code, ratecheck};

pub(super) fn completions_know_the_claims() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = ratecheck(&["completions", shell], Path::new("."));
        assert_eq!(code(&output), 0, "{shell}");
        let script = String::from_utf8(output.stdout).unwrap();
        for part in ["theorem-4.2-rate", "replay", "print-config", "standard"] {
            assert!(script.contains(part) || shell != "bash" && part == "theorem-4.2-rate", "{shell}: {part}");
        }
    }
    assert_eq!(code(&ratecheck(&["completions", "tcsh"], Path::new("."))), 2);
}

pub(super) fn manual_pages_for_every_command() {
    let whole = ratecheck(&["man"], Path::new("."));
    assert_eq!(code(&whole), 0);
    let whole = String::from_utf8(whole.stdout).unwrap();
    assert!(
        whole.contains(".TH ratecheck 1") && whole.contains("ratecheck\\-verify(1)") && whole.contains("Exit codes"),
        "{whole}"
    );
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(code(&ratecheck(&["man", "--out", "man1"], directory.path())), 0);
    let help = String::from_utf8(ratecheck(&["--help"], Path::new(".")).stdout).unwrap();
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names: Vec<&str> = commands.lines().filter(|l| l.starts_with("  ") && !l.starts_with("   ")).collect();
    let names = names.iter().map(|line| line.split_whitespace().next().unwrap()).filter(|name| *name != "help");
    let mut n_pages = 1;
    for name in names {
        let page = std::fs::read_to_string(directory.path().join(format!("man1/ratecheck-{name}.1"))).unwrap();
        assert!(page.contains(&format!(".TH ratecheck-{name} 1")) && page.contains("Examples:"), "{name}: {page}");
        n_pages += 1;
    }
    assert!(n_pages > 15);
    assert_eq!(std::fs::read_dir(directory.path().join("man1")).unwrap().count(), n_pages);
    std::fs::write(directory.path().join("file"), "in the way").unwrap();
    assert_eq!(code(&ratecheck(&["man", "--out", "file/man1"], directory.path())), 6);
}
