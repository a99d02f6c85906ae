//! The page of a drill, in a browser.

use std::fs;
use std::path::Path;

use lifeboat_core::drill::Verdict;
use lifeboat_tests::browser::Browser;
use serde_json::Value;

use crate::recorded::Recorded;

#[test]
fn the_page_stands_alone_and_fits_every_window() {
    let recorded = Recorded::open();
    for months in 1..=13 {
        let verdict = [Verdict::Passed, Verdict::Failed, Verdict::Inconclusive][[0, 0, 0, 1, 0, 0, 2][months % 7]];
        recorded.record(&recorded.report(months as i64, verdict));
    }
    let mut last = recorded.report(14, Verdict::Failed);
    last.tables[0].name = "a_table_with_a_name_as_long_as_postgres_allows_for_its_identifiers".to_owned();
    last.checks[0].findings.push(format!("public.{}: changed", "unbroken".repeat(40)));
    recorded.record(&last);
    let page = recorded.written("html");
    let mut browser = Browser::start();
    for (width, scheme) in [(1280, "light"), (400, "dark"), (400, "light")] {
        let asked = browser.show(&page, width, scheme);
        assert_eq!(asked, Vec::<String>::new());
        keep(&browser.picture(), &format!("drill-{width}-{scheme}.png"));
        assert_eq!(browser.evaluate(OVERFLOWING), Value::Array(Vec::new()), "{width} {scheme}");
        let text = browser.evaluate("document.body.innerText");
        for said in
            ["failed", "Drill of shop", "within the target of 2h 00m", "public.orders: 1 row is missing", "History"]
        {
            assert!(text.as_str().unwrap().contains(said), "{said} is not in {text}");
        }
        let faint = browser.evaluate(FAINT);
        assert_eq!(faint, Value::Array(Vec::new()), "{width} {scheme}");
    }
    assert_eq!(browser.evaluate("document.querySelectorAll('svg rect.passed').length"), 2 * 9);
}

/// What stands out of the window, except in a table that scrolls by itself.
const OVERFLOWING: &str = "
[...document.querySelectorAll('body, body *')]
    .filter(element => !element.closest('table') && element.getBoundingClientRect().right > innerWidth + 0.5)
    .concat(document.documentElement.scrollWidth > innerWidth ? [document.documentElement] : [])
    .map(element => element.outerHTML.slice(0, 200))";

/// Text whose contrast is below 4.5 : 1.
const FAINT: &str = "
(() => {
    const light = colour => {
        const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map(Number)
            .map(part => part / 255).map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = element => {
        const colour = getComputedStyle(element).backgroundColor;
        return colour != 'rgba(0, 0, 0, 0)' ? colour : behind(element.parentElement);
    };
    return [...document.querySelectorAll('main *, footer')]
        .filter(element => !element.closest('svg') && [...element.childNodes].some(n => n.nodeType == 3 && n.data.trim()))
        .filter(element => {
            const [a, b] = [light(getComputedStyle(element).color), light(behind(element))].sort((a, b) => b - a);
            return (a + 0.05) / (b + 0.05) < 4.5;
        })
        .map(element => element.outerHTML.slice(0, 120));
})()";

/// For people to look at: under the target folder.
fn keep(picture: &[u8], name: &str) {
    fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), picture).unwrap();
}
