//! The runbook has what the alerts send people to.

use std::collections::BTreeMap;

use super::files::{RUNBOOK, alerts, dashboard, grids};

/// The sections that are about alerts, by their titles.
fn sections() -> BTreeMap<&'static str, &'static str> {
    let sections = RUNBOOK.split("\n## ").skip(1).map(|section| section.split_once('\n').unwrap());
    sections.filter(|(title, _)| !title.contains(' ')).collect()
}

#[test]
fn every_alert_has_a_section_and_every_section_an_alert() {
    let mut alerts: Vec<&str> = alerts().iter().map(|alert| alert.name).collect();
    alerts.sort_unstable();
    assert_eq!(alerts, sections().into_keys().collect::<Vec<_>>());
}

#[test]
fn every_alert_points_to_its_section() {
    for alert in alerts() {
        let link = format!("RUNBOOK.md#{}", alert.name.to_lowercase());
        assert_eq!(alert.field("runbook"), Some(link.as_str()), "{}", alert.name);
    }
}

#[test]
fn every_section_answers_the_same_questions() {
    for (alert, text) in sections() {
        for question in ["What it means", "Look first at", "What to do", "When it is wrong"] {
            assert!(text.contains(&format!("**{question}.**")), "{alert}: {question}");
        }
    }
}

/// What is in italics is the title of a panel.
#[test]
fn every_panel_that_it_names_is_in_the_dashboard() {
    let dashboard = dashboard();
    let titles: Vec<&str> =
        grids(&dashboard).concat().iter().map(|panel| panel["title"].as_str().unwrap()).collect();
    let lists = RUNBOOK.replace("\n* ", "\n").replace("**", "").replace('\n', " ");
    let mut parts = lists.split('*');
    let named: Vec<&str> = std::iter::from_fn(|| parts.nth(1)).collect();
    assert!(named.len() > 20);
    for name in named {
        assert!(titles.contains(&name), "no panel `{name}`");
    }
}
