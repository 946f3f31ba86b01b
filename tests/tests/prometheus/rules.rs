//! The rules, as `promtool` finds them.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use tests::process::{Directory, tool};

use super::files::{RULES, RULES_TEST, alerts};

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text)).concat()
}

/// What `promtool test rules` says of these rules and tests.
fn test(promtool: &Path, rules: &str, tests: &str) -> Output {
    let directory = Directory::new("rules");
    fs::write(directory.path().join("resilience-rules.yml"), rules).unwrap();
    let path = directory.path().join("resilience-rules.test.yml");
    fs::write(&path, tests).unwrap();
    Command::new(promtool).args(["test", "rules"]).arg(path).output().unwrap()
}

#[test]
fn they_are_valid() {
    let Some(promtool) = tool("promtool") else { return };
    let directory = Directory::new("rules");
    let path = directory.path().join("rules.yml");
    fs::write(&path, RULES).unwrap();
    let mut command = Command::new(promtool);
    let output = command.args(["check", "rules", "--lint=all", "--lint-fatal"]).arg(path).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn their_own_tests_pass() {
    let Some(promtool) = tool("promtool") else { return };
    let output = test(&promtool, RULES, RULES_TEST);
    assert!(output.status.success(), "{}", said(&output));
}

/// A test of the tests: one that a broken alert passes is none.
#[test]
fn their_own_tests_notice_that_a_half_open_breaker_no_longer_counts() {
    let Some(promtool) = tool("promtool") else { return };
    // These alone, because the others take seconds.
    let (head, rest) = RULES_TEST.split_once("  # --- ErrorBudgetBurnFast").unwrap();
    let (_, rest) = rest.split_once("  # --- CircuitBreakerOpen ---").unwrap();
    let (breaker, _) = rest.split_once("  # --- ").unwrap();
    let tests = format!("{head}{breaker}");
    assert!(test(&promtool, RULES, &tests).status.success());

    let (before, alert) = RULES.split_once("- alert: CircuitBreakerOpen").unwrap();
    let conditions: Vec<&str> = alert.split("labels:").next().unwrap().split(">= 1").collect();
    assert_eq!(conditions.len(), 3, "two conditions with `>= 1`");
    for weaker in [
        alert.replacen(">= 1", ">= 2", 1),
        alert.replacen(">= 1", ">= one", 2).replacen(">= one", ">= 1", 1).replacen(">= one", ">= 2", 1),
    ] {
        assert_eq!(weaker.matches(">= 1").count() + 1, alert.matches(">= 1").count());
        let output = test(&promtool, &format!("{before}- alert: CircuitBreakerOpen{weaker}"), &tests);
        assert!(
            !output.status.success() && said(&output).contains("CircuitBreakerOpen"),
            "{}",
            said(&output)
        );
    }
}

#[test]
fn every_alert_says_what_it_has_to_and_is_tested() {
    let alerts = alerts();
    assert_eq!(alerts.len(), 9);
    for alert in alerts {
        let name = alert.name;
        assert!(matches!(alert.field("severity"), Some("page" | "ticket")), "{name} has no severity");
        let summary = alert.field("summary").unwrap();
        assert!(summary.contains("{{ $labels.pipeline }}"), "{name} does not say where: {summary}");
        assert!(alert.field("description").is_some(), "{name} is not described");
        // What it says when it fires, and a case in which it does not.
        let cases =
            RULES_TEST.split("- alertname: ").skip(1).filter(|case| case.starts_with(&format!("{name}\n")));
        let fires = cases.filter(|case| case.contains("exp_annotations")).count();
        assert!(fires > 0, "{name} is not seen to fire");
    }
}
