use super::super::{ShapeOptions, Verdict};
use super::{Partitions, judge};
use crate::report::TableReport;

fn table(name: &str, rows: u64, bytes: u64, ratio: f64) -> TableReport {
    let compressed_bytes = (bytes as f64 / ratio) as u64;
    TableReport { schema: "public".into(), name: name.into(), rows, bytes, compressed_bytes, proven: false }
}

fn said(was: &[TableReport], is: &[TableReport], partitions: &Partitions) -> (Verdict, Vec<String>) {
    let said = judge(was, is, partitions, ShapeOptions::default(), "20261121T021700Z-7f3a9c");
    (said.outcome, said.findings)
}

fn outcome(was: TableReport, is: TableReport) -> Verdict {
    said(&[was], &[is], &Partitions::Unknown).0
}

const MIB: u64 = 1 << 20;

#[test]
fn rows_that_turned_into_noise_fail() {
    let text = table("notes", 1000, 10 * MIB, 4.2);
    // Encrypted bytes as hexadecimal digits, and as base64.
    assert_eq!(outcome(text.clone(), table("notes", 1000, 15 * MIB, 1.8)), Verdict::Failed);
    assert_eq!(outcome(text.clone(), table("notes", 1000, 13 * MIB, 1.3)), Verdict::Failed);
    assert_eq!(outcome(text.clone(), table("notes", 1100, 11 * MIB, 3.1)), Verdict::Passed);
    // Random numbers were noise before.
    assert_eq!(outcome(table("tokens", 1000, 10 * MIB, 1.9), table("tokens", 1200, 12 * MIB, 1.8)), Verdict::Passed);
    // What compressed extremely well may do so less well without being noise.
    assert_eq!(outcome(table("log", 1000, 10 * MIB, 20.0), table("log", 1000, 10 * MIB, 6.0)), Verdict::Passed);
    assert_eq!(outcome(table("notes", 10, MIB / 4, 4.2), table("notes", 10, MIB / 4, 1.3)), Verdict::Passed);
}

#[test]
fn a_table_that_lost_more_than_half_of_its_rows_fails() {
    let was = table("orders", 1000, 10 * MIB, 3.0);
    assert_eq!(outcome(was.clone(), table("orders", 500, 5 * MIB, 3.0)), Verdict::Passed);
    let (failed, findings) = said(&[was], &[table("orders", 499, 5 * MIB, 3.0)], &Partitions::Unknown);
    assert_eq!((failed, findings[0].as_str()), (Verdict::Failed, "public.orders shrank from 1,000 rows to 499 rows"));
}

#[test]
fn rows_that_lost_most_of_what_was_in_them_fail_and_rows_that_grew_are_told() {
    let was = table("orders", 1000, 10 * MIB, 3.0);
    assert_eq!(outcome(was.clone(), table("orders", 1000, 6 * MIB, 3.0)), Verdict::Passed);
    let (failed, findings) =
        said(std::slice::from_ref(&was), &[table("orders", 900, 4 * MIB, 3.0)], &Partitions::Unknown);
    let thinned = "the rows of public.orders had 10486 bytes on average and now have 4660";
    assert_eq!((failed, findings.as_slice()), (Verdict::Failed, &[thinned.to_owned()][..]));
    let (passed, findings) = said(&[was], &[table("orders", 1000, 20 * MIB, 3.0)], &Partitions::Unknown);
    let fattened = "the rows of public.orders had 10486 bytes on average and now have 20972";
    assert_eq!((passed, findings.as_slice()), (Verdict::Passed, &[fattened.to_owned()][..]));
}

#[test]
fn a_table_that_is_gone_fails_unless_it_was_a_partition() {
    let (gone, stays) = (table("gone", 10, 2 * MIB, 3.0), table("stays", 1000, 20 * MIB, 3.0));
    let was = [gone, stays.clone()];
    let told = |partitions| said(&was, std::slice::from_ref(&stays), &partitions);
    assert_eq!(told(Partitions::Named(Vec::new())).0, Verdict::Failed);
    let (passed, findings) = told(Partitions::Named(vec!["public.gone".into()]));
    assert_eq!(
        (passed, findings.as_slice()),
        (Verdict::Passed, &["public.gone is gone; it had 10 rows".to_owned()][..])
    );
    assert_eq!(told(Partitions::Unknown).0, Verdict::Passed);
}

#[test]
fn partitions_that_go_all_at_once_fail_as_the_loss_of_the_database_that_they_are() {
    let was = [table("a", 1000, 2 * MIB, 3.0), table("b", 1000, 2 * MIB, 3.0), table("c", 900, 2 * MIB, 3.0)];
    assert_eq!(said(&was, &was[2..], &Partitions::Unknown).0, Verdict::Failed);
}
